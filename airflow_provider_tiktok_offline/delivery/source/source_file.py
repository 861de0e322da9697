"""A file in a store, read where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from airflow_provider_tiktok_offline.storage.uris import parse

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles

__all__ = ["stamp_of"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One conversion file where it lies; nothing is copied to disk.

    Attributes:
        uri: its full URI.
        size: its stored size in bytes.
        files: the open store.
    """

    uri: str
    size: int
    files: RemoteFiles

    @property
    def name(self) -> str:
        """The file's name, which says its type."""
        return parse(self.uri).name

    def open(self) -> BinaryIO:
        """The stored bytes from the start."""
        return self.files.open_read(self.uri)

    def open_from(self, start: int) -> BinaryIO:
        """The stored bytes from a place on."""
        return self.files.open_read(self.uri, start)


def stamp_of(ctx: DeliveryContext, uri: str) -> dict[str, object]:
    """The stamp of a file as it stands now, for a file that no sensor has found.

    :raises FileMissingError: if there is none.
    """
    from airflow_provider_tiktok_offline.storage.files import open_files

    with open_files(uri, ctx.connections) as files:
        return files.stat(uri).to_dict()
