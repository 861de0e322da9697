"""When a file counts as stale."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig


def stale_at(config: AdvertiserConfig, due: datetime) -> datetime | None:
    """When the file of a run counts as stale: the first ``no_file_by`` after the run was due; None without one.

    :param due: when the run was due, aware.
    """
    by = None if config.notifications is None else config.notifications.no_file_by
    if by is None:
        return None
    local = due.astimezone(config.zone)
    moment = datetime.combine(local.date(), by, config.zone)
    return moment if moment > local else datetime.combine(local.date() + timedelta(days=1), by, config.zone)
