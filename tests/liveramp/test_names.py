"""File names by LiveRamp's rules."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.errors import ConfigError, FeedError
from airflow_provider_tiktok_offline.liveramp.names import FORBIDDEN, check_name, render_name, stored_name

DAY = date(2026, 11, 22)


def test_the_template_is_filled_with_feed_and_day() -> None:
    """Both forms of the day are there."""
    assert render_name("{{ feed }}_{{ day }}.csv", feed="shop", day=DAY) == "shop_2026-11-22.csv"
    assert render_name("{{ds_nodash}}-{{ feed }}.psv", feed="shop", day=DAY) == "20261122-shop.psv"


@pytest.mark.parametrize("template", ["shop.csv", "{{ feed }}.csv", "{{ day }}_{{ time }}.csv"])
def test_a_template_needs_a_day_and_knows_its_names(template: str) -> None:
    """Without a day the second file would reuse the first one's name."""
    with pytest.raises(ConfigError):
        render_name(template, feed="shop", day=DAY)


def test_suffixes_follow_the_wrapping() -> None:
    """A file is named before it is compressed and encrypted."""
    assert stored_name("a.csv", gzip=True, pgp=True) == "a.csv.gz.pgp"
    assert stored_name("a.csv", gzip=False, pgp=False) == "a.csv"
    assert check_name("a.csv.gz.pgp", ",") == "a.csv.gz.pgp"


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [
        ("_a.csv", ","), (".a.csv", ","), ("a b.csv", ","), ("a", ","), ("a.xlsx", ","), ("a.psv", ","), ("a.csv", "|"),
        ("caf\u00e9.csv", ","), ("a" * 247 + ".csv", ","), ("a:b.csv", ","), ("a/b.csv", ","), ("a\n.csv", ","),
    ],
)  # fmt: skip
def test_names_that_liveramp_refuses(name: str, delimiter: str) -> None:
    """Each rule alone is enough."""
    with pytest.raises(FeedError):
        check_name(name, delimiter)


def test_a_name_of_250_characters_is_the_longest() -> None:
    """250 pass."""
    assert check_name("a" * 246 + ".csv", ",")


@settings(deadline=None)
@given(st.text(max_size=260))
def test_what_passes_obeys_every_rule(name: str) -> None:
    """No accepted name breaks a rule, whatever it is made of."""
    try:
        check_name(name, "\t")
    except FeedError:
        return
    assert name.isascii()
    assert not set(name) & (FORBIDDEN | {" "})
    assert name[0] not in "._"
    assert len(name) <= 250
