"""`prune` and `backup --prune` by the command; the rules themselves have tests without a server."""

from __future__ import annotations

from .conftest import Site


def test_a_backup_prunes_what_the_retention_does_not_keep(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    site.run("prune", code=10)
    site.run("backup", "--instance", "source", "--database", database, "--prune", code=2)
    first = site.backup(database)
    site.change_config(retention={"keep_last": 2})
    second = site.backup(database, "--prune")
    third = site.json("backup", "--instance", "source", "--database", database, "--prune")
    (pruned,) = third["pruned"]["databases"]
    assert [(each["fate"], each["id"]) for each in pruned["backups"][1:]] == [
        ("kept", second["id"]),
        ("deleted", first["id"]),
    ]
    listed = site.json("restore", "list", "--instance", "source", "--database", database)["backups"]
    assert [each["id"] for each in listed] == [third["backups"][0]["id"], second["id"]]
    assert len(site.files()) == 6


def test_a_failed_backup_prunes_nothing(site: Site, database: str) -> None:
    site.fill(database, rows=3)
    site.change_config(retention={"keep_last": 1})
    made = {site.backup(database)["id"] for _ in range(3)}
    site.write_config(dump={"timeout": "0.001s"})
    site.change_config(retention={"keep_last": 1})
    site.run("backup", "--instance", "source", "--database", database, "--prune", code=20)
    done = site.json("prune")
    assert "its newest backup failed" in done["databases"][0]["protected"]
    assert {each["fate"] for each in done["databases"][0]["backups"]} == {"kept"}
    listed = site.json("restore", "list", "--instance", "source", "--database", database)["backups"]
    assert {each["id"] for each in listed} == made
    assert "mend that first" in site.run("prune", "--dry-run").stdout
