"""What a part's receipts say is the same by the places of keys as by the history of each key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from airflow_provider_tiktok_offline.ledger.key_files import pack
from airflow_provider_tiktok_offline.ledger.part_answers import PartAnswers, read_answers
from airflow_provider_tiktok_offline.ledger.plan import PLAN_COLUMNS
from airflow_provider_tiktok_offline.ledger.receipt_files import Kind
from airflow_provider_tiktok_offline.ledger.receipt_history import read_outcomes
from airflow_provider_tiktok_offline.storage.backends.local_objects import LocalObjects
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

_AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
_ROWS = 60


def _key(row: int) -> bytes:
    return (row * 7919 % 104729).to_bytes(16, "little")


def _verdicts(*, in_doubt: tuple[int, ...] = (), not_sent: tuple[int, ...] = ()) -> pl.DataFrame:
    """A part of a plan: new events, some in doubt since the day before, some that other deliveries have sent."""
    return pl.DataFrame(
        {
            "row": list(range(_ROWS)),
            "event_key": [_key(row) for row in range(_ROWS)],
            "content": list(range(_ROWS)),
            "verdict": [
                "in_doubt" if row in in_doubt else "already_sent" if row in not_sent else "new" for row in range(_ROWS)
            ],
            "first_attempt_at": [_AT - timedelta(days=1) if row in in_doubt else None for row in range(_ROWS)],
        },
        schema=PLAN_COLUMNS,
    )


class _Receipts:
    """Receipts of one part in a store."""

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self.names: list[str] = []

    def add(self, kind: Kind, rows: list[int], *sizes: int) -> None:
        """A receipt, a minute after the one before; with the sizes of its requests for an answer."""
        seq = len(self.names)
        header: dict[str, object] = {"kind": kind, "at": (_AT + timedelta(minutes=seq)).isoformat(), "holder": "test"}
        if kind != "attempted":
            code = 40000 if kind == "refused" else None
            header["batches"] = [[size, f"request-{seq}-{number}", code, None] for number, size in enumerate(sizes)]
        name = f"{seq:08d}-0"
        keys = pl.Series("event_key", [_key(row) for row in rows], dtype=pl.Binary)
        self.objects.create(f"part/{name}", pack(keys, header))
        self.names.append(name)

    def check(self, verdicts: pl.DataFrame) -> PartAnswers:
        """Read them, and compare with the history of each key."""
        answers = read_answers(self.objects, "part", self.names, verdicts)
        doubts = verdicts.filter(pl.col("first_attempt_at").is_not_null()).select("event_key", "first_attempt_at")
        history = read_outcomes(self.objects, [f"part/{name}" for name in self.names], doubts)
        contents = verdicts.select("event_key", "content")
        expected_rows = history.join(contents, on="event_key").select(answers.outcomes.columns)
        assert answers.outcomes.sort("event_key").equals(expected_rows.sort("event_key"))
        known = dict(history.select("event_key", "outcome").iter_rows())
        expected = [
            known.get(key, None if verdict in ("new", "in_doubt") else verdict)
            for key, verdict in verdicts.select("event_key", "verdict").iter_rows()
        ]
        assert answers.standing.to_list() == expected
        return answers


@pytest.fixture
def receipts(tmp_path: Path) -> _Receipts:
    return _Receipts(LocalObjects(tmp_path))


def test_requests_answered_out_of_order_are_found_by_their_first_event(receipts: _Receipts) -> None:
    receipts.add("attempted", list(range(30)))
    receipts.add("accepted", [*range(10, 20), *range(10)], 10, 10)
    receipts.add("attempted", list(range(30, 60)))
    receipts.add("accepted", [*range(20, 30), *range(30, 60)], 10, 30)
    answers = receipts.check(_verdicts())
    assert answers.tally().counts == {"accepted": _ROWS}
    assert answers.request_ids == ("request-1-0", "request-1-1", "request-3-0", "request-3-1")


def test_events_without_an_answer_are_in_doubt_since_their_first_attempt(receipts: _Receipts) -> None:
    receipts.add("attempted", list(range(40)))
    receipts.add("accepted", list(range(10)), 10)
    receipts.add("attempted", list(range(10, 30)))
    answers = receipts.check(_verdicts(in_doubt=(3, 12, 50)))
    assert answers.tally().counts == {"accepted": 10, "in_doubt": 31}


def test_refused_and_released_events_are_told_by_their_history(receipts: _Receipts) -> None:
    receipts.add("attempted", list(range(40)))
    receipts.add("accepted", list(range(10)), 10)
    receipts.add("refused", [11], 1)
    receipts.add("released", list(range(20, 40)), 20)
    answers = receipts.check(_verdicts(in_doubt=(25,)))
    assert answers.tally().counts["refused"] == 1


def test_keys_in_another_order_than_the_plan_s_are_told_by_their_history(receipts: _Receipts) -> None:
    receipts.add("attempted", list(reversed(range(20))))
    receipts.add("accepted", [5, 3, 9], 3)
    assert receipts.check(_verdicts()).tally().counts == {"accepted": 3, "in_doubt": 17}


def test_what_is_not_sent_stands_as_its_verdict_says(receipts: _Receipts) -> None:
    others = (0, 7, 8, 59)
    sent = [row for row in range(_ROWS) if row not in others]
    receipts.add("attempted", sent)
    receipts.add("accepted", sent, 50, 6)
    assert receipts.check(_verdicts(not_sent=others)).standing[7] == "already_sent"


def test_without_receipts_only_earlier_doubts_are_known(receipts: _Receipts) -> None:
    assert receipts.check(_verdicts(in_doubt=(1,))).tally().counts == {"in_doubt": 1}
