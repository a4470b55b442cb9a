from __future__ import annotations

import pytest

from vya_backupdb.engines.postgresql import acl
from vya_backupdb.engines.postgresql.acl import AclItem
from vya_backupdb.errors import VerificationError


def sql_of(owner: str, wanted: list[str], present: list[str]) -> list[str]:
    return [
        (f"[{actor}] " if actor else "") + statement.as_string(None)
        for actor, statement in acl.statements("d", owner, wanted, present)
    ]


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("=Tc/postgres", AclItem(None, "postgres", "Tc", "")),
        ("postgres=CTc/postgres", AclItem("postgres", "postgres", "CTc", "")),
        ("app=c*T/me", AclItem("app", "me", "T", "c")),
        ('"o""dd, =role/s"=c/"a b"', AclItem('o"dd, =role/s', "a b", "c", "")),
        ("åäö=c/me", AclItem("åäö", "me", "c", "")),
    ],
)
def test_an_aclitem_is_taken_apart(text: str, item: AclItem) -> None:
    assert acl.parse(text) == item


@pytest.mark.parametrize("text", ["", "a=c", "a=c/", 'a=c/"b', "a=r/b", "a=c/b/c; DROP", "a=c/b=c/d"])
def test_what_is_no_privilege_of_a_database_is_refused(text: str) -> None:
    if text == "a=c/":
        assert acl.parse(text).grantor == ""
        return
    with pytest.raises(VerificationError):
        acl.parse(text)


def test_equal_privileges_need_no_statement() -> None:
    assert sql_of("me", ["me=CTc/me", "=Tc/me"], ["=Tc/me", "me=CTc/me"]) == []


def test_privileges_are_taken_away_and_granted_anew() -> None:
    assert sql_of("me", ["me=CTc/me", "app=c/me"], ["=Tc/me", "me=CTc/me", "old=c/me"]) == [
        'REVOKE ALL ON DATABASE "d" FROM PUBLIC CASCADE',
        'REVOKE ALL ON DATABASE "d" FROM "me" CASCADE',
        'REVOKE ALL ON DATABASE "d" FROM "old" CASCADE',
        'GRANT CREATE, TEMPORARY, CONNECT ON DATABASE "d" TO "me"',
        'GRANT CONNECT ON DATABASE "d" TO "app"',
    ]


def test_nobody_grants_before_he_may() -> None:
    wanted = ["c=c/b", "b=c*/a", "a=Tc*/me", "=c/me"]
    assert sql_of("me", wanted, ["me=CTc/me"])[2:] == [
        'GRANT TEMPORARY ON DATABASE "d" TO "a"',
        'GRANT CONNECT ON DATABASE "d" TO "a" WITH GRANT OPTION',
        'GRANT CONNECT ON DATABASE "d" TO PUBLIC',
        '[a] GRANT CONNECT ON DATABASE "d" TO "b" WITH GRANT OPTION',
        '[b] GRANT CONNECT ON DATABASE "d" TO "c"',
    ]


def test_a_grant_that_hangs_in_the_air_is_still_tried() -> None:
    assert sql_of("me", ["c=c/gone"], ["me=CTc/me"])[-1] == '[gone] GRANT CONNECT ON DATABASE "d" TO "c"'


def test_names_are_quoted() -> None:
    (first, *_), last = (
        sql_of('o"w', ['"x""; DROP"=c/me'], []),
        sql_of("me", ['"x"";--"=c/me'], ["me=c/me"])[-1],
    )
    assert first == 'REVOKE ALL ON DATABASE "d" FROM PUBLIC CASCADE'
    assert last == 'GRANT CONNECT ON DATABASE "d" TO "x"";--"'


def test_all_roles_are_named() -> None:
    assert acl.roles(['"a b"=c/me', "=T/other"]) == {"a b", "me", "other"}
