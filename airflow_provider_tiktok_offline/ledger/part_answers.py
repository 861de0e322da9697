"""What the receipts of one part of a plan say of its events, each receipt read once.

Attempts and answers name their events in the plan's order, a request or a window at a time. So the place of the first
event of each gives the places of all others: their keys are compared as bytes, and nothing is joined. Where a part has
refusals, attempts that were taken back, or keys in another order, :func:`.receipt_history.outcomes_of` works it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers
from airflow_provider_tiktok_offline.ledger.event_keys import KEY_BYTES
from airflow_provider_tiktok_offline.ledger.event_states import OUTCOMES, SENT_VERDICTS, VERDICTS
from airflow_provider_tiktok_offline.ledger.receipt_files import Receipt, read_receipts, request_ids_of
from airflow_provider_tiktok_offline.ledger.receipt_history import outcomes_of
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: How an event of a plan stands: its answer, else the verdict under which it is not sent; a byte an event.
STANDING = pl.Enum(tuple(dict.fromkeys((*(name for name in VERDICTS if name not in SENT_VERDICTS), "in_doubt"))))
_DATETIME = pl.Datetime("us", "UTC")
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAnswers:
    """What became of one part.

    Attributes:
        receipts: the names of the receipts that were read.
        outcomes: :data:`.OUTCOMES` and ``content`` of each event with an outcome.
        standing: :data:`STANDING` of every event of the part, in its order; null for planned events without an answer.
        request_ids: TikTok's ids of the answered requests.
    """

    receipts: tuple[str, ...]
    outcomes: pl.DataFrame
    standing: pl.Series
    request_ids: tuple[str, ...]

    def tally(self) -> PartTally:
        """The same without a row for each event."""
        counts = dict(self.outcomes["outcome"].value_counts().iter_rows())
        return PartTally(self.receipts, counts, self.standing, self.request_ids)


@dataclass(frozen=True, slots=True)
class PartTally:
    """What is kept of a part's answers until all parts are read: a byte an event.

    Attributes:
        counts: outcome -> events.
        receipts, standing, request_ids: as of :class:`PartAnswers`.
    """

    receipts: tuple[str, ...]
    counts: dict[str, int]
    standing: pl.Series
    request_ids: tuple[str, ...]


def read_answers(objects: ObjectStore, folder: str, names: list[str], verdicts: pl.DataFrame) -> PartAnswers:
    """What the named receipts say of a part.

    :param folder: where the part's receipts lie.
    :param verdicts: the part's events and their verdicts, as :meth:`.Plan.verdicts` gives them.
    """
    receipts = read_receipts(objects, [f"{folder}/{name}" for name in names])
    is_planned = verdicts["verdict"].is_in(SENT_VERDICTS)
    planned = verdicts if is_planned.all() else verdicts.filter(is_planned)
    outcomes = _in_order(receipts, planned)
    if outcomes is None:
        outcomes = _by_key(receipts, planned)
    known = outcomes["outcome"].is_not_null()
    return PartAnswers(
        receipts=tuple(names),
        outcomes=outcomes if known.all() else outcomes.filter(known),
        standing=_standing(verdicts["verdict"], is_planned, outcomes["outcome"]),
        request_ids=tuple(request_ids_of(receipts)),
    )


def _standing(verdicts: pl.Series, is_planned: pl.Series, outcomes: pl.Series) -> pl.Series:
    if len(outcomes) == len(verdicts):
        return outcomes.cast(STANDING)
    if outcomes.is_empty():
        return verdicts.cast(STANDING)
    place = (is_planned.cast(pl.Int64).cum_sum() - 1).clip(0)
    return pl.select(pl.when(is_planned).then(outcomes.gather(place)).otherwise(verdicts)).to_series().cast(STANDING)


def _by_key(receipts: list[Receipt], planned: pl.DataFrame) -> pl.DataFrame:
    """The planned events in their order, with what the history of each says."""
    in_doubt = planned.filter(pl.col("first_attempt_at").is_not_null()).select("event_key", "first_attempt_at")
    return planned.select("event_key", "content").join(
        outcomes_of(receipts, in_doubt), on="event_key", how="left", maintain_order="left"
    )


def _in_order(receipts: list[Receipt], planned: pl.DataFrame) -> pl.DataFrame | None:
    """As :func:`_by_key`, by the places of keys; None where that does not do."""
    if any(receipt.header.kind not in ("attempted", "accepted") for receipt in receipts):
        return None
    slices = _slices(receipts, planned["event_key"])
    if slices is None:
        return None
    first_attempts = planned["first_attempt_at"].dt.epoch("us").fill_null(_NEVER).to_numpy().copy()
    accepted = np.zeros(planned.height, bool)
    for receipt, start, end in slices:
        if receipt.header.kind == "accepted":
            accepted[start:end] = True
        else:
            at = int(pl.Series([receipt.header.at]).cast(_DATETIME).dt.epoch("us")[0])
            np.minimum(first_attempts[start:end], at, out=first_attempts[start:end])
    attempted = first_attempts != _NEVER
    first = pl.Series("first_attempt_at", first_attempts).cast(_DATETIME)
    return planned.select("event_key", "content").select(
        "event_key",
        "content",
        outcome=pl.when(pl.Series(accepted))
        .then(pl.lit("accepted"))
        .when(pl.Series(attempted))
        .then(pl.lit("in_doubt")),
        first_attempt_at=first if attempted.all() else pl.when(pl.Series(attempted)).then(first),
        code=pl.lit(None, OUTCOMES["code"]),
        field=pl.lit(None, OUTCOMES["field"]),
    )


def _slices(receipts: list[Receipt], planned: pl.Series) -> list[tuple[Receipt, int, int]] | None:
    """Where the events of each request or window stand in the plan; None if some don't stand there in a row."""
    batches: list[tuple[Receipt, NDArray[np.uint8]]] = []
    for receipt in receipts:
        keys = _bytes(receipt.keys)
        ends = np.cumsum([0, *receipt.batch_sizes])
        if ends[-1] != len(keys):
            return None
        batches += [(receipt, keys[start:end]) for start, end in pairwise(ends) if end > start]
    first = pl.Series("event_key", [keys[0].tobytes() for _, keys in batches], dtype=pl.Binary)
    rows = planned.to_frame().with_row_index("at").filter(pl.col("event_key").is_in(first.unique().implode()))
    place = dict(zip(rows["event_key"], rows["at"], strict=True))
    plan_keys = _bytes(planned)
    found = []
    for (receipt, keys), key in zip(batches, first, strict=True):
        start = place.get(key)
        if start is None or not np.array_equal(plan_keys[start : start + len(keys)], keys):
            return None
        found.append((receipt, start, start + len(keys)))
    return found


def _bytes(keys: pl.Series) -> NDArray[np.uint8]:
    """Keys as rows of 16 bytes."""
    return buffers(keys)[3].reshape(-1, KEY_BYTES)
