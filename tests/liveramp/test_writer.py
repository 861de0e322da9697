"""The feed file's plaintext."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, FileFormat, Store
from airflow_provider_tiktok_offline.errors import FeedError, FileChangedError
from airflow_provider_tiktok_offline.liveramp.compression import gzipped
from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile
from tests.liveramp.rows import COLUMNS, SETTINGS, feed, row, source_of, text


def _written(file: FeedFile) -> bytes:
    return b"".join(file.chunks())


def test_a_conforming_file_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """Same columns, same delimiter, every line chosen: the same bytes."""
    content = text(map(row, range(100)))
    file = FeedFile(feed(), [source_of(tmp_path / "a.psv", content)])
    assert _written(file) == content
    assert (file.rows, file.bytes) == (100, len(content))


def test_only_the_chosen_lines_are_written(tmp_path: Path) -> None:
    """Rejected, excluded and delivered rows are left out by their line."""
    content = text(map(row, range(10)))
    file = FeedFile(feed(), [source_of(tmp_path / "a.psv", content, [3, 11])])
    assert _written(file) == text([row(1), row(9)])
    assert file.rows == 2


def test_mark_line_ends_and_delimiter_become_the_feeds(tmp_path: Path) -> None:
    """A byte order mark goes, Windows line ends go, the delimiter is the feed's."""
    content = b"\xef\xbb\xbf" + text(map(row, range(30)), delimiter=",", end="\r\n")
    file = FeedFile(feed(), [source_of(tmp_path / "a.csv", content)])
    assert _written(file) == text(map(row, range(30)))


def test_a_retailers_export_is_mapped(tmp_path: Path) -> None:
    """Own names in any order, constants, decimal comma, columns of no interest dropped."""
    own = replace(
        SETTINGS,
        columns={"When": "transaction_timestamp", "Total": "transaction_amount", "Mail": "email_1", "No": "order_id"},
        constants={"transaction_category": "CompletePayment"},
        format=FileFormat(decimal=","),
        allow_extra_columns=True,
        trim_white_space=True,
    )
    columns = ("email_1", "transaction_category", "transaction_timestamp", "transaction_amount", "order_id")
    content = "Total;x|Mail|Till|No|When\n".replace("Total;x", "Total") + "12,50| a@example.com |7|o-1|2026-11-21\n" * 2
    file = FeedFile(feed(columns), [source_of(tmp_path / "a.psv", content.encode(), settings=own)])
    assert _written(file).decode().splitlines()[1:] == ["a@example.com|CompletePayment|2026-11-21|12.50|o-1"] * 2


def test_local_times_become_utc(tmp_path: Path) -> None:
    """With a time zone, or one by store, the timestamp is written in the programme's form for UTC."""
    columns = (*COLUMNS, "store_code")
    own = replace(SETTINGS, time_zone="America/New_York", stores={"tokyo": Store(time_zone="Asia/Tokyo")})
    rows = [(*row(1)[:2], "2026-11-21 10:00:00", *row(1)[3:], store) for store in ("boston", "tokyo")]
    file = FeedFile(feed(columns), [source_of(tmp_path / "a.psv", text(rows, columns), settings=own)])
    times = [line.split("|")[2] for line in _written(file).decode().splitlines()[1:]]
    assert times == ["2026-11-21T15:00:00Z-0000", "2026-11-21T01:00:00Z-0000"]


def test_quotes_go_where_they_are_not_needed_and_rows_that_need_them_are_left_out(tmp_path: Path) -> None:
    """A value with the feed's delimiter or a quote can't be written: named by line and column, without the value."""
    columns = (*COLUMNS, "product_name")
    cells = ['"plain"', '"with|pipe"', '"say ""hi"""', "bare"]
    rows = [(*row(number), cell) for number, cell in enumerate(cells)]
    file = FeedFile(feed(columns), [source_of(tmp_path / "a.psv", text(rows, columns))])
    assert [line.split("|")[-1] for line in _written(file).decode().splitlines()] == ["product_name", "plain", "bare"]
    (faults,) = file.unwritable
    assert faults.rows == {"product_name": 2}
    assert faults.first_lines == {"product_name": [3, 4]}
    assert file.rows == 2


def test_several_files_of_a_day_become_one(tmp_path: Path) -> None:
    """One header, the rows of each in order."""
    sources = [
        source_of(tmp_path / f"{number}.psv", text(map(row, range(number * 10, number * 10 + 10))))
        for number in range(3)
    ]
    assert _written(FeedFile(feed(), sources)) == text(map(row, range(30)))


def test_compressed_sources_are_read(tmp_path: Path) -> None:
    """A .gz source is the same file."""
    content = text(map(row, range(50)))
    file = FeedFile(feed(), [source_of(tmp_path / "a.psv.gz", gzip.compress(content), range(2, 52))])
    assert _written(file) == content


def test_a_file_that_changed_while_it_was_read_stops_before_its_last_chunk(tmp_path: Path) -> None:
    """What was validated is what is written; else nothing is complete."""
    content = text(map(row, range(100)))
    source = source_of(tmp_path / "a.psv", content)
    (tmp_path / "a.psv").write_bytes(content.replace(b"person7@", b"person8@"))
    seen: list[bytes] = []
    with pytest.raises(FileChangedError):
        seen.extend(FeedFile(feed(), [source]).chunks())
    assert b"".join(seen) != content
    assert b"person9" not in b"".join(seen)


@pytest.mark.parametrize(
    ("settings", "categories", "rows"),
    [
        (SETTINGS, {"CompletePayment"}, 5),
        (SETTINGS, {"CompletePayment", "Subscribe"}, None),
        (replace(SETTINGS, severities={"needs_quotes": "warning"}), {"CompletePayment"}, None),
        (replace(SETTINGS, severities={"white_space": "note"}), {"CompletePayment"}, None),
        (replace(SETTINGS, severities={"white_space": "note"}, trim_white_space=True), {"CompletePayment"}, 5),
    ],
)
def test_rows_are_known_beforehand_where_validating_settles_each(
    tmp_path: Path, settings: ConversionSettings, categories: set[str], rows: int | None
) -> None:
    """Only if no row can fall out later: one that needs quotes, white space, or a category that the feed has not."""
    source = source_of(tmp_path / "a.psv", text(map(row, range(9))), range(2, 7), settings, validated=True)
    file = FeedFile(feed(), [replace(source, categories=frozenset(categories))])
    assert file.check_form() == rows


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (COLUMNS[:-1], "missing: order_id"),
        ((*COLUMNS, "store_code"), "new: store_code"),
        (("email_1", "email_2", *COLUMNS[1:]), "new: email_2"),
    ],
)
def test_a_changed_header_stops_with_what_changed(tmp_path: Path, columns: tuple[str, ...], said: str) -> None:
    """A drift names the columns and says that a support case comes first."""
    rows = [
        tuple(dict(zip(COLUMNS, row(number), strict=True)).get(name, "x") for name in columns) for number in range(30)
    ]
    own = replace(SETTINGS, severities={"column_order": "off"})
    file = FeedFile(feed(), [source_of(tmp_path / "a.psv", text(rows, columns), settings=own)])
    with pytest.raises(FeedError, match=said) as caught:
        file.measure()
    assert "support case" in str(caught.value)


def test_a_category_that_the_sample_did_not_hold_stops(tmp_path: Path) -> None:
    """Only the sample's categories may be used; a value that looks like a customer's is not shown."""
    rows = [row(1), (*row(2)[:1], "Subscribe", *row(2)[2:]), (*row(3)[:1], "jane@example.com", *row(3)[2:])]
    file = FeedFile(feed(), [source_of(tmp_path / "a.psv", text(rows))])
    with pytest.raises(FeedError, match="Subscribe") as caught:
        file.measure()
    assert "jane" not in str(caught.value)


def test_a_constant_that_needs_quotes_is_refused(tmp_path: Path) -> None:
    """It would break every row."""
    columns = (*COLUMNS, "store_code")
    own = replace(SETTINGS, constants={"store_code": "a|b"})
    file = FeedFile(feed(columns), [source_of(tmp_path / "a.psv", text(map(row, range(30))), settings=own)])
    with pytest.raises(FeedError, match="quotes"):
        file.measure()


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rows=st.integers(1, 400),
    delimiter=st.sampled_from([",", "\t", "|"]),
    end=st.sampled_from(["\n", "\r\n"]),
    space=st.sampled_from(["", " "]),
    validated=st.booleans(),
)
def test_chosen_rows_are_exactly_what_comes_out(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    rows: int,
    delimiter: str,
    end: str,
    space: str,
    validated: bool,
) -> None:
    """For any choice, delimiter and line end, trimmed or not: header, the chosen rows in order, nothing else; twice."""
    generator = random.Random(seed)
    chosen = sorted(generator.sample(range(rows), generator.choice([rows, generator.randint(0, rows)])))
    folder = tmp_path_factory.mktemp("case")
    written = ((*row(number)[:-1], row(number)[-1] + space) for number in range(rows))
    content = text(written, delimiter=delimiter, end=end)
    content = generator.choice([b"", b"\xef\xbb\xbf"]) + content[: generator.choice([None, -len(end)])]
    source = source_of(
        folder / "a.txt",
        content,
        [line + 2 for line in chosen],
        replace(SETTINGS, trim_white_space=bool(space)),
        validated=validated and delimiter == "|",
    )
    file = FeedFile(feed(), [source])
    first = _written(file)
    digest = file.sha256
    assert first == text(map(row, chosen))
    assert hashlib.sha256(first).hexdigest() == digest
    assert _written(file) == first
    assert file.sha256 == digest


@pytest.mark.parametrize("left_out", [[], [2], [60_000], [119_999, 120_001], range(50_000, 120_002)])
@pytest.mark.parametrize("name", ["a.psv", "a.psv.gz"])
def test_the_digest_is_that_of_what_was_written_in_many_blocks(
    tmp_path: Path, left_out: Sequence[int], name: str
) -> None:
    """Taken from the source as long as both are the same, and its own from the first line that is left out."""
    content = text(map(row, range(120_000)))
    lines = sorted(set(range(2, 120_002)) - set(left_out))
    stored = gzip.compress(content, 1) if name.endswith(".gz") else content
    file = FeedFile(feed(), [source_of(tmp_path / name, stored, lines, validated=True)])
    assert hashlib.sha256(_written(file)).hexdigest() == file.sha256
    assert file.rows == len(lines)
    assert (file.sha256 == hashlib.sha256(content).hexdigest()) == (not left_out)


def test_equal_content_gives_equal_gzip() -> None:
    """Neither time nor name is in it, and it unpacks."""
    chunks = [b"one\n", b"", b"two\n" * 100_000]
    packed = b"".join(gzipped(chunks))
    assert packed == b"".join(gzipped([b"".join(chunks)]))
    assert gzip.decompress(packed) == b"".join(chunks)


@settings(deadline=None)
@given(st.lists(st.integers(2, 100_000), max_size=200), st.lists(st.integers(2, 200_000), min_size=1, max_size=200))
def test_a_line_set_holds_what_was_added(added: list[int], asked: list[int]) -> None:
    """It is a set of integers."""
    lines = LineSet()
    lines.add(added[:100])
    lines.add(np.array(added[100:], dtype=np.int64))
    assert lines.mask(np.array(asked, dtype=np.int64)).tolist() == [line in set(added) for line in asked]
    assert len(lines) == len(set(added))


@pytest.mark.parametrize(("name", "delimiter"), [("a.psv", "|"), ("a.csv", ",")])
def test_items_of_one_order_get_an_order_id_each(tmp_path: Path, name: str, delimiter: str) -> None:
    """The product's id behind the order's; an order without a product keeps its own."""
    columns = (*COLUMNS, "product_id")
    rows = [(*row(1), "shoe"), (*row(1), "sock"), (*row(2), "")]
    source = replace(source_of(tmp_path / name, text(rows, columns, delimiter)), item_orders=True)
    written = _written(FeedFile(feed(columns), [source])).decode().splitlines()[1:]
    assert [line.split("|")[5:] for line in written] == [
        ["order-1-shoe", "shoe"],
        ["order-1-sock", "sock"],
        ["order-2", ""],
    ]
