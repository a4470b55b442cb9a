"""The few value types that several rooms speak of. No behaviour, no imports of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, Protocol

# ---------------------------------------------------------------------------- scripts


MOST_STATEMENT: Final = 2 << 30
"""Bytes of a statement up to which a script is read: no server takes one of more than 1 GiB."""


class SectionKind(StrEnum):
    """What a part of a dump script is, and so when a restore executes it."""

    HEADER = "header"
    """Session settings; every parallel session replays them."""
    SCHEMA = "schema"
    ROWS = "rows"
    POST = "post"
    """What must follow the rows: final views, triggers, routines, events; indexes and constraints."""
    FOOTER = "footer"


@dataclass(frozen=True, slots=True)
class Section:
    """Whole statements of one kind; for rows, of one table. `body` is executable by itself."""

    kind: SectionKind
    body: bytes
    object: str | None = None
    """Rows only: MySQL the bare table name; PostgreSQL the name as pg_dump writes it (`public."We ird"`).
    Bytes that are not UTF-8 are kept as surrogate escapes."""
    rows: int = 0
    sequential: bool = False
    """True where neighbours share a transaction (large objects): one session, in order."""
    largest_statement: int = 0
    """Bytes of the largest single statement in `body` that goes to the server in one packet."""
    position: int | None = field(default=None, compare=False)
    """Where the body begins in the decompressed script, in bytes; None: not known."""


class Action(StrEnum):
    """What a restore does with a statement."""

    EXECUTE = "execute"
    COPY = "copy"
    SKIP = "skip"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a section as a driver executes it: no delimiter, no surrounding comments."""

    text: bytes
    offset: int
    """Where it begins in the section's body, in bytes."""
    action: Action = Action.EXECUTE
    reason: str | None = None
    """Why it is skipped (None: nothing worth a word) or refused (always said)."""
    copy_data: memoryview | None = None
    """COPY only: the lines, without the closing `\\.`."""
    parallel: str | None = None
    """Neighbours with the same value may run at the same time (`index`, `foreign key` ...); None: alone."""
    last: bool = False
    """True for what acts by itself (event triggers): after all other post statements."""
    later: tuple[bytes, ...] = ()
    """Executed after everything else, e.g. what enables an event that was created disabled."""


Span = tuple[int, int]
"""Where something begins and ends in a section's body, in bytes."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What of a table names something that is not its own."""

    table: str
    other: str
    """As the script writes it; a schema as `schema app`."""
    statement: str
    """SQL that needs it."""
    kind: str = "table"
    """Of `other`, as far as the script tells: `table`, `type`, `function`, `schema` ...; `partitioned table`
    where the table is a partition of it, which is left out unless both are taken."""
    vital: bool = False
    """Whether the table cannot be made without it; all else (a foreign key ...) can be left out."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """What in a section gives an object to a role, or lets it act as one."""

    kind: Literal["owner", "grant", "actor"]
    """`owner`: makes the role the owner or definer; `grant`: grants it something; `actor`: the object acts
    with the rights of its owner."""
    role: str
    """Empty where the object's owner is told elsewhere."""
    object: str
    """`trigger t`, or the whole GRANT."""
    span: Span | None = None
    """What makes it so, if it can be left out."""


class ScriptReader(Protocol):
    """Turns the output of one dump tool, however it is cut into chunks, into the same sections."""

    notes: list[str]
    """What was seen that a person should know of; goes into the metadata."""

    def feed(self, data: bytes) -> Iterator[Section]:
        """Take the next bytes and give the sections that are complete."""
        ...

    def finish(self) -> Iterator[Section]:
        """Give what is left. Raises DumpFailed where the script is cut short or has no trailer."""
        ...


class Verdict(StrEnum):
    """What a line on a dump tool's stderr means."""

    BENIGN = "benign"
    WARNING = "warning"
    FATAL = "fatal"


# ---------------------------------------------------------------------------- servers

EngineName = Literal["mysql", "postgresql"]
Flavour = Literal["mysql", "mariadb", "postgresql"]


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself."""

    engine: EngineName
    flavour: Flavour
    version: str
    """As people write it: `10.11.14`, `9.7.0`, `15.18`."""
    version_number: tuple[int, ...]
    account: str
    """Who is logged in: `backup@localhost`, `backup`."""
    settings: dict[str, str] = field(default_factory=dict)
    """The settings that decide about a dump or restore (`max_allowed_packet` in bytes, `sql_mode` ...)."""


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """One database of a server's list."""

    name: str
    estimated_bytes: int
    """The server's own estimate of the data without indexes; 0 where it cannot say."""
    unavailable: str | None = None
    """Why it cannot be dumped at all (it allows no connections ...); None: it can."""
    remains: bool = False
    """True for what an interrupted DROP DATABASE has left: nothing is in it that could be backed up."""


@dataclass(frozen=True, slots=True)
class DatabaseSetting:
    """A setting that PostgreSQL applies to sessions of a database (`ALTER DATABASE|ROLE ... SET`)."""

    name: str
    value: str
    role: str | None = None
    """None: for every role."""


@dataclass(frozen=True, slots=True)
class MySQLDefinition:
    """What `CREATE DATABASE` needs on MySQL and MariaDB."""

    charset: str
    collation: str
    comment: str = ""
    """MariaDB only."""
    encryption: bool = False
    """MySQL only: DEFAULT ENCRYPTION='Y'."""
    engine: Literal["mysql"] = "mysql"


@dataclass(frozen=True, slots=True)
class PostgreSQLDefinition:
    """What `pg_dump --create` would restore of a PostgreSQL database itself."""

    owner: str
    encoding: str
    locale_provider: str
    """`libc`, `icu` or `builtin`."""
    collate: str
    ctype: str
    locale: str | None = None
    """The ICU or builtin locale."""
    icu_rules: str | None = None
    tablespace: str = "pg_default"
    connection_limit: int = -1
    is_template: bool = False
    acl: tuple[str, ...] | None = None
    """aclitems as text; None: the default privileges."""
    settings: tuple[DatabaseSetting, ...] = ()
    comment: str | None = None
    security_labels: tuple[tuple[str, str], ...] = ()
    """(provider, label)."""
    lacks: tuple[str, ...] = ()
    """What every new database has and this one has not: `schema public`, `extension plpgsql`."""
    engine: Literal["postgresql"] = "postgresql"


DatabaseDefinition = MySQLDefinition | PostgreSQLDefinition


class Severity(StrEnum):
    """How grave a finding is."""

    NOTE = "note"
    """For whoever restores: a usual state of the server that a dump does not carry; nothing to mend today."""
    WARNING = "warning"
    PRIVILEGE = "privilege"
    """A missing privilege: a fault, or a warning where the instance says `allow_partial`."""
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found beforehand: what is the matter, with which object, and what to do."""

    severity: Severity
    what: str
    object: str | None = None
    cure: str | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """What a server has not yet, and will have when it is needed: the same run brings it."""

    accounts: frozenset[str] = frozenset()
    """As Account.label gives them."""
    databases: frozenset[str] = frozenset()


NOTHING_COMING: Final = Coming()


@dataclass(frozen=True, slots=True)
class Answer:
    """The beginning of a server's answer to a query of the configuration."""

    rows: int | None
    """How many, counted up to two; None: it has none, or the query failed."""
    value: object = None
    """The first column of the first row."""
    is_true: bool = False
    """Whether that value is what the engine takes for true."""
    error: str | None = None
    """What the server said where it failed."""


@dataclass(frozen=True, slots=True)
class DumpTool:
    """The dump tool chosen for a server."""

    path: str
    flavour: Flavour
    version: str
    version_number: tuple[int, ...]
    notes: tuple[str, ...] = ()
    """Why it is worth a warning (`older than the server`); goes into the metadata."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a dump does without: the configuration says so, or the account may not read it.

    Names are those of sections: MySQL the bare one, PostgreSQL `schema.table`, quoted where it must be.
    """

    tables: tuple[str, ...] = ()
    """Tables, views and sequences that are not in the dump."""
    rows: tuple[str, ...] = ()
    """Tables that are in it without their rows."""


@dataclass(frozen=True, slots=True)
class DumpPlan:
    """What the preflight of one database decided about its dump."""

    database: str
    definition: DatabaseDefinition
    findings: tuple[Finding, ...] = ()
    consistency: Literal["snapshot", "locked"] = "snapshot"
    """`snapshot`: one transaction; `locked`: tables are read-locked while they are dumped."""
    object_counts: dict[str, int] = field(default_factory=dict)
    """Kind (`table`, `view`, `routine` ...) to number, without what is left out."""
    tool_options: tuple[str, ...] = ()
    """Options for this dump only: they leave out what is in `left_out`."""
    left_out: LeftOut = LeftOut()
    """Sections of rows of what is in it are dropped where the tool writes them nevertheless."""


@dataclass(frozen=True, slots=True)
class Stillness:
    """What was done so that a dump is of one moment."""

    plan: DumpPlan
    """With the options that the dump tool needs for it."""
    begun: Callable[[], None] = lambda: None
    """To be called when the tool's first bytes are there: it has its snapshot, and what it locks. Raises
    DumpFailed where something changed before, so that the dump is not whole."""


# ---------------------------------------------------------------------------- accounts


@dataclass(frozen=True, slots=True)
class Grant:
    """What an account is given once it is there: privileges on something, a role, a default role."""

    what: str
    """As people read it, without the grantee: ``SELECT, INSERT ON `shop`.*``. Equal for equal grants,
    whatever version the server has that said it; never a secret."""
    statement: bytes
    """Executable by itself."""
    database: str | None = None
    """Whose table or routine it is on, where the grant can be made only when that is there."""
    role: str | None = None
    """The role that is granted, as Account.label gives it."""
    depth: int = 0
    """How many grants, of whichever accounts, must be made before it: all are made in the order of this. On
    PostgreSQL only who was granted a role WITH ADMIN OPTION can be the grantor of the next one."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user or role of a server, as a dump tells it."""

    name: str
    host: str | None
    """MySQL and MariaDB's users, and MySQL's roles; None: the engine knows accounts without hosts."""
    kind: Literal["user", "role"]
    create: tuple[bytes, ...]
    """Statements that make it with all but its grants; its secrets stand in them."""
    grants: tuple[Grant, ...] = ()
    """In the order in which they must be made."""
    properties: dict[str, str] = field(default_factory=dict)
    """What differs from an account that was just made, for people (`plugin`, `locked`, `valid until` ...):
    equal for equal accounts, whatever version the server has."""
    secrets: dict[str, str] = field(default_factory=dict)
    """The same for what is compared and never shown: hashes of passwords."""
    marks: tuple[str, ...] = ()
    """What makes it powerful: `superuser`, `all privileges`, `may grant` ..."""

    @property
    def label(self) -> str:
        """Its whole name: `app@%`, `app`. Unique on its server, for no host holds an `@`."""
        return self.name if self.host is None else f"{self.name}@{self.host}"


@dataclass(frozen=True, slots=True)
class Fitted:
    """An account as far as a server can have it."""

    account: Account
    findings: tuple[Finding, ...] = ()
    """FAULT: it cannot be made there at all; WARNING: what was taken out of it, and why."""


class AccountScript(Protocol):
    """The accounts of a server as a script, given once.

    HEADER; SCHEMA sections, each of one account (`Section.object` is its label) and making it, roles before
    users; then POST sections, each of one account, with its grants in an order that can be executed.
    """

    tool: DumpTool | None
    """None: no tool is used."""
    options: tuple[str, ...]
    notes: list[Finding]
    """What a person should know of; complete once all sections are given."""

    def __iter__(self) -> Iterator[Section]: ...
