"""The DEFINERs of a mysqldump or mariadb-dump script: with whose rights its objects act."""

from __future__ import annotations

from collections.abc import Iterator

from vya_backupdb.engines.mysql.restore.restoring import parts
from vya_backupdb.engines.mysql.restore.rewriting import acts_as_definer, definer_clause
from vya_backupdb.model import Ownership, Section, SectionKind


def ownerships(section: Section) -> Iterator[Ownership]:
    """Give every DEFINER clause; without it, whoever executes the CREATE is the definer."""
    if section.kind is SectionKind.ROWS:
        return
    for part in parts(section):
        made, unit = part.meaning.definition, part.unit
        if made is None or made.verb != "CREATE" or made.definer in (None, b"CURRENT_USER"):
            continue
        text = section.body[unit.text_start : unit.text_end]
        clause = definer_clause(text, part.modes)
        if clause is None:
            continue
        role = (made.definer or b"").decode("utf-8", "surrogateescape")
        name = f"{made.kind} {made.name.decode('utf-8', 'surrogateescape')}"
        start, end = clause
        yield Ownership("owner", role, name, (unit.text_start + start, unit.text_start + end))
        if acts_as_definer(text, part.modes):
            yield Ownership("actor", role, name)
