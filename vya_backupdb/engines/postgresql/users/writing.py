"""Roles as the statements that make them, and as the accounts that operations compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vya_backupdb.engines.postgresql.users.gathering import gather, split
from vya_backupdb.engines.postgresql.users.quoting import (
    identifier,
    literal,
    parameter,
    readable,
    readable_text,
)
from vya_backupdb.engines.postgresql.users.roles import (
    FLAGS,
    ON_BY_DEFAULT,
    PREDEFINED,
    Granted,
    Membership,
    ParameterGrant,
    Role,
    depths,
    inherits,
)
from vya_backupdb.model import Account, Grant

FOR_EVER = "infinity"
"""VALID UNTIL of a role that is valid for ever, as one without it is."""


@dataclass(frozen=True, slots=True)
class RoleAccount(Account):
    """An account with the role that it was made of, lest its statements be read again."""

    role: Role | None = field(default=None, repr=False, compare=False)


def accounts_of(roles: Sequence[Role], *, bootstrap: str | None = None) -> list[Account]:
    """Give roles as accounts. `bootstrap` is who grants where nobody is named; None: whoever executes."""
    depth = depths(roles)
    return [_account(role, depth, bootstrap) for role in roles]


def _account(role: Role, depth: Mapping[tuple[str, Granted], int], bootstrap: str | None) -> Account:
    grants = [
        Grant(
            described(role, membership),
            membership_statement(role, membership, bootstrap),
            role=membership.role,
            depth=depth[role.name, membership],
        )
        for membership in role.memberships
    ]
    grants += [
        Grant(
            described_parameter(grant), parameter_statement(role.name, grant), depth=depth[role.name, grant]
        )
        for grant in role.parameters
    ]
    return RoleAccount(
        name=role.name,
        host=None,
        kind="user" if "LOGIN" in role.flags else "role",
        create=tuple(creation(role)) if role.made else (),
        grants=tuple(sorted(grants, key=lambda grant: grant.depth)),
        properties=dict(_properties(role)),
        secrets={} if role.password is None else {"password": role.password},
        marks=tuple(_marks(role)),
        role=role,
    )


def role_of(account: Account) -> Role:
    """Give the role that an account of `accounts_of` was."""
    if not isinstance(account, RoleAccount) or account.role is None:
        return role_by_statements(account)
    role = account.role
    known = role.password or "password" in account.secrets
    return role if known else replace(role, password=None)


def role_by_statements(account: Account) -> Role:
    """Give the role that the statements of an account make."""
    statements = [*account.create, *(grant.statement for grant in account.grants)]
    script = b";\n".join(statements) + b";" if statements else b""
    known = "password" in account.secrets
    found = gather(split(script), passwords=known)
    return found[0] if found else Role(account.name, made=False)


# ---------------------------------------------------------------------------- statements


def creation(role: Role) -> Iterator[bytes]:
    """Give what makes a role with all but what it is granted."""
    attributes = list(_attributes(role))
    yield b" ".join([b"CREATE ROLE", identifier(role.name), *([b"WITH", *attributes] if attributes else [])])
    if role.comment is not None:
        yield comment_statement(role.name, role.comment)
    for provider, label in role.labels:
        yield label_statement(role.name, provider, label)
    for name, values in role.settings:
        yield setting_statement(role.name, name, values)


def _attributes(role: Role) -> Iterator[bytes]:
    for flag in FLAGS:
        if (flag in role.flags) != (flag in ON_BY_DEFAULT):
            yield flag_words(flag, on=flag in role.flags)
    if role.connection_limit != -1:
        yield b"CONNECTION LIMIT %d" % role.connection_limit
    if role.valid_until is not None:
        yield b"VALID UNTIL " + literal(role.valid_until)
    if role.password:
        yield b"PASSWORD " + literal(role.password)


def flag_words(flag: str, *, on: bool) -> bytes:
    """Write an attribute that is on or off."""
    return (flag if on else f"NO{flag}").encode()


def comment_statement(name: str, comment: str | None) -> bytes:
    """Write the comment of a role; None: none."""
    text = b"NULL" if comment is None else literal(comment)
    return b"COMMENT ON ROLE " + identifier(name) + b" IS " + text


def label_statement(name: str, provider: str, label: str | None) -> bytes:
    """Write a security label of a role; None: none."""
    text = b"NULL" if label is None else literal(label)
    return b"SECURITY LABEL FOR " + identifier(provider) + b" ON ROLE " + identifier(name) + b" IS " + text


def setting_statement(name: str | None, setting: str, values: Sequence[str]) -> bytes:
    """Write a setting of a role; None: of all."""
    text = b", ".join(map(literal, values))
    return (
        b"ALTER ROLE "
        + (b"ALL" if name is None else identifier(name))
        + b" SET "
        + identifier(setting)
        + b" TO "
        + text
    )


def membership_statement(role: Role, membership: Membership, bootstrap: str | None = None) -> bytes:
    """Write what makes a role a member of another one; words that are new in 16 only where they matter."""
    options = [b"ADMIN OPTION"] if membership.admin else []
    if inherits(role, membership) != ("INHERIT" in role.flags):
        options.append(b"INHERIT " + _truth(inherits(role, membership)))
    if not membership.set:
        options.append(b"SET FALSE")
    text = b"GRANT " + identifier(membership.role) + b" TO " + identifier(role.name)
    if options:
        text += b" WITH " + b", ".join(options)
    grantor = membership.grantor or bootstrap
    return text if grantor is None else text + b" GRANTED BY " + identifier(grantor)


def _truth(on: bool) -> bytes:
    return b"TRUE" if on else b"FALSE"


def parameter_statement(name: str, grant: ParameterGrant) -> bytes:
    """Write what a role may do with a parameter; it is granted by whoever executes it, so as the grantor."""
    privileges = ", ".join(grant.privileges).encode()
    text = (
        b"GRANT " + privileges + b" ON PARAMETER " + parameter(grant.parameter) + b" TO " + identifier(name)
    )
    if grant.grantable:
        text += b" WITH GRANT OPTION"
    return acting(grant.grantor, text)


def acting(grantor: str | None, text: bytes) -> bytes:
    """Execute as the grantor: one string of statements is one transaction, so a failure resets it too."""
    if grantor is None:
        return text
    return (
        b"SET SESSION AUTHORIZATION " + identifier(grantor) + b"; " + text + b"; RESET SESSION AUTHORIZATION"
    )


# ---------------------------------------------------------------------------- for people and comparison


def described(role: Role, membership: Membership) -> str:
    """Say what a membership is, the same for each version of the server."""
    options = [
        words
        for words, said in (
            ("ADMIN OPTION", membership.admin),
            ("INHERIT FALSE", not inherits(role, membership)),
            ("SET FALSE", not membership.set),
        )
        if said
    ]
    text = readable(membership.role)
    if options:
        text += " WITH " + ", ".join(options)
    return text if membership.grantor is None else f"{text} GRANTED BY {readable(membership.grantor)}"


def described_parameter(grant: ParameterGrant) -> str:
    """Say what may be done with a parameter."""
    text = f"{', '.join(grant.privileges)} ON PARAMETER {grant.parameter.lower()}"
    if grant.grantable:
        text += " WITH GRANT OPTION"
    return text if grant.grantor is None else f"{text} GRANTED BY {readable(grant.grantor)}"


def _properties(role: Role) -> Iterator[tuple[str, str]]:
    for flag in FLAGS:
        if (flag in role.flags) != (flag in ON_BY_DEFAULT):
            yield flag.lower(), "on" if flag in role.flags else "off"
    if role.connection_limit != -1:
        yield "connection limit", str(role.connection_limit)
    if role.valid_until not in (None, FOR_EVER):
        yield "valid until", role.valid_until or ""
    if role.comment is not None:
        yield "comment", role.comment
    for name, values in role.settings:
        yield f"set {name.lower()}", ", ".join(map(readable_text, values))
    for provider, label in role.labels:
        yield f"security label {provider}", label


def _marks(role: Role) -> Iterator[str]:
    for flag in ("SUPERUSER", "CREATEROLE", "REPLICATION", "BYPASSRLS"):
        if flag in role.flags:
            yield flag.lower()
    for membership in role.memberships:
        if membership.role.startswith(PREDEFINED):
            yield membership.role
