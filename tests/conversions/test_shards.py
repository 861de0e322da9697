"""Any file, cut into any shards that end in any order, gives what one pass over it gives."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.settings import (
    OPTIONAL_SEND_FIELDS,
    ConversionSettings,
    FileFormat,
)
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.file.cutting import why_not_cut
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.read_list import read_list
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, prepare, validate
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import read_verdicts
from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import cut_into_shards, read_shards
from airflow_provider_tiktok_offline.conversions.preparation.shards import ShardRequest, merge_shards, prepare_shard
from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.errors import FileChangedError, InputFileError
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from tests.conversions.files import AS_OF, GOOD, HEADER, SETTINGS, text
from tests.conversions.odd_rows import LINE, file_of

_EVERYTHING = SETTINGS.send_fields | OPTIONAL_SEND_FIELDS
_PEOPLE = read_list(io.BytesIO(b"email\nann@example.com\n"), ListSettings(phone_regions=("US",)))
_KINDS = {
    "plain": SETTINGS,
    "everything sent": replace(SETTINGS, send_fields=_EVERYTHING),
    "baskets": replace(SETTINGS, basket="order", send_fields=_EVERYTHING),
    "returns taken off": replace(SETTINGS, basket="order", returns="net"),
    "waiting for returns": replace(SETTINGS, send_after_days=7),
    "baskets that wait": replace(SETTINGS, basket="order", returns="net", send_after_days=7),
    "amount of the order": replace(SETTINGS, amount="order", event_identity=("order_id", "product_id", "quantity")),
    "lines of an order": replace(SETTINGS, event_identity=("order_id", "product_id"), report_by_store=True),
    "cp1252": replace(SETTINGS, format=FileFormat(encoding="cp1252")),
    "footer": replace(SETTINGS, format=FileFormat(footer_lines=2)),
    "liveramp": ConversionSettings(profile="liveramp", phone_region="US"),
    "liveramp baskets": ConversionSettings(profile="liveramp", phone_region="US", basket="order"),
    "opt-outs": SETTINGS,
}
Outcome = tuple[Report, list[str], list[tuple[object, ...]], list[tuple[object, ...]]]


def _outcome(parts: DirectoryParts, report: Report, verdicts: io.BytesIO) -> Outcome:
    prepared = PreparedEvents.open(parts)
    verdicts.seek(0)
    rows = [row for frame in read_verdicts(verdicts) for row in frame.iter_rows()]
    returns = prepared.returns.sort(pl.all()).rows()
    assert replace(prepared.report, duration_s=0) == replace(report, duration_s=0)
    return replace(report, duration_s=0), list(prepared.json_lines()), rows, returns


def _whole(path: Path, kind: str, options: PassOptions) -> Outcome:
    chosen, people = _KINDS[kind], _PEOPLE if kind == "opt-outs" else None
    parts, verdicts = DirectoryParts(path.with_suffix(".whole")), io.BytesIO()
    source = LocalFile(path)
    prepare(source, chosen, as_of=AS_OF, output=parts, suppression=people, options=options)
    report = validate(source, chosen, as_of=AS_OF, suppression=people, verdicts=verdicts, options=options)
    return _outcome(parts, report, verdicts)


def _sharded(path: Path, kind: str, options: PassOptions, least_bytes: int, order: random.Random) -> Outcome:
    chosen, people = _KINDS[kind], _PEOPLE if kind == "opt-outs" else None
    parts, verdicts = DirectoryParts(path.with_suffix(".shards")), io.BytesIO()
    source = LocalFile(path)
    made = cut_into_shards(
        source, chosen, as_of=AS_OF, least_bytes=least_bytes, most=9, output=parts, block_bytes=options.block_bytes
    )
    shards = read_shards(parts)
    assert shards == made
    numbers = list(range(len(shards.pieces)))
    order.shuffle(numbers)
    for number in [*numbers, *numbers[:2]]:
        request = ShardRequest(verdicts=True, suppression=people, options=options)
        prepare_shard(source, chosen, shards, number, output=parts, request=request)
    report = merge_shards(
        source, chosen, shards, parts, output=parts, verdicts=verdicts, suppression=people, options=options
    )
    return _outcome(parts, report, verdicts)


def _tried(work: object, *arguments: object) -> object:
    assert callable(work)
    try:
        return work(*arguments)
    except InputFileError as error:
        return error.rule, error.what, error.where


_CASES = {
    "lines": st.lists(LINE, min_size=1, max_size=40),
    "kind": st.sampled_from(sorted(_KINDS)),
    "block_bytes": st.integers(40, 900),
    "least_bytes": st.integers(1, 1_500),
    "part_events": st.integers(1, 9),
    "order": st.randoms(use_true_random=False),
    "ended": st.booleans(),
}


def _alike(
    path: Path, lines: list[str], kind: str, block_bytes: int, least_bytes: int, part_events: int,
    order: random.Random, ended: bool,
) -> None:  # fmt: skip
    content = file_of(lines)
    path.write_bytes(content if ended else content.rstrip(b"\n"))
    options = PassOptions(block_bytes=block_bytes, part_events=part_events)
    whole = _tried(_whole, path, kind, options)
    assert _tried(_sharded, path, kind, options, least_bytes, order) == whole


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**_CASES)
def test_shards_give_what_one_pass_gives(tmp_path: Path, **case: Any) -> None:
    """Events, issues, report, verdicts, kept returns; whatever the rows, the cuts and the order in which shards end."""
    _alike(tmp_path / "sales.csv", **case)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(**_CASES)
def test_a_thousand_files_in_shards(tmp_path: Path, **case: Any) -> None:
    """The same, a thousand times."""
    _alike(tmp_path / "sales.csv", **case)


@pytest.mark.parametrize("kind", ["plain", "everything sent", "baskets that wait", "lines of an order", "liveramp"])
def test_a_dirty_file_in_shards(kind: str, tmp_path: Path) -> None:
    """A sample of which a fifth is broken, with orders, duplicates and collisions across its shards."""
    path = tmp_path / "sales.csv"
    write_sample(path, 1_500, as_of=AS_OF, bad_ratio=0.2, seed=3, form=SampleForm(phones="written"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, *lines[1:700:5]]))
    options = PassOptions(block_bytes=1 << 14, part_events=300)
    whole = _tried(_whole, path, kind, options)
    assert _tried(_sharded, path, kind, options, 30_000, random.Random(1)) == whole
    shards = read_shards(DirectoryParts(path.with_suffix(".shards")))
    assert len(shards.pieces) > 3


def test_ids_that_only_the_whole_column_shows_to_be_damaged(tmp_path: Path) -> None:
    """Rounded ids in one shard, an exact one in none; ids that end in ``.0`` in one shard, another one in the last."""
    rows = [{"order_id": f"{number:02}1234567890123000", "product_id": f"{number}.0"} for number in range(60)]
    rows[-1]["product_id"] = "x1"
    path = tmp_path / "sales.csv"
    path.write_text(text(rows))
    options = PassOptions(block_bytes=700)
    whole = _whole(path, "lines of an order", options)
    assert whole[0].rows_rejected == 60
    assert _sharded(path, "lines of an order", options, 1_000, random.Random(0)) == whole


def test_what_a_shard_leaves_names_nobody(tmp_path: Path) -> None:
    """Neither an identifier nor an id lies in plain text in what waits between two tasks, but what is sent."""
    rows = [
        {
            "email_1": f"person{number}@example.com",
            "phone_1": f"212555{number:04}",
            "order_id": f"{number:02}1234567890123000",
        }
        for number in range(60)
    ]  # fmt: skip
    path = tmp_path / "sales.csv"
    path.write_text(text(rows))
    chosen = replace(SETTINGS, send_fields=SETTINGS.send_fields - {"order_id"})
    parts = DirectoryParts(tmp_path / "left")
    shards = cut_into_shards(
        LocalFile(path), chosen, as_of=AS_OF, least_bytes=1_000, most=9, output=parts, block_bytes=700,
    )  # fmt: skip
    for number in range(len(shards.pieces)):
        prepare_shard(LocalFile(path), chosen, shards, number, output=parts, request=ShardRequest(verdicts=True))
    left = b"".join(one.read_bytes() for one in sorted(parts.path.iterdir()))
    assert len(left) > 1_000
    for row in rows:
        for value in row.values():
            assert value.encode() not in left


def test_a_file_that_was_replaced_is_seen(tmp_path: Path) -> None:
    """Another file of the same size and as many lines, where the one was cut."""
    path = tmp_path / "sales.csv"
    path.write_text(text([{"transaction_amount": "12.50"}] * 40))
    parts = DirectoryParts(tmp_path / "left")
    shards = cut_into_shards(
        LocalFile(path), SETTINGS, as_of=AS_OF, least_bytes=500, most=9, output=parts, block_bytes=400,
    )  # fmt: skip
    path.write_text(text([{"transaction_amount": "12.50"}] * 39 + [{"transaction_amount": "12.51"}]))
    prepare_shard(LocalFile(path), SETTINGS, shards, 0, output=parts)
    with pytest.raises(FileChangedError, match="not the one that was cut"):
        prepare_shard(LocalFile(path), SETTINGS, shards, len(shards.pieces) - 1, output=parts)
    with pytest.raises(FileChangedError, match="settings have changed"):
        prepare_shard(LocalFile(path), replace(SETTINGS, currency="EUR"), shards, 0, output=parts)


@pytest.mark.parametrize(
    "pattern", ["shards.json", "shard-00001.json", "shard-00001-*-lines.npz", "shard-00001-*-keys.arrow"]
)
def test_a_damaged_object_is_named(pattern: str, tmp_path: Path) -> None:
    """Cut off, or with other bytes: never another result."""
    path = tmp_path / "sales.csv"
    path.write_text(text([{}] * 40))
    parts = DirectoryParts(tmp_path / "left")
    shards = cut_into_shards(
        LocalFile(path), SETTINGS, as_of=AS_OF, least_bytes=500, most=9, output=parts, block_bytes=400,
    )  # fmt: skip
    for number in range(len(shards.pieces)):
        prepare_shard(LocalFile(path), SETTINGS, shards, number, output=parts)
    [name] = [one.name for one in parts.path.glob(pattern)]
    content = parts.get(name)
    for broken in (content[: len(content) // 2], b"{}" if name.endswith(".json") else b"", b"\0" * len(content)):
        parts.put(name, broken)
        with pytest.raises(InputFileError, match=f"staged object {name} is damaged"):
            merge_shards(LocalFile(path), SETTINGS, read_shards(parts), parts, output=parts)


@pytest.mark.parametrize(
    ("encoding", "head", "why"),
    [
        ("utf-8", b"email_1,", None),
        ("cp1252", b"email_1,", None),
        ("iso-8859-1", b"email_1,", None),
        ("iso-8859-15", b"email_1,", None),
        ("cp437", b"email_1,", None),
        ("utf-16", b"\xff\xfee\0", "a byte alone does not say"),
        ("shift_jis", b"email_1,", "a byte alone does not say"),
        ("gbk", b"email_1,", "a byte alone does not say"),
        ("cp037", b"\x85", "a byte alone does not say"),
        ("utf-8", b"\x1f\x8b\x08", "compressed with gzip"),
    ],
    ids=[
        "UTF-8",
        "cp1252",
        "Latin 1",
        "Latin 9",
        "cp437",
        "UTF-16",
        "Shift-JIS",
        "GBK",
        "EBCDIC",
        "gzip",
    ],
)
def test_which_files_stay_one_shard(encoding: str, head: bytes, why: str | None) -> None:
    """And why, in words."""
    found = why_not_cut(head, replace(SETTINGS, format=FileFormat(encoding=encoding)))
    assert found is None if why is None else found is not None and why in found


def test_bytes_that_an_encoding_does_not_have(tmp_path: Path) -> None:
    """They stay as they are; the places in the file are counted by its lines, not by its characters."""
    row = b",".join(GOOD.get(name, "").encode() for name in HEADER)
    odd = [row.replace(b"ann@", bytes([byte]) + b"nn@") for byte in range(0x80, 0x100)]
    path = tmp_path / "sales.csv"
    path.write_bytes(b"\n".join([",".join(HEADER).encode(), *odd, b""]))
    options = PassOptions(block_bytes=700)
    whole = _whole(path, "cp1252", options)
    assert _sharded(path, "cp1252", options, 1_500, random.Random(0)) == whole
    assert json.loads(whole[0].to_json())["rows_total"] == 128
