"""What the screen for identifiers in text columns costs, as a share of the pass.

``python -m benchmarks.screen [--small]``: processor time of the threads while they screen, over that of the whole pass:
one process, so that the share depends little on what else the machine does; the median of five passes after a first
one. *default* sends order_id and store_code, *contents* all text fields too, and *feed* validates for LiveRamp,
where every text column leaves. Orders have numbers of fourteen digits, as tills write: those below eight can hold no
phone and are not looked at.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.settings import (
    DEFAULT_SEND_FIELDS,
    OPTIONAL_SEND_FIELDS,
    ConversionSettings,
)
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare, validate
from airflow_provider_tiktok_offline.conversions.rules.text_screen import TextScreen
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from benchmarks.prepare import AS_OF

_ROWS, _FEW, _ROUNDS = 500_000, 50_000, 5
_KINDS = ("default", "contents", "feed")


class _Watched(TextScreen):
    """The screen, and how long its threads took."""

    seconds = 0.0
    _lock = threading.Lock()

    def __init__(self, identifiers: Sequence[tuple[pl.Series, pl.DataFrame]]) -> None:
        with self._timed():
            super().__init__(identifiers)

    def find(self, cells: pl.Series) -> pl.Series | None:
        with self._timed():
            return super().find(cells)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.thread_time()
        try:
            yield
        finally:
            with self._lock:
                _Watched.seconds += time.thread_time() - begun


def _share(folder: Path, kind: str) -> float:
    """Of one pass."""
    _Watched.seconds = 0.0
    begun = time.process_time()
    file = LocalFile(folder / "sample.csv")
    if kind == "feed":
        validate(file, ConversionSettings(profile="liveramp", phone_region="US", currency="USD"), as_of=AS_OF)
    else:
        fields = DEFAULT_SEND_FIELDS | (OPTIONAL_SEND_FIELDS if kind == "contents" else frozenset())
        settings = ConversionSettings(phone_region="US", currency="USD", send_fields=fields)
        prepare(file, settings, as_of=AS_OF, output=DirectoryParts(folder / "parts"))
    return _Watched.seconds / (time.process_time() - begun)


def main() -> None:
    from airflow_provider_tiktok_offline.conversions.rules import row_rules

    row_rules.TextScreen = _Watched  # type: ignore[attr-defined]
    rows = _FEW if "--small" in sys.argv else _ROWS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "sample.csv"
        write_sample(file, rows, as_of=AS_OF, seed=1, form=SampleForm(identifiers="both"))
        number = pl.lit("2026112") + pl.int_range(pl.len()).cast(pl.String).str.zfill(7)
        pl.read_csv(file, infer_schema=False).with_columns(order_id=number).write_csv(file)
        for kind in _KINDS:
            shares = [_share(folder, kind) for _ in range(_ROUNDS + 1)][1:]
            print(f"{kind}: {100 * statistics.median(shares):.1f} % of the pass, {rows:,} rows")


if __name__ == "__main__":
    main()
