"""The roles of a server as pg_dumpall writes them, cut into sections of one role each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from vya_backupdb.config.models import Instance
from vya_backupdb.credentials.vault import Credential
from vya_backupdb.engines.postgresql.command import command
from vya_backupdb.engines.postgresql.connection import UNCONVERTED, Connection
from vya_backupdb.engines.postgresql.failures import one_line
from vya_backupdb.engines.postgresql.needed import read_passwords
from vya_backupdb.engines.postgresql.script.lexer import End, Inside, StatementLexer
from vya_backupdb.engines.postgresql.stderr import Judge
from vya_backupdb.engines.postgresql.users.beside import Beside
from vya_backupdb.engines.postgresql.users.gathering import EASY, refuse_command
from vya_backupdb.engines.postgresql.users.quoting import identifier
from vya_backupdb.engines.postgresql.users.reading import (
    PUBLIC,
    Acting,
    Attributes,
    Comment,
    Label,
    Revoked,
    Said,
    Setting,
    What,
    read,
)
from vya_backupdb.engines.postgresql.users.roles import PREDEFINED, Membership, ParameterGrant
from vya_backupdb.engines.postgresql.users.writing import acting, setting_statement
from vya_backupdb.errors import DumpFailed, VerificationError, few
from vya_backupdb.model import DumpTool, Finding, Section, SectionKind, Severity
from vya_backupdb.streams.process import Command, DumpProcess

TRAILER: Final = b"-- PostgreSQL database cluster dump complete"
"""The comment line that pg_dumpall (13 to 18) ends a whole script with."""

WITHOUT_PASSWORDS: Final = b"-- vya-accounts: without passwords"
"""A line of the header: that a role has no password in the script does not say that it has none."""

_TABLESPACE: Final = "-- vya-tablespace: "
_SETTINGS: Final = "-c datestyle=ISO -c timezone=UTC -c standard_conforming_strings=on"
"""pg_dumpall writes VALID UNTIL under the DateStyle and TimeZone of its session, and says neither."""

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Option:
    text: str
    why: str


OPTIONS: Final = (
    _Option("--roles-only", "databases are dumped one by one; tablespaces are the target's own affair"),
    _Option("--no-password", "a tool that asks for a password would wait for ever"),
)
"""What every dump of roles gets. Comments and security labels are in it by default."""

_NO_PASSWORDS: Final = _Option("--no-role-passwords", "reads pg_roles, as the account may not read pg_authid")


def encoding(connection: Connection) -> str:
    """Give the encoding in which names are read whole and can be executed anywhere."""
    own = (connection.pgconn.parameter_status(b"server_encoding") or b"").decode()
    return "SQL_ASCII" if own in UNCONVERTED else "UTF8"


@dataclass
class PostgreSQLAccountScript:
    """A dump of roles; iterated once. The order is pg_dumpall's: a role needs no other one to be made."""

    instance: Instance
    credential: Credential
    tool: DumpTool | None
    bootstrap: str
    encoding: str
    passwords: bool
    system: bool
    beside: Beside
    options: tuple[str, ...] = field(init=False)
    notes: list[Finding] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        chosen = OPTIONS if self.passwords else (*OPTIONS, _NO_PASSWORDS)
        self.options = (
            *(option.text for option in chosen),
            f"--encoding={self.encoding}",
            f"--database={self.instance.maintenance_database}",
        )
        if not self.passwords:
            account = self.credential.username
            self._note(
                f"passwords are left out: {account} may not read pg_authid",
                cure=f"{read_passwords(account)}, or back up as a superuser",
            )
        self.notes += self.beside.findings()

    def __iter__(self) -> Iterator[Section]:
        """Dump. Raises DumpFailed."""
        if self.tool is None:
            raise TypeError("roles are dumped by a tool")
        judge = Judge("pg_dumpall")
        with command(
            self.tool,
            self.options,
            self.instance,
            self.credential,
            self.instance.maintenance_database,
            judge=judge,
            settings=_SETTINGS,
        ) as called:
            yield from self._sections(called)

    def _sections(self, called: Command) -> Iterator[Section]:
        process = DumpProcess(
            called, stall_timeout=self.instance.dump.stall_timeout, timeout=self.instance.dump.timeout
        )
        cutter = _Cutter(self._takes, self._is_system, self.bootstrap)
        cutter.header += self._header_comments()
        for name, values in self.beside.settings_of_all:
            cutter.footer += setting_statement(None, name, values) + b";\n"
        with process:
            try:
                for text in _statements(process):
                    yield from cutter.take(text)
            except VerificationError as error:
                raise DumpFailed(
                    f"pg_dumpall has written what is not understood: {error.what}",
                    cure="is it of an older minor version than the server? Update both",
                ) from error
            yield from cutter.finish()
        for line in process.warnings:
            self._note(line)
        self.notes += cutter.notes()

    def _is_system(self, name: str) -> bool:
        return not self.system and (name in (self.bootstrap, "postgres") or name.startswith(PREDEFINED))

    def _takes(self, name: str) -> bool:
        return not self._is_system(name) and self.instance.users.take(name)

    def _header_comments(self) -> bytes:
        lines = [] if self.passwords else [WITHOUT_PASSWORDS]
        lines += [(_TABLESPACE + json.dumps(tablespace)).encode() for tablespace in self.beside.tablespaces]
        return b"".join(line + b"\n" for line in lines)

    def _note(self, what: str, cure: str | None = None) -> None:
        self.notes.append(Finding(Severity.WARNING, one_line(what), cure=cure and one_line(cure)))


def _statements(process: DumpProcess) -> Iterator[bytes]:
    """Give the statements of the tool's output. Raises DumpFailed where it is not whole."""
    lexer, buffer = StatementLexer(), bytearray()
    final = False
    while not final:
        chunk = process.read(_CHUNK)
        final = not chunk
        buffer += chunk
        begin = 0
        while True:
            fresh = lexer.start is None and lexer.inside is Inside.STATEMENT
            if fresh and (easy := EASY.match(buffer, lexer.position)) is not None:
                yield bytes(easy[1])
                begin = easy.end()
                lexer.begin(begin)
                continue
            if (end := lexer.scan(buffer, final)) is None:
                break
            start = lexer.start if lexer.start is not None else lexer.meta_command
            text = bytes(buffer[start : lexer.position])
            if end is End.META_COMMAND:
                refuse_command(text)
            yield text
            begin = lexer.position
            lexer.begin(begin)
        if not final:
            del buffer[:begin]
            lexer.shift(begin)
        else:
            rest = bytes(buffer[begin:])
    if lexer.start is not None or lexer.inside is not Inside.STATEMENT or TRAILER not in rest.splitlines():
        raise DumpFailed(
            "the output of pg_dumpall is cut short: its last line is missing",
            cure="look at the server's log, and try again",
        )


_OWN: Final = "of roles of the server's own, which are left out unless --include-system is given"


class _Cutter:
    """Cuts statements into sections, without those about roles that are left out."""

    def __init__(
        self, takes: Callable[[str], bool], is_system: Callable[[str], bool], bootstrap: str
    ) -> None:
        self._takes = takes
        self._is_system = is_system
        self._bootstrap = bootstrap
        self.header = bytearray()
        self.footer = bytearray()
        self._body = bytearray()
        self._largest = 0
        self._place: tuple[SectionKind, str] | None = None
        self._in_header = True
        self._acting: str | None = None
        self._lost: dict[str, list[str]] = {}
        self._created: set[str] = set()
        self._others: list[str] = []
        """Roles of the server's own that other servers lack."""

    def take(self, text: bytes) -> Iterator[Section]:
        """Take the next statement, and give the section that is complete with it."""
        if text.startswith(b"\\"):
            (self.header if text.startswith(b"\\restrict") else self.footer).extend(text)
            return
        said = read(text)
        if isinstance(said, Acting):
            self._acting = said.role
            return
        if said is None:
            if not self._in_header:
                raise VerificationError("a setting of the session among the roles")
            self.header += text + b"\n"
            return
        kept = self._kept(said, text)
        if kept is None:
            return
        kind = SectionKind.POST if isinstance(said.what, Membership | ParameterGrant) else SectionKind.SCHEMA
        if self._place != (kind, said.role):
            yield from self._cut()
            self._place = kind, said.role
        self._body += kept + b"\n"
        self._largest = max(self._largest, len(kept))

    def finish(self) -> Iterator[Section]:
        """Give the last sections."""
        yield from self._cut()
        self.footer += TRAILER + b"\n"
        yield Section(SectionKind.FOOTER, bytes(self.footer))

    def _cut(self) -> Iterator[Section]:
        if self._in_header:
            self._in_header = False
            yield Section(SectionKind.HEADER, bytes(self.header))
        if self._place is not None:
            kind, name = self._place
            yield Section(kind, bytes(self._body), name, largest_statement=self._largest)
        self._place, self._largest = None, 0
        self._body.clear()

    def _kept(self, said: Said, text: bytes) -> bytes | None:
        """Give the statement as it goes into the script; None: it is left out."""
        what = said.what
        if isinstance(what, Attributes):
            self._created.add(said.role)
        if said.role == PUBLIC and isinstance(what, ParameterGrant):
            self._lose("granted to PUBLIC, which is no account: in the script, but not restored", what)
            self.footer += text + b"\n"
            return None
        if isinstance(what, Revoked):
            return None
        if not self._takes(said.role):
            if self._is_system(said.role):
                self._leave_out(said.role, what)
            return None
        if isinstance(what, Membership | ParameterGrant) and not self._is_whole(said.role, what):
            self._lose(
                "granted to or of roles that were made during the dump, and so left out", what, said.role
            )
            return None
        if isinstance(what, ParameterGrant):
            if self._acting is not None and not self._takes(self._acting):
                self._lose("granted by roles that are left out", what, said.role)
                return None
            statement = acting(self._acting, text.rstrip(b"; \n"))
            return statement + b";"
        if not isinstance(what, Membership):
            return text
        if not self._takes(what.role) and not self._is_system(what.role):
            self._lose("memberships in roles that are left out", what, said.role)
            return None
        if what.grantor is None or (what.grantor != self._bootstrap and self._takes(what.grantor)):
            return text
        if what.grantor != self._bootstrap:
            self._lose(
                "memberships whose grantor is left out are recorded as the superuser's", what, said.role
            )
        return _without_grantor(text, what.grantor)

    def _leave_out(self, name: str, what: What) -> None:
        """Remember what is left out with a role of the server's own."""
        match what:
            case Membership() | ParameterGrant():
                self._lose("granted to roles of the server's own, which are left out", what, name)
            case Setting():
                self._note(_OWN, f"{name}: SET {what.name}")
            case Comment() | Label():
                self._note(_OWN, f"{name}: {type(what).__name__.lower()}")
            case Attributes(creates=True) if self._bootstrap != "postgres":
                self._others.append(name)
            case _:
                pass

    def _is_whole(self, role: str, what: Membership | ParameterGrant) -> bool:
        """Whether the roles of a grant are in the script: pg_dumpall reads them before their grants."""
        roles = (role, what.role) if isinstance(what, Membership) else (role,)
        return all(name in self._created or name.startswith(PREDEFINED) for name in roles)

    def _lose(self, why: str, what: Membership | ParameterGrant, grantee: str = "") -> None:
        object_ = what.role if isinstance(what, Membership) else f"parameter {what.parameter}"
        self._note(why, f"{object_} to {grantee}" if grantee else object_)

    def _note(self, why: str, what: str) -> None:
        self._lost.setdefault(why, []).append(what)

    def notes(self) -> list[Finding]:
        """Say what of accounts that are in the script, or of none, is not."""
        found = [
            Finding(Severity.WARNING, one_line(f"{why}: {few(lost)}")) for why, lost in self._lost.items()
        ]
        if self._others:
            what = f"the first superuser is {self._bootstrap}, not postgres; left out as the server's own: "
            what += few(self._others, ", ")
            cure = "--include-system, or CREATE ROLE on a target that lacks them: databases may be theirs"
            found.append(Finding(Severity.WARNING, one_line(what), cure=cure))
        return found


def _without_grantor(text: bytes, grantor: str) -> bytes:
    """Take `GRANTED BY` of the superuser away: on another server that one may have another name."""
    text = text.rstrip(b"; \n")
    for written in (identifier(grantor), grantor.encode("utf-8", "surrogateescape")):
        suffix = b" GRANTED BY " + written
        if text.endswith(suffix):
            return text.removesuffix(suffix) + b";"
    raise VerificationError("a membership whose grantor is not its last word")
