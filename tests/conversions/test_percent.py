"""One rule for the digits of a percentage, in reports, messages and on the page in Airflow."""

from __future__ import annotations

import pytest

from airflow_provider_tiktok_offline.conversions.report.report import percent

#: A share and how it is written; ``tests/browser`` holds the page to the same.
SHARES = {
    0: "0 %",
    0.00004: "<0.01 %",
    0.0001: "0.01 %",
    0.0123: "1.23 %",
    0.013: "1.30 %",
    0.05: "5.00 %",
    0.09996: "10.0 %",
    0.1: "10.0 %",
    0.475: "47.5 %",
    0.984: "98.4 %",
    0.9994: "99.9 %",
    0.9996: ">99.9 %",
    0.999999: ">99.9 %",
    1: "100 %",
}


@pytest.mark.parametrize(("share", "written"), SHARES.items())
def test_a_share_has_three_digits(share: float, written: str) -> None:
    """Nothing but none is 0 %, nothing but all is 100 %; two decimals at most."""
    assert percent(share) == written
    assert percent(share * 4_000_000, 4_000_000) == written


def test_there_is_no_share_of_nothing() -> None:
    """A file without rows has none."""
    assert percent(0, 0) == ""
