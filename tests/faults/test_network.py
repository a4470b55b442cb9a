"""Networks that break in the middle of a dump or a restore, with and without a word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.end_to_end.conftest import Site

from .conftest import Called
from .proxy import Mood, Proxy, point
from .runs import Kept

ROWS = 40_000
"""Some four MiB."""


@pytest.mark.parametrize("mood", ["cut", "swallows"])
def test_a_dump_over_a_network_that_breaks_fails_and_the_next_one_does_not(
    site: Site, database: str, mood: Mood, called: Callable[..., Called]
) -> None:
    site.fill(database, rows=ROWS)
    words = ("backup", "--instance", "source", "--database", database)
    kept = Kept(site, called, database)
    site.run(*words)
    kept.hold("the first one", more=1)
    with Proxy(site.source.port, then=mood, limit=2_000_000, down=True) as proxy:
        point(site, "source", proxy.port, stall_timeout="2s")
        failed = site.run(*words, code=20)
        assert proxy.reached.is_set()
        assert mood == "cut" or "sent nothing for 2s" in failed.stderr
        kept.hold("after the failure", more=0)
        assert kept.files_of_others() == []
        proxy.mend()
        site.run(*words)
        kept.hold("after it was mended", more=1)


@pytest.mark.parametrize("mood", ["cut"])
def test_a_restore_over_a_network_that_breaks_fails_and_the_next_one_does_not(
    site: Site, database: str, mood: Mood
) -> None:
    site.fill(database, rows=ROWS)
    site.backup(database)
    words = ("restore", "--instance", "source", "--database", database, "--latest")
    words = (*words, "--target-instance", "target")
    with Proxy(site.target.port, then=mood, limit=2_000_000, down=False) as proxy:
        point(site, "target", proxy.port)
        failed = site.run(*words, code=21)
        assert proxy.reached.is_set()
        assert "half loaded" in failed.stderr
        proxy.mend()
        assert "the last restore into it" in site.run(*words, code=24).stderr
        site.run(*words, "--drop", "--force")
        assert site.same(database)
