"""Patterns that name tables across the databases of an instance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError
from typing_extensions import Doc

from vya_backupdb.config.values import as_list, as_text

_PART: Final = re.compile(r"(?:\[!?\]?[^\]]*\]|[^.])+")
"""What stands between dots; one in brackets belongs to the name."""

_WILD: Final = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class TablePattern:
    """A shell pattern for each part of a table's name: `database.table`, `database.schema.table`.

    A dot parts; one that belongs to a name is written `[.]`, as a star that does is written `[*]`.
    """

    text: str
    database: str
    schema: str | None
    """PostgreSQL only; None: any."""
    table: str

    @classmethod
    def parse(cls, text: str) -> TablePattern:
        """Read a pattern. Raises ValueError."""
        parts = _PART.findall(text)
        if ".".join(parts) != text or len(parts) not in (2, 3):
            raise ValueError(text)
        return cls(text, parts[0], parts[1] if len(parts) == 3 else None, parts[-1])

    def __str__(self) -> str:
        return self.text

    @property
    def names_database(self) -> bool:
        """Whether it means one database by its name, and not any that a wildcard fits."""
        return not _WILD.search(self.database.replace("[.]", "."))

    def fits_database(self, database: str) -> bool:
        """Whether it speaks of tables of this database."""
        return fnmatchcase(database, self.database)

    def fits(self, database: str, table: str, schema: str | None = None) -> bool:
        """Whether it means this table, upper and lower case being different."""
        return (
            self.fits_database(database)
            and (self.schema is None or fnmatchcase(schema or "", self.schema))
            and fnmatchcase(table, self.table)
        )


def _pattern(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return TablePattern.parse(as_text(value))
    except ValueError:
        raise PydanticCustomError(
            "pattern",
            "write it as database.table or, on PostgreSQL, database.schema.table (a dot in a name is [.])",
        ) from None


_Pattern = Annotated[TablePattern, BeforeValidator(_pattern), PlainSerializer(str, return_type=str)]

TablePatternList = Annotated[
    tuple[_Pattern, ...], Doc("list of patterns `DATABASE.TABLE`"), BeforeValidator(as_list)
]
