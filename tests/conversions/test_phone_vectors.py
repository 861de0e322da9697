"""A phone number arrives right, or it is absent with a warning: vectors of our own, in every region and spelling."""

from __future__ import annotations

import polars as pl
import pytest

from airflow_provider_tiktok_offline.conversions.identifiers.phones import one_cell
from airflow_provider_tiktok_offline.conversions.identifiers.phones.candidates import candidates
from tests.conversions import phone_vectors

#: Region, cell, number; each was once sent as somebody else's number.
ONCE_WRONG = [
    ("DE", "4915123456789", "+4915123456789"),
    ("DE", "46701934560", "+46701934560"),
    ("AU", "0061412345678", "+61412345678"),
    ("JP", "00819012345678", "+819012345678"),
    ("BR", "005511961234567", "+5511961234567"),
    ("CO", "00573211234567", "+573211234567"),
    ("NG", "002348021234567", "+2348021234567"),
    ("ID", "6281234567890", "+6281234567890"),
    ("ID", "006281234567890", "+6281234567890"),
    ("ID", "0086281234567890", "+6281234567890"),
    ("TH", "00166812345678", "+66812345678"),
    ("TH", "0066812345678", "+66812345678"),
    ("KH", "0085591234567", "+85591234567"),
    ("WS", "006857212345", "+6857212345"),
    ("CU", "005351234567", "+5351234567"),
    ("SE", "0046701934560", "+46701934560"),
    ("ID", "0062218350123", "+62218350123"),
    ("DE", "004930123456", "+4930123456"),
    ("SG", "0016582345678", "+6582345678"),
    ("PL", "+48 (0)22 123 45 67", "+48221234567"),
    ("CO", "+57 (0)321 1234567", "+573211234567"),
    ("CZ", "+420 (0)601 123 456", "+420601123456"),
    ("GR", "+30 (0)691 234 5678", "+306912345678"),
    ("CL", "+56 (0)9 6123 4567", "+56961234567"),
]


@pytest.mark.parametrize(("region", "cell", "number"), ONCE_WRONG)
def test_cells_that_were_once_read_as_another_number(region: str, cell: str, number: str) -> None:
    """Country codes without plus, prefixes in front of them, and zeros in brackets are understood."""
    assert one_cell.read(cell, region).normal == number


def test_a_number_that_was_cut_off_is_dropped() -> None:
    """Neither the digits with their zero nor those without it are sent."""
    assert one_cell.read("020794609", "GB") == one_cell.Reading(fault="phone_impossible")


@pytest.mark.parametrize(
    ("cell", "region", "numbers"),
    [
        ("46701934560", "DE", ["+46701934560", "+4946701934560"]),
        ("0016582345678", "SG", ["+6582345678", "+16582345678"]),
        ("2133734253", "US", ["+12133734253"]),
        ("+44 20 7946 0958", None, ["+442079460958"]),
        ("n/a", "US", []),
        ("", "US", []),
        (None, "US", []),
    ],
)
def test_all_numbers_that_a_cell_may_stand_for(cell: str | None, region: str | None, numbers: list[str]) -> None:
    """The one that is sent comes first."""
    assert candidates(pl.Series([cell], dtype=pl.String), region).to_list() == [numbers]


def test_candidates_by_row_and_for_all() -> None:
    """A column of regions gives each row the candidates of its own."""
    cells = pl.Series(["0301234567", "0301234567", "+15555555555"])
    found = candidates(cells, pl.Series(["DE", "nl", None], dtype=pl.String)).to_list()
    assert [numbers[:1] for numbers in found] == [["+49301234567"], ["+31301234567"], ["+15555555555"]]


def test_what_is_sent_is_the_first_candidate() -> None:
    """Reading and opt-outs speak of the same number."""
    vectors = list(phone_vectors.home_vectors(1))[::7]
    for vector in vectors:
        sent = one_cell.read(vector.cell.strip().lower(), vector.region).normal
        assert [sent] == one_cell.candidates(vector.cell.strip().lower(), vector.region)[:1], vector
