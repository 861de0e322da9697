"""The plan of a delivery: which events of which prepared part are to be sent, fixed before the first one leaves."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from airflow_provider_tiktok_offline.errors import FileMissingError, LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import documents
from airflow_provider_tiktok_offline.storage.objects import ObjectStore

#: Columns of a part of a plan.
COLUMNS = pl.Schema({"row": pl.UInt32(), "event_key": pl.Binary(), "content": pl.Int64(), "held": pl.Boolean()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An immutable plan.

    Attributes:
        delivery_id: the delivery.
        token: what its parts and receipts are filed under; a reopened delivery's next plan has another.
        route: by which way it goes.
        events: part index -> events to send.
    """

    delivery_id: str
    token: str
    route: str
    events: dict[int, int]
    _folder: str
    _objects: ObjectStore

    @property
    def parts(self) -> list[int]:
        """The parts that have something to send, in order."""
        return [index for index, count in sorted(self.events.items()) if count]

    def part(self, index: int) -> pl.DataFrame:
        """What is to be sent of a prepared part: :data:`COLUMNS`; ``row`` is the event's index in the part.

        ``held`` events were claimed by another delivery when the plan was made.

        :raises LedgerDamagedError: if the part is missing or cut off.
        """
        if not self.events.get(index):
            return pl.DataFrame(schema=COLUMNS)
        path = part_path(self._folder, self.token, index)
        try:
            with self._objects.open_read(path) as stream:
                frame = pl.read_parquet(stream)
        except (pl.exceptions.PolarsError, OSError, FileMissingError) as error:
            raise LedgerDamagedError(
                f"a part of the plan can't be read ({type(error).__name__})",
                where=f"{self._objects.uri}/{path}",
                todo="Nothing was sent of it. Restore the object.",
            ) from None
        if frame.height != self.events[index]:
            raise LedgerDamagedError("a part of the plan was changed", where=f"{self._objects.uri}/{path}")
        return frame


def new_token() -> str:
    """A name for one try at making a plan."""
    return secrets.token_hex(6)


def part_path(folder: str, token: str, index: int) -> str:
    """Where one part of a plan lies."""
    return f"{folder}/{token}/{index:06d}.parquet"


def write_part(objects: ObjectStore, folder: str, token: str, index: int, frame: pl.DataFrame) -> None:
    """Write one part of a plan in the making."""
    with objects.open_write(part_path(folder, token, index)) as stream:
        frame.select(COLUMNS.keys()).write_parquet(stream)


def fix(objects: ObjectStore, folder: str, token: str, route: str, events: Mapping[int, int]) -> None:
    """Make the parts written under ``token`` the delivery's plan, unless it has one."""
    written = {str(index): count for index, count in sorted(events.items())}
    documents.create(objects, _manifest(folder), {"token": token, "route": route, "events": written})


def read(objects: ObjectStore, folder: str, delivery_id: str) -> Plan | None:
    """The delivery's plan, or None."""
    found = documents.read(objects, _manifest(folder))
    if found is None:
        return None
    manifest = found[0]
    return Plan(
        delivery_id=delivery_id,
        token=manifest["token"],
        route=manifest["route"],
        events={int(index): count for index, count in manifest["events"].items()},
        _folder=folder,
        _objects=objects,
    )


def put_away(objects: ObjectStore, folder: str) -> None:
    """Make room for a new plan; the old one is kept beside its parts."""
    found = objects.get(_manifest(folder))
    if found is not None:
        token = documents.decode(found[0], folder)["token"]
        objects.put(f"{folder}/{token}/manifest.json", found[0])
        objects.delete(_manifest(folder))


def _manifest(folder: str) -> str:
    return f"{folder}/manifest.json"
