"""Phone numbers read by table are those that libphonenumber reads."""

from __future__ import annotations

import random
from collections.abc import Sequence

import phonenumbers
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType, ValidationResult

from airflow_provider_tiktok_offline.conversions.contract.columns import REGIONS
from airflow_provider_tiktok_offline.conversions.identifiers import normal_forms
from airflow_provider_tiktok_offline.conversions.identifiers.phones import library, phone_column, plans
from airflow_provider_tiktok_offline.conversions.identifiers.phones.validity import valid

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


def one(cell: str, region: str | None = "US") -> tuple[str | None, str | None, str | None]:
    (reading,) = read([cell], region)
    return reading["normal"], reading["fault"], reading["warning"]


def examples(region: str) -> list[phonenumbers.PhoneNumber]:
    found = (phonenumbers.example_number_for_type(region, kind) for kind in PhoneNumberType.values())
    return [number for number in found if number is not None]


def by_library(cells: list[str], region: str | None) -> list[tuple[str | None, str | None, str | None]]:
    return [library.read(cell.strip().lower(), region)[:3] if cell.strip() else (None, None, None) for cell in cells]


def assert_equal_to_library(cells: list[str], region: str | None) -> None:
    found = [(reading["normal"], reading["fault"], reading["warning"]) for reading in read(cells, region)]
    differing = [item for item in zip(cells, found, by_library(cells, region), strict=True) if item[1] != item[2]]
    assert differing == []


def test_metadata_covers_every_region() -> None:
    """The regions that settings allow are those that the installed library knows."""
    assert set(phonenumbers.SUPPORTED_REGIONS) == REGIONS


@pytest.mark.parametrize("first", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
def test_example_numbers_of_every_region_and_kind(first: str) -> None:
    """Example numbers, in every format, are read as phonenumbers reads them, if the library calls them possible."""
    for region in sorted(name for name in REGIONS if name.startswith(first)):
        numbers = examples(region)
        for form in (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL):
            cells = [phonenumbers.format_number(number, form) for number in numbers]
            for cell, reading in zip(cells, read(cells, region), strict=True):
                parsed = phonenumbers.parse(cell, region)
                if phonenumbers.is_possible_number_with_reason(parsed) == ValidationResult.IS_POSSIBLE:
                    assert reading["normal"] == phonenumbers.format_number(parsed, PhoneNumberFormat.E164), cell


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cells that are read by the library while a test runs."""
    cells: list[str] = []

    def counted(cell: str, region: str | None) -> library.Reading:
        cells.append(cell)
        return original(cell, region)

    original = library.read
    monkeypatch.setattr(library, "read", counted)
    return cells


def test_tables_decide_example_numbers(asked: list[str]) -> None:
    """Hardly an example number of any kind needs the library."""
    cells = 0
    for region in SOME_REGIONS:
        for form in (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL):
            written = [phonenumbers.format_number(number, form) for number in examples(region)]
            cells += len(written)
            read(list(written), region)
    assert len(asked) < 0.03 * cells


def oddly_punctuated(region: str | None, count: int, seed: int) -> list[str]:
    """Cells of at least three digits, with whatever a keyboard has between, before and behind them."""
    dice = random.Random(f"odd-{region}-{seed}")
    code = str(plans.country_code_of(region)) if region else "49"
    starts = ["", "", "+", "00", "0", code, "+" + code, "+0", "++", "(+", "_+", "#", "+99"]
    between = "_!?,;:#*~=|@&\t\u00a0\u2053\u3000\uff03\uff0e\u00b2"
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
    code = str(plans.country_code_of(region)) if region else "49"
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
def test_random_numbers_equal_the_library(region: str | None) -> None:
    """Numbers made up around a region's prefixes are read as the library reads them, faults and warnings included."""
    assert_equal_to_library(random_cells(region, 200, seed=1), region)


@pytest.mark.parametrize("region", [*SOME_REGIONS, None])
def test_odd_punctuation_is_read_as_the_library_does(region: str | None) -> None:
    """What the library takes for no number, or for an extension, is so here too."""
    assert_equal_to_library(oddly_punctuated(region, 100, seed=1), region)


def test_odd_punctuation_does_not_need_the_library(asked: list[str]) -> None:
    """A file of it would take twenty times as long."""
    read(["213,555,0123", "213_555_0123", "9213:555:0123", "213#555#0123", "213*555*0123,4", "+0213555012"], "US")
    read(["6213_555_0123_999", "9" * 19, "+0049213555", "00000213555", "2026-11-22 10:15:00"], "DE")
    assert asked == []


@pytest.mark.parametrize("region", ["US", "GB", None])
def test_cells_alone_equal_cells_among_others(region: str | None) -> None:
    """A column in which all cells look alike takes short cuts; they change nothing."""
    cells = random_cells(region, 150, seed=2)
    assert [read([cell], region)[0] for cell in cells] == read(list(cells), region)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10))
def test_random_numbers_of_all_regions_equal_the_library(seed: int) -> None:
    """The same for every region there is."""
    for region in [*sorted(REGIONS), None]:
        assert_equal_to_library(random_cells(region, 400, seed) + oddly_punctuated(region, 400, seed), region)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from("0123456789+-() ./x,;:#*~_=@\t\u0661\u0967\uff11\u2010\u00a0aE"), max_size=24),
        max_size=30,
    ),
    st.sampled_from([*SOME_REGIONS, None]),
)
def test_any_text_is_read_as_the_library_does(cells: list[str], region: str | None) -> None:
    """Whatever stands in the cells, table and library agree, and nothing raises."""
    found = [(reading["normal"], reading["fault"], reading["warning"]) for reading in read(list(cells), region)]
    for cell, reading in zip(cells, found, strict=True):
        if reading[1] not in ("placeholder", "hash_md5", "hash_sha1"):
            assert [reading] == by_library([cell], region), repr(cell)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.from_regex(r"\+?[0-9 ()-]{3,16}", fullmatch=True), min_size=1), st.sampled_from(SOME_REGIONS))
def test_normalising_twice_is_normalising_once(cells: list[str], region: str) -> None:
    """A valid number's normal form is its own, whatever region it is dialled from; of others the library says.

    Of ``+60 00000000000`` libphonenumber drops a zero as Malaysia's national prefix, and of what is left another one.
    """
    once = pl.Series("phone", [reading["normal"] for reading in read(list(cells), region)], dtype=pl.String)
    again = pl.Series("phone", [reading["normal"] for reading in read(once.to_list(), "US")], dtype=pl.String)
    is_valid = valid(once).fill_null(True)
    assert again.filter(is_valid).to_list() == once.filter(is_valid).to_list()
    odd = once.filter(~is_valid).to_list()
    assert again.filter(~is_valid).to_list() == [normal for normal, _, _ in by_library(odd, "US")]


@pytest.mark.parametrize("region", SOME_REGIONS)
def test_normal_forms_of_example_numbers_are_their_own(region: str) -> None:
    """The numbers that a region really has are what the law is about."""
    cells = [phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL) for number in examples(region)]
    once = pl.Series("phone", [reading["normal"] for reading in read(list(cells), region)], dtype=pl.String)
    sure = once.filter(valid(once).fill_null(False)).to_list()
    assert len(sure) >= len(cells) / 2
    assert [reading["normal"] for reading in read(list(sure), "US")] == sure


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
        ("8 (495) 123-45-67", "RU", "+74951234567"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("\u0660\u0661\u0662 345 6789", "JP", "+81123456789"),
        ("\uff0b\uff11 213 373 4253", None, "+12133734253"),
        ("213\u2011373\u20104253", "US", "+12133734253"),
        ("'+12133734253", "US", "+12133734253"),
        ("+15555555555", "US", "+15555555555"),
        ("+999 62 3085769882", "FI", "+623085769882"),
    ],
)
def test_shapes_that_are_understood(cell: str, region: str | None, normal: str) -> None:
    """Punctuation, prefixes, scripts: every shape becomes E.164, without a warning."""
    assert one(cell, region) == (normal, None, None)


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
        ("2133734253", None, "phone_region"),
        ("030 901820", None, "phone_region"),
        ("N/A", "US", "placeholder"),
        ("-", "US", "placeholder"),
    ],
)
def test_shapes_that_are_refused(cell: str, region: str | None, fault: str) -> None:
    """What is no possible number has a named fault and no normal form."""
    assert one(cell, region) == (None, fault, None)


@pytest.mark.parametrize(
    ("cell", "region", "normal", "warning"),
    [
        ("2133734253 x12", "US", "+12133734253", "phone_extension"),
        ("213-373-4253;ext=12", "US", "+12133734253", "phone_extension"),
        ("213 373 4253 #4", "US", "+12133734253", "phone_extension"),
        ("442079460958", "US", "+442079460958", "phone_assumed_international"),
        ("0044 20 7946 0958", "US", "+442079460958", "phone_assumed_international"),
        ("442079460958", None, "+442079460958", "phone_assumed_international"),
    ],
)
def test_shapes_that_are_mended(cell: str, region: str | None, normal: str, warning: str) -> None:
    """A dropped extension and an assumed country code are said."""
    assert one(cell, region) == (normal, None, warning)


def test_bare_digits_are_not_read_as_an_invalid_number_abroad() -> None:
    """Digits that would be a possible but not a valid number elsewhere stay impossible."""
    assert one("440000000000", "US")[1] == "phone_impossible"


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


def test_validity_equals_the_library() -> None:
    """Valid is what phonenumbers calls valid, for example numbers and for such with a digit changed."""
    dice = random.Random(7)
    numbers = []
    for region in sorted(REGIONS):
        for number in examples(region):
            text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
            place = dice.randrange(4, len(text))
            numbers += [text, text[:place] + dice.choice("0123456789") + text[place + 1 :]]
    numbers = [text for text in numbers if phonenumbers.format_number(phonenumbers.parse(text), 0) == text]
    found = valid(pl.Series(numbers)).to_list()
    assert found == [phonenumbers.is_valid_number(phonenumbers.parse(text)) for text in numbers]


def test_validity_of_nothing_is_unknown() -> None:
    """A null is neither valid nor not."""
    frame = pl.DataFrame({"phone": ["+12125550123", None, "+15555555555"]})
    assert frame.select(normal_forms.phone_valid(pl.col("phone"))).to_series().to_list() == [True, None, False]
