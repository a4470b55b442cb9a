"""The sample data comes back identical: dumps, row counts, object counts, settings, event states."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from scripts.sample import load, make_roles
from scripts.sample.clients import drop_database, plain_dump, run_sql
from vya_backupdb.catalog.record import read_record

from .conftest import Site

CATALOGS = {
    "postgresql": {
        "objects": "select relkind, count(*) from pg_class c join pg_namespace n on n.oid = relnamespace "
        "where nspname not like 'pg\\_%' and nspname <> 'information_schema' group by 1 order by 1",
        "triggers": "select tgname, tgenabled from pg_trigger where not tgisinternal order by 1, 2",
        "event triggers": "select evtname, evtevent, evtenabled from pg_event_trigger order by 1",
        "policies": "select polname, polcmd, polpermissive from pg_policy order by 1",
        "large objects": "select loid, md5(lo_get(loid)) from "
        "(select oid as loid from pg_largeobject_metadata) l order by 1",
        "sequences": "select schemaname, sequencename, last_value from pg_sequences order by 1, 2",
        "extensions": "select extname, extversion from pg_extension order by 1",
        "settings": "select setconfig, coalesce(rolname, '') from pg_db_role_setting s left join pg_roles r "
        "on r.oid = setrole where setdatabase = (select oid from pg_database where datname = "
        "current_database()) order by 2, 1",
        "database": "select rolname, encoding, datcollate, datctype, datconnlimit, datacl, "
        "shobj_description(d.oid, 'pg_database') from pg_database d join pg_roles r on r.oid = datdba "
        "where datname = current_database()",
    },
    "mysql": {
        "objects": "select table_type, count(*) from information_schema.tables "
        "where table_schema = database() group by 1 order by 1",
        "events": "select event_name, status, interval_value, interval_field, on_completion, definer, "
        "sql_mode, time_zone, execute_at from information_schema.events "
        "where event_schema = database() order by 1",
        "triggers": "select trigger_name, event_object_table, action_order, sql_mode, definer, "
        "action_statement from information_schema.triggers where trigger_schema = database() order by 1",
        "routines": "select routine_type, routine_name, sql_mode, definer, security_type, "
        "is_deterministic from information_schema.routines where routine_schema = database() order by 1, 2",
        "views": "select table_name, view_definition, definer, security_type, check_option from "
        "information_schema.views where table_schema = database() order by 1",
        "columns": "select table_name, column_name, column_type, column_default, extra, "
        "generation_expression, collation_name from information_schema.columns "
        "where table_schema = database() order by table_name, ordinal_position",
        "constraints": "select table_name, constraint_name, constraint_type from "
        "information_schema.table_constraints where table_schema = database() order by 1, 2",
        "partitions": "select table_name, partition_name, partition_method, partition_description from "
        "information_schema.partitions where table_schema = database() and partition_name is not null "
        "order by 1, 2",
        "database": "select default_character_set_name, default_collation_name from "
        "information_schema.schemata where schema_name = database()",
    },
}


@pytest.fixture
def sample(site: Site) -> Iterator[tuple[str, str]]:
    """The names of the sample databases on the source; the roles exist on the target."""
    names = load(site.source, f" {secrets.token_hex(3)}")
    make_roles(site.target)
    yield names
    for server in (site.source, site.target):
        for name in names:
            drop_database(server, name)


def catalogs(site: Site, where: str, database: str) -> dict[str, str]:
    server = site.source if where == "source" else site.target
    asked = CATALOGS["postgresql" if site.postgresql else "mysql"]
    return {name: run_sql(server, sql, database) for name, sql in asked.items()}


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_the_sample_data_comes_back_identical(site: Site, sample: tuple[str, str], jobs: str) -> None:
    names = [word for name in sample for word in ("--database", name)]
    document = site.json("backup", "--instance", "source", *names)
    assert [entry["ok"] for entry in document["backups"]] == [True, True]
    for name in sample:
        before = plain_dump(site.source, name)
        outcome = site.restore(name, "--jobs", jobs)
        assert outcome["changed"]
        assert outcome["rows_verified"]
        assert plain_dump(site.target, name) == before
        assert catalogs(site, "target", name) == catalogs(site, "source", name)


def test_the_metadata_counts_what_is_in_the_database(site: Site, sample: tuple[str, str]) -> None:
    site.backup(sample[0])
    (path,) = site.store.rglob("*.json")
    record = read_record(path)
    assert record.database == sample[0]
    kinds = {"table", "view", "trigger"} | (set() if site.postgresql else {"event"})
    assert all(record.contents.objects.get(kind, 0) > 0 for kind in kinds), record.contents.objects
    assert record.contents.rows > 1000
    assert record.positions or site.source.flavour == "mariadb"  # which has no binary log by default


def test_all_databases_of_all_instances_are_backed_up(site: Site, sample: tuple[str, str]) -> None:
    site.write_config(databases={"include": [name[:8] + "*" for name in sample]})
    document = site.json("backup", "--instance", "source", "--all", "--no-users")
    assert set(sample) <= {entry["database"] for entry in document["backups"]}
    assert all(entry["ok"] for entry in document["backups"])
    listed = site.json("restore", "list", "--instance", "source")["backups"]
    assert set(sample) <= {entry["database"] for entry in listed}
