"""Phone columns are read as the rule for single cells says, in every shape and region."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np
import phonenumbers
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from airflow_provider_tiktok_offline.conversions.contract.columns import REGIONS
from airflow_provider_tiktok_offline.conversions.contract.settings import PhoneDigits
from airflow_provider_tiktok_offline.conversions.identifiers import normal_forms
from airflow_provider_tiktok_offline.conversions.identifiers.phones import (
    number_kinds,
    one_cell,
    phone_column,
    readings,
)
from airflow_provider_tiktok_offline.conversions.identifiers.phones.cell_text import Written
from airflow_provider_tiktok_offline.conversions.identifiers.phones.digit_patterns import UnknownSyntaxError
from tests.conversions import phone_vectors

SOME_REGIONS = (
    "US",
    "CA",
    "AG",
    "GB",
    "GG",
    "DE",
    "FR",
    "IT",
    "AR",
    "BR",
    "MX",
    "RU",
    "KZ",
    "JP",
    "CN",
    "BY",
    "SM",
    "IN",
)


def read(cells: Sequence[str | None], region: str | None) -> list[dict[str, str | None]]:
    return phone_column.read(pl.Series("phone", cells, dtype=pl.String), region).to_list()


def one(cell: str, region: str | None = "US") -> one_cell.Reading:
    (reading,) = read([cell], region)
    return as_tuple(reading)


def examples(region: str) -> list[phonenumbers.PhoneNumber]:
    found = (phonenumbers.example_number_for_type(region, kind) for kind in PhoneNumberType.values())
    return [number for number in found if number is not None]


def as_tuple(reading: Mapping[str, str | None]) -> one_cell.Reading:
    return one_cell.Reading(*(reading[field] for field in one_cell.Reading._fields))


def one_by_one(cells: Sequence[str], region: str | None, mode: PhoneDigits = "auto") -> list[one_cell.Reading]:
    return [one_cell.read(cell.strip().lower(), region, mode) if cell.strip() else one_cell.Reading() for cell in cells]


def assert_equal_to_one_by_one(cells: Sequence[str], region: str | None, mode: PhoneDigits = "auto") -> None:
    """Reading and candidates of a column are those of its cells."""
    column = pl.Series("phone", cells, dtype=pl.String)
    found = [as_tuple(reading) for reading in phone_column.read(column, region, mode).to_list()]
    slow = one_by_one(cells, region, mode)
    assert [item for item in zip(cells, found, slow, strict=True) if item[1] != item[2]] == []
    candidates: list[list[int]] = [[] for _ in cells]
    sent: dict[int, int] = {}
    for row, number, is_sent in phone_column.candidates(column, region, mode).rows():
        candidates[row].append(number)
        if is_sent:
            sent[row] = number
    for row, (cell, of_column) in enumerate(zip(cells, candidates, strict=True)):
        of_cell = [int(number[1:]) for number in one_cell.candidates(cell.strip().lower(), region, mode)]
        assert sorted(of_column) == sorted(of_cell), (cell, region, mode)
        normal = slow[row].normal
        assert sent.get(row) == (None if normal is None else int(normal[1:])), (cell, region, mode)
        assert normal is None or of_column[0] == sent[row]


def test_metadata_covers_every_region() -> None:
    """The regions that settings allow are those that the installed library knows."""
    assert set(phonenumbers.SUPPORTED_REGIONS) == REGIONS


@pytest.mark.parametrize("form", [PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL])
def test_example_numbers_of_every_region_and_kind(form: int) -> None:
    """Example numbers with ``+`` are themselves, whatever their kind; E.164 has no more than fifteen digits."""
    for region in sorted(REGIONS):
        numbers = [number for number in examples(region) if phonenumbers.is_valid_number(number)]
        cells = [phonenumbers.format_number(number, form) for number in numbers]
        normal = [phonenumbers.format_number(number, PhoneNumberFormat.E164) for number in numbers]
        assert [reading["normal"] for reading in read(cells, region)] == normal


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digits that are read one by one while a test runs."""
    digits: list[str] = []

    def counted(written: Written, region: str | None, phone_digits: PhoneDigits) -> one_cell.Reading:
        digits.append(written.digits)
        return original(written, region, phone_digits)

    original = one_cell.read_written
    monkeypatch.setattr(one_cell, "read_written", counted)
    return digits


def test_no_region_needs_the_slow_path(asked: list[str]) -> None:
    """Reading cells one by one would take a thousand times as long."""
    for region in sorted(REGIONS):
        read([phonenumbers.format_number(one, PhoneNumberFormat.NATIONAL) for one in examples(region)], region)
    assert asked == []


def test_a_region_whose_metadata_can_not_be_read_is_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later libphonenumber may write patterns in a syntax that the tables do not know."""
    cells = random_cells("SE", 60, seed=9)
    slow = one_by_one(cells, "SE")

    def unreadable(region: str | None) -> NoReturn:
        raise UnknownSyntaxError(region)

    monkeypatch.setattr(readings, "plan_of", unreadable)
    assert [as_tuple(reading) for reading in read(cells, "SE")] == slow
    found = phone_column.candidates(pl.Series(cells), "SE")
    assert found.filter("sent")["row"].to_list() == [row for row, one in enumerate(slow) if one.normal is not None]


def test_a_country_whose_ranges_can_not_be_read_is_asked_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the patterns of its numbers."""

    def unreadable(pattern: str) -> NoReturn:
        raise UnknownSyntaxError(pattern)

    numbers = [phonenumbers.format_number(number, PhoneNumberFormat.E164) for number in examples("SE")]
    number_kinds._tables.cache_clear()
    number_kinds._ranges.cache_clear()
    monkeypatch.setattr(number_kinds, "digit_pattern", unreadable)
    try:
        found = read(numbers, "SE")
        assert [(reading["normal"], reading["doubt"]) for reading in found] == [(number, None) for number in numbers]
    finally:
        number_kinds._tables.cache_clear()
        number_kinds._ranges.cache_clear()


def oddly_punctuated(region: str | None, count: int, seed: int) -> list[str]:
    """Cells of at least three digits, with whatever a keyboard has between, before and behind them."""
    dice = random.Random(f"odd-{region}-{seed}")
    code = str(phonenumbers.country_code_for_region(region)) if region else "49"
    starts = ["", "", "+", "00", "0", code, "+" + code, "+0", "++", "(+", "_+", "#", "+99", "tel:+", f"+{code}(0)"]
    between = "_!?,;:#*~=|@&\t\u00a0\u2053\u3000\uff03\uff0e\u00b2\u200b\u202f\u00ad'\u2019"
    ends = ["", "", "", ",12", ",,12", ";7", "#", "~4", "- 31#", "_", ",", "+", ":5", " 3#"]
    cells = []
    for _ in range(count):
        mark = dice.choice(between)
        digits = (dice.choice("0123456789") for _ in range(dice.randint(3, 18)))
        marked = "".join(digit + (mark if dice.random() < 0.2 else "") for digit in digits)
        cells.append((dice.choice(starts) + marked + dice.choice(ends)).strip())
    return cells


def random_cells(region: str | None, count: int, seed: int) -> list[str]:
    """Digit strings with every prefix that matters to the region, some of them punctuated or with something behind."""
    dice = random.Random(f"{region}-{seed}")
    code = str(phonenumbers.country_code_for_region(region)) if region else "49"
    trunk = phonenumbers.ndd_prefix_for_region(region, True) or "0" if region else "0"
    starts = [
        "",
        "",
        "+",
        "00",
        "011",
        trunk,
        code,
        "+" + code,
        "00" + code,
        code + trunk,
        "+" + code + trunk,
        "8",
        "1",
        "+999",
        "+119",
    ]
    ends = [" x12", " ext. 5", "#4", "abc", ",3", ";ext=4", "\u00a0", ".0", "e9", "\u0663"]
    cells = []
    for _ in range(count):
        cell = dice.choice(starts) + "".join(dice.choice("0123456789") for _ in range(dice.randint(1, 19)))
        if dice.random() < 0.25:
            cell = "".join(char + dice.choice(["", "", "", "-", " ", "(", ")", ".", "/", "\u2011"]) for char in cell)
        cells.append(cell + dice.choice(ends) if dice.random() < 0.1 else cell)
    return cells


@pytest.mark.parametrize("region", [*SOME_REGIONS, None])
def test_columns_are_read_as_single_cells_are(region: str | None) -> None:
    """Numbers made up around a region's prefixes, and odd punctuation: tables and the slow rule agree on all."""
    assert_equal_to_one_by_one(random_cells(region, 100, seed=1) + oddly_punctuated(region, 50, seed=1), region)


@pytest.mark.parametrize("mode", ["international", "national"])
@pytest.mark.parametrize("region", ["US", "DE", "RU", "IT", None])
def test_columns_are_read_as_single_cells_are_in_every_mode(region: str | None, mode: PhoneDigits) -> None:
    """The same where the export is known."""
    assert_equal_to_one_by_one(random_cells(region, 60, seed=4), region, mode)


def test_vectors_are_read_as_single_cells_are() -> None:
    """The same for numbers that really exist, in every region."""
    by_region: dict[str, list[str]] = {}
    for place, vector in enumerate(phone_vectors.home_vectors(1)):
        if place % 23 == 0:
            by_region.setdefault(vector.region, []).append(vector.cell)
    for region, cells in by_region.items():
        assert_equal_to_one_by_one(cells, region)


@pytest.mark.parametrize("region", ["US", "GB", None])
def test_cells_alone_equal_cells_among_others(region: str | None) -> None:
    """A column in which all cells look alike takes short cuts; they change nothing."""
    cells = random_cells(region, 150, seed=2)
    assert [read([cell], region)[0] for cell in cells] == read(list(cells), region)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10))
def test_columns_of_all_regions_are_read_as_single_cells_are(seed: int) -> None:
    """The same for every region there is."""
    modes: tuple[PhoneDigits, ...] = ("auto", "international", "national")
    for region in [*sorted(REGIONS), None]:
        for mode in modes:
            cells = random_cells(region, 150, seed) + oddly_punctuated(region, 150, seed)
            assert_equal_to_one_by_one(cells, region, mode)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("0123456789+-() ./x,;:#*~_=@\t\u0661\u0967\uff11\u2010\u00a0aE"), max_size=24),
        max_size=30,
    ),
    st.sampled_from([*SOME_REGIONS, None]),
)
def test_any_text_is_read_as_single_cells_are(cells: list[str], region: str | None) -> None:
    """Whatever stands in the cells, table and slow rule agree, and nothing raises."""
    for cell, reading in zip(cells, read(list(cells), region), strict=True):
        if reading["fault"] not in ("placeholder", "hash_md5", "hash_sha1"):
            assert [as_tuple(reading)] == one_by_one([cell], region), repr(cell)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.from_regex(r"\+?[0-9 ()-]{3,16}", fullmatch=True), min_size=1), st.sampled_from(SOME_REGIONS))
def test_normalising_twice_is_normalising_once(cells: list[str], region: str) -> None:
    """A number's normal form is its own, whatever region's list it stands in."""
    once = [reading["normal"] for reading in read(list(cells), region)]
    assert [reading["normal"] for reading in read(once, "US")] == once


@pytest.mark.parametrize(
    ("cell", "region", "normal"),
    [
        ("(+1)2133734253", "US", "+12133734253"),
        ("213-373-4253", "US", "+12133734253"),
        ("12133734253", "US", "+12133734253"),
        ("0011 1 213 373 4253", "AU", "+12133734253"),
        ("011 44 20 7946 0958", "US", "+442079460958"),
        ("0044 20 7946 0958", "DE", "+442079460958"),
        ("0044 20 7946 0958", None, "+442079460958"),
        ("+44 (0)20 7946 0958", None, "+442079460958"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("8 (916) 123-45-67", "RU", "+79161234567"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("\u0660\u0661\u0662 345 6789", "JP", "+81123456789"),
        ("\uff0b\uff11 213 373 4253", None, "+12133734253"),
        ("213\u2011373\u20104253", "US", "+12133734253"),
        ("'+12133734253", "US", "+12133734253"),
        ("tel:+1-213-373-4253", "US", "+12133734253"),
        ("Tel. 213 373 4253", "US", "+12133734253"),
        ("213_373_4253", "US", "+12133734253"),
        ("\u202a+1 213 373\u202f4253\u202c", "US", "+12133734253"),
        ("+999 62 213 8576988", "FI", "+622138576988"),
        ("8 10 49 30 901820", "RU", "+4930901820"),
        ("011 15 2345 6789", "AR", "+5491123456789"),
        ("+54 11 15 2345 6789", "AR", "+5491123456789"),
        ("4601234", "AG", "+12684601234"),
    ],
)
def test_shapes_that_are_understood(cell: str, region: str | None, normal: str) -> None:
    """Punctuation, prefixes, scripts: every shape becomes E.164, and nothing is said of it."""
    assert one(cell, region) == one_cell.Reading(normal)


@pytest.mark.parametrize(
    ("cell", "region", "fault"),
    [
        ("1-800-FLOWERS", "US", "phone_letters"),
        ("call 213 373 4253", "US", "phone_letters"),
        ("1.2133734253e10", "US", "phone_damaged"),
        ("1,21255E+10", "US", "phone_damaged"),
        ("2133734253.0", "US", "phone_damaged"),
        ("3734253", "US", "phone_impossible"),
        ("12345", "US", "phone_impossible"),
        ("+", "US", "phone_impossible"),
        ("+0000000000", "US", "phone_impossible"),
        ("0000000000", "US", "phone_impossible"),
        ("+999123456789", "US", "phone_impossible"),
        ("2133734253 / 2133734254", "US", "phone_impossible"),
        ("213:373:4253", "US", "phone_impossible"),
        ("2026-11-22 10:15:00", "DE", "phone_impossible"),
        ("020794609", "GB", "phone_impossible"),
        ("004420794609", "US", "phone_impossible"),
        ("440000000000", "US", "phone_impossible"),
        ("4111111111111111", "US", "phone_impossible"),
        ("2133734253", None, "phone_region"),
        ("030 901820", None, "phone_region"),
        ("N/A", "US", "placeholder"),
        ("-", "US", "placeholder"),
    ],
)
def test_shapes_that_are_refused(cell: str, region: str | None, fault: str) -> None:
    """What is no possible number has a named fault and no normal form."""
    assert one(cell, region) == one_cell.Reading(fault=fault)


@pytest.mark.parametrize("cell", ["2133734253 x12", "213-373-4253;ext=12", "213 373 4253 #4", "(213) 373-4253,12"])
def test_extensions_are_cut_off(cell: str) -> None:
    """Before digits are counted, and with a warning."""
    assert one(cell) == one_cell.Reading("+12133734253", warning="phone_extension")


def test_digits_of_an_extension_are_not_part_of_a_foreign_number() -> None:
    """They were, where the number is none of the region."""
    assert one("442079460958,12", "US") == one_cell.Reading(
        "+442079460958", warning="phone_extension", doubt="phone_assumed_international"
    )
    assert one("+44 20 7946 0958 ext. 123456789", "US").normal == "+442079460958"


@pytest.mark.parametrize(
    ("cell", "region", "normal", "doubt"),
    [
        ("442079460958", "US", "+442079460958", "phone_assumed_international"),
        ("442079460958", None, "+442079460958", "phone_assumed_international"),
        ("46701934560", "DE", "+46701934560", "phone_two_readings"),
        ("508551234", "PL", "+48508551234", "phone_two_readings"),
        ("8 (495) 123-45-67", "RU", "+74951234567", "phone_two_readings"),
        ("5555555555", "US", "+15555555555", "phone_not_valid"),
        ("+15555555555", "DE", "+15555555555", "phone_not_valid"),
        ("001 555 555 5555", "CA", "+15555555555", "phone_not_valid"),
        ("0669812345", "IT", "+390669812345", None),
        ("669812345", "IT", "+390669812345", "phone_zero_lost"),
        ("620 123 4567", "HU", "+36201234567", "phone_zero_lost"),
    ],
)
def test_doubts(cell: str, region: str | None, normal: str, doubt: str | None) -> None:
    """A number that may be another one is sent, and why is said."""
    assert one(cell, region) == one_cell.Reading(normal, doubt=doubt)


@pytest.mark.parametrize(
    ("cell", "region", "mode", "normal"),
    [
        ("46701934560", "DE", "national", "+4946701934560"),
        ("4915123456789", "DE", "international", "+4915123456789"),
        ("0151 23456789", "DE", "international", "+4915123456789"),
        ("004670193456", "DE", "national", None),
        ("0046701934560", "DE", "national", "+46701934560"),
        ("46701934560", "US", "international", "+46701934560"),
        ("2025550123", "US", "national", "+12025550123"),
        ("12025550123", "US", "national", "+12025550123"),
        ("376312345", "PL", "international", "+376312345"),
    ],
)
def test_an_export_that_is_known_is_read_as_the_config_says(
    cell: str, region: str, mode: PhoneDigits, normal: str | None
) -> None:
    """Digits without plus are numbers with a country code, or numbers of the region; a zero or prefix says more."""
    (found,) = phone_column.read(pl.Series([cell]), region, mode).to_list()
    assert (found["normal"], found["doubt"]) == (normal, None)


def test_region_by_row() -> None:
    """The same digits are another number in another row's region; an unknown region is none."""
    frame = pl.DataFrame(
        {"phone": ["0301234567", "0301234567", "0301234567", "0301234567"], "region": ["DE", "nl", "XX", None]}
    )
    found = frame.select(normal_forms.phone(pl.col("phone"), pl.col("region"))).to_series().struct.unnest()
    assert found["normal"].to_list() == ["+49301234567", "+31301234567", None, None]
    assert found["fault"].to_list() == [None, None, "phone_region", "phone_region"]


def test_region_as_expression_and_as_text_agree() -> None:
    """One region for all rows, said either way."""
    frame = pl.DataFrame({"phone": random_cells("FR", 200, seed=3)})
    as_text = frame.select(normal_forms.phone(pl.col("phone"), "FR")).to_series()
    as_column = frame.select(normal_forms.phone(pl.col("phone"), pl.lit("FR"))).to_series()
    assert as_text.equals(as_column)


def test_rows_are_independent() -> None:
    """Any split of a column gives the same readings."""
    cells = pl.Series("phone", random_cells("BR", 300, seed=5))
    parts = [phone_column.read(cells.slice(first, 37), "BR") for first in range(0, 300, 37)]
    assert pl.concat(parts).equals(phone_column.read(cells, "BR"))


def test_blank_cells_are_nothing() -> None:
    """Null, empty and white space: no normal form, no fault."""
    assert all(set(reading.values()) == {None} for reading in read([None, "", "  "], "US"))


@pytest.mark.parametrize("rows", [0, 1])
def test_small_columns(rows: int) -> None:
    """A column may be empty, or null throughout."""
    assert len(read([None] * rows, "US")) == rows


def test_kinds_equal_the_library() -> None:
    """Valid is what phonenumbers calls valid, for example numbers and for such with a digit changed or missing."""
    dice = random.Random(7)
    numbers = []
    for region in sorted(REGIONS):
        for number in examples(region):
            code, national = str(number.country_code), phonenumbers.national_significant_number(number)
            place = dice.randrange(len(national))
            changed = national[:place] + dice.choice("0123456789") + national[place + 1 :]
            numbers += [(code, national), (code, changed), (code, national[:-1])]
    whole = np.array([int(code + national) for code, national in numbers])
    kinds = [one_cell.kind_of(int(code), national) for code, national in numbers]
    assert number_kinds.are_valid(whole).tolist() == [kind >= one_cell.Kind.SERVICE for kind in kinds]
    digits = np.array([len(code + national) for code, national in numbers])
    for length in np.unique(digits).tolist():
        found = number_kinds.kinds(whole[digits == length], length).tolist()
        assert found == [kind for kind, of in zip(kinds, digits, strict=True) if of == length]
