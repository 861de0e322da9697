"""The witness of a table: what is known of its newest version beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from airflow_provider_tiktok_offline.ledger.snapshots import Snapshot

_LOG_ENTRY = re.compile(r"_delta_log/(\d{20})\.json$")
_CHECKPOINT = re.compile(r"_delta_log/(\d{20})\.checkpoint")


@dataclass(frozen=True, slots=True)
class Witness:
    """What is known of a table beside it.

    Attributes:
        version: the highest version ever committed.
        rows: its row count.
        log_from: the oldest log entry that must be there.
        sums: name of each data file -> sum over its keys, where the table has keys.
        heads: the same over the column of their heads, of files that have one.
    """

    version: int
    rows: int
    log_from: int
    sums: dict[str, int] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)

    def fault(self, newest: Snapshot, folder: str, sizes: Callable[[], Mapping[str, int]]) -> str | None:
        """What is wrong with a table, or None.

        :param folder: where it lies.
        :param sizes: path of each object below the folder -> its bytes.
        """
        if newest.version < self.version:
            return f"the table stands at version {newest.version}, but version {self.version} was committed"
        if newest.version == self.version and newest.rows != self.rows:
            return f"version {newest.version} holds {newest.rows} rows, but {self.rows} were committed"
        stored = sizes()
        missing = sorted(set(range(self.log_from, newest.version + 1)) - set(log_versions(stored)))
        if missing:
            return f"entry {missing[0]} of the table's log is missing ({len(missing)} in all)"
        for file in newest.files:
            size = stored.get(f"{folder}/{file.path}")
            if size is None:
                return f"the table's file {file.path} is missing"
            if size != file.size:
                return f"the table's file {file.path} is cut off or was changed"
        return None


def log_versions(paths: Iterable[str]) -> list[int]:
    """The versions in the names of log entries."""
    return [int(match.group(1)) for path in paths if (match := _LOG_ENTRY.search(path))]


def checkpoint_versions(paths: Iterable[str]) -> list[int]:
    """The versions in the names of checkpoints."""
    return [int(match.group(1)) for path in paths if (match := _CHECKPOINT.search(path))]
