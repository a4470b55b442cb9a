"""From a role that is there to the one that is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vya_backupdb.engines.postgresql.users.quoting import identifier, literal, parameter
from vya_backupdb.engines.postgresql.users.roles import FLAGS, Membership, ParameterGrant, Role, inherits
from vya_backupdb.engines.postgresql.users.writing import (
    FOR_EVER,
    acting,
    comment_statement,
    flag_words,
    label_statement,
    membership_statement,
    parameter_statement,
    setting_statement,
)


def alterations(wanted: Role, present: Role, *, version: int, bootstrap: str) -> Iterator[bytes]:
    """Give the statements, in order; nothing else than what differs is touched.

    What a grant hangs on that others have is not revoked along with it: the server refuses to.
    """
    wanted, present = _normal(wanted, bootstrap), _normal(present, bootstrap)
    name = identifier(wanted.name)
    if wanted.made:
        attributes = list(_attributes(wanted, present))
        password = wanted.password
        changed = password is not None and password != present.password
        if changed and not attributes:
            # refused before the password is in a statement, which the server's log may have then
            attributes = [_limit(wanted)]
        if attributes:
            yield b"ALTER ROLE " + name + b" WITH " + b" ".join(attributes)
        if changed:
            yield b"ALTER ROLE " + name + b" WITH PASSWORD " + (literal(password) if password else b"NULL")
        if wanted.comment != present.comment:
            yield comment_statement(wanted.name, wanted.comment)
        yield from _labels(wanted, present)
        yield from _settings(wanted, present)
    yield from _memberships(wanted, present, version, bootstrap)
    yield from _parameters(wanted, present)


def _normal(role: Role, bootstrap: str) -> Role:
    """Give a role whose grants name nobody where the superuser that initdb made has granted them."""
    return replace(
        role,
        memberships=tuple(
            replace(grant, grantor=None if grant.grantor == bootstrap else grant.grantor)
            for grant in role.memberships
        ),
        parameters=tuple(
            replace(grant, grantor=None if grant.grantor == bootstrap else grant.grantor)
            for grant in role.parameters
        ),
    )


def _attributes(wanted: Role, present: Role) -> Iterator[bytes]:
    for flag in FLAGS:
        if (flag in wanted.flags) != (flag in present.flags):
            yield flag_words(flag, on=flag in wanted.flags)
    if wanted.connection_limit != present.connection_limit:
        yield _limit(wanted)
    until = wanted.valid_until or FOR_EVER
    if until != (present.valid_until or FOR_EVER):
        yield b"VALID UNTIL " + literal(until)


def _limit(wanted: Role) -> bytes:
    return b"CONNECTION LIMIT %d" % wanted.connection_limit


def _labels(wanted: Role, present: Role) -> Iterator[bytes]:
    new = dict(wanted.labels)
    for provider, _ in present.labels:
        if provider not in new:
            yield label_statement(wanted.name, provider, None)
    for provider, label in wanted.labels:
        if (provider, label) not in present.labels:
            yield label_statement(wanted.name, provider, label)


def _settings(wanted: Role, present: Role) -> Iterator[bytes]:
    old = {setting.lower(): values for setting, values in present.settings}
    new = {setting.lower() for setting, _ in wanted.settings}
    for setting, _ in present.settings:
        if setting.lower() not in new:
            yield b"ALTER ROLE " + identifier(wanted.name) + b" RESET " + identifier(setting)
    for setting, values in wanted.settings:
        if old.get(setting.lower()) != values:
            yield setting_statement(wanted.name, setting, values)


def _memberships(wanted: Role, present: Role, version: int, bootstrap: str) -> Iterator[bytes]:
    chains = version >= 160000
    old = {(grant.role, grant.grantor): grant for grant in present.memberships}
    new = {(grant.role, grant.grantor): grant for grant in wanted.memberships}
    for key, grant in old.items():
        if key not in new:
            yield _revocation(wanted.name, grant, "", bootstrap, chains=chains)
        elif grant.admin and not new[key].admin:
            yield _revocation(wanted.name, grant, "ADMIN OPTION FOR ", bootstrap, chains=chains)
    for key, grant in new.items():
        there = old.get(key)
        if there is None:
            yield membership_statement(wanted, grant, None if chains else bootstrap)
        elif chains and _options(wanted, grant) != _options(present, there):
            yield _options_statement(wanted, grant)
        elif grant.admin and not there.admin:
            yield membership_statement(wanted, grant, None if chains else bootstrap)


def _options(role: Role, grant: Membership) -> tuple[bool, bool]:
    return inherits(role, grant), grant.set


def _revocation(name: str, grant: Membership, option: str, bootstrap: str, *, chains: bool) -> bytes:
    text = b"REVOKE " + option.encode() + identifier(grant.role) + b" FROM " + identifier(name)
    return text + b" GRANTED BY " + identifier(grant.grantor or bootstrap) if chains else text


def _options_statement(role: Role, grant: Membership) -> bytes:
    """Give the GRANT that changes the options of a membership that is there; those not named would stay."""
    inherit, can_set = (b"TRUE" if on else b"FALSE" for on in _options(role, grant))
    text = b"GRANT " + identifier(grant.role) + b" TO " + identifier(role.name) + b" WITH "
    text += (b"ADMIN OPTION, " if grant.admin else b"") + b"INHERIT " + inherit + b", SET " + can_set
    return text if grant.grantor is None else text + b" GRANTED BY " + identifier(grant.grantor)


def _parameters(wanted: Role, present: Role) -> Iterator[bytes]:
    for grant in present.parameters:
        if grant not in wanted.parameters:
            yield acting(grant.grantor, _parameter_revocation(wanted.name, grant))
    for grant in wanted.parameters:
        if grant not in present.parameters:
            yield parameter_statement(wanted.name, grant)


def _parameter_revocation(name: str, grant: ParameterGrant) -> bytes:
    privileges = ", ".join(grant.privileges).encode()
    return (
        b"REVOKE "
        + privileges
        + b" ON PARAMETER "
        + parameter(grant.parameter)
        + b" FROM "
        + identifier(name)
    )
