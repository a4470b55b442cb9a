"""`config validate`, `config show`, `config test-connections`."""

from __future__ import annotations

from scripts.pages.schemas.shared import FINDING, FLAVOUR, VERSION
from scripts.pages.schemas.words import COUNT, FLAG, TEXT, keys, listed, maybe, said

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
