"""What a backup of roles leaves out, and what it says of that."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from scripts.sample.clients import run_sql
from tests.conftest import Get
from tests.integration.postgresql_support import connected, role, whats
from tests.integration.postgresql_users_support import (
    backed_up,
    differences,
    emptied,
    psql,
    read,
    restored,
    script_of,
    taken_out,
)
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.engine import ENGINE
from vya_backupdb.errors import DumpFailed, DumpToolMissing, VerificationError
from vya_backupdb.model import Section, SectionKind
from vya_backupdb.scratch import ScratchServer

pytestmark = pytest.mark.postgresql


@pytest.fixture
def source(_servers: Get) -> Iterator[ScratchServer]:
    """A server without any roles but its own."""
    yield from emptied(_servers, "no roles")


@pytest.fixture
def empty_server(_servers: Get) -> Iterator[ScratchServer]:
    yield from emptied(_servers, "no roles, the other")


@pytest.mark.limitation("postgresql-role-passwords")
def test_without_pg_authid_passwords_are_left_out_and_that_is_said(
    source: ScratchServer, empty_server: ScratchServer
) -> None:
    run_sql(source, "CREATE ROLE app LOGIN PASSWORD 'secret'; CREATE ROLE team")
    with role(source) as reader:
        sections, notes = backed_up(source, reader)
        assert whats(notes) == [f"passwords are left out: {reader.username} may not read pg_authid"]
        assert b"SCRAM" not in script_of(sections)
    accounts = read(sections)
    assert accounts["app"].secrets == {}
    assert f"role app: it will have no password: {UNREAD}" in taken_out(restored(empty_server, sections))
    assert differences(empty_server, accounts.values()) == []


UNREAD = "the backup was made by an account that may not read any"


def test_a_backup_without_passwords_is_no_reason_to_take_one_away(source: ScratchServer) -> None:
    run_sql(source, "CREATE ROLE app LOGIN PASSWORD 'secret'")
    with role(source) as reader:
        sections, _ = backed_up(source, reader)
    before = run_sql(source, "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
    run_sql(source, "ALTER ROLE app CREATEDB")
    app = read(sections)["app"]
    with connected(source) as connector:
        accounts = connector.accounts()
        (fitted,) = accounts.fit([app])
        (present,) = accounts.present(["app"])
        for statement in accounts.alter(fitted.account, present):
            accounts.execute(statement)
    assert run_sql(source, "SELECT rolpassword, rolcreatedb FROM pg_authid WHERE rolname = 'app'") == (
        f"{before.strip()}\tf\n"
    )


def test_an_account_that_cannot_see_passwords_does_not_call_them_different(source: ScratchServer) -> None:
    run_sql(source, "CREATE ROLE app LOGIN PASSWORD 'secret'")
    sections, _ = backed_up(source)
    app = read(sections)["app"]
    with role(source, "CREATEROLE") as maker:
        assert differences(source, [app], maker) == []


@pytest.mark.limitation("postgresql-own-roles")
def test_the_servers_own_roles_are_left_out_unless_asked_for(source: ScratchServer) -> None:
    run_sql(source, "CREATE ROLE app; GRANT app TO pg_monitor; GRANT app TO postgres")
    sections, notes = backed_up(source)
    assert list(read(sections)) == ["app"]
    assert whats(notes) == [
        "granted to roles of the server's own, which are left out: app to pg_monitor; app to postgres"
    ]
    run_sql(source, "ALTER ROLE postgres SET work_mem = '5MB'; COMMENT ON ROLE postgres IS 'ours'")
    try:
        _, notes = backed_up(source)
        sections, none = backed_up(source, system=True)
    finally:
        run_sql(source, "ALTER ROLE postgres RESET ALL; COMMENT ON ROLE postgres IS NULL")
    assert whats(notes)[0] == (
        "of roles of the server's own, which are left out unless --include-system is given: "
        "postgres: comment; postgres: SET work_mem"
    )
    assert none == []
    sections, _ = backed_up(source, system=True)
    assert sorted(read(sections)) == ["app", "pg_monitor", "postgres"]
    assert read(sections)["pg_monitor"].create == ()
    assert differences(source, read(sections).values()) == []


@pytest.mark.limitation("postgresql-first-superuser")
def test_a_first_superuser_of_another_name_is_said_to_be_left_out(source: ScratchServer) -> None:
    account = Credential("helper", SecretStr("helper"))
    run_sql(source, "CREATE ROLE helper SUPERUSER LOGIN PASSWORD 'helper'")
    helper = replace(source, superuser="helper", password="helper")
    run_sql(helper, "ALTER ROLE postgres RENAME TO admin; CREATE ROLE postgres")
    try:
        sections, notes = backed_up(source, account)
        _, none = backed_up(source, account, system=True)
    finally:
        run_sql(helper, "DROP ROLE postgres; ALTER ROLE admin RENAME TO postgres")
    assert list(read(sections)) == ["helper"]
    assert whats(notes) == [
        "the first superuser is admin, not postgres; left out as the server's own: admin, postgres"
    ]
    assert none == []


def test_what_the_configuration_excludes_is_left_out_with_what_hangs_on_it(source: ScratchServer) -> None:
    run_sql(
        source,
        "CREATE ROLE app; CREATE ROLE tmp_a; CREATE ROLE tmp_b; CREATE ROLE team;"
        "COMMENT ON ROLE tmp_a IS 'x'; ALTER ROLE tmp_a SET work_mem = '5MB';"
        "GRANT tmp_b TO app;"
        "GRANT team TO tmp_a WITH ADMIN OPTION; SET ROLE tmp_a; GRANT team TO app; RESET ROLE",
    )
    sections, notes = backed_up(source, users={"exclude": ["tmp_*"]})
    assert b"tmp_" not in script_of(sections)
    assert sorted(read(sections)) == ["app", "team"]
    assert [grant.what for grant in read(sections)["app"].grants] == ["team"]
    assert sorted(whats(notes)) == [
        "memberships in roles that are left out: tmp_b to app",
        "memberships whose grantor is left out are recorded as the superuser's: team to app",
    ]


@pytest.mark.limitation("postgresql-tablespaces")
def test_tablespaces_are_named_and_not_made(source: ScratchServer) -> None:
    folder = run_sql(source, "SHOW data_directory").strip() + "_ts"
    run_sql(source, f"COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir -p -m 700 {folder}'")
    run_sql(source, f"CREATE TABLESPACE \"fast\ndisk\" LOCATION '{folder}' WITH (random_page_cost = 1)")
    run_sql(source, "COMMENT ON TABLESPACE \"fast\ndisk\" IS 'for indexes'; CREATE ROLE app")
    run_sql(source, 'GRANT CREATE ON TABLESPACE "fast\ndisk", pg_default TO app')
    try:
        sections, notes = backed_up(source)
    finally:
        run_sql(source, 'DROP TABLESPACE "fast\ndisk"; REVOKE CREATE ON TABLESPACE pg_default FROM app')
    acl = "postgres=C/postgres, app=C/postgres"
    assert whats(notes) == [
        "tablespaces are not made by the script, which only names them: fast disk",
        "privileges on tablespaces are not in the script, which only names them: "
        f"fast disk ({acl}); pg_default ({acl})",
    ]
    line = re.search(rb"^-- vya-tablespace: (.*)$", sections[0].body, re.MULTILINE)
    assert line is not None
    assert json.loads(line[1]) == {
        "name": "fast\ndisk",
        "owner": "postgres",
        "location": folder,
        "options": ["random_page_cost=1"],
        "acl": acl.split(", "),
        "comment": "for indexes",
    }


@pytest.mark.limitation("postgresql-template")
def test_what_template1_has_of_its_own_is_said(source: ScratchServer) -> None:
    assert whats(backed_up(source)[1]) == []
    run_sql(source, "CREATE ROLE app; ALTER ROLE app IN DATABASE template1 SET work_mem = '5MB'")
    run_sql(source, "REVOKE CONNECT ON DATABASE template1 FROM PUBLIC; COMMENT ON DATABASE template1 IS 'x'")
    try:
        notes = whats(backed_up(source)[1])
    finally:
        run_sql(
            source,
            "GRANT CONNECT ON DATABASE template1 TO PUBLIC; ALTER ROLE app IN DATABASE template1 RESET ALL;"
            "COMMENT ON DATABASE template1 IS 'default template for new databases'",
        )
    assert notes == ["template1 is in no backup, and has privileges and settings and a comment of its own"]
    assert whats(backed_up(source)[1]) == []


@pytest.mark.limitation("postgresql-all-roles-settings")
def test_settings_of_all_roles_are_in_the_script_and_said(
    source: ScratchServer, empty_server: ScratchServer
) -> None:
    run_sql(source, "CREATE ROLE app")
    run_sql(
        source, "ALTER ROLE ALL SET search_path = 'a b', public; ALTER ROLE ALL SET app.x = E'it''s \\\\'"
    )
    query = "SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = 0"
    try:
        wanted = run_sql(source, query)
        sections, notes = backed_up(source)
        psql(empty_server, script_of(sections))
        assert run_sql(empty_server, query) == wanted
    finally:
        for server in (source, empty_server):
            run_sql(server, "ALTER ROLE ALL RESET ALL")
    assert whats(notes) == [
        "ALTER ROLE ALL, which is no account's: in the script, but not restored: search_path, app.x"
    ]
    assert list(read(sections)) == ["app"]


@pytest.mark.limitation("postgresql-public-parameters")
def test_what_everybody_may_do_with_a_parameter_is_in_the_script_and_said(source: ScratchServer) -> None:
    if source.binaries.version_number < (15,):
        pytest.skip("parameters have privileges from PostgreSQL 15 on")
    run_sql(source, "GRANT SET ON PARAMETER log_statement TO PUBLIC")
    try:
        sections, notes = backed_up(source)
    finally:
        run_sql(source, "REVOKE SET ON PARAMETER log_statement FROM PUBLIC")
    assert b"GRANT SET ON PARAMETER log_statement TO PUBLIC;" in sections[-1].body
    assert read(sections) == {}
    assert whats(notes) == [
        "granted to PUBLIC, which is no account: in the script, but not restored: parameter log_statement"
    ]


@pytest.mark.limitation("postgresql-role-times")
def test_times_are_written_so_that_every_server_reads_them_alike(source: ScratchServer) -> None:
    run_sql(source, "CREATE ROLE late VALID UNTIL '2031-02-03 04:05:06+00'")
    with role(source, "SUPERUSER") as reader:
        for setting in ("DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Tokyo'", "client_encoding = 'LATIN1'"):
            run_sql(source, f"ALTER ROLE {reader.username} SET {setting}")
        run_sql(source, f"ALTER ROLE {reader.username} SET standard_conforming_strings = off")
        sections, _ = backed_up(source, reader)
        assert read(sections)["late"].properties == {"valid until": "2031-02-03 04:05:06+00"}
        assert differences(source, [read(sections)["late"]], reader) == []


def test_a_dump_that_is_cut_short_is_none(source: ScratchServer, tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "pg_dump"
    tool.parent.mkdir()
    version = f"PostgreSQL) {source.version}"
    tool.write_text(f"#!/bin/sh\necho 'pg_dump ({version}'\n")
    dumpall = tool.with_name("pg_dumpall")
    tool.chmod(0o755)
    with pytest.raises(DumpToolMissing, match="pg_dumpall beside"):
        backed_up(source, dump={"tool": str(tool)})
    output = "CREATE ROLE x;\n-- PostgreSQL database cluster dump complete"
    for script, error in (
        (output, None),
        ("CREATE ROLE x;", "cut short"),
        ("CREATE ROLE x;\n/*\n-- PostgreSQL database cluster dump complete", "cut short"),
        (f"DROP ROLE y;\n{output}", "not understood"),
        (f"\\! ls\n{output}", "not understood"),
        (f"GRANT a TO b; DROP ROLE z;\n{output}", "not understood"),
    ):
        (tmp_path / "script").write_text(script + "\n")
        dumpall.write_text(
            f"#!/bin/sh\n[ \"$1\" = --version ] && echo 'pg_dumpall ({version}' || cat {tmp_path}/script\n"
        )
        dumpall.chmod(0o755)
        if error is None:
            backed_up(source, dump={"tool": str(tool)})
            continue
        with pytest.raises(DumpFailed, match=error):
            backed_up(source, dump={"tool": str(tool)})


def test_what_was_granted_to_roles_that_were_made_during_the_dump_is_left_out_and_said(
    source: ScratchServer, tmp_path: Path
) -> None:
    version = f"PostgreSQL) {source.version}"
    script = "CREATE ROLE x;\nGRANT new TO x;\nGRANT x TO new;\nGRANT pg_monitor TO x;\n"
    (tmp_path / "script").write_text(script + "-- PostgreSQL database cluster dump complete\n")
    for name in ("pg_dump", "pg_dumpall"):
        tool = tmp_path / name
        tool.write_text(
            f"#!/bin/sh\n[ \"$1\" = --version ] && echo '{name} ({version}' || cat {tmp_path}/script\n"
        )
        tool.chmod(0o755)
    sections, notes = backed_up(source, dump={"tool": str(tmp_path / "pg_dump")})
    assert [grant.what for grant in read(sections)["x"].grants] == ["pg_monitor"]
    assert "new" not in read(sections)
    lost = "granted to or of roles that were made during the dump, and so left out: new to x; x to new"
    assert lost in [note.what for note in notes]


@pytest.mark.parametrize(
    "script",
    [
        "DROP ROLE x;",
        "CREATE ROLE x; \\! ls",
        "SET standard_conforming_strings = off;",
        "SET client_encoding = 'SJIS';",
        "CREATE DATABASE x;",
        "GRANT SELECT ON t TO x;",
        "CREATE ROLE x; CREATE ROLE x;",
        "CREATE ROLE x PASSWORD secret;",
        "'secret';",
        "CREATE ROLE x PASSWORD 'secret",
        "ALTER ROLE x IN DATABASE d SET a TO 'b';",
        "ALTER ROLE y SUPERUSER PASSWORD 'secret';",
        "ALTER ROLE y SET a TO 'secret';",
        "COMMENT ON ROLE y IS 'secret';",
        'CREATE ROLE "";',
        "GRANT SET ON PARAMETER work_mem TO '';",
        "CREATE ROLE z; COMMENT ON ROLE z IS E'secret\\n';",
        "CREATE ROLE z; COMMENT ON ROLE z IS E'\\'; DROP ROLE secret; --';",
    ],
)
def test_a_script_of_something_else_is_refused_without_being_quoted(script: str) -> None:
    before = Section(SectionKind.SCHEMA, b"CREATE ROLE a;\nCREATE ROLE b;\n", "a")
    section = Section(SectionKind.SCHEMA, script.encode(), "x")
    with pytest.raises(VerificationError) as caught:
        ENGINE.accounts([before, section])
    assert "secret" not in str(caught.value)
    number = 4 if script.startswith(("CREATE ROLE x; ", "CREATE ROLE z; ")) else 3
    if "ends inside" not in caught.value.what:
        assert caught.value.what.startswith(f"statement {number}: ")


def test_a_script_that_pg_dumpall_wrote_by_itself_is_read_too(source: ScratchServer) -> None:
    run_sql(source, "CREATE ROLE app; CREATE ROLE team; GRANT team TO app")
    script = b"SET client_encoding = 'UTF8';\nCREATE ROLE app;\nCREATE ROLE team;\n"
    script += b"GRANT team TO app GRANTED BY postgres;\n"
    reader = ENGINE.reader()
    sections = [*reader.feed(script + b"-- PostgreSQL database dump complete\n"), *reader.finish()]
    assert differences(source, read(sections).values()) == []


def test_a_thousand_roles_are_a_matter_of_seconds(source: ScratchServer) -> None:
    run_sql(
        source,
        "DO $$ BEGIN FOR i IN 1..1000 LOOP EXECUTE format('CREATE ROLE r%s LOGIN', i); END LOOP; END $$",
    )
    began = time.monotonic()
    sections, _ = backed_up(source)
    assert len(read(sections)) == 1000
    assert time.monotonic() - began < 6
