"""Which backups stay, and of what somebody is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationInfo, field_validator

from vya_backupdb.config.base import Model, refuse
from vya_backupdb.config.quantities import Size
from vya_backupdb.config.values import DataSize, Duration, Text

Rule = Annotated[int, Field(ge=0, le=100_000, strict=True)]
"""How many backups a rule of the retention keeps."""


class Retention(Model):
    """Which backups stay; see catalog.retention. At least one rule is needed."""

    keep_last: Rule = 0
    within: Duration | None = None
    daily: Rule = 0
    weekly: Rule = 0
    monthly: Rule = 0
    yearly: Rule = 0
    timezone: Annotated[Text, Field(validate_default=True)] = "UTC"
    """Whose calendar says where a day begins."""

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
    """Of a file against the median of those before it, in percent; None: not looked at."""
    unverified_for: Duration | None = timedelta(days=30)
    """The longest time without a proof that a backup is whole; None: not looked at."""

    @field_validator("size_change")
    @classmethod
    def _is_share(cls, value: Size | None) -> Size | None:
        if value is not None and value.percent is None:
            raise refuse("is a share: write it as 50%")
        return value
