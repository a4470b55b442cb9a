"""What of an account a server can have that is not here to be asked."""

from __future__ import annotations

import pytest

from vya_backupdb.engines.mysql.users.fitting import fit
from vya_backupdb.engines.mysql.users.here import Here
from vya_backupdb.engines.mysql.users.rights import ALL, USAGE
from vya_backupdb.engines.mysql.users.script_reading import accounts_in
from vya_backupdb.model import Fitted, Flavour, Section, SectionKind, ServerFacts, Severity

RULES = (
    b"CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' ACCOUNT LOCK PASSWORD HISTORY 6"
    b" PASSWORD REUSE INTERVAL 7 DAY PASSWORD REQUIRE CURRENT FAILED_LOGIN_ATTEMPTS 3 PASSWORD_LOCK_TIME 2"
    b" ATTRIBUTE '{}';\n"
)


def here(flavour: Flavour, *version: int) -> Here:
    said = ".".join(map(str, version))
    facts = ServerFacts("mysql", flavour, said, version, "root@localhost")
    plugins = frozenset({"caching_sha2_password", "auth_socket"})
    return Here(facts, plugins, frozenset({"SELECT", ALL, USAGE}), frozenset(), frozenset())


def fitted(script: bytes, server: Here) -> Fitted:
    (found,) = fit(accounts_in([Section(SectionKind.SCHEMA, script)]), server)
    return found


@pytest.mark.parametrize(
    ("version", "left_out"),
    [
        ((8, 0, 27), ""),
        ((8, 0, 20), "attribute"),
        ((8, 0, 18), "failed login attempts, password lock time, attribute"),
        ((8, 0, 12), "password require current, failed login attempts, password lock time, attribute"),
    ],
)
def test_an_older_mysql_is_not_told_what_it_does_not_know(version: tuple[int, ...], left_out: str) -> None:
    found = fitted(RULES, here("mysql", *version))
    said = [finding.what.partition(": ")[2] for finding in found.findings]
    assert said == ([left_out] if left_out else [])
    (made,) = found.account.create
    assert (b"ATTRIBUTE" in made) == ("attribute" not in left_out)
    assert (b"FAILED_LOGIN" in made) == ("failed" not in left_out)
    assert b"PASSWORD HISTORY 6" in made
    assert b"ACCOUNT LOCK" in made


def test_mariadb_is_not_told_what_it_does_not_know() -> None:
    found = fitted(RULES, here("mariadb", 11, 8, 9))
    (finding,) = found.findings
    assert "password history, password reuse interval, password require current" in finding.what
    (made,) = found.account.create
    assert made.endswith(b"ACCOUNT LOCK")


def test_several_factors_and_hashes_in_hexadecimal_need_a_newer_mysql() -> None:
    two = b"CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' AND IDENTIFIED WITH 'auth_socket';\n"
    assert not fitted(two, here("mysql", 8, 0, 27)).findings
    (finding,) = fitted(two, here("mysql", 8, 0, 26)).findings
    assert (finding.severity, finding.object) == (Severity.FAULT, "a@%")
    hashed = b"CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0x244124;\n"
    assert not fitted(hashed, here("mysql", 8, 0, 17)).findings
    (finding,) = fitted(hashed, here("mysql", 8, 0, 16)).findings
    assert finding.severity is Severity.FAULT


def test_a_privilege_that_a_component_brings_is_left_out_with_what_mends_it() -> None:
    script = b"CREATE ROLE `a`@`%`;\nGRANT SELECT, AUDIT_ADMIN ON *.* TO `a`@`%`;\n"
    found = fitted(script, here("mysql", 9, 7, 0))
    (finding,) = found.findings
    assert "AUDIT_ADMIN" in finding.what
    assert finding.cure is not None
    assert "component" in finding.cure
    assert [grant.what for grant in found.account.grants] == ["SELECT ON *.*"]
