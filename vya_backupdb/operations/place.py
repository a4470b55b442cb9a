"""The place of a new backup in the store, also where the clock of the machine was set back."""

from __future__ import annotations

from datetime import datetime

from vya_backupdb.catalog.store import Slot, Store
from vya_backupdb.model import Finding, Severity


def new_slot(
    store: Store, instance: str, database: str | None, now: datetime
) -> tuple[Slot, tuple[Finding, ...]]:
    """Give the place for a new backup, of users where `database` is None, and what there is to say of it.

    The newest backup is found by its name, so none may sort before those that were made earlier: where the
    clock was set back, it is named after the newest, until the clock has passed that one. What it records as
    its times is what the clock says.
    """
    newest = store.newest_name(instance, database)
    if newest is None or newest <= now:
        return store.slot(instance, database, now), ()
    slot = store.slot(instance, database, newest)
    clock = Finding(
        Severity.WARNING,
        f"the clock of this machine ({now:%Y-%m-%d %H:%M:%S} UTC) is behind its newest backup, so this one "
        f"is named after that: {slot.stem}",
        cure="look at the clock (timedatectl); if it was ahead when that one was made, remove that one as "
        "soon as this one is verified",
    )
    return slot, (clock,)
