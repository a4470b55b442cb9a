"""Which backups stay, and of what somebody is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import Doc

from vya_backupdb.config.base import Model, refuse
from vya_backupdb.config.quantities import Size
from vya_backupdb.config.values import DataSize, Duration, Text

Rule = Annotated[int, Doc("number, 0 to 100000"), Field(ge=0, le=100_000, strict=True)]
"""How many backups a rule of the retention keeps."""


class Retention(Model):
    """Which backups `prune` keeps of each database. Each rule is for itself; at least one is needed."""

    keep_last: Rule = 0
    """So many of the newest."""
    within: Duration | None = None
    """All that are not older; null: no such rule."""
    daily: Rule = 0
    """The newest of each of so many days that have a backup."""
    weekly: Rule = 0
    """The newest of each of so many weeks, which begin on Monday."""
    monthly: Rule = 0
    """The newest of each of so many months."""
    yearly: Rule = 0
    """The newest of each of so many years."""
    timezone: Annotated[Text, Field(validate_default=True)] = "UTC"
    """Whose calendar says where a day begins, for example `Europe/Stockholm`."""

    @field_validator("timezone")
    @classmethod
    def _exists(cls, value: str, info: ValidationInfo) -> str:
        has_no_faults = len(info.data) == len(cls.model_fields) - 1
        if has_no_faults and not any(info.data.values()):
            raise refuse("no rule keeps anything: set keep_last, within, daily, weekly, monthly or yearly")
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise refuse("no such time zone here: as Europe/Stockholm, or UTC (package tzdata)") from None
        return value


class Health(Model):
    """What `health` warns of."""

    size_change: DataSize | None = Size(percent=50)
    """How much smaller or larger than the median of those before it a file may be, in percent; null: not
    looked at."""
    unverified_for: Duration | None = timedelta(days=30)
    """The longest time without a proof that a backup is whole; null: not looked at."""

    @field_validator("size_change")
    @classmethod
    def _is_share(cls, value: Size | None) -> Size | None:
        if value is not None and value.percent is None:
            raise refuse("is a share: write it as 50%")
        return value
