"""What sensors compare: where a file lies and how it looked when it was listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NotRequired, TypedDict, cast

from airflow_provider_tiktok_offline.errors import InputFileError


class _Values(TypedDict):
    uri: str
    size: int
    mtime: str
    version: NotRequired[str | None]


@dataclass(frozen=True, slots=True)
class FileStamp:
    """One file as one listing saw it.

    Attributes:
        uri: where it lies.
        size: its bytes.
        mtime: when it was last written, in UTC.
        version: the store's etag or version id, None where it has none.
    """

    uri: str
    size: int
    mtime: datetime
    version: str | None = None

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.uri.rpartition("/")[2]

    def to_dict(self) -> dict[str, object]:
        """Plain values for XCom and JSON."""
        return {"uri": self.uri, "size": self.size, "mtime": self.mtime.isoformat(), "version": self.version}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> FileStamp:
        """The inverse of :meth:`to_dict`.

        :raises InputFileError: if they are no stamp's.
        """
        try:
            stamp = cast("_Values", values)
            mtime = datetime.fromisoformat(stamp["mtime"]).astimezone(UTC)
            return cls(uri=str(stamp["uri"]), size=int(stamp["size"]), mtime=mtime, version=stamp.get("version"))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            raise InputFileError(
                "what stands for the file is no stamp of one.",
                rule="stamp",
                todo="Clear wait_for_file and what follows.",
            ) from None


def from_epoch(seconds: float) -> datetime:
    """A file system's time, seconds since 1970, as an aware datetime in UTC; 1970 where it is in no calendar."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
