"""Line 1: what is expected beside what is found, near misses, mapping, and no customer's value."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import Consent, ConversionSettings, FileFormat
from airflow_provider_tiktok_offline.errors import InputFileError
from tests.conversions.files import GOOD, HEADER, LIVERAMP, SETTINGS, check, found, text


def test_a_missing_required_column_is_named_with_what_was_found() -> None:
    """One error shows expected and found side by side."""
    with pytest.raises(InputFileError) as error:
        check(text([{}], ["email_1", "transaction_category", "transaction_timestamp", "loyalty_card"]))
    assert error.value.rule == "required_column"
    message = str(error.value)
    assert "`transaction_amount` is missing" in message
    assert "`loyalty_card`" in message


def test_a_near_miss_is_named() -> None:
    """A column that is one of the programme's but for spelling gets a hint."""
    header = ["Email_1", *HEADER[1:]]
    with pytest.raises(InputFileError, match="`Email_1`: did you mean `email_1`"):
        check(text([{"Email_1": "ann@example.com", "phone_1": "2125550100"}], header), LIVERAMP)
    assert ("misspelt_column", "warning") in found(check(text([{"phone_1": "2125550100"}], header)))


@pytest.mark.parametrize("settings", [SETTINGS, LIVERAMP])
def test_a_headerless_file_shows_no_customer(settings: ConversionSettings) -> None:
    """The first row's values are never repeated in the error."""
    row = "alexandra@gmail.com,In Store,2014-03-31,99.99,2125550123,Alexandra,Springfield,12 Main Street,Doe,Jones"
    with pytest.raises(InputFileError) as error:
        check(f"{row}\n{row}\n", settings)
    assert error.value.rule == "header_missing"
    for value in row.split(","):
        assert value not in str(error.value)
    assert "<looks like data>" in str(error.value)


def test_a_cell_that_looks_like_data_is_hidden_in_a_true_header() -> None:
    """A column named like an address or a number is not repeated."""
    with pytest.raises(InputFileError) as error:
        check(text([{}], [*HEADER, "ann@example.com", "+12125550100"]), LIVERAMP)
    assert "ann@" not in str(error.value)
    assert "555" not in str(error.value)


@pytest.mark.parametrize("settings", [SETTINGS, LIVERAMP])
def test_shifted_columns_show_no_customer(settings: ConversionSettings) -> None:
    """Every row is one column off: the report names rules and lines, and not one value."""
    shifted = [
        {"email_1": "Alexandra", "transaction_category": "ann@example.com", "transaction_timestamp": "CompletePayment",
         "transaction_amount": "2026-11-20", "phone_1": "12.50", "order_id": "2125550123", "store_code": "Springfield"}
    ] * 30  # fmt: skip
    report = check(shifted, settings)
    assert report.rows_rejected == 30
    assert report.unknown_categories == ()
    content = report.to_json()
    for value in shifted[0].values():
        assert value not in content or value in ("CompletePayment", "2026-11-20", "12.50")


def test_column_order_is_a_warning_or_an_error() -> None:
    """The direct route reads any order."""
    header = ["phone_1", *(name for name in HEADER if name != "phone_1")]
    assert ("column_order", "warning") in found(check(text([{}], header)))
    with pytest.raises(InputFileError, match=r"expected email_1, .*found phone_1, email_1"):
        check(text([{}], header), LIVERAMP)


def test_a_repeated_column_is_an_error() -> None:
    """It can't be told which of the two is meant."""
    with pytest.raises(InputFileError) as error:
        check(text([{}], [*HEADER, "email_1"]))
    assert error.value.rule == "repeated_column"


def test_unknown_columns_are_noted_or_refused_unless_allowed() -> None:
    """Files of other programmes may carry more, by a switch."""
    content = text([{"loyalty_card": "7"}], [*HEADER, "loyalty_card"])
    assert ("unknown_column", "note") in found(check(content))
    with pytest.raises(InputFileError, match="loyalty_card"):
        check(content, LIVERAMP)
    assert check(content, replace(LIVERAMP, allow_extra_columns=True)).rows_valid == 1


def test_email_1_may_be_missing_beside_phones_on_the_direct_route() -> None:
    """For LiveRamp the column must be there."""
    header = [name for name in HEADER if name != "email_1"]
    content = text([{"phone_1": "2125550100"}], header)
    report = check(content)
    assert report.rows_valid == 1
    assert ("email_column", "warning") in found(report)
    with pytest.raises(InputFileError, match="email_1"):
        check(content, LIVERAMP)


EXPORT = """Beleg;Kunde E-Mail;Datum;Umsatz;Filiale;Marke;Werbung ok;Zone
1001;Ann@Example.com;2026-11-20 10:00:00;1299,00;B1;north;ja;Europe/Berlin
1002;bob@example.com;2026-11-20 10:00:00;5,5;B2;north;nein;Europe/London
1003;eve@example.com;2026-11-20 10:00:00;7,00;B1;south;ja;Europe/Berlin
1004;kim@example.com;2026-11-20 10:00:00;viel;B1;north;ja;Berlin
""".replace(";", "|")
MAPPED = ConversionSettings(
    currency="EUR",
    columns={"Beleg": "order_id", "Kunde E-Mail": "email_1", "Datum": "transaction_timestamp",
             "Umsatz": "transaction_amount", "Filiale": "store_code"},
    constants={"transaction_category": "Purchase"},
    format=FileFormat(decimal=","),
    extensions={"time_zone": "Zone"},
    where={"Marke": frozenset({"north"})},
    consent=Consent(column="Werbung ok", yes=frozenset({"ja"})),
)  # fmt: skip


def test_a_retailers_own_export_is_read_as_it_is() -> None:
    """Mapped columns, a constant category, comma decimals, filter, consent and time zones by row."""
    report = check(EXPORT, MAPPED, name="export.psv")
    assert (report.rows_valid, report.rows_rejected) == (1, 1)
    assert report.excluded == {"filtered": 1, "suppressed": 1}
    assert report.values["valid"] == {"EUR": "1299.00"}
    assert report.first_time == 1795165200


def test_issues_name_the_retailers_own_column() -> None:
    """Whoever makes the export finds it under its own name."""
    issues = {issue.rule: issue.column for issue in check(EXPORT, MAPPED, name="export.psv").issues}
    assert issues["amount_format"] == "Umsatz"
    assert issues["time_zone"] == "Zone"


@pytest.mark.parametrize(
    "settings",
    [
        replace(MAPPED, columns={**MAPPED.columns, "Nichts": "product_id"}),
        replace(MAPPED, where={"Nichts": frozenset({"x"})}),
        replace(MAPPED, consent=Consent(column="Nichts", yes=frozenset({"ja"}))),
        replace(MAPPED, extensions={"currency": "Nichts"}),
    ],
)
def test_a_column_that_the_settings_name_must_be_there(settings: ConversionSettings) -> None:
    """Else an opt-out or a filter would silently do nothing."""
    with pytest.raises(InputFileError, match="Nichts") as error:
        check(EXPORT, settings, name="export.psv")
    assert error.value.rule == "mapped_column"


def test_a_constant_may_not_hide_a_column() -> None:
    """The file's own values are never overwritten."""
    with pytest.raises(InputFileError, match="transaction_category"):
        check(text([GOOD]), replace(SETTINGS, constants={"transaction_category": "Purchase"}))


def test_doubled_line_ends_are_named() -> None:
    """A file of `\\r\\r\\n` is read on the direct route, and told what it has; LiveRamp's file may not have them."""
    content = text([{}, {"product_name": "hat"}]).replace("\n", "\r\r\n")
    report = check(content)
    assert report.rows_valid == 2
    assert "\\r\\r\\n" in next(issue.message for issue in report.issues if issue.rule == "line_ending_doubled")
    with pytest.raises(InputFileError, match=r"\\r\\r\\n"):
        check(content, LIVERAMP)


@pytest.mark.parametrize("value", ["bob@example.com", "2125550100", "12.50", "CompletePayment", "2026-10-05"])
def test_a_row_glued_to_the_header_shows_no_name_and_no_town(value: str) -> None:
    """If one cell is data, its neighbours may be too: only known names are shown, in errors and in the report."""
    glued = f"email_1,transaction_category,transaction_timestamp,transaction_amount,Kasse,Ann,Springfield,{value}"
    report = check(glued + "\nann@example.com,Purchase,2026-11-20 10:00:00,1.00,7,x,y,z\n")
    assert report.columns == (*glued.split(",")[:4], *["<looks like data>"] * 4)
    with pytest.raises(InputFileError) as error:
        check(glued.replace("transaction_amount", "Sum"))
    for shown in (report.to_json(), str(error.value)):
        assert not re.search(f"Ann|Springfield|Kasse|Sum|{re.escape(value)}", shown.replace(report.sha256, ""))


@pytest.mark.parametrize("name", ["Größe", "Prénom du client", "Średnica (cm)", "Марка", "商品名", "Ölçü", "Kundennr."])
def test_names_of_any_language_are_shown(name: str) -> None:
    """Column names of a header that is surely one, as the retailer wrote them."""
    columns = [*HEADER[:4], name]
    report = check(text([{}], columns))
    assert name in [issue.column for issue in report.issues if issue.rule == "unknown_column"]
