"""Staged parts carry every reading of their identifiers, so that people who opt out later are found in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings
from tests.conversions.files import HEADER, events, text
from tests.conversions.opt_out_samples import digest
from tests.conversions.test_opt_out_lists import GERMAN, LIST, opt_outs
from tests.conversions.test_opt_out_matching import NUMBER, SPELLINGS

NOBODY = opt_outs("nobody@example.org\n")
ROWS = [
    {"email_1": "ann@example.com", "phone_1": "4915123456789", "customer": "0815", "order_id": "o1"},
    {"email_1": "else@example.net", "phone_1": "0170 1112223", "customer": "42", "order_id": "o2"},
]
FILE = text(ROWS, [*HEADER, "customer"])
MATCHED = replace(LIST, match={"customer": "customer"})


@pytest.mark.parametrize("hidden", [frozenset(), frozenset({"phone"}), frozenset({"email"})])
def test_whoever_opts_out_later_is_found(hidden: frozenset[str], tmp_path: Path) -> None:
    """By every spelling of the phone, by the digests of both forms, by e-mail and customer number, sent or not."""
    conversion = replace(GERMAN, send_fields=GERMAN.send_fields - hidden)
    staged = events(FILE, tmp_path, conversion, suppression=NOBODY).read(0)
    for listed in ("Ann@Example.com", digest("ann@example.com"), *SPELLINGS, digest(f"+{NUMBER}"), digest(NUMBER)):
        assert opt_outs(f"{listed}\n").find_events(staged).tolist() == [True, False], listed
    assert opt_outs("customer,email\n815,\n", MATCHED).find_events(staged).tolist() == [True, False]
    assert not NOBODY.find_events(staged).any()


def test_an_order_is_found_by_each_of_its_lines(tmp_path: Path) -> None:
    """Its event stands for all of them, though it carries the identifiers of one."""
    rows = [row | {"order_id": "o1", "product_id": str(place)} for place, row in enumerate(ROWS)]
    rows.append({"email_1": "zoe@example.net", "order_id": "o2"})
    conversion = replace(GERMAN, basket="order", customer_columns=())
    staged = events(text(rows), tmp_path, conversion, suppression=NOBODY).read(0)
    for listed in ("ann@example.com", "else@example.net", "+491701112223", "015123456789"):
        assert opt_outs(f"{listed}\n").find_events(staged).tolist() == [True, False], listed


def test_parts_without_readings_are_matched_by_their_digests(tmp_path: Path) -> None:
    """Those that were staged without a list, or by a release that had none."""
    conversion = ConversionSettings(phone_region="US", currency="USD")
    rows = [{"email_1": "ann@example.com", "phone_1": "2125550100"}, {"email_1": "else@example.net"}]
    staged = events(rows, tmp_path, conversion).read(0)
    assert "readings" not in staged.columns
    us = ListSettings(phone_regions=("US",))
    for listed in ("ann@example.com", "(212) 555-0100", digest("+12125550100")):
        assert opt_outs(f"{listed}\n", us).find_events(staged).tolist() == [True, False]
