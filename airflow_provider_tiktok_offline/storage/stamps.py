"""What sensors compare: where a file lies and how it looked when it was listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


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

    def to_dict(self) -> dict[str, Any]:
        """Plain values for XCom and JSON."""
        return {"uri": self.uri, "size": self.size, "mtime": self.mtime.isoformat(), "version": self.version}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FileStamp:
        """The inverse of :meth:`to_dict`."""
        mtime = datetime.fromisoformat(values["mtime"]).astimezone(UTC)
        return cls(uri=values["uri"], size=int(values["size"]), mtime=mtime, version=values.get("version"))


def from_epoch(seconds: float) -> datetime:
    """A file system's time, seconds since 1970, as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
