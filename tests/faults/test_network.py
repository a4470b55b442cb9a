"""Networks that break in the middle of a dump or a restore, with and without a word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.end_to_end.conftest import Site
from vya_backupdb.engines.mysql.wire import open_wire
from vya_backupdb.operations import watching

from .conftest import Called
from .counts import flavours
from .proxy import Mood, Proxy, point
from .runs import Kept

ROWS = 40_000
"""Some four MiB."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for two seconds where ten are usual, and look at a silent server each second."""
    monkeypatch.setattr(watching, "LOOK", 1.0)
    for module in ("connection", "connector", "dump.snapshot"):
        monkeypatch.setattr(f"vya_backupdb.engines.postgresql.{module}.CONNECT_TIMEOUT", 2)
    for module in ("connector", "failures"):
        monkeypatch.setattr(f"vya_backupdb.engines.mysql.{module}.PATIENCE", 2.0)
    monkeypatch.setitem(open_wire.__kwdefaults__ or {}, "patience", 2.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("mood", ["cut", "swallows"])
def test_a_dump_over_a_network_that_breaks_fails_and_the_next_one_does_not(
    site: Site, database: str, mood: Mood, called: Callable[..., Called]
) -> None:
    site.fill(database, rows=ROWS)
    words = ("backup", "--instance", "source", "--database", database)
    kept = Kept(site, called, database)
    assert called(site.config, *words)[0] == 0
    kept.hold("the first one", more=1)
    with Proxy(site.source.port, then=mood, limit=2_000_000, down=True) as proxy:
        point(site, "source", proxy.port, stall_timeout="2s")
        status, _, stderr = called(site.config, *words)
        assert proxy.reached.is_set()
        # 12: it was the connection beside the tool's that was seen to be cut first
        assert status == 20 or (status, mood) == (12, "cut"), stderr
        assert mood == "cut" or "sent nothing for 2s" in stderr
        kept.hold("after the failure", more=0)
        assert kept.files_of_others() == []
        proxy.mend()
        assert called(site.config, *words)[0] == 0
        kept.hold("after it was mended", more=1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("mood", ["cut", "swallows"])
@pytest.mark.parametrize("server", flavours("mysql"), indirect=True)
def test_a_restore_over_a_network_that_breaks_fails_and_the_next_one_does_not(
    site: Site, database: str, mood: Mood, called: Callable[..., Called]
) -> None:
    site.fill(database, rows=ROWS)
    site.backup(database)
    words = ("restore", "--instance", "source", "--database", database, "--latest")
    words = (*words, "--target-instance", "target")
    with Proxy(site.target.port, then=mood, limit=2_000_000, down=False) as proxy:
        point(site, "target", proxy.port)
        status, _, stderr = called(site.config, *words)
        assert (status, proxy.reached.is_set()) == (21, True), stderr
        assert "half loaded" in stderr
        assert mood == "cut" or "does not answer any more" in stderr
        proxy.mend()
        assert "the last restore into it" in called(site.config, *words)[2]
        assert called(site.config, *words, "--drop", "--force")[0] == 0
        assert site.same(database)
