"""A users file that somebody wrote who means harm: refused, with the statement, or read as what it says."""

from __future__ import annotations

import pytest

from vya_backupdb.engines.mysql.users.accounts import quotes_secret
from vya_backupdb.engines.mysql.users.parsing import rights_told
from vya_backupdb.engines.mysql.users.script_reading import accounts_in
from vya_backupdb.engines.mysql.users.words import UnknownStatementError
from vya_backupdb.errors import VerificationError
from vya_backupdb.model import Section, SectionKind

SECRET = b"0123456789ABCDEF0123456789ABCDEF"
A = b"CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0x" + SECRET + b";\n"
B = b"CREATE USER `b`@`%` IDENTIFIED WITH 'caching_sha2_password' AS 0x" + SECRET + b";\n"
R = b"CREATE ROLE `r`@`%`;\n"


def refusal(*parts: tuple[SectionKind, str | None, bytes]) -> str:
    with pytest.raises(VerificationError) as raised:
        accounts_in([Section(kind, body, of) for kind, of, body in parts])
    said = str(raised.value)
    assert SECRET.decode() not in said
    assert "hunter2" not in said
    return said


def of_a(body: bytes) -> str:
    """Give the refusal of the part of `a` that ends so."""
    return refusal((SectionKind.SCHEMA, "b@%", B), (SectionKind.SCHEMA, "a@%", A + body))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"DROP DATABASE shop;\n", "statement 3 (DROP DATABASE ...)"),
        (b"DROP USER `b`@`%`;\n", "statement 3 (DROP USER ...)"),
        (b"SET GLOBAL read_only = 0;\n", "statement 3 (SET GLOBAL ...)"),
        (b"SET PASSWORD FOR `b`@`%` = 'hunter2';\n", "statement 3 (SET PASSWORD FOR ...)"),
        (b"SET NAMES utf8mb4, @x = (SELECT 1);\n", "statement 3 (SET ...)"),
        (b"INSERT INTO mysql.user VALUES ('hunter2');\n", "statement 3 (INSERT INTO ...)"),
        (b"hunter2 hunter2;\n", "statement 3: "),
        (b"CREATE DATABASE evil;\n", "statement 3 (CREATE DATABASE ...)"),
        (b"CREATE USER `c`@`%` IDENTIFIED BY 'hunter2';\n", "statement 3 (CREATE USER ...)"),
        (b"CREATE USER IF NOT EXISTS `c`@`%`;\n", "statement 3 (CREATE USER ...)"),
        (b"CREATE USER `c`@`%`, `d`@`%`;\n", "statement 3 (CREATE USER ...)"),
        (b"CREATE USER `c`@`%`;\n", "it is about c@%, in the part of a@%"),
        (A, "it makes a@% a second time"),
        (b"ALTER USER `b`@`%` ACCOUNT UNLOCK;\n", "it changes b@%, which it does not make"),
        (b"ALTER USER `root`@`localhost` IDENTIFIED WITH 'x' AS 'hunter2';\n", "it changes root@localhost"),
        (b"ALTER USER `a`@`%` ACCOUNT UNLOCK, `b`@`%` ACCOUNT UNLOCK;\n", "statement 3 (ALTER USER ...)"),
        (b"GRANT ALL PRIVILEGES ON *.* TO `b`@`%`;\n", "it is about b@%, in the part of a@%"),
        (b"GRANT ALL PRIVILEGES ON *.* TO `root`@`%`;\n", "it grants to root@%, which is not in the backup"),
        (b"GRANT SELECT ON *.* TO `a`@`%`, `b`@`%`;\n", "statement 3 (GRANT SELECT ...)"),
        (b"GRANT SELECT ON *.* TO `a`@`%` IDENTIFIED BY 'hunter2';\n", "statement 3 (GRANT SELECT ...)"),
        (b"GRANT SELECT ON *.* TO `a`@`%` WITH GRANT OPTION MAX_USER_CONNECTIONS 0;\n", "statement 3"),
        (b"GRANT SELECT ON *.* TO `a`@`%` WITH ADMIN OPTION;\n", "statement 3"),
        (b"GRANT SELECT ON EVENT x `d`.`t` TO `a`@`%`;\n", "statement 3"),
        (b"GRANT SELECT ON *.* TO `a`@`%` AS `root`@`%`;\n", "statement 3"),
        (b"REVOKE `r`@`%` FROM `a`@`%`;\n", "statement 3"),
        (b"SET DEFAULT ROLE `r`@`%` TO `a`@`%`, `b`@`%`;\n", "statement 3"),
        (b"SET DEFAULT ROLE `r`@`%` TO `b`@`%`;\n", "in the part of a@%"),
        (b"/*!50000 DROP DATABASE shop */;\n", "statement 3"),
        (b"ALTER USER `a`@`%` /*!80000 ACCOUNT UNLOCK */;\n", "statement 3 (ALTER USER ...)"),
        (b"ALTER USER `a`@`%` ACCOUNT LOCK -- x\n;\n", "statement 3"),
        (b'ALTER USER "a"@"%" ACCOUNT LOCK;\n', "statement 3"),
        (b"ALTER USER `a`@`%` WITH MAX_EVERYTHING_PER_HOUR 1;\n", "statement 3"),
        (b"ALTER USER `a`@`%` PASSWORD HISTORY " + b"9" * 5000 + b";\n", "statement 3"),
        (b"ALTER USER `a\0b`@`%` ACCOUNT LOCK;\n", "statement 3"),
        (b"ALTER USER `a`@`%` ATTRIBUTE '{}' 'hunter2';\n", "statement 3"),
        (b"ALTER USER `a`@`%` IDENTIFIED WITH 'x' AS 0xhunter2;\n", "statement 3"),
        (b"ALTER USER `a`@`%` ATTRIBUTE 'hunter2;\n", "after statement 2: the script ends inside of"),
        (b"ALTER USER `a@`%` ACCOUNT LOCK;\n", "after statement 2: the script ends inside of"),
        (b"ALTER USER `a`@`%` ACCOUNT LOCK; system id\n", "after statement 3: a command for the client"),
        (b"\\! id\n", "after statement 2: "),
        (b"DELIMITER ;;\nDROP DATABASE shop;;\n", "after statement 2: a command for the client"),
    ],
)
@pytest.mark.threat("dumps-accounts")
def test_what_no_dump_of_accounts_holds_is_refused_with_the_statement(body: bytes, told: str) -> None:
    assert told in of_a(body)


def test_a_proxy_is_read_as_every_server_writes_it() -> None:
    """MariaDB 10.11.18 and before quote its names as strings, and escape nothing in them."""
    read = rights_told(b"GRANT PROXY ON ``@`%` TO `mysql`@`localhost` WITH GRANT OPTION")
    assert rights_told(b"GRANT PROXY ON ''@'%' TO 'mysql'@'localhost' WITH GRANT OPTION") == read
    for unsure in (rb"'a\b'@'%'", b"'a'b'@'%'", b"'a''b'@'%'", b"'a'@`b`", b"'a'"):
        with pytest.raises(UnknownStatementError):
            rights_told(b"GRANT PROXY ON " + unsure + b" TO 'm'@'h'")


def test_a_name_of_an_account_ends_where_it_ends() -> None:
    """What stands in quotes is a name or a string, whatever it is made of."""
    name = "a`; DROP DATABASE shop; -- */ '\" \\ \n"
    quoted = "`" + name.replace("`", "``") + "`@`%`"
    attribute = """'{"a": "; DROP\\'''\\n\\\\"}'"""
    grant = f"GRANT SELECT ON {quoted.removesuffix('@`%`')}.* TO {quoted};\n"
    body = f"CREATE USER {quoted} ATTRIBUTE {attribute};\n{grant}"
    (found,) = accounts_in([Section(SectionKind.SCHEMA, body.encode())])
    assert (found.name, found.host) == (name, "%")
    assert found.properties["attribute"] == '{"a": "; DROP\'\'\n\\"}'
    assert len(found.grants) == 1


def test_an_account_may_be_made_and_changed_in_its_own_part() -> None:
    parts = [Section(SectionKind.SCHEMA, A + b"ALTER USER `a`@`%` PASSWORD EXPIRE;\n", "a@%")]
    (found,) = accounts_in([*parts, Section(SectionKind.POST, b"GRANT SELECT ON *.* TO `a`@`%`;\n", "a@%")])
    assert found.properties["password expired"] == "yes"
    assert [grant.what for grant in found.grants] == ["SELECT ON *.*"]


@pytest.mark.parametrize(
    ("what", "quotes"),
    [
        ("Plugin 'caching_sha2_password' is not loaded", False),
        ("near '0x24412430303524414243444546...'", True),
        ("Invalid value: 'A$005$ABCDEF'", True),
        ("Invalid value: 'd secret in a str'", True),
        ("Operation CREATE USER failed for 'ABCDEFGHIJKL'@'%'", False),
    ],
)
def test_a_message_of_the_server_with_a_piece_of_a_hash_is_known(what: str, *, quotes: bool) -> None:
    statement = (
        b"CREATE USER `ABCDEFGHIJKL`@`%` IDENTIFIED WITH 'caching_sha2_password'"
        b" AS 0x24412430303524414243444546474849 ATTRIBUTE 'a quoted secret in a string'"
    )
    assert quotes_secret(what, statement) is quotes
