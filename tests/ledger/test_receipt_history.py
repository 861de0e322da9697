"""What the receipts that name an event say of it: each history that a few tries can leave behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from airflow_provider_tiktok_offline.ledger.key_files import pack
from airflow_provider_tiktok_offline.ledger.receipt_files import Kind, Receipt, ReceiptHeader, any_accepted
from airflow_provider_tiktok_offline.ledger.receipt_history import outcomes_of
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

_AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
_KEY = b"k" * 16
#: Minutes after ``_AT``: a receipt has those of its number, an attempt of an earlier delivery was a day before.
_DAY_BEFORE = -24 * 60


def _receipt(seq: int, kind: Kind) -> Receipt:
    batches: list[tuple[int, str | None, int | None, str | None]] | None = None
    if kind != "attempted":
        batches = [(1, f"request-{seq}", 40000 + seq if kind == "refused" else None, None)]
    header = ReceiptHeader(kind=kind, at=_AT + timedelta(minutes=seq), batches=batches)
    return Receipt(str(seq), seq, header, pl.Series("event_key", [_KEY], dtype=pl.Binary))


def _told(kinds: list[Kind], *, doubt_before: bool) -> tuple[str, int, int | None] | None:
    """Outcome, minutes to its first attempt, and code of the one event that receipts of these kinds name."""
    doubts = pl.DataFrame(
        {"event_key": [_KEY], "first_attempt_at": [_AT + timedelta(minutes=_DAY_BEFORE)]},
        schema={"event_key": pl.Binary, "first_attempt_at": pl.Datetime("us", "UTC")},
    )
    found = outcomes_of([_receipt(*each) for each in enumerate(kinds)], doubts if doubt_before else doubts.clear())
    if found.is_empty():
        return None
    (row,) = found.iter_rows(named=True)
    return row["outcome"], int((row["first_attempt_at"] - _AT) / timedelta(minutes=1)), row["code"]


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ([], None),
        (["attempted"], ("in_doubt", 0, None)),
        (["attempted", "released"], None),
        (["attempted", "attempted", "released"], ("in_doubt", 0, None)),
        (["attempted", "released", "attempted"], ("in_doubt", 2, None)),
        (["attempted", "released", "attempted", "released"], None),
        (["attempted", "refused"], ("refused", 0, 40001)),
        (["attempted", "attempted", "refused"], ("refused", 0, 40002)),
        (["attempted", "refused", "attempted"], ("in_doubt", 2, None)),
        (["attempted", "refused", "attempted", "released"], ("refused", 0, 40001)),
        (["attempted", "refused", "attempted", "refused"], ("refused", 0, 40003)),
        (["attempted", "accepted"], ("accepted", 0, None)),
        (["attempted", "accepted", "attempted", "refused"], ("accepted", 0, None)),
        (["attempted", "released", "attempted", "accepted"], ("accepted", 0, None)),
    ],
    ids=str,
)
def test_what_became_of_an_event(kinds: list[Kind], told: tuple[str, int, int | None] | None) -> None:
    """A refusal answers the attempts before it, a release the one right before it."""
    assert _told(kinds, doubt_before=False) == told


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ([], ("in_doubt", _DAY_BEFORE, None)),
        (["attempted"], ("in_doubt", _DAY_BEFORE, None)),
        (["attempted", "released"], ("in_doubt", _DAY_BEFORE, None)),
        (["attempted", "refused"], ("refused", _DAY_BEFORE, 40001)),
        (["attempted", "refused", "attempted"], ("in_doubt", 2, None)),
        (["attempted", "accepted"], ("accepted", _DAY_BEFORE, None)),
    ],
    ids=str,
)
def test_what_became_of_an_event_that_an_earlier_delivery_left_in_doubt(
    kinds: list[Kind], told: tuple[str, int, int | None] | None
) -> None:
    """Its 44 hours count from that attempt, whatever was tried and taken back since."""
    assert _told(kinds, doubt_before=True) == told


@pytest.mark.parametrize(
    ("kinds", "accepted"),
    [
        ([], False),
        (["attempted", "refused"], False),
        (["attempted", "accepted"], True),
        (["attempted", "accepted", "attempted", "refused"], True),
    ],
    ids=str,
)
def test_whether_anything_was_accepted_is_asked_of_all_parts(
    objects: ObjectStore, kinds: list[Kind], accepted: bool
) -> None:
    """Whichever receipt says so, beside a part of which nothing was taken."""
    refused: list[Kind] = ["attempted", "refused"]
    for part, receipts in (("000000", refused), ("000001", kinds)):
        for seq, kind in enumerate(receipts):
            header = {"kind": kind, "at": _AT.isoformat(), "holder": "test"}
            objects.create(f"r/{part}/{seq:08d}-0", pack(pl.Series("event_key", [_KEY], dtype=pl.Binary), header))
    assert any_accepted(objects, objects.list("r")) == accepted
