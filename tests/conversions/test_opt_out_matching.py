"""Opt-outs reach further than sending: a row stays out if any reading of it meets any reading of the list."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, Store
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings
from airflow_provider_tiktok_offline.errors import OptOutListError
from tests.conversions.files import HEADER, LIVERAMP, SETTINGS, check, text
from tests.conversions.opt_out_samples import digest
from tests.conversions.test_opt_out_lists import GERMAN, LIST, opt_outs

NUMBER = "4915123456789"
GERMAN_FILE = replace(GERMAN, customer_columns=())


def suppressed(cells: dict[str, str], data: str, conversion: ConversionSettings = GERMAN) -> tuple[int, int]:
    """How many rows a list leaves out of a file of this row and one of somebody else, and by wider readings."""
    people = opt_outs(data, LIST)
    rows = [{"email_1": "somebody@example.net"} | cells, {"email_1": "else@example.net", "phone_1": "0170 1112223"}]
    report = check(text(rows, [*HEADER, "customer"]), conversion, suppression=people)
    return report.excluded.get("suppressed", 0), report.opt_outs["rows_by_wider_reading"]


@pytest.mark.parametrize("conversion", [SETTINGS, LIVERAMP])
def test_people_are_left_out_on_both_routes(conversion: ConversionSettings) -> None:
    """By any of their identifiers, written out or hashed, however spelled."""
    data = f"contact\n Bob@Example.com \n+12125550100\n{digest('eve@example.com').upper()}\n"
    rows = [
        {"email_1": "ann@example.com"},
        {"email_1": "BOB@example.com"},
        {"email_1": "ann@example.com", "phone_1": "2125550100"},
        {"email_1": "eve@example.com"},
        {"email_1": digest("bob@example.com")},
    ]
    report = check(rows, conversion, suppression=opt_outs(data, ListSettings(phone_regions=("US",))))
    assert (report.rows_valid, report.excluded) == (1, {"suppressed": 4})


SPELLINGS = [
    f"+{NUMBER}", NUMBER, f"00{NUMBER}", "015123456789", "0151 23456789", "(0151) 234 567 89", "0151/23456789",
    "+49 (0)151 23456789", "+49 0151 23456789", "tel:+49-151-23456789", "15123456789", "０１５１２３４５６７８９",
]  # fmt: skip


@pytest.mark.parametrize("listed", [*SPELLINGS, digest(f"+{NUMBER}"), digest(NUMBER)])
def test_every_spelling_of_a_phone_meets_every_other(listed: str) -> None:
    """On both sides, hashed or not; only two digests of different forms can't be compared."""
    cells = [*SPELLINGS, *({digest(f"+{NUMBER}"), digest(NUMBER)} - _other_form(listed))]
    rows = [{"email_1": f"u{place}@example.net", "phone_1": cell} for place, cell in enumerate(cells)]
    other = {"email_1": "else@example.net", "phone_1": "0170 1112223"}
    report = check([*rows, other], GERMAN_FILE, suppression=opt_outs(f"{listed}\n"))
    assert (report.rows_valid, report.excluded) == (1, {"suppressed": len(cells)})


def _other_form(listed: str) -> set[str]:
    forms = {digest(f"+{NUMBER}"), digest(NUMBER)}
    return forms - {listed} if listed in forms else set()


def test_rows_of_a_wider_reading_are_told_apart() -> None:
    """A phone that is sent as one number and may mean another one is left out for both."""
    swedish_mobile, landline_of_leer = "+46701934560", "+4946701934560"
    assert suppressed({"phone_1": "46701934560"}, f"{swedish_mobile}\n") == (1, 0)
    assert suppressed({"phone_1": "46701934560"}, f"{landline_of_leer}\n") == (1, 1)
    assert suppressed({"phone_1": "46701934560"}, f"{digest(landline_of_leer)}\n") == (1, 1)
    assert suppressed({"phone_1": landline_of_leer}, "46701934560\n") == (1, 1)
    assert suppressed({"phone_1": "0151 23456789"}, "0151 23456789\n") == (1, 0)


def test_what_is_not_sent_of_a_cell_still_counts() -> None:
    """An address that is no address for TikTok, or stands in the wrong column, is known to the list."""
    for cells in (
        {"email_1": "Ann Lee <ann@example.com>", "phone_1": "0170 1112223"},
        {"email_1": "bob@example.net", "phone_1": "ann@example.com"},
        {"email_1": "0151 23456789", "phone_1": "0170 1112223"},
        {"email_1": digest("ann@example.com").replace("a", "A"), "phone_1": "0170 1112223"},
    ):
        rows, _ = suppressed(cells, f"ann@example.com\n0151 23456789\n{digest('zack@example.com')}\n")
        assert rows == 1, cells


def test_a_customer_number_is_enough() -> None:
    """For people who opted out under it; zeros before it and a spreadsheet's marks mean nothing, and 0 is nobody."""
    people = opt_outs("KdNr;E-Mail\n000815;\n0;\n'42;x@example.org\n", replace(LIST, match={"customer": "KdNr"}))
    numbers = ["815", "0815", '"=""815"""', "0", "00", "", "42.0", "43"]
    rows = [{"email_1": f"u{place}@example.net", "customer": number} for place, number in enumerate(numbers)]
    report = check(text(rows, [*HEADER, "customer"]), GERMAN, suppression=people)
    assert (report.rows_valid, report.excluded) == (4, {"suppressed": 4})
    assert str(people.facts.entries) == "1 e-mail, 2 customer numbers"


def test_each_row_is_read_in_its_own_region() -> None:
    """A list of national numbers is read in the regions of all stores."""
    stores = {"vienna": Store(phone_region="AT"), "berlin": Store(phone_region="DE")}
    conversion = ConversionSettings(phone_region="DE", currency="EUR", stores=stores)
    people = opt_outs("0660 1234567\n+4915123456789\n", ListSettings(phone_regions=("DE", "AT")))
    rows = [
        {"email_1": "a@example.net", "phone_1": "06601234567", "store_code": "vienna"},
        {"email_1": "b@example.net", "phone_1": "015123456789", "store_code": "berlin"},
        {"email_1": "c@example.net", "phone_1": "015123456780", "store_code": "berlin"},
    ]
    assert check(rows, conversion, suppression=people).excluded == {"suppressed": 2}


def test_a_region_of_the_row_does_not_hide_a_number_of_the_list() -> None:
    """Equal national spellings meet, though the list is read in the advertiser's region and the row in its own."""
    conversion = ConversionSettings(phone_region="DE", currency="EUR", extensions={"phone_region": "land"})
    row = {"email_1": "a@example.net", "phone_1": "0660 1234567", "land": "AT"}
    for listed in ("0660 1234567", "+436601234567"):
        report = check(text([row], [*HEADER, "land"]), conversion, suppression=opt_outs(listed))
        assert report.excluded == {"suppressed": 1}


_MAILS = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8})?@[a-z]{2,8}\.(com|de|org)", fullmatch=True)
_DECORATIONS = (
    "{}", "{} ", '"{}"', "<{}>", "Ann Lee <{}>", "mailto:{}", "'{}'", "{};", "\u200b{}", "\u00a0{}\u00a0", "{}.",
    '="{}"',
)  # fmt: skip


@given(
    st.lists(st.tuples(_MAILS, st.sampled_from(_DECORATIONS), st.booleans()), min_size=1, max_size=8),
    st.lists(_MAILS, min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=60, deadline=None)
def test_exactly_the_people_on_the_list_are_left_out(
    listed: list[tuple[str, str, bool]], others: list[str], end: str, encoding: str
) -> None:
    """Whatever stands around their addresses, written out or as digests."""
    lines = [digest(mail) if hashed else form.format(mail.upper()) for mail, form, hashed in listed]
    people = opt_outs(end.join(lines).encode(encoding), LIST)
    on_list = {mail for mail, _, _ in listed}
    mails = [*on_list, *(mail for mail in others if mail not in on_list)]
    report = check([{"email_1": mail} for mail in mails], GERMAN_FILE, suppression=people)
    assert report.excluded == {"suppressed": len(on_list)}


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """A list is read or refused, with a sentence and without its text."""
    try:
        said = str(opt_outs(data, LIST).facts)
    except OptOutListError as error:
        said = str(error)
    words = {word for word in data.decode("latin-1").split() if len(word) > 6 and not word.isalpha()}
    assert not any(word in said for word in words)


def test_the_digest_of_a_list_is_that_of_its_bytes() -> None:
    """So that the same list is recognised without being read again."""
    assert opt_outs("ann@example.com\n").facts.sha256 == hashlib.sha256(b"ann@example.com\n").hexdigest()
