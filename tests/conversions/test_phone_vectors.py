"""A phone number arrives right, or it is absent with a warning: vectors of our own, in every region and spelling."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import polars as pl
import pytest

from airflow_provider_tiktok_offline.conversions.identifiers.phones import one_cell, phone_column
from tests.conversions import phone_vectors
from tests.conversions.phone_vectors import FIXED, MOBILE, RIGHT, RIGHT_NOTED, SILENT, Vector

# One process: the vectors are looked at once.
pytestmark = pytest.mark.xdist_group("phone_vectors")

#: Region, cell, number; each was once sent as somebody else's number, or not at all.
ONCE_WRONG = [
    ("DE", "4915123456789", "+4915123456789"),
    ("DE", "46701934560", "+46701934560"),
    ("DE", "004930123456", "+4930123456"),
    ("AU", "0061412345678", "+61412345678"),
    ("JP", "00819012345678", "+819012345678"),
    ("BR", "005511961234567", "+5511961234567"),
    ("CO", "00573211234567", "+573211234567"),
    ("NG", "002348021234567", "+2348021234567"),
    ("ID", "6281234567890", "+6281234567890"),
    ("ID", "006281234567890", "+6281234567890"),
    ("ID", "0062218350123", "+62218350123"),
    ("ID", "0086281234567890", "+6281234567890"),
    ("TH", "00166812345678", "+66812345678"),
    ("TH", "0066812345678", "+66812345678"),
    ("KH", "0085591234567", "+85591234567"),
    ("WS", "006857212345", "+6857212345"),
    ("CU", "005351234567", "+5351234567"),
    ("SE", "0046701934560", "+46701934560"),
    ("SG", "0016582345678", "+6582345678"),
    ("PL", "+48 (0)22 123 45 67", "+48221234567"),
    ("CO", "+57 (0)321 1234567", "+573211234567"),
    ("CZ", "+420 (0)601 123 456", "+420601123456"),
    ("GR", "+30 (0)691 234 5678", "+306912345678"),
    ("CL", "+56 (0)9 6123 4567", "+56961234567"),
    ("PL", "+48 (0)91 421 12 34", "+48914211234"),
    ("US", "+1 (0)917 555 2368", "+19175552368"),
]


@pytest.mark.parametrize(("region", "cell", "number"), ONCE_WRONG)
def test_cells_that_were_once_read_as_another_number(region: str, cell: str, number: str) -> None:
    """Country codes without plus, prefixes in front of them, and zeros in brackets are understood.

    A column is read as a whole, a rare spelling cell by cell: both ways agree.
    """
    assert phone_column.read(pl.Series([cell]), region).struct.field("normal").to_list() == [number]
    assert one_cell.read(cell.lower(), region).normal == number


@pytest.mark.parametrize(
    ("region", "cell", "number"),
    [
        # A mobile of Sweden before a fixed line of Leer.
        ("DE", "46701934560", "+46701934560"),
        # The country code before the area code of the same digits: Bremen, not a line of Aurich.
        ("DE", "494211234567", "+494211234567"),
        # 00 before the region's own prefix 001: New York, not New Zealand.
        ("SG", "0016463551234", "+16463551234"),
        # The same in a country without a trunk prefix, for a number of seven digits: not a line of Radom.
        ("PL", "483062898", "+483062898"),
        # Behind the trunk prefix 8: a fixed line of Smolensk, not a mobile of Vietnam.
        ("RU", "84817273042", "+74817273042"),
    ],
)
def test_of_two_valid_readings_the_first_is_sent_with_a_note(region: str, cell: str, number: str) -> None:
    """The country code before the area code, `00` before the region's own prefix; both ways to read a cell agree."""
    (found,) = phone_column.read(pl.Series([cell]), region).to_list()
    assert (found["normal"], found["doubt"]) == (number, "phone_two_readings")
    assert one_cell.read(cell, region).normal == number


@pytest.mark.parametrize(
    ("region", "cell"),
    [
        # Behind + stands a country code, 1, and no prefix: 119 is Cuba's own.
        ("CU", "+1195351234567"),
        # Behind 00 only a valid number of another country is sent; behind + a possible one is, too.
        ("DE", "004670123456"),
    ],
)
def test_what_is_no_number_is_dropped(region: str, cell: str) -> None:
    """Both ways to read a cell agree."""
    (found,) = phone_column.read(pl.Series([cell]), region).to_list()
    assert (found["normal"], found["fault"]) == (None, "phone_impossible")
    assert one_cell.read(cell, region).fault == "phone_impossible"


@pytest.mark.parametrize(
    ("region", "cell", "number"),
    [
        ("NU", "4002", "+6834002"),
        ("NU", "400", None),
        ("KR", "007008613812345678", "+8613812345678"),
        ("KR", "0070043422293777896", None),
    ],
    ids=["four digits", "three digits", "eighteen digits", "nineteen digits"],
)
def test_a_number_has_four_to_eighteen_digits(region: str, cell: str, number: str | None) -> None:
    """From the shortest one of an island to one of China with Korea's longest prefix; with punctuation, too."""
    for written in (cell, f"({cell[:2]}) {cell[2:]}", f"_{cell}"):
        assert phone_column.read(pl.Series([written]), region).struct.field("normal").to_list() == [number]
        assert one_cell.read(written, region).normal == number


def test_a_cell_is_read_alike_whatever_stands_beside_it() -> None:
    """A column whose cells are written in several ways, or stand in several regions, gives each cell's own number."""
    cells = ["4915123456789", "015123456789", "+4915123456789", "0049 151 23456789", "020 7946 0958", "46701934560"]
    regions = ["DE", "DE", "FR", "DE", "GB", "DE"]
    for first in range(len(cells)):
        for count in range(1, len(cells) - first + 1):
            chosen = slice(first, first + count)
            found = phone_column.read(pl.Series(cells[chosen]), pl.Series(regions[chosen])).struct.field("normal")
            expected = [one_cell.read(cell, region).normal for cell, region in zip(cells, regions, strict=True)]
            assert found.to_list() == expected[chosen]


def test_a_number_that_was_cut_off_is_dropped() -> None:
    """Neither the digits with their zero nor those without it are sent."""
    (found,) = phone_column.read(pl.Series(["020794609"]), "GB").to_list()
    assert (found["normal"], found["fault"]) == (None, "phone_impossible")


Counts = dict[tuple[str, str], Counter[str]]


@pytest.fixture(scope="module")
def home() -> Counts:
    """Spelling and kind -> outcomes, for every region's own numbers."""
    return _counted(phone_vectors.home_vectors(1))


def _counted(vectors: Iterable[Vector]) -> Counts:
    counts: Counts = defaultdict(Counter)
    for vector, outcome in phone_vectors.outcomes(vectors):
        gabon = vector.region == "GA" and outcome == SILENT
        counts[vector.spelling, vector.kind]["Gabon" if gabon else outcome] += 1
    return counts


def _share_right(counts: Iterable[Counter[str]]) -> float:
    total = sum(counts, Counter[str]())
    return (total[RIGHT] + total[RIGHT_NOTED]) / total.total()


def test_no_mobile_is_silently_another_number(home: Counts) -> None:
    """Only Gabon's two numbering plans can't be told apart; see docs/phones.md."""
    assert {key: found for key, found in home.items() if found[SILENT]} == {}


@pytest.mark.parametrize("kind", [MOBILE, FIXED])
def test_numbers_arrive_right_in_all_spellings(home: Counts, kind: str) -> None:
    """Of all vectors 99.5 % are right, of each spelling almost as many; the exceptions are in docs/phones.md."""
    assert _share_right(found for (_, of), found in home.items() if of == kind) >= 0.995
    shares = {spelling: _share_right([found]) for (spelling, of), found in home.items() if of == kind}
    lower = {"bare, like own code": 0.9, "carrier code and prefix": 0, "+cc (0)...": 0.985}
    assert {spelling: share for spelling, share in shares.items() if share < lower.get(spelling, 0.993)} == {}


def test_foreign_mobiles_are_right_or_noted() -> None:
    """Without plus they may be numbers of the list's own region, too, but never without a note."""
    counts = _counted(phone_vectors.foreign_vectors(every=12))
    assert {key for key, found in counts.items() if found[SILENT]} == set()
    assert _share_right(found for (spelling, _), found in counts.items() if "under ten" not in spelling) >= 0.995


@pytest.mark.campaign
def test_all_foreign_mobiles_are_right_or_noted() -> None:
    """The same for the lists of all regions."""
    counts = _counted(phone_vectors.foreign_vectors(every=1))
    assert {key for key, found in counts.items() if found[SILENT]} == set()
    assert _share_right(found for (spelling, _), found in counts.items() if "under ten" not in spelling) >= 0.995


@pytest.mark.parametrize(
    ("cell", "region", "numbers"),
    [
        ("46701934560", "DE", [46701934560, 4946701934560]),
        ("0016582345678", "SG", [6582345678, 16582345678]),
        ("2133734253", "US", [12133734253]),
        ("+44 20 7946 0958", None, [442079460958]),
        ("n/a", "US", []),
        ("", "US", []),
        (None, "US", []),
    ],
)
def test_all_numbers_that_a_cell_may_stand_for(cell: str | None, region: str | None, numbers: list[int]) -> None:
    """The one that is sent comes first and is marked."""
    found = phone_column.candidates(pl.Series([cell], dtype=pl.String), region)
    assert found["number"].to_list() == numbers
    assert found["sent"].to_list() == [place == 0 for place in range(len(numbers))]


def test_candidates_by_row_and_for_all() -> None:
    """A column of regions gives each row the candidates of its own."""
    cells = pl.Series(["0301234567", "0301234567", "+15555555555"])
    found = phone_column.candidates(cells, pl.Series(["DE", "nl", None], dtype=pl.String)).filter("sent")
    assert found["number"].to_list() == [49301234567, 31301234567, 15555555555]
