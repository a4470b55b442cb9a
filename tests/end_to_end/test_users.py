"""Users, roles and grants, as an operator backs them up and gets them back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from scripts.sample.clients import ClientError, create_database, drop_database, run_sql
from vya_backupdb.scratch import ScratchServer

from .conftest import Site

PASSWORD = "old pass'word"
BACKUP = ("users", "backup", "--instance", "source")
RESTORE = ("users", "restore", "--instance", "source", "--target-instance", "target")


@dataclass
class Accounts:
    """A user and two roles of the source: the user has one, and that one has the other."""

    site: Site
    user: str
    role: str
    base: str

    def label(self, name: str) -> str:
        """The account as the product names it."""
        flavour = self.site.source.flavour
        is_role = name != self.user
        return name if flavour == "postgresql" or (flavour == "mariadb" and is_role) else f"{name}@%"

    @property
    def labels(self) -> list[str]:
        return [self.label(name) for name in (self.user, self.role, self.base)]

    def quoted(self, name: str) -> str:
        return f"'{name}'" if not self.site.postgresql else f'"{name}"'

    def make(self) -> None:
        user, role, base = map(self.quoted, (self.user, self.role, self.base))
        password = PASSWORD.replace("'", "''")
        if self.site.postgresql:
            script = f"""CREATE ROLE {base}; CREATE ROLE {role} CREATEDB; GRANT {base} TO {role};
                CREATE ROLE {user} LOGIN PASSWORD '{password}' CONNECTION LIMIT 7; GRANT {role} TO {user};
                ALTER ROLE {user} SET work_mem = '7MB'"""
        else:
            script = f"""CREATE ROLE {base}; CREATE ROLE {role}; GRANT {base} TO {role};
                GRANT SELECT ON *.* TO {base};
                CREATE USER {user}@'%' IDENTIFIED BY '{password}' WITH MAX_USER_CONNECTIONS 7;
                GRANT {role} TO {user}@'%'; GRANT INSERT ON `some_db`.* TO {user}@'%'"""
        run_sql(self.site.source, script)

    def change(self, server: ScratchServer) -> None:
        """Give the user another password."""
        target = self.quoted(self.user) + ("" if self.site.postgresql else "@'%'")
        verb, by = ("ROLE", "PASSWORD") if self.site.postgresql else ("USER", "IDENTIFIED BY")
        run_sql(server, f"ALTER {verb} {target} {by} 'new one'")

    def drop(self) -> None:
        for server in (self.site.source, self.site.target):
            for name in (self.user, self.role, self.base):
                role = self.site.postgresql or name != self.user
                target = self.quoted(name) + ("" if role else "@'%'")
                run_sql(server, f"DROP {'ROLE' if role else 'USER'} IF EXISTS {target}")

    def can_log_in(self, server: ScratchServer, password: str = PASSWORD) -> bool:
        try:
            database = "postgres" if self.site.postgresql else None
            run_sql(replace(server, superuser=self.user, password=password), "SELECT 1", database)
        except ClientError:
            return False
        return True

    def secrets(self) -> list[str]:
        """What the source keeps of the password, in pieces that are unmistakable."""
        query = {
            "postgresql": f"SELECT rolpassword FROM pg_authid WHERE rolname = '{self.user}'",
            "mysql": f"SELECT hex(authentication_string) FROM mysql.user WHERE user = '{self.user}'",
            "mariadb": f"SELECT authentication_string FROM mysql.user WHERE user = '{self.user}'",
        }[self.site.source.flavour]
        found = run_sql(self.site.source, query, "postgres" if self.site.postgresql else None).strip()
        assert len(found) > 30
        return [found[-20:], found[-20:].lower()]


@pytest.fixture
def accounts(site: Site) -> Iterator[Accounts]:
    mark = os.urandom(3).hex()
    made = Accounts(site, f"u_{mark}", f"r_{mark}", f"b_{mark}")
    made.make()
    yield made
    made.drop()


def wanted(accounts: Accounts) -> list[str]:
    return [word for label in accounts.labels for word in ("--user", label)]


def plans(done: Any) -> dict[str, str]:
    return {one["name"]: one["plan"] for one in done["users"]}


# ---------------------------------------------------------------------------- there and back


def test_users_come_back_with_password_roles_and_grants(site: Site, accounts: Accounts) -> None:
    (entry,) = site.json(*BACKUP)["backups"]
    assert entry["ok"]
    assert entry["database"] == "@users"
    assert entry["objects"]["user"] >= 1

    listed = site.json("users", "list", "--instance", "source")["users"]
    by_name = {one["name"]: one for one in listed}
    assert by_name[accounts.user]["kind"] == "user"
    assert by_name[accounts.role]["kind"] == "role"
    assert by_name[accounts.user]["roles"] == [accounts.label(accounts.role)]
    assert accounts.user in site.run("users", "list", "--instance", "source").stdout

    planned = site.json(*RESTORE, *wanted(accounts), "--dry-run")
    assert set(plans(planned).values()) == {"create"}
    assert not planned["changed"]
    assert not accounts.can_log_in(site.target)

    done = site.json(*RESTORE, *wanted(accounts))
    assert done["changed"]
    assert all(one["changed"] and not one["error"] for one in done["users"])
    assert accounts.can_log_in(site.target)
    assert not accounts.can_log_in(site.target, "another")

    again = site.json(*RESTORE, *wanted(accounts))
    assert set(plans(again).values()) == {"same"}, again
    assert not again["changed"]


def test_one_user_brings_the_roles_that_it_needs(site: Site, accounts: Accounts) -> None:
    site.json(*BACKUP)
    done = site.json(*RESTORE, "--user", accounts.user)
    needed = {one["name"]: one["needed_by"] for one in done["users"]}
    assert needed == {
        accounts.user: None,
        accounts.role: accounts.label(accounts.user),
        accounts.base: accounts.label(accounts.role),
    }
    assert accounts.can_log_in(site.target)
    assert "no such user or role" in site.run(*RESTORE, "--user", "nobody", code=24).stderr


def test_a_conflict_changes_nothing_unless_it_is_said(site: Site, accounts: Accounts) -> None:
    site.json(*BACKUP)
    site.json(*RESTORE, "--user", accounts.label(accounts.role))
    site.json(*RESTORE, "--user", accounts.label(accounts.user))
    accounts.change(site.target)
    label = accounts.label(accounts.user)

    failed = site.run(*RESTORE, *wanted(accounts), code=24)
    assert f"{label} is there and differs: nothing was changed" in failed.stderr
    assert "password" in failed.stdout
    assert accounts.can_log_in(site.target, "new one")

    skipped = site.json(*RESTORE, *wanted(accounts), "--on-conflict", "skip")
    assert not skipped["changed"]
    assert plans(skipped)[accounts.user] == "differs"
    assert accounts.can_log_in(site.target, "new one")

    site.run(*RESTORE, *wanted(accounts), "--on-conflict", "replace", code=24)  # nobody was asked
    assert accounts.can_log_in(site.target, "new one")
    site.json(*RESTORE, *wanted(accounts), "--on-conflict", "replace", "--force")
    assert accounts.can_log_in(site.target)
    assert set(plans(site.json(*RESTORE, *wanted(accounts))).values()) == {"same"}


def test_what_a_user_was_granted_since_is_a_difference_and_goes_when_it_is_replaced(
    site: Site, accounts: Accounts
) -> None:
    site.json(*BACKUP)
    site.json(*RESTORE, *wanted(accounts))
    user = accounts.quoted(accounts.user) + ("" if site.postgresql else "@'%'")
    more = f"GRANT pg_monitor TO {user}" if site.postgresql else f"GRANT DELETE ON other.* TO {user}"
    run_sql(site.target, more)
    planned = site.json(*RESTORE, *wanted(accounts), "--dry-run", code=24)
    (found,) = (one for one in planned["users"] if one["name"] == accounts.user)
    assert any(text.startswith("has besides: ") for text in found["differences"]), found
    site.json(*RESTORE, *wanted(accounts), "--on-conflict", "replace", "--force")
    assert set(plans(site.json(*RESTORE, *wanted(accounts))).values()) == {"same"}


# ---------------------------------------------------------------------------- what must never be


def test_no_hash_is_in_logs_plans_errors_journal_or_metadata(site: Site, accounts: Accounts) -> None:
    secrets = accounts.secrets()
    said = [site.run("--verbose", "--verbose", *BACKUP)]
    said.append(site.run("--verbose", "users", "list", "--instance", "source"))
    said.append(site.run("--verbose", *RESTORE, *wanted(accounts)))
    accounts.change(site.target)
    said.append(site.run("--verbose", "--verbose", *RESTORE, *wanted(accounts), code=24))
    said.append(site.run("-v", *RESTORE, *wanted(accounts), "--on-conflict", "replace", "--force"))
    texts = [done.stdout + done.stderr for done in said]
    texts += [path.read_text() for path in site.store.rglob("*.json*")]
    assert len(texts) > 6
    assert not any(secret in text for text in texts for secret in secrets)


def test_files_of_users_are_for_their_owner_alone(site: Site, accounts: Accounts, tmp_path: Path) -> None:
    output = tmp_path / "out" / "users.sql.gz"
    output.parent.mkdir()
    site.run(*BACKUP, "--output", str(output), env={"VYA_UMASK": "0"})
    site.run(*BACKUP)
    made = [*output.parent.iterdir(), *(path for path in site.store.rglob("@users*") if path.is_file())]
    assert len(made) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    assert "is there already" in site.run(*BACKUP, "--output", str(output), code=24).stderr
    other = output.with_name("users.bz2")
    assert "names no codec" in site.run(*BACKUP, "--output", str(other), code=24).stderr
    listed = site.json("users", "list", "--file", str(output))["users"]
    assert accounts.user in {one["name"] for one in listed}


def test_the_account_that_restores_stays_as_it_is(site: Site, accounts: Accounts) -> None:
    site.run(*BACKUP, "--include-system")
    listed = site.json("users", "list", "--instance", "source")["users"]
    own = site.target.superuser
    assert own in {one["name"] for one in listed}
    done = site.json(*RESTORE, "--user", own, "--on-conflict", "skip")
    assert "own" in {one["plan"] for one in done["users"] if one["name"] == own}
    assert run_sql(site.target, "SELECT 1", "postgres" if site.postgresql else None).strip() == "1"


def test_a_backup_of_users_is_none_of_a_database_and_the_reverse(
    site: Site, accounts: Accounts, database: str
) -> None:
    (users,) = site.json(*BACKUP)["backups"]
    done = site.run("restore", "--file", users["file"], "--target-instance", "target", code=24)
    assert "a backup of users and roles" in done.stderr
    assert "users restore" in done.stderr
    create_database(site.source, database)
    file = site.backup(database)["file"]
    done = site.run("users", "list", "--file", file, code=24)
    assert f"a backup of the database {database}, not of users" in done.stderr


# ---------------------------------------------------------------------------- with the databases


def test_all_means_users_too_unless_they_are_left_out(site: Site, accounts: Accounts, database: str) -> None:
    create_database(site.source, database)
    site.write_config(databases={"include": [database]}, users={"exclude": [f"{accounts.role}*"]})

    def backed_up(*words: str) -> list[str]:
        done = site.json("backup", "--instance", "source", *words)
        return [one["database"] for one in done["backups"]]

    assert backed_up("--all") == ["@users", database]
    assert backed_up("--all", "--no-users") == [database]
    assert backed_up("--database", database) == [database]
    assert backed_up("--database", database, "--users") == ["@users", database]
    assert backed_up("--users") == ["@users"]
    planned = site.run("backup", "--instance", "source", "--all", "--dry-run").stdout
    assert "all users and roles, without those of the server itself" in planned
    listed = site.json("users", "list", "--instance", "source")["users"]
    assert accounts.user in {one["name"] for one in listed}
    assert accounts.role not in {one["name"] for one in listed}
    assert {one["database"] for one in site.json("restore", "list")["backups"]} == {"@users", database}
    assert {one["database"] for one in site.json("restore", "list", "--database", database)["backups"]} == {
        database
    }


@pytest.mark.mysql
@pytest.mark.mariadb
def test_grants_on_what_is_not_there_wait_for_its_restore(
    site: Site, accounts: Accounts, database: str
) -> None:
    if site.postgresql:
        pytest.skip("PostgreSQL's grants on objects are in the dumps of their databases")
    create_database(site.source, database)
    run_sql(site.source, "CREATE TABLE t (id INT PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 2)", database)
    run_sql(site.source, "CREATE PROCEDURE p() SELECT 1", database)
    user = accounts.quoted(accounts.user) + "@'%'"
    run_sql(site.source, f"GRANT SELECT (id), UPDATE ON `{database}`.t TO {user}")
    run_sql(site.source, f"GRANT EXECUTE ON PROCEDURE `{database}`.p TO {user}")
    site.json(*BACKUP)
    site.backup(database)

    done = site.json(*RESTORE, *wanted(accounts))
    (found,) = (one for one in done["users"] if one["name"] == accounts.user)
    assert len(found["pending"]) == 2
    assert not found["error"]
    again = site.json(*RESTORE, *wanted(accounts))
    assert plans(again)[accounts.user] == "pending"
    assert not again["changed"]
    run_sql(site.target, f"GRANT PROCESS ON *.* TO {user}")
    skipped = site.json(*RESTORE, *wanted(accounts), "--on-conflict", "skip")
    assert plans(skipped)[accounts.user] == "differs"
    assert not skipped["changed"]
    run_sql(site.target, f"REVOKE PROCESS ON *.* FROM {user}")

    restored = site.restore(database)
    assert sum("as it was waiting" in notice for notice in restored["notices"]) == 2
    assert set(plans(site.json(*RESTORE, *wanted(accounts))).values()) == {"same"}
    login = replace(site.target, superuser=accounts.user, password=PASSWORD)
    assert run_sql(login, "SELECT id FROM t", database).strip() == "1"
    with pytest.raises(ClientError):
        run_sql(login, "SELECT a FROM t", database)


# ---------------------------------------------------------------------------- a whole instance

ALL = ("restore", "--instance", "source", "--all", "--latest", "--target-instance", "target")


@pytest.fixture
def databases(site: Site, accounts: Accounts, database: str) -> Iterator[list[str]]:
    """Two databases: what the user owns, or views and routines that name each other's databases."""
    names = [f"{database}_a", f"{database}_b"]
    for name in names:
        create_database(site.source, name)
        run_sql(site.source, "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2)", name)
        if site.postgresql:
            run_sql(site.source, f"ALTER TABLE t OWNER TO {accounts.quoted(accounts.user)}", name)
    for name, other in zip(names, reversed(names), strict=True):
        if not site.postgresql:
            user = accounts.quoted(accounts.user) + "@'%'"
            run_sql(site.source, f"CREATE PROCEDURE p() SELECT * FROM `{other}`.t", name)
            run_sql(site.source, f"GRANT SELECT ON `{name}`.t TO {user}")
    if not site.postgresql:  # restored first, and needs what is restored last
        first, last = names
        view = f"CREATE DEFINER={user} VIEW v AS SELECT * FROM `{last}`.t; GRANT SELECT ON v TO {user}"
        run_sql(site.source, view, first)
    site.write_config(databases={"include": names})
    yield names
    for name in names:
        for server in (site.source, site.target):
            drop_database(server, name)


def outcomes(done: Any) -> dict[str, bool]:
    return {one["database"]: one["ok"] for one in done["databases"]}


def test_one_command_rebuilds_an_instance_and_the_second_time_does_nothing(
    site: Site, accounts: Accounts, databases: list[str]
) -> None:
    site.json("backup", "--instance", "source", "--all")
    planned = site.json(*ALL, "--users", "--dry-run")
    assert not planned["changed"]
    assert not any(site.exists(site.target, name) for name in databases)
    shown = site.run(*ALL, "--users", "--dry-run").stdout
    assert "would be restored" in shown
    assert "create" in shown

    done = site.json(*ALL, "--users")
    assert done["changed"]
    assert outcomes(done) == dict.fromkeys(databases, True)
    assert accounts.can_log_in(site.target)
    assert all(site.same(name) for name in databases)
    if not site.postgresql:
        login = replace(site.target, superuser=accounts.user, password=PASSWORD)
        assert run_sql(login, "SELECT count(*) FROM v", databases[0]).strip() == "2"

    again = site.json(*ALL, "--users")
    assert not again["changed"]
    assert outcomes(again) == dict.fromkeys(databases, True)
    assert "restored already" in site.run(*ALL).stdout


def test_another_machine_rebuilds_it_from_a_copy_of_the_store_and_the_key_file(
    site: Site, accounts: Accounts, databases: list[str], tmp_path: Path
) -> None:
    site.json("backup", "--instance", "source", "--all")
    other = site.copied_to(tmp_path / "other machine")

    other.run("users", "restore", *ALL[1:3], "--all", *ALL[-2:])
    for name in reversed(databases):  # views of the first read the last
        other.run("restore", *ALL[1:3], "--database", name, "--latest", *ALL[-2:])
    assert all(site.same(name) for name in databases)
    assert accounts.can_log_in(site.target)
    assert not other.json(*ALL, "--users")["changed"]


def test_one_database_that_fails_does_not_stop_the_others_and_is_all_that_a_second_run_does(
    site: Site, accounts: Accounts, databases: list[str]
) -> None:
    site.json("backup", "--instance", "source", "--all")
    first, second = databases
    site.occupied(first)
    done = site.json(*ALL, "--users", code=3)
    assert outcomes(done) == {first: False, second: True}
    assert "not empty" in done["databases"][0]["error"]
    drop_database(site.target, first)
    again = site.json(*ALL, "--users")
    changed = {one["database"]: one["restore"]["changed"] for one in again["databases"]}
    assert changed == {first: True, second: False}
    assert all(site.same(name) for name in databases)


def test_a_damaged_backup_fails_for_its_database_only(
    site: Site, accounts: Accounts, databases: list[str]
) -> None:
    done = site.json("backup", "--instance", "source", "--all")
    files = {one["database"]: Path(one["file"]) for one in done["backups"]}
    damaged = bytearray(files[databases[0]].read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    files[databases[0]].write_bytes(damaged)
    done = site.json(*ALL, "--users", code=3)
    assert outcomes(done) == {databases[0]: False, databases[1]: True}
    assert not site.exists(site.target, databases[0])


def test_a_conflict_among_users_stops_all_before_anything_is_done(
    site: Site, accounts: Accounts, databases: list[str]
) -> None:
    site.json("backup", "--instance", "source", "--all")
    site.json(*RESTORE, "--all")
    accounts.change(site.target)
    done = site.run(*ALL, "--users", code=24)
    assert "is there and differs" in done.stderr
    assert not any(site.exists(site.target, name) for name in databases)


def test_what_cannot_go_together_is_a_question_of_usage(site: Site) -> None:
    usage: list[tuple[str, ...]] = [
        ("users", "restore", "--instance", "source"),
        ("users", "restore", "--instance", "source", "--all", "--user", "x"),
        ("users", "restore", "--all"),
        ("users", "list", "--instance", "source", "--file", "f"),
        ("restore", "--instance", "source", "--database", "d", "--latest", "--users"),
        ("restore", "--instance", "source", "--all"),
        ("restore", "--instance", "source", "--all", "--latest", "--table", "t"),
        ("restore", "--all", "--latest"),
        ("backup", "--instance", "source", "--database", "d", "--include-system"),
    ]
    for words in usage:
        site.run(*words, code=2)
    assert "no backup of source/@users" in site.run("users", "list", "--instance", "source", code=24).stderr
    assert "no backup of a database" in site.run(*ALL, code=24).stderr
