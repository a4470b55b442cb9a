import json
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from vya_backupdb.catalog import journal
from vya_backupdb.catalog.journal import Journal
from vya_backupdb.errors import MissingObject, Refused, StatementFailed
from vya_backupdb.model import Account, AccountScript, Finding, Fitted, Grant, Severity
from vya_backupdb.operations.users.pending import (
    PendingGrant,
    make_pending,
    note_made,
    note_pending,
    pending_grants,
)
from vya_backupdb.operations.users.plan import Standing, choose_accounts, differences, plan_accounts


def account(name: str, *roles: str, host: str | None = None, **facts: str) -> Account:
    grants = tuple(Grant(f"role {role}", b"GRANT", role=role) for role in roles)
    return Account(name, host, "user", (b"CREATE",), grants, facts, {"password": "secret hash"})


class Server:
    """Has accounts; some statements fail."""

    def __init__(self, *accounts: Account, findings: Collection[Finding] = ()) -> None:
        self.accounts = accounts
        self.findings = tuple(findings)
        self.executed: list[bytes] = []
        self.answers: dict[bytes, Exception] = {}

    def fit(self, accounts: Sequence[Account]) -> Sequence[Fitted]:
        return [Fitted(one, self.findings) for one in accounts]

    def present(self, labels: Collection[str] | None = None) -> Sequence[Account]:
        return [one for one in self.accounts if labels is None or one.label in labels]

    def execute(self, statement: bytes) -> None:
        if statement in self.answers:
            raise self.answers[statement]
        self.executed.append(statement)

    def dump(self, *, system: bool = False) -> AccountScript:
        raise NotImplementedError

    def alter(self, wanted: Account, present: Account) -> Sequence[bytes]:
        raise NotImplementedError


# ---------------------------------------------------------------------------- who


def test_roles_are_brought_along_over_several_steps_in_the_order_of_the_script() -> None:
    script = [account("base"), account("role", "base"), account("other"), account("app", "role", host="%")]
    chosen, needed_by = choose_accounts(script, ["app"])
    assert [one.name for one in chosen] == ["base", "role", "app"]
    assert needed_by == {"role": "app@%", "base": "role"}


def test_a_name_without_host_means_all_of_that_name_and_with_one_only_that() -> None:
    script = [account("a", host="%"), account("a", host="10.%"), account("b", host="%")]
    assert [one.label for one in choose_accounts(script, ["a"])[0]] == ["a@%", "a@10.%"]
    assert [one.label for one in choose_accounts(script, ["a@10.%"])[0]] == ["a@10.%"]


def test_a_name_that_is_not_in_the_backup_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="no such user or role in the backup: nobody"):
        choose_accounts([account("a")], ["a", "nobody"])


# ---------------------------------------------------------------------------- what


@pytest.mark.parametrize(
    ("present", "standing"),
    [
        ([], Standing.CREATE),
        ([account("app", "role")], Standing.SAME),
        ([account("app", "role", locked="yes")], Standing.DIFFERS),
        ([account("app")], Standing.DIFFERS),
        ([account("app", "role", "more")], Standing.DIFFERS),
    ],
)
def test_an_account_is_compared_with_what_is_there(present: list[Account], standing: Standing) -> None:
    (one,) = plan_accounts(Server(*present), "me", [account("app", "role")], {}, ())
    assert one.standing is standing


def test_only_lacking_grants_that_are_known_to_wait_are_no_conflict() -> None:
    def standing(present: Account, *waiting: tuple[str, str]) -> Standing:
        (one,) = plan_accounts(Server(present), "me", [account("app", "role", "two")], {}, waiting)
        return one.standing

    assert standing(account("app", "two"), ("app", "role role")) is Standing.PENDING
    assert standing(account("app"), ("app", "role role")) is Standing.DIFFERS
    assert standing(account("app", "two", "three"), ("app", "role role")) is Standing.DIFFERS
    assert standing(account("app", "two", locked="yes"), ("app", "role role")) is Standing.DIFFERS
    assert standing(account("app", "two"), ("other", "role role")) is Standing.DIFFERS


def test_the_account_that_restores_is_no_conflict_whatever_it_is() -> None:
    (one,) = plan_accounts(Server(account("app", locked="yes")), "app", [account("app")], {}, ())
    assert one.standing is Standing.OWN


def test_what_the_server_cannot_have_is_impossible_or_a_note() -> None:
    fault = Finding(Severity.FAULT, "no plugin x", cure="install it")
    (one,) = plan_accounts(Server(findings=[fault]), "me", [account("app")], {}, ())
    assert one.standing is Standing.IMPOSSIBLE
    assert one.notes == ("no plugin x: install it",)
    warning = Finding(Severity.WARNING, "no privilege y")
    (one,) = plan_accounts(Server(findings=[warning]), "me", [account("app")], {}, ())
    assert one.standing is Standing.CREATE
    assert one.notes == ("no privilege y",)


def test_differences_are_readable_and_show_no_secret() -> None:
    before = Account("a", None, "user", (), (Grant("SELECT ON x", b""),), {"limit": "7"}, {"password": "H1"})
    here = Account("a", None, "role", (), (Grant("DELETE ON x", b""),), {"locked": "yes"}, {"password": "H2"})
    assert list(differences(before, here)) == [
        "a user in the backup, a role here",
        "limit: 7 in the backup, not set here",
        "locked: not set in the backup, yes here",
        "password: not the same",
        "lacks: SELECT ON x",
        "has besides: DELETE ON x",
    ]


# ---------------------------------------------------------------------------- grants that wait

WAITING = PendingGrant("app@%", "SELECT ON `shop`.`t`", "GRANT 1", "shop")
OTHER = PendingGrant("app@%", "SELECT ON `other`.`t`", "GRANT 2\udcff", "other")


def test_grants_wait_until_they_are_made(tmp_path: Path) -> None:
    assert pending_grants(Journal(tmp_path, "i")) == []
    note_pending(Journal(tmp_path, "i"), [WAITING, OTHER])
    assert pending_grants(Journal(tmp_path, "i")) == [WAITING, OTHER]
    note_made(Journal(tmp_path, "i"), [WAITING])
    assert pending_grants(Journal(tmp_path, "i")) == [OTHER]


def test_a_restore_makes_the_grants_of_its_database_and_tells_which_failed(tmp_path: Path) -> None:
    note_pending(Journal(tmp_path, "i"), [WAITING, OTHER])
    server = Server()
    server.answers[b"GRANT 1"] = MissingObject("no table")
    assert make_pending(server, Journal(tmp_path, "i"), "shop") == []
    server.answers[b"GRANT 1"] = StatementFailed("denied")
    assert make_pending(server, Journal(tmp_path, "i"), "shop") == [
        "not granted to app@%: SELECT ON `shop`.`t`: denied"
    ]
    server.answers.clear()
    (told,) = make_pending(server, Journal(tmp_path, "i"), "shop")
    assert told.startswith("granted to app@%")
    assert server.executed == [b"GRANT 1"]
    assert pending_grants(Journal(tmp_path, "i")) == [OTHER]
    make_pending(server, Journal(tmp_path, "i"), "other")
    assert server.executed[-1] == b"GRANT 2\xff"


def test_what_is_no_grant_in_a_journal_is_passed_over(tmp_path: Path) -> None:
    for grants in (None, 7, [1], [{"account": "a"}], [{**json.loads('{"x": 1}')}]):
        journal.append(tmp_path, "grants pending", {"grants": grants})
    assert pending_grants(Journal(tmp_path, "i")) == []
