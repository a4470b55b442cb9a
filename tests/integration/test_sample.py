"""The sample data, and the comparison that the demonstration and other tests rely on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from scripts.demo.comparison import compare, object_counts, table_states
from scripts.sample import database_names, load
from scripts.sample.clients import create_database, drop_database, plain_dump, quoted, run_sql
from tests.conftest import FLAVOURS
from vya_backupdb.scratch import ScratchServer

FAMILY = "view, function, procedure, trigger, event: enabled, event: disabled, partition, foreign key, check"
KINDS = {
    "mysql": FAMILY,
    "mariadb": f"{FAMILY}, sequence, system versioned, package, package body",
    "postgresql": """views, materialized views, sequences, partitioned tables, composite types, routines,
        operators, triggers: enabled, triggers: disabled, event triggers: enabled, event triggers: disabled,
        rules, policies, publications, large objects,
        extensions, comments, settings of the database, statistics objects""",
}


@pytest.fixture(scope="module", params=[pytest.param(f, marks=getattr(pytest.mark, f)) for f in FLAVOURS])
def sample(request: pytest.FixtureRequest) -> Iterator[tuple[ScratchServer, str]]:
    server = request.getfixturevalue(request.param)
    for name in database_names(" sample"):
        drop_database(server, name)
    shop, archive = load(server, " sample")
    yield server, shop
    for name in (shop, archive):
        drop_database(server, name)


def test_the_shop_holds_every_kind_of_object(sample: tuple[ScratchServer, str]) -> None:
    server, shop = sample
    counts = object_counts(server, shop)
    assert {kind for kind, count in counts.items() if count} >= set(re.split(r",\s+", KINDS[server.flavour]))
    assert sum(state.rows for state in table_states(server, shop).values()) > 10_000


def test_every_byte_value_is_in_the_blobs(sample: tuple[ScratchServer, str]) -> None:
    server, shop = sample
    if server.flavour == "postgresql":
        query = "SELECT encode(content, 'hex') FROM shop.product_images WHERE product_id = 6"
    else:
        query = "SELECT hex(content) FROM product_images WHERE product_id = 6"
    assert set(bytes.fromhex(run_sql(server, query, shop))) == set(range(256))


def test_a_database_equals_itself(sample: tuple[ScratchServer, str]) -> None:
    server, shop = sample
    result = compare(server, server, shop)
    assert result.differences == ()
    assert result.rows > 10_000


@pytest.fixture
def twins(server: ScratchServer, target: ScratchServer) -> Iterator[Callable[[str], tuple[str, ...]]]:
    """Make a small database on two servers, execute something on the second, give the differences."""
    name = f"twin {server.port}"
    body = (
        "CREATE TABLE t (a int primary key, b varchar(9)); INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, '');"
    )

    def differ(change: str) -> tuple[str, ...]:
        for where in (server, target):
            create_database(where, name)
            run_sql(where, body + "CREATE VIEW v AS SELECT a FROM t;", name)
        run_sql(target, change, name)
        return compare(server, target, name).differences

    yield differ
    for where in (server, target):
        drop_database(where, name)


@pytest.mark.parametrize(
    "change", ["UPDATE t SET b = '' WHERE a = 2", "DROP VIEW v", "CREATE TABLE u (a int)"]
)
def test_a_difference_is_found(twins: Callable[[str], tuple[str, ...]], change: str) -> None:
    assert twins(change)


def test_equal_rows_in_another_order_are_equal(twins: Callable[[str], tuple[str, ...]]) -> None:
    assert twins("DELETE FROM t; INSERT INTO t VALUES (3, ''), (1, 'x'), (2, NULL)") == ()


def test_a_plain_dump_says_nothing_of_time_or_place(server: ScratchServer, database: str) -> None:
    run_sql(server, "CREATE TABLE t (a int primary key)", database)
    dump = plain_dump(server, database)
    assert dump == plain_dump(server, database)
    assert str(server.port).encode() not in dump
    assert quoted(server, "t").strip('"').encode() in dump
