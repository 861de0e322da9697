"""Prepared events read back, part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from airflow_provider_tiktok_offline import typed_json
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.event_id import id_text
from airflow_provider_tiktok_offline.conversions.events.identity_settings import RECIPE
from airflow_provider_tiktok_offline.conversions.events.kept_returns import KEPT, Netting, as_kept
from airflow_provider_tiktok_offline.conversions.events.staged_events import finished, to_json
from airflow_provider_tiktok_offline.conversions.preparation.part_store import PartStore, damaged
from airflow_provider_tiktok_offline.conversions.preparation.part_writer import (
    MANIFEST_VERSION,
    Manifest,
    PartEntry,
)
from airflow_provider_tiktok_offline.conversions.preparation.staged_faults import staged_faults
from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.errors import InputFileError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: The columns of a part that its amounts and event ids are made of.
_COUNTED = ("line", "event_time", "digest", "content", "units", "currency", "rows")


@dataclass(frozen=True, slots=True)
class _MadeBy:
    """What every manifest says, whichever package wrote it."""

    version: int
    package: str


@dataclass(frozen=True, slots=True)
class PartInfo:
    """One part.

    Attributes:
        name: of its object.
        events: how many events it holds.
    """

    name: str
    events: int


class PreparedEvents:
    """The events of one file, ready to be sent.

    :param parts: where they lie.
    :param manifest: what ``manifest.json`` says.
    :param netting: what is taken off their amounts; each event then has a column ``returned``.
    """

    def __init__(self, parts: PartStore, manifest: Manifest, netting: Netting | None = None) -> None:
        self._store = parts
        self._netting = netting
        self.manifest = manifest
        self.parts = [PartInfo(part["name"], part["events"]) for part in manifest["parts"]]

    @classmethod
    def open(cls, parts: PartStore) -> PreparedEvents:
        """Open what :func:`.prepare.prepare` wrote.

        :raises InputFileError: there is no manifest (the preparation did not end), it is damaged, or it is a newer
            package's.
        """
        try:
            content = parts.get("manifest.json")
        except (FileNotFoundError, KeyError):
            raise InputFileError(
                "no manifest.json: nothing was prepared here, or not to the end.", todo="Prepare the file again."
            ) from None
        try:
            made = typed_json.decode(content, _MadeBy)
            if made.version > MANIFEST_VERSION:
                raise InputFileError(
                    f"prepared by a newer package ({made.package}).", todo="Upgrade this one, or prepare again."
                )
            return cls(parts, typed_json.decode(content, Manifest))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise damaged("manifest.json") from None

    def made_by(self, settings: ConversionSettings) -> bool:
        """Whether these settings and this package would prepare the same events."""
        made_with = (self.manifest["recipe"], self.manifest["settings"])
        return made_with == (RECIPE, settings.fingerprint())

    def with_netting(self, netting: Netting | None) -> PreparedEvents:
        """The same events with what is left of their amounts; see :class:`.kept_returns.Netting`."""
        return PreparedEvents(self._store, self.manifest, netting)

    @property
    def keeps_returns(self) -> bool:
        """Whether the file's returned lines are kept beside its events."""
        return "returns" in self.manifest

    @property
    def returns(self) -> pl.DataFrame:
        """The returned lines that were kept of the file: :data:`.kept_returns.KEPT`; none if none are kept."""
        name = self.manifest.get("returns")
        return KEPT.to_frame() if name is None else as_kept(self._frame(name))

    @property
    def report(self) -> Report:
        """The report of the preparation."""
        return Report.from_json(self._store.get("report.json"))

    def read(self, index: int) -> pl.DataFrame:
        """The events of a part, in the order of the file.

        Columns: ``line`` (the file's line, an order's first), ``event``, ``event_time`` (seconds), ``event_id``,
        ``value`` (shortest decimal as text, or null), ``currency``, ``rows`` (rows of the file in this event),
        ``content`` (fingerprint of time and amount, 8 bytes), ``email_n`` and ``phone_n`` (digests, 32 bytes, or null),
        with a suppression list ``readings`` (digest prefixes of every reading of the identifiers, as numbers), and,
        where they are sent, ``order_id``, ``shop_id``, ``contents`` (JSON), ``content_type``.
        """
        return self._events(index, self._frame(self.manifest["parts"][index]["name"]))

    def read_amounts(self, index: int) -> pl.DataFrame:
        """The events of a part as :meth:`read`, without identifiers and contents, which are not read."""
        name = self.manifest["parts"][index]["name"]
        with staged_faults(name), self._store.open_read(name) as stream:
            columns = [name for name in pl.read_parquet_schema(stream) if name in _COUNTED]
            stream.seek(0)
            return self._events(index, pl.read_parquet(stream, columns=columns))

    def read_sales(self, index: int) -> pl.DataFrame:
        """``digest``, ``units``, ``currency``, ``rows`` and ``content`` of the events of a part, before any return."""
        part = self.manifest["parts"][index]
        with staged_faults(part["name"]), self._store.open_read(part["name"]) as stream:
            columns = ["line", "digest", "units", "currency", "content"]
            of_orders = ["rows"] if "rows" in pl.read_parquet_schema(stream) else []
            stream.seek(0)
            staged = pl.read_parquet(stream, columns=columns + of_orders)
        if not of_orders:
            staged = staged.with_columns(rows=pl.lit(1, dtype=pl.Int64))
        if part["leave_out"] is not None:
            staged = staged.join(self._frame(part["leave_out"]).filter("row"), on="line", how="anti")
        return staged.drop("line")

    def _events(self, index: int, staged: pl.DataFrame) -> pl.DataFrame:
        part = self.manifest["parts"][index]
        with staged_faults(part["name"]):
            return self._without_what_is_none(part, staged)

    def _without_what_is_none(self, part: PartEntry, staged: pl.DataFrame) -> pl.DataFrame:
        without_value = None
        if part["leave_out"] is not None:
            lists = self._frame(part["leave_out"])
            staged = staged.join(lists.filter("row"), on="line", how="anti", maintain_order="left")
            without_value = lists.filter(~pl.col("row"))["line"]
        wanted, recipe = self.manifest["send_fields"], self.manifest["recipe"]
        if self._netting is not None:
            ids = staged.select(id_text(pl.col("digest"), recipe)).to_series()
            staged = self._netting.applied(staged, ids)
        events = finished(staged, recipe=recipe, content_type="content_type" in wanted)
        if without_value is not None and len(without_value):
            events = events.with_columns(
                pl.when(~pl.col("line").is_in(without_value.implode())).then("value").alias("value")
            )
        return events.drop(name for name in ("value", "currency") if name not in wanted)

    def _frame(self, name: str) -> pl.DataFrame:
        with staged_faults(name), self._store.open_read(name) as stream:
            return pl.read_parquet(stream)

    def json_lines(self) -> Iterator[str]:
        """Every event as one item of TikTok's ``data[]``, in the order of the file."""
        for index in range(len(self.parts)):
            yield from to_json(self.read(index))

    def to_arrow(self) -> pa.Table:
        """All events as one Arrow table; for notebooks, as it holds the whole file."""
        import pyarrow as pa

        if not self.parts:
            return pa.table({})
        return pl.concat([self.read(index) for index in range(len(self.parts))]).to_arrow()

    def to_pandas(self) -> pd.DataFrame:
        """All events as one pandas frame; for notebooks, as it holds the whole file."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame
