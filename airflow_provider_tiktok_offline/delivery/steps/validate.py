"""Step 1: read the file once, judge every row, keep the report, and compare the rejected share with the gate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from airflow_provider_tiktok_offline.delivery.events.opening import judge, open_delivery, stage_new_verdicts
from airflow_provider_tiktok_offline.delivery.events.validation import open_check
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.step_results import ValidateResult
from airflow_provider_tiktok_offline.storage.stamps import FileStamp

__all__ = ["validate"]


def validate(
    ctx: DeliveryContext, stamp: Mapping[str, object], *, as_of: datetime | None = None, day: date | None = None
) -> ValidateResult:
    """Validate one conversion file and open its delivery.

    :param stamp: the file, as :func:`~airflow_provider_tiktok_offline.delivery.source.find_file.find` returns it; with
        a ``checksum`` (``sha256:<hex>``) its bytes are compared with it.
    :param as_of: judge ages against another moment than the first time this file was validated.
    :param day: the day that the file is for, else the one that its name says: what a file without rows does depends on
        it, and whether a file repeats another day's.
    :returns: the delivery's id, the counts of rows by class and the report; ``closed`` if the file was delivered
        before and there is nothing to do.
    :raises SkippedFileError: if the file has no rows, or those of another day, and is passed over on such a day.
    :raises InputFileError: if the file can't be used at all, or has the rows of another day's delivery.
    :raises GateExceededError: if too large a share of the rows is rejected; the report is kept.
    :raises DeliveryHeldError: if another run works on the same file.
    """
    checksum = stamp.get("checksum")
    found = FileStamp.from_dict(dict(stamp))
    with open_check(ctx, found, None if checksum is None else str(checksum)) as check:
        state, report = open_delivery(ctx, check, check.run, as_of=as_of, day=day)
        stage_new_verdicts(ctx, check, state)
    return judge(ctx, check.stamp, state, report)
