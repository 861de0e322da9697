"""Laws that hold for every file: where it is cut, in what order its rows stand, and that no line is lost."""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.preparation import blocks
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, prepare, validate
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import read_verdicts
from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.errors import InputFileError
from tests.conversions.files import AS_OF, GOOD, HEADER, LIVERAMP, SETTINGS, BytesSource
from tests.conversions.odd_rows import LINE, ROW, file_of


def _run(
    data: bytes, directory: Path, block_bytes: int, part_events: int = 3
) -> tuple[Report, list[str], bytes, list[tuple[object, ...]]]:
    """Report, events, rejects and verdicts of a file cut into such blocks."""
    rejects, verdicts = io.BytesIO(), io.BytesIO()
    parts = DirectoryParts(directory / f"parts-{block_bytes}")
    source = BytesSource(data)
    options = PassOptions(block_bytes=block_bytes, part_events=part_events)
    prepared = prepare(source, SETTINGS, as_of=AS_OF, output=parts, options=options)
    report = validate(source, SETTINGS, as_of=AS_OF, verdicts=verdicts, options=replace(options, rejects=rejects))
    assert replace(prepared.report, duration_s=0) == replace(report, duration_s=0)
    verdicts.seek(0)
    rows = [row for frame in read_verdicts(verdicts) for row in frame.iter_rows()]
    events = list(PreparedEvents.open(parts).json_lines())
    return replace(report, duration_s=0), events, rejects.getvalue(), rows


def _adds_up(report: Report, events: list[str], rows: list[tuple[object, ...]]) -> None:
    counts = (report.rows_valid, report.rows_rejected, report.rows_duplicate, report.rows_excluded)
    assert report.rows_total == sum(counts) == len(rows)
    assert report.rows_valid == len(events) == report.events
    for name, count in zip(("valid", "rejected", "duplicate", "excluded"), counts, strict=True):
        assert sum(row[1] == name for row in rows) == count
    assert sum(report.excluded.values()) == report.rows_excluded
    assert [row[3] for row in rows if row[1] == "valid"] == [json.loads(event)["event_id"] for event in events]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINE, min_size=1, max_size=25), block_bytes=st.integers(40, 400))
def test_any_split_into_blocks_gives_the_same_events_and_issues(
    lines: list[str], block_bytes: int, tmp_path: Path
) -> None:
    """Also in the middle of quoted fields that go over several lines."""
    data = file_of(lines)
    if b"\0" in data or not data[data.index(b"\n") :].strip():
        data = file_of([*(line for line in lines if "\0" not in line), ",".join(GOOD.values())])
    whole = _run(data, tmp_path, 1 << 20)
    assert _run(data, tmp_path, block_bytes) == whole
    report, events, _, rows = whole
    _adds_up(report, events, rows)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(ROW.filter(lambda line: "\n" not in line and "\0" not in line), min_size=1, max_size=30),
    seed=st.integers(0, 99),
)
def test_shuffling_rows_changes_no_event_id(lines: list[str], seed: int, tmp_path: Path) -> None:
    """Nor does another order of the columns."""

    def ids(content: str) -> set[str]:
        parts = DirectoryParts(tmp_path / "shuffled")
        prepare(BytesSource(content.encode()), SETTINGS, as_of=AS_OF, output=parts)
        return {json.loads(event)["event_id"] for event in PreparedEvents.open(parts).json_lines()}

    rows = list(csv.reader(lines, strict=False))
    rows = [row for row in rows if len(row) == len(HEADER)]
    if not rows:
        return
    as_written = ids(_csv(HEADER, rows))
    generator = random.Random(seed)
    order = generator.sample(range(len(HEADER)), len(HEADER))
    shuffled = [[row[place] for place in order] for row in generator.sample(rows, len(rows))]
    assert ids(_csv([HEADER[place] for place in order], shuffled)) == as_written


def _csv(header: object, rows: object) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)  # type: ignore[arg-type]
    writer.writerows(rows)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize("space", [" ", "\t", "\r", "\r\r", "\u00a0"], ids=repr)
@pytest.mark.parametrize("column", range(len(HEADER)))
def test_a_cell_is_read_alike_whatever_is_in_its_block(space: str, column: int, tmp_path: Path) -> None:
    """White space around it is white space also where no other cell of the block has any."""
    good = ["p1@example.com", "CompletePayment", "2026-11-20T10:00:00Z-0000", "12.50", "2125550100", "o1", "S1", "1",
            "p1", "thing"]  # fmt: skip
    cells = [*good[:column], f"{space}{good[column]}{space}", *good[column + 1 :]]
    alone = _run(file_of([",".join(cells)]), tmp_path / "alone", 1 << 20)
    beside = _run(file_of([",".join(cells), ",".join([*good[:5], " o2 ", *good[6:]])]), tmp_path / "beside", 1 << 20)
    assert alone[3] == beside[3][:1]
    assert alone[1] == beside[1][: len(alone[1])]


def _mutated(generator: random.Random, rows: int) -> bytes:
    """A file of good rows with bytes flipped, lost, doubled and moved."""
    lines = [
        ",".join([f"p{generator.randrange(rows)}@example.com", "CompletePayment", "2026-11-20T10:00:00Z-0000",
                  f"{generator.randrange(1, 9999) / 100:.2f}", "2125550100", f"o{number}", "S1", "1", "p1", "thing"])
        for number in range(rows)
    ]  # fmt: skip
    body = bytearray("\n".join(lines).encode() + b"\n")
    for _ in range(generator.randrange(rows)):
        place = generator.randrange(len(body))
        kind = generator.randrange(6)
        if kind == 0:
            body[place] = generator.randrange(256)
        elif kind == 1:
            del body[place : place + generator.randrange(1, 20)]
        elif kind == 2:
            body[place:place] = generator.choice(
                [b'"', b"\n", b",", b"\r", b"\0", b"\xff", b'""', b"\r\n", b" ", b"\xe2\x80\x8b"]
            )
        elif kind == 3:
            body[place:place] = body[place : place + generator.randrange(1, 200)]
        elif kind == 4:
            body[place] = ord('"')
        else:
            other = generator.randrange(len(body))
            body[place], body[other] = body[other], body[place]
    return ",".join(HEADER).encode() + b"\n" + bytes(body)


def _fuzz(seed: int, rows: int, directory: Path) -> int:
    generator = random.Random(seed)
    data = _mutated(generator, rows)
    total = 0
    for chosen in (SETTINGS, LIVERAMP):
        verdicts, repair, rejects = io.BytesIO(), io.BytesIO(), io.BytesIO()
        parts = DirectoryParts(directory / "fuzz")
        block_bytes = generator.choice([1 << 12, 1 << 20])
        try:
            report = validate(
                BytesSource(data),
                chosen,
                as_of=AS_OF,
                verdicts=verdicts,
                options=PassOptions(repair=repair, rejects=rejects, block_bytes=block_bytes),
            )
        except InputFileError:
            continue
        options = PassOptions(part_events=generator.choice([100, 5_000]))
        prepare(BytesSource(data), chosen, as_of=AS_OF, output=parts, options=options)
        verdicts.seek(0)
        found = [row for frame in read_verdicts(verdicts) for row in frame.iter_rows()]
        _adds_up(report, list(PreparedEvents.open(parts).json_lines()), found)
        lines = [row[0] for row in found]
        assert lines == sorted(set(lines))
        listed = list(csv.DictReader(io.StringIO(rejects.getvalue().decode())))
        assert {int(row["line"]) for row in listed if row["severity"] == "error"} == {
            row[0] for row in found if row[1] == "rejected"
        }
        assert not {int(row["line"]) for row in listed} & {row[0] for row in found if row[1] == "excluded"}
        total += report.rows_total
    return total


@pytest.mark.parametrize("seed", range(6))
def test_a_mutated_file_ends_in_issues_and_no_lost_line(seed: int, tmp_path: Path) -> None:
    """Whatever its bytes, each row has one class, one verdict and, if rejected, a reason."""
    _fuzz(seed, 300, tmp_path)


def test_what_a_library_says_of_a_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of Polars names the value that it stumbled over; ours names the lines."""

    def stumble(*_: object) -> None:
        raise pl.exceptions.ComputeError("conversion failed for value ann@example.com")

    monkeypatch.setattr(blocks, "check_block", stumble)
    with pytest.raises(InputFileError, match="lines from 2") as error:
        validate(BytesSource(file_of([",".join(GOOD.values())])), SETTINGS, as_of=AS_OF)
    assert "ann@" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


@pytest.mark.campaign
@pytest.mark.timeout(1800)
def test_a_million_mutated_rows(tmp_path: Path) -> None:
    """The same, until a million rows were checked."""
    total = seed = 0
    while total < 1_000_000:
        seed += 1
        total += _fuzz(1_000 + seed, random.Random(seed).choice([50, 1_000, 20_000]), tmp_path)
