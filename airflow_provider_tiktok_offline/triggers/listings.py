"""Folder listings shared by all triggers of a triggerer: one login to a server for however many folders are due."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async

from airflow_provider_tiktok_offline.errors import TikTokOfflineError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.storage.stamps import FileStamp

#: Seconds in which triggers that wake at the same moment find each other; each may read its settings first.
_GATHER = 0.5


_Found = dict[str, "list[FileStamp] | TikTokOfflineError"]


@dataclass(eq=False)
class _Visit:
    """One visit to one server.

    Attributes:
        folders: what is asked for.
        found: the listings by folder, or the error that a folder or the whole visit met.
    """

    folders: set[str] = field(default_factory=set)
    found: asyncio.Task[_Found] | None = None


#: Event loop and server -> the visit that can still be joined.
_open: dict[tuple[asyncio.AbstractEventLoop, object], _Visit] = {}


async def shared_listing(folder: str) -> list[FileStamp]:
    """The files of a folder, listed together with what other triggers ask of the same server at the same time.

    :param folder: the folder's URI, with a slash at its end.
    :raises StorageError: if it can't be listed.
    """
    from airflow_provider_tiktok_offline.storage.uris import parse

    key = (asyncio.get_running_loop(), parse(folder).store)
    visit = _open.setdefault(key, _Visit())
    visit.folders.add(folder)
    if visit.found is None:
        # A task of its own: the trigger that came first may be cancelled, and the others still want an answer.
        visit.found = asyncio.create_task(_go(key, visit))
    found = (await asyncio.shield(visit.found))[folder]
    if isinstance(found, TikTokOfflineError):
        raise found
    return found


async def _go(key: tuple[asyncio.AbstractEventLoop, object], visit: _Visit) -> _Found:
    await asyncio.sleep(_GATHER)
    del _open[key]
    return await sync_to_async(_list, thread_sensitive=False)(sorted(visit.folders))


def _list(folders: list[str]) -> _Found:
    from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
    from airflow_provider_tiktok_offline.storage.files import open_files

    found: _Found = {}
    try:
        with open_files(folders[0], AirflowConnections()) as files:
            for folder in folders:
                try:
                    found[folder] = files.list(folder)
                except TikTokOfflineError as error:
                    found[folder] = error
    except TikTokOfflineError as error:
        return dict.fromkeys(folders, error) | found
    return found
