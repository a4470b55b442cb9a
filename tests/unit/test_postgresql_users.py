from __future__ import annotations

import re
import time

import pytest

from vya_backupdb.engines.postgresql.engine import ENGINE
from vya_backupdb.engines.postgresql.users import gathering
from vya_backupdb.engines.postgresql.users.reading import instant
from vya_backupdb.engines.postgresql.users.roles import Membership, ParameterGrant, Role, depths
from vya_backupdb.engines.postgresql.users.writing import accounts_of, role_by_statements, role_of
from vya_backupdb.model import Account, Section, SectionKind

HOSTILE = (
    "a",
    "A",
    'q"',
    "a'b",
    "a;b",
    "--",
    "/*",
    "\\",
    "\\'",
    "$$",
    "new\nline",
    "é\udce9",
    "set",
    "public",
)


def read(script: str) -> dict[str, Account]:
    return {one.label: one for one in ENGINE.accounts([Section(SectionKind.SCHEMA, script.encode())])}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_role_survives_as_statements_whatever_its_names_and_texts_are(text: str) -> None:
    role = Role(
        text,
        flags=frozenset({"LOGIN", "CREATEDB"}),
        connection_limit=0,
        valid_until="2031-02-03 04:05:06+00",
        password=f"SCRAM-SHA-256${text}",
        comment=text,
        labels=((text, text),),
        settings=(("search_path", (text, "")), (text.replace(".", ""), (text,))),
        memberships=(
            Membership(f"{text}1", admin=True, inherit=True, set=False, grantor=f"{text}2"),
            Membership(f"{text}3", inherit=False),
        ),
        parameters=(
            ParameterGrant("work_mem", ("ALTER SYSTEM", "SET"), grantable=True, grantor=f"{text}4"),
            ParameterGrant(f"app.{text}", ("SET",)),
        ),
    )
    (account,) = accounts_of([role])
    again = role_by_statements(account)
    assert role_of(account) == role
    assert accounts_of([again]) == [account]
    assert (again.name, again.comment, again.labels, again.settings, again.parameters) == (
        role.name,
        role.comment,
        role.labels,
        role.settings,
        role.parameters,
    )


def test_roles_that_are_called_as_key_words_are() -> None:
    accounts = read(
        'CREATE ROLE set; CREATE ROLE parameter; CREATE ROLE alter; CREATE ROLE system; CREATE ROLE "all";'
        "GRANT set TO parameter; GRANT alter TO system WITH ADMIN OPTION;"
        "ALTER ROLE set SET role TO 'set'; ALTER ROLE \"all\" SET role TO 'x';"
    )
    assert sorted(accounts) == ["all", "alter", "parameter", "set", "system"]
    assert [grant.what for grant in accounts["parameter"].grants] == ["set"]
    assert [grant.what for grant in accounts["system"].grants] == ["alter WITH ADMIN OPTION"]
    assert accounts["set"].properties == {"set role": "'set'"}


def test_a_membership_is_called_the_same_whichever_version_tells_of_it() -> None:
    before = read("CREATE ROLE a; CREATE ROLE b; ALTER ROLE b WITH NOINHERIT; GRANT x TO a; GRANT x TO b;")
    after = read(
        "CREATE ROLE a; CREATE ROLE b; ALTER ROLE b WITH NOINHERIT;"
        "GRANT x TO a WITH INHERIT TRUE; GRANT x TO b WITH INHERIT FALSE;"
    )
    for name, what in (("a", "x"), ("b", "x WITH INHERIT FALSE")):
        assert [grant.what for grant in before[name].grants] == [what]
        assert [grant.what for grant in after[name].grants] == [what]
        assert before[name].grants[0].statement == f'GRANT "x" TO "{name}"'.encode()


def test_grants_are_made_in_the_order_in_which_they_depend_on_each_other() -> None:
    first = Role("a", memberships=(Membership("x", admin=True), Membership("y", grantor="b")))
    second = Role("b", memberships=(Membership("y", admin=True), Membership("x", grantor="a")))
    third = Role("c", memberships=(Membership("x", grantor="elsewhere"),))
    found = depths([first, second, third])
    assert {
        (name, grant.role): depth for (name, grant), depth in found.items() if isinstance(grant, Membership)
    } == {
        ("a", "x"): 0,
        ("b", "y"): 0,
        ("a", "y"): 1,
        ("b", "x"): 1,
        ("c", "x"): 0,
    }


def test_a_circle_of_grantors_has_an_end() -> None:
    circle = [
        Role("a", memberships=(Membership("x", admin=True, grantor="b"),)),
        Role("b", memberships=(Membership("x", admin=True, grantor="a"),)),
    ]
    assert set(depths(circle).values()) == {0}


def test_passwords_of_a_script_without_them_are_not_known() -> None:
    header = Section(SectionKind.HEADER, b"-- vya-accounts: without passwords\n")
    role = Section(SectionKind.SCHEMA, b"CREATE ROLE a;")
    assert [one.secrets for one in ENGINE.accounts([header, role])] == [{}]
    assert [one.secrets for one in ENGINE.accounts([role])] == [{"password": ""}]


def test_no_secret_is_anywhere_but_where_it_belongs() -> None:
    account = read("CREATE ROLE a; ALTER ROLE a WITH LOGIN PASSWORD 'md5hash';")["a"]
    assert account.secrets == {"password": "md5hash"}
    assert "md5hash" not in repr((account.properties, account.marks, account.grants))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2031-02-03 04:05:06+00", "2031-02-03 04:05:06+00"),
        ("2031-02-03 04:05:06.5+02", "2031-02-03 02:05:06.5+00"),
        ("2031-02-03 04:05:06+05:30", "2031-02-02 22:35:06+00"),
        ("infinity", "infinity"),
        ("12031-02-03 04:05:06+00", "12031-02-03 04:05:06+00"),
        ("0099-02-03 04:05:06+00", "0099-02-03 04:05:06+00"),
        ("9999-12-31 23:59:59-05", "9999-12-31 23:59:59-05"),
    ],
)
def test_times_are_compared_in_utc(text: str, meant: str) -> None:
    assert instant(text) == meant


def test_a_long_chain_of_grantors_takes_no_long_time() -> None:
    chain = [
        Role(f"r{n}", memberships=(Membership("x", admin=True, grantor=f"r{n - 1}" if n else None),))
        for n in range(20_000)
    ]
    began = time.process_time()
    found = depths(chain)
    assert time.process_time() - began < 5
    assert max(found.values()) == 19_999


@pytest.mark.parametrize(
    "script",
    [
        "CREATE ROLE a;CREATE ROLE b;",
        "CREATE ROLE \"a;b\"; COMMENT ON ROLE \"a;b\" IS 'c;d''e';",
        "CREATE ROLE a; -- CREATE ROLE c;\nCREATE ROLE b;",
        "CREATE ROLE a /* ; */; CREATE ROLE b;",
        "CREATE ROLE a; COMMENT ON ROLE a IS E'\\\\'; CREATE ROLE b;",
        "CREATE ROLE a; COMMENT ON ROLE a IS E'x''\\\\;'; CREATE ROLE b;",
        "CREATE ROLE a$b; CREATE ROLE \"$$\"; CREATE ROLE c; COMMENT ON ROLE c IS '$$;';",
        "ALTER ROLE a CONNECTION LIMIT -1;",
        "CREATE ROLE a; /* CREATE ROLE c; /* */ CREATE ROLE d; */ CREATE ROLE b;",
    ],
)
def test_statements_are_cut_as_the_lexer_cuts_them(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = list(gathering.split(script.encode()))
    monkeypatch.setattr(gathering, "EASY", re.compile(b"(?!)"))
    assert quick == list(gathering.split(script.encode()))
