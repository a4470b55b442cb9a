"""What is refused before a restore touches its target; no server."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from vya_backupdb.engines.base import Connector
from vya_backupdb.errors import Refused
from vya_backupdb.operations.checks import refuse_system


@pytest.mark.parametrize(
    ("is_there", "told"),
    [(True, "belongs to the server itself"), (False, "was dropped while it was looked at")],
)
def test_a_database_that_goes_while_it_is_looked_at_is_not_taken_for_one_of_the_server(
    *, is_there: bool, told: str
) -> None:
    connector = Mock(Connector)
    connector.databases.return_value = []
    connector.exists.return_value = is_there
    with pytest.raises(Refused, match=told):
        refuse_system(connector, "target/shop", "shop")
