"""The days on which an advertiser's shops are closed: listed in the configuration, or in a calendar file."""

from __future__ import annotations

from collections.abc import Container
from datetime import date

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.connections import Connections
from airflow_provider_tiktok_offline.delivery.source.calendar_file import Calendar
from airflow_provider_tiktok_offline.errors import ConfigError, FileMissingError

#: Bytes of a calendar; one that is larger was hardly made for closed days.
_LARGEST = 5_000_000


def closed_days(config: AdvertiserConfig, connections: Connections) -> Container[date]:
    """The advertiser's closed days. A calendar file is read anew by each call, and never while a DAG is parsed.

    :param connections: where the credentials for a calendar on a server or in a bucket are looked up.
    :raises ConfigError: if the calendar is missing, is none, or has an event that can't be understood.
    :raises StorageError: if its store can't be read.
    """
    wanted = config.source.closed_dates
    return _calendar(config, wanted, connections) if isinstance(wanted, str) else wanted


def _calendar(config: AdvertiserConfig, uri: str, connections: Connections) -> Calendar:
    from airflow_provider_tiktok_offline.storage.files import open_files

    fault, todo = "there is no such file.", "Correct the path, or put the calendar there."
    try:
        with open_files(uri, connections) as files, files.open_read(uri) as stream:
            content = stream.read(_LARGEST + 1)
    except FileMissingError:
        pass
    else:
        fault, todo = f"the file has more than {_LARGEST:,} bytes.", "Export a calendar of closed days alone."
        if len(content) <= _LARGEST:
            try:
                return Calendar(content, config.zone)
            except ConfigError as error:
                fault, todo = error.what, "Export the calendar again in ICS format, or list the days."
    raise ConfigError(fault, where=f"{uri} (entry {config.name}, key source.closed_dates)", todo=todo)
