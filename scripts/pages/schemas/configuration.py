"""`init`, `config validate`, `config show`, `config test-connections`."""

from __future__ import annotations

from scripts.pages.schemas.shared import FINDING, FLAVOUR, VERSION
from scripts.pages.schemas.words import COUNT, FLAG, TEXT, keys, listed, maybe, one_of, said

INIT = keys(
    {
        **VERSION,
        "file": TEXT,
        "replaced": said("Whether there was one before.", FLAG),
        "account": said("The name of the accounts.", TEXT),
        "instances": listed(
            keys(
                {
                    "id": TEXT,
                    "flavour": FLAVOUR,
                    "version": said("PostgreSQL does not say it before a login.", maybe(TEXT)),
                    "answers": FLAG,
                    "socket": maybe(TEXT),
                    "host": maybe(TEXT),
                    "port": maybe(COUNT),
                    "run_by": said("The user whose process has the socket.", maybe(TEXT)),
                    "also": said("Where else the same server listens.", listed(TEXT)),
                    "accounts": said(
                        "What an administrator executes: one of these, the first that fits.",
                        listed(
                            keys(
                                {
                                    "login": one_of("socket", "password"),
                                    "statements": listed(TEXT),
                                    "remarks": listed(TEXT),
                                }
                            )
                        ),
                    ),
                }
            )
        ),
        "next": said("What is to be done then.", listed(keys({"command": TEXT, "why": TEXT}))),
    }
)
CONFIG_VALIDATE = keys(
    {
        **VERSION,
        "file": TEXT,
        "valid": {"const": True},
        "instances": listed(TEXT),
        "notes": listed(TEXT),
    }
)
CONFIG_SHOW = keys(
    {
        **VERSION,
        "file": TEXT,
        "config": said("Its keys are those of docs/configuration.md.", {"type": "object"}),
    }
)
TEST_CONNECTIONS = keys(
    {
        **VERSION,
        "instances": listed(
            keys(
                {
                    "instance": TEXT,
                    "ok": FLAG,
                    "flavour": maybe(FLAVOUR),
                    "version": maybe(TEXT),
                    "account": maybe(TEXT),
                    "tool": maybe(keys({"path": TEXT, "version": TEXT, "notes": listed(TEXT)})),
                    "databases": maybe(COUNT),
                    "findings": listed(FINDING),
                    "error": maybe(keys({"what": TEXT, "cure": maybe(TEXT), "exit_code": COUNT})),
                }
            )
        ),
        "notes": listed(TEXT),
    }
)
