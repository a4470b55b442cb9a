from __future__ import annotations

import pytest

from vya_backupdb.engines.postgresql.failures import connection_failed, one_line


def said(text: str) -> str:
    error = connection_failed(text, instance="pg", where="h:5432", user="me", database="d")
    assert error.cure
    return error.what


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("FATAL:  the database system is starting up", "takes no connections at the moment"),
        (
            "FATAL:  the database system is not yet accepting connections",
            "takes no connections at the moment",
        ),
        ("FATAL:  sorry, too many clients already", "no connection free"),
        (
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "no connection",
        ),
        ('FATAL:  too many connections for role "me"', "no connection free"),
        ("authentication method 13 not supported", "not supported here"),
        ('server certificate for "x" does not match host name "h"', "TLS failed"),
        ('private key file "/k" has group or world access', "TLS failed"),
        ("timeout expired: No route to host", "cannot be reached"),
        ('could not translate host name "x" to address: Name or service not known', "host name is not known"),
        ('FATAL:  Peer authentication failed for user "me"', "does not take this login for 'me'"),
        ('FATAL:  cannot connect to invalid database "d"', "database 'd' takes no connections"),
    ],
)
def test_a_known_cause_is_said_in_our_words(text: str, meaning: str) -> None:
    what = said(f'connection failed: connection to server at "10.0.0.1", port 5432 failed: {text}')
    assert what.startswith("pg (h:5432): ")
    assert meaning in what
    assert "\n" not in what


def test_an_unknown_or_translated_cause_is_passed_on_as_the_server_said_it() -> None:
    text = (
        'connection to server at "h" (10.0.0.1), port 5432 failed: FATAL:  Rolle »me« darf nicht\n\tHinweis'
    )
    assert said(text) == "pg (h:5432): the login failed (Rolle »me« darf nicht)"


def test_the_servers_refusal_counts_more_than_the_addresses_that_did_not_answer() -> None:
    text = (
        'connection failed: connection to server at "::1", port 5432 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?\n"
        'connection to server at "127.0.0.1", port 54 failed: FATAL:  password authentication failed for "me"'
    )
    assert "the password of 'me' is wrong" in said(text)


def test_no_text_at_all_is_still_an_error() -> None:
    assert said("") == "pg (h:5432): the login failed"


def test_one_line_is_harmless_and_bounded() -> None:
    assert one_line("a\n b\tc\x1b[31m\udce9") == "a b c\\x1b[31m\\udce9"
    assert len(one_line("x" * 10_000)) == 603
