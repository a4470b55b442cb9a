"""What a server has that is no role's and in no dump of a database: it is told, for nothing restores it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vya_backupdb.engines.postgresql.connection import Connection
from vya_backupdb.engines.postgresql.definition import setting_values
from vya_backupdb.engines.postgresql.failures import one_line
from vya_backupdb.engines.postgresql.users.roles import PREDEFINED
from vya_backupdb.errors import few
from vya_backupdb.model import DatabaseSetting, Finding, Severity

_TABLESPACES: Final = b"""
    SELECT spcname, pg_catalog.pg_get_userbyid(spcowner), pg_catalog.pg_tablespace_location(oid), spcoptions,
        CASE WHEN granted THEN spcacl::text[] END, pg_catalog.shobj_description(oid, 'pg_tablespace')
    FROM pg_catalog.pg_tablespace, LATERAL (SELECT EXISTS (
        SELECT FROM pg_catalog.aclexplode(spcacl) WHERE grantee <> spcowner)) a (granted)
    WHERE spcname !~ '^pg_' OR granted ORDER BY 1
"""

_OF_ALL: Final = b"""
    SELECT pg_catalog.unnest(setconfig) FROM pg_catalog.pg_db_role_setting
    WHERE setdatabase = 0 AND setrole = 0
"""

_TEMPLATE: Final = b"""
    SELECT ARRAY(SELECT x::text FROM pg_catalog.unnest(datacl) x ORDER BY 1) <> ARRAY(
            SELECT pg_catalog.regexp_replace(x::text, '^=Tc/', '=c/')
            FROM pg_catalog.unnest(pg_catalog.acldefault('d', datdba)) x ORDER BY 1),
        EXISTS (SELECT FROM pg_catalog.pg_db_role_setting WHERE setdatabase = b.oid),
        pg_catalog.shobj_description(oid, 'pg_database')
            IS DISTINCT FROM 'default template for new databases'
    FROM pg_catalog.pg_database b WHERE datname = 'template1'
"""
"""initdb gives PUBLIC CONNECT, but not TEMPORARY, which other databases have by default."""


@dataclass(frozen=True)
class Beside:
    """Read once, before the roles are dumped."""

    tablespaces: Sequence[dict[str, object]]
    """Those that somebody made, or gave privileges on: what CREATE TABLESPACE, GRANT and COMMENT need."""
    settings_of_all: Sequence[tuple[str, Sequence[str]]]
    """Of ALTER ROLE ALL: they are no role's, and pg_dumpall writes none of them."""
    template: Sequence[str]
    """What template1 has of its own."""

    def findings(self) -> Iterator[Finding]:
        """Say what the script of roles only names, and what is in no backup."""
        made = [str(one["name"]) for one in self.tablespaces if not str(one["name"]).startswith(PREDEFINED)]
        if made:
            yield _warning(
                f"tablespaces are not made by the script, which only names them: {few(made)}",
                "CREATE TABLESPACE on the target before a restore of the databases that lie in them",
            )
        granted = [
            f"{one['name']} ({', '.join(acl)})"
            for one in self.tablespaces
            if isinstance(acl := one["acl"], list)
        ]
        if granted:
            yield _warning(
                f"privileges on tablespaces are not in the script, which only names them: {few(granted)}",
                "GRANT CREATE ON TABLESPACE on the target, once roles and tablespaces are there",
            )
        if self.settings_of_all:
            names = few((name for name, _ in self.settings_of_all), ", ")
            yield _warning(
                f"ALTER ROLE ALL, which is no account's: in the script, but not restored: {names}",
                "execute these statements of the script by psql, or set it for the server",
            )
        if self.template:
            yield _warning(
                f"template1 is in no backup, and has {' and '.join(self.template)} of its own",
                "keep what was done to it as a script, and execute that on a new server",
            )


def beside(connection: Connection) -> Beside:
    """Ask a server."""
    keys = ("name", "owner", "location", "options", "acl", "comment")
    entries = [DatabaseSetting(*entry.split("=", 1)) for (entry,) in connection.execute(_OF_ALL)]
    row = connection.execute(_TEMPLATE).fetchone() or ()
    words = ("privileges", "settings", "a comment")
    return Beside(
        tablespaces=[dict(zip(keys, row, strict=True)) for row in connection.execute(_TABLESPACES)],
        settings_of_all=[(setting.name, setting_values(setting)) for setting in entries],
        template=[word for word, own in zip(words, row, strict=False) if own],
    )


def _warning(what: str, cure: str) -> Finding:
    return Finding(Severity.WARNING, one_line(what), cure=one_line(cure))
