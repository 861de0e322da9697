# ruff: noqa: E501 - a table reads best with one row a line
"""Every rule of the file format, as data: what is a fault, where, and what it costs under each profile.

Code, documentation and messages are generated from this table. Importing it loads nothing else, so a DAG file may.

Sources: "programme" is LiveRamp's page "The TikTok Conversions API Program for Offline Conversions"; "LiveRamp" its
general pages on file formats; "TikTok" is Doc ID 1771101303285761; "package" marks what this package adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from airflow_provider_tiktok_offline.conversions.contract.columns import (
    COLUMNS,
    EMAIL_COLUMNS,
    PHONE_COLUMNS,
    PROGRAMME_COLUMNS,
)
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, Profile, Severity

#: What an issue costs.
Cost = Literal["row", "cell", "nothing"]
#: Why a row is rightly not sent, outside the gate.
EXCLUSIONS: dict[str, str] = {
    "filtered": "the row's value in a `where:` column is not one of this advertiser's",
    "no_identifier": "every identifier cell is blank or a placeholder: a sale to somebody unknown",
    "suppressed": "an identifier is on the suppression list, or the consent column does not say yes",
    "return": "the amount is negative",
    "zero": "the amount is zero",
    "before_send_from": "the transaction lies before `send_from`",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One named rule.

    Attributes:
        name: how issues, settings and documents call it.
        scope: whether the file as a whole breaks it, or a row.
        columns: programme columns that it looks at; empty for the row or the file as such.
        fault: what is wrong where it is broken, one sentence.
        severity: what breaking it costs, by profile, unless ``severities:`` says otherwise.
        example: what breaks it; invented.
        source: who asks for it.
        todo: what whoever makes the file should do.
        locked: an error whatever the settings say, because nothing can be sent without it.
    """

    name: str
    scope: Literal["file", "row"]
    columns: tuple[str, ...]
    fault: str
    severity: Mapping[Profile, Severity]
    example: str
    source: str
    todo: str
    locked: bool = False


def _by_profile(tiktok: Severity, liveramp: Severity) -> Mapping[Profile, Severity]:
    return {"tiktok": tiktok, "liveramp": liveramp}


_ERROR = _by_profile("error", "error")
_WARNING = _by_profile("warning", "warning")
_NOTE = _by_profile("note", "note")
_DROPPED = _by_profile("warning", "error")
_NAMES = ("first_name", "last_name")
#: Names and places may begin with an apostrophe: `'s-Hertogenbosch`.
_PLACES = (*_NAMES, "address_1", "address_2", "city")
_IDENTIFIERS = EMAIL_COLUMNS + PHONE_COLUMNS
_CATEGORY, _TIMESTAMP, _AMOUNT = (f"transaction_{part}" for part in ("category", "timestamp", "amount"))


_FILE_RULES = (
    Rule("unreadable", "file", (), "The file can't be opened or read.", _ERROR, "a file without read permission", "package", "Check path and permissions.", locked=True),
    Rule("directory", "file", (), "The path is a directory, not a file.", _ERROR, "`/in/daily/`", "package", "Name the file itself.", locked=True),
    Rule("file_type", "file", (), "The file's name ends in none of .csv, .tsv, .psv and .txt, with or without .gz behind it.", _by_profile("note", "error"), "`sales.dat`", "programme", "Nothing on `tiktok`: what is in the file counts. LiveRamp takes these types alone."),
    Rule("empty_file", "file", (), "The file is empty.", _ERROR, "0 bytes", "package", "Check the export that writes it.", locked=True),
    Rule("header_only", "file", (), "There is no data row below the header.", _ERROR, "a header and nothing else", "package", "Check the export; a day without sales needs no file.", locked=True),
    Rule("binary_file", "file", (), "The file is not delimited text.", _ERROR, "a workbook renamed to .csv, an archive, a page of HTML", "package", "Export as text instead of renaming.", locked=True),
    Rule("utf16", "file", (), "The text is UTF-16 and not UTF-8.", _ERROR, "\"Unicode text\" from a spreadsheet (UTF-16)", "LiveRamp", "Save it as \"CSV UTF-8\".", locked=True),
    Rule("gzip_damaged", "file", (), "The data compressed with gzip is cut off or damaged.", _ERROR, "a .gz cut off in the middle", "package", "Transfer it again.", locked=True),
    Rule("line_ending", "file", (), "Lines end in \\r alone.", _ERROR, "\\r alone", "package", "Export with Unix or Windows line ends.", locked=True),
    Rule("line_ending_doubled", "file", (), "Lines end in \\r\\r\\n: a program wrote Windows line ends, and another made them Windows line ends once more.", _by_profile("note", "error"), "\\r\\r\\n", "package", "Open the file for writing without translation of line ends, as with `newline=''` in Python."),
    Rule("file_too_large", "file", (), "The uncompressed file is larger than `limits.bytes` (50 GB).", _ERROR, "a .gz that unpacks to more", "programme", "Split the export, or raise `limits.bytes`.", locked=True),
    Rule("too_many_rows", "file", (), "The file has more than `limits.rows` rows (500,000,000).", _ERROR, "500,000,001 rows", "programme", "Split the export, or raise `limits.rows`.", locked=True),
    Rule("byte_order_mark", "file", (), "The file starts with a byte order mark.", _by_profile("note", "warning"), "a file saved by Excel", "LiveRamp", "Nothing: it is skipped. Save without it where you can."),
    Rule("delimiter", "file", (), "The delimiter is not comma, tab or pipe.", _by_profile("note", "error"), "`email_1;transaction_category;…`", "programme", "Set `format.delimiter`, or use comma, tab or pipe."),
    Rule("delimiter_type", "file", (), "Delimiter and file type disagree: .csv is comma, .tsv tab, .psv pipe; .txt any.", _DROPPED, "pipes in a .csv", "programme", "Rename the file or change the delimiter."),
    Rule("header_missing", "file", (), "Line 1 is no header.", _ERROR, "a first line that holds a customer's row", "programme", "Write the column names into line 1; map names of your own under `columns:`, which `tiktok-offline config from-file` proposes.", locked=True),
    Rule("required_column", "file", (), "A required column is missing in the header.", _ERROR, "no `transaction_amount`", "programme", "Add the column, or map your own with `columns:`.", locked=True),
    Rule("email_column", "file", (), "`email_1` is missing in the header.", _DROPPED, "`phone_1` alone", "programme", "Add `email_1`; its cells may be blank."),
    Rule("unknown_column", "file", (), "A column is none of the programme's 24 and not mapped.", _by_profile("note", "error"), "`loyalty_card`", "programme", "Drop or map the column, or set `allow_extra_columns: true`."),
    Rule("misspelt_column", "file", (), "A column's name is nearly one of the 24.", _DROPPED, "`Email_1`", "programme", "Spell it exactly."),
    Rule("repeated_column", "file", (), "A column is there twice.", _ERROR, "two `email_1`", "programme", "Remove the second one.", locked=True),
    Rule("column_order", "file", (), "The columns are not in the programme's order.", _DROPPED, "`phone_1` before `email_1`", "programme", "Order them as docs/file-format.md lists them."),
    Rule("mostly_anonymous", "file", (), "Nearly no row names a customer.", _WARNING, "a column of e-mails that the export has lost: more than 95 % of the rows have no identifier", "package", "Check that the export still has its e-mails and phones. If so few customers are known, set `max_anonymous_ratio`."),
    Rule("mapped_column", "file", (), "A column that the settings name is missing in the header.", _ERROR, "`columns: {Umsatz: …}` without such a column", "package", "Correct the settings or the export.", locked=True),
)  # fmt: skip


_ROW_RULES = (
    Rule("field_count", "row", (), "The row has more or fewer fields than the header.", _ERROR, "one delimiter too many", "programme", "Quote values that hold the delimiter.", locked=True),
    Rule("quoting", "row", (), "A quote stands in the middle of a field, or is not closed.", _ERROR, "`\"5\" pipe\"`", "LiveRamp", "Double quotes inside a quoted value.", locked=True),
    Rule("line_break", "row", PROGRAMME_COLUMNS, "The value holds a line break.", _by_profile("note", "error"), "an address over two lines", "LiveRamp", "Replace line breaks by blanks; on the direct route a blank is read."),
    Rule("encoding", "row", (), "The text holds bytes that are not in its encoding.", _ERROR, "Latin-1 umlauts in a file read as UTF-8", "LiveRamp", "Set `format.encoding`, or export as UTF-8.", locked=True),
    Rule("control_character", "row", (), "The text holds control characters.", _ERROR, "a NUL byte", "package", "Remove them from the export.", locked=True),
    Rule("row_length", "row", (), "The row has more than `limits.row_characters` characters (10,000; 1,000 in feeds of LiveRamp's EU region).", _ERROR, "a free-text column", "LiveRamp", "Shorten the texts.", locked=True),
    Rule("instruction_row", "row", (), "The row is the template's row of formatting instructions.", _ERROR, "`Required. Must be plaintext.`", "programme", "Delete that row.", locked=True),
    Rule("white_space", "row", PROGRAMME_COLUMNS, "There is white space around the value.", _by_profile("note", "error"), "`\" CA\"`", "programme", "Trim values, or set `repair: true`."),
    Rule("invisible_character", "row", PROGRAMME_COLUMNS, "The value holds characters that nobody sees.", _DROPPED, "`ann@example.com` with a zero-width space (U+200B) in it", "package", "Nothing on the direct route: they are removed. For LiveRamp remove them in the export, or set `repair: true`."),
    Rule("spreadsheet_mark", "row", tuple(c for c in PROGRAMME_COLUMNS if c not in _PLACES), "The value has a spreadsheet's mark for text: an apostrophe in front, or `=\"…\"` around it.", _by_profile("warning", "off"), "`'0012`, `=\"0012\"`", "package", "Nothing on the direct route: the mark is removed. For LiveRamp it stays, unless `repair: true` is set."),
    Rule("placeholder", "row", tuple(c for c in PROGRAMME_COLUMNS if c not in _NAMES), "A placeholder stands for a missing value.", _DROPPED, "`N/A`, `null`, `none`, `nan`, `-`", "programme", "Leave the cell blank."),
    Rule("placeholder_name", "row", _NAMES, "A placeholder stands for a missing name.", _by_profile("note", "warning"), "`null`", "programme", "Leave the cell blank, unless it is the name."),
    Rule("identifier_missing", "row", _IDENTIFIERS, "None of the row's e-mails and phones can be used.", _ERROR, "`nobody` as the only e-mail", "programme", "Correct them, or leave them blank: a row without any is left out.", locked=True),
    Rule("identifier_position", "row", ("email_1", *PHONE_COLUMNS), "`email_1` is blank and there is no phone.", _by_profile("note", "error"), "an e-mail in `email_2` alone", "programme", "Put the best e-mail into `email_1`."),
    Rule("email_shape", "row", EMAIL_COLUMNS, "The value is no e-mail address.", _DROPPED, "`ann.example.com`", "TikTok", "Correct it or leave it blank."),
    Rule("email_punctuation", "row", EMAIL_COLUMNS, "A dot, comma or semicolon stands behind the e-mail address.", _DROPPED, "`ann@example.com;`", "package", "Nothing on the direct route: it is cut off. For LiveRamp remove it in the export, or set `repair: true`."),
    Rule("already_hashed", "row", _IDENTIFIERS, "The value is a SHA-256 digest and not plaintext.", _by_profile("note", "error"), "64 hex digits", "programme", "Send plaintext to LiveRamp; on the direct route a digest passes through."),
    Rule("hash_sha1", "row", _IDENTIFIERS, "The value is a SHA-1 digest and not plaintext.", _DROPPED, "40 hex digits", "programme", "Send plaintext."),
    Rule("hash_md5", "row", _IDENTIFIERS, "The value is an MD5 digest and not plaintext.", _DROPPED, "32 hex digits", "programme", "Send plaintext."),
    Rule("phone_punctuation", "row", PHONE_COLUMNS, "The phone holds other characters than digits.", _by_profile("off", "error"), "`(212) 555-0100`", "programme", "Write digits only."),
    Rule("phone_letters", "row", PHONE_COLUMNS, "The phone holds letters.", _DROPPED, "`1-800-FLOWERS`", "TikTok", "Write the digits."),
    Rule("phone_impossible", "row", PHONE_COLUMNS, "The phone is no possible number.", _DROPPED, "`12345`", "TikTok", "Correct it or leave it blank."),
    Rule("phone_region", "row", PHONE_COLUMNS, "A national number comes without a region.", _DROPPED, "`030 901820` without `phone_region`", "TikTok", "Set `phone_region`, or write the country code."),
    Rule("phone_damaged", "row", PHONE_COLUMNS, "A spreadsheet turned the phone into a number.", _DROPPED, "`1.21255E+10`", "package", "Format the column as text before saving."),
    Rule("phone_extension", "row", PHONE_COLUMNS, "The phone has an extension.", _DROPPED, "`212 555 0100 ext. 5`", "TikTok", "Nothing on the direct route: the extension is dropped."),
    Rule("phone_not_valid", "row", PHONE_COLUMNS, "The phone is in no range of numbers that is in use.", _WARNING, "`5555555555` with region US", "package", "Correct it or leave it blank; it is sent as it is."),
    Rule("phone_two_readings", "row", PHONE_COLUMNS, "The digits may be two phone numbers; the likelier one was taken.", _NOTE, "`46701934560` with region DE: a Swedish mobile or a German landline", "package", "Write `+` before a country code, or say with `phone_digits` how the export writes phones."),
    Rule("phone_zero_lost", "row", PHONE_COLUMNS, "The phone's first zero was missing; it was put in front.", _WARNING, "`669812345` with region IT", "package", "Format the column as text before saving."),
    Rule("phone_assumed_international", "row", PHONE_COLUMNS, "The digits are no number of the region; they were read with a country code in front.", _NOTE, "`442079460123` with region US", "package", "Nothing, if the export writes country codes; write `+` before them where you can."),
    Rule("category_missing", "row", (_CATEGORY,), "The category is missing.", _ERROR, "blank, `N/A`", "programme", "Fill it in, or set it under `constants:`.", locked=True),
    Rule("category_unknown", "row", (_CATEGORY,), "The category is neither one of the profile's nor mapped by `event_map`.", _ERROR, "`In Store`", "programme", "Use a listed category, or map yours with `event_map:`.", locked=True),
    Rule("timestamp_missing", "row", (_TIMESTAMP,), "The timestamp is missing.", _ERROR, "blank, `null`", "programme", "Fill it in.", locked=True),
    Rule("timestamp_format", "row", (_TIMESTAMP,), "The timestamp is not in a known format.", _ERROR, "`31.12.2026`", "programme", "Use `2026-11-22T10:01:00Z-0000`.", locked=True),
    Rule("timestamp_impossible", "row", (_TIMESTAMP,), "The timestamp's date or time does not exist.", _ERROR, "`2026-02-30`", "package", "Write a date and a time of day that exist.", locked=True),
    Rule("timestamp_old", "row", (_TIMESTAMP,), "The transaction is older than `lookback_days` (28).", _ERROR, "`2014-03-31`", "programme", "Leave old transactions out."),
    Rule("timestamp_expires", "row", (_TIMESTAMP,), "The transaction will be older than `lookback_days` on the day on which its file is sent (`send_after_days`).", _WARNING, "a sale of 27 days ago, with `send_after_days: 3`", "package", "Deliver it sooner, or set a smaller `send_after_days`: it can't be sent by then."),
    Rule("timestamp_future", "row", (_TIMESTAMP,), "The transaction lies in the future.", _ERROR, "tomorrow", "programme", "Check clock and time zone of the export."),
    Rule("timestamp_offset", "row", (_TIMESTAMP,), "The digits behind `Z-` are not 0000.", _WARNING, "`2017-02-07T13:25:00Z-0800`", "programme", "Write UTC and 0000, or set `offset: apply`."),
    Rule("timestamp_hour12", "row", (_TIMESTAMP,), "A 12-hour clock comes without am or pm.", _by_profile("warning", "note"), "`Nov 22, 2026 3:15:00`", "package", "Use a 24-hour format."),
    Rule("timestamp_iso", "row", (_TIMESTAMP,), "The offset is not written in the programme's form.", _DROPPED, "`2026-11-22T10:01:00Z`", "programme", "Write `2026-11-22T10:01:00Z-0000`."),
    Rule("timestamp_near", "row", (_TIMESTAMP,), "The timestamp differs from a known format in its blanks, its fraction, its seconds or its offset.", _by_profile("note", "error"), "`2026-11-22 10:01:00 -0500`", "package", "Nothing on the direct route: it is read as it is meant."),
    Rule("timestamp_date_only", "row", (_TIMESTAMP,), "The timestamp has no time of day.", _NOTE, "`2026-11-22`", "package", "Nothing: `date_only_time` is used."),
    Rule("timestamp_gap", "row", (_TIMESTAMP,), "The local time does not exist: the clocks went forward.", _WARNING, "`2026-03-29 02:30:00` in Europe/Berlin", "package", "Export UTC; it is read as one hour later."),
    Rule("timestamp_overlap", "row", (_TIMESTAMP,), "The local time exists twice: the clocks went back.", _WARNING, "`2026-10-25 02:30:00` in Europe/Berlin", "package", "Export UTC; the earlier of the two is taken."),
    Rule("time_zone", "row", (), "The row's time zone is no IANA name.", _ERROR, "`Berlin`", "package", "Write `Europe/Berlin`.", locked=True),
    Rule("amount_missing", "row", (_AMOUNT,), "The amount is missing.", _ERROR, "blank, `-`", "programme", "Fill it in.", locked=True),
    Rule("amount_format", "row", (_AMOUNT,), "The amount is no plain number.", _ERROR, "`$1,299.00`", "programme", "Write `1299.00`.", locked=True),
    Rule("amount_ambiguous", "row", (_AMOUNT,), "The three digits behind the mark may be a thousands group.", _by_profile("error", "off"), "`1.299`", "package", "Say what the marks mean: `format.decimal` and `format.thousands`.", locked=True),
    Rule("amount_near", "row", (_AMOUNT,), "The amount has no digit before the mark.", _by_profile("note", "off"), "`.99`", "package", "Nothing: it is read as `0.99`."),
    Rule("amount_rounded", "row", (_AMOUNT,), "The amount has more decimals than its currency; it was rounded.", _by_profile("warning", "off"), "`19.990000000000002`", "package", "Round the amounts in the export."),
    Rule("amount_decimals", "row", (_AMOUNT,), "The amount has other than two decimals or no digit before the mark (liveramp), or more decimals than its currency (tiktok).", _DROPPED, "`99.9`, `.99`", "programme", "Write `99.90`."),
    Rule("amount_repeated", "row", (_AMOUNT,), "All rows of the order repeat one amount.", _WARNING, "three rows of one order with 59.97 each", "package", "If that is the order's total, set `amount: order`."),
    Rule("currency", "row", (), "TikTok does not support the row's currency.", _by_profile("error", "note"), "`EURO`", "TikTok", "Write the ISO 4217 code."),
    Rule("region", "row", (), "The row's phone region is no ISO 3166 code.", _WARNING, "`UK`", "package", "Write `GB`."),
    Rule("store_unknown", "row", ("store_code",), "The store is not in the `stores:` table.", _WARNING, "a shop opened last week", "package", "Add it to `stores:`."),
    Rule("id_characters", "row", ("order_id", "product_id"), "The id holds other characters than letters, digits, `_` and `-`.", _DROPPED, "`#1001`", "programme", "Drop other characters; on the direct route it is sent as it is."),
    Rule("id_damaged", "row", ("order_id", "product_id", "store_code"), "A spreadsheet turned the id into a number, so that several ids may have become one.", _ERROR, "`2.02611E+14`, `12345.0` among ids without `.0`, only zeros behind the fifteenth digit", "package", "Export the column as text; never open and save the file in a spreadsheet."),
    Rule("identifier_in_text", "row", tuple(c.name for c in COLUMNS if c.kind in ("name", "address", "identifier", "text")), "The value holds an e-mail address or a phone number.", _DROPPED, "`ann@example.com` as order_id, the row's own phone as store_code", "package", "Export another value: on the direct route this one is left out of the event, since it would leave in plain text."),
    Rule("order_id_missing", "row", ("order_id",), "The row has a product_id and no order_id.", _DROPPED, "an item without its order", "programme", "Fill in order_id."),
    Rule("store_code_length", "row", ("store_code",), "store_code has more than 64 characters.", _DROPPED, "65 letters", "programme", "Shorten it."),
    Rule("store_code_characters", "row", ("store_code",), "store_code holds `<` or `>`.", _DROPPED, "`<b>12</b>`", "programme", "Remove them."),
    Rule("store_code_url", "row", ("store_code",), "store_code is a URL.", _DROPPED, "`https://shop.example/12`", "programme", "Use the store's code."),
    Rule("quantity_format", "row", ("quantity",), "quantity is no number.", _DROPPED, "`two`", "programme", "Write digits."),
    Rule("price_format", "row", ("product_price",), "product_price is no plain number.", _DROPPED, "`$5`", "programme", "Write `5.00`."),
    Rule("state_format", "row", ("state",), "state is not two capitals.", _by_profile("note", "error"), "`California`", "programme", "Write `CA`."),
    Rule("zip_format", "row", ("zip",), "zip is not 5 or 9 digits.", _by_profile("note", "error"), "`1011`", "programme", "Write `01011` or `010112345`."),
    Rule("needs_quotes", "row", PROGRAMME_COLUMNS, "The value holds the delimiter or a quote.", _by_profile("off", "error"), "`5\" pipe, black`", "LiveRamp", "Replace the character, or use a delimiter that no value holds."),
    Rule("duplicate", "row", (), "The transaction stands in the file before.", _NOTE, "the same row twice", "programme", "Nothing: the first is taken."),
    Rule("line_repeated", "row", (), "A line of an order stands in the file more than once; only the first is sent.", _WARNING, "two equal scans at a till", "package", "If each is a sale of its own, add a column that tells them apart, as a line number, to `event_identity:`."),
    Rule("order_incomplete", "row", (), "Another row of the order is rejected, so that the order is held back as a whole.", _ERROR, "one of three items with a broken amount, under `basket: order`", "package", "Correct the rejected row and replay the order: half an order, once sent, can't be completed.", locked=True),
    Rule("id_collision", "row", (), "Rows with the same event id differ in time, amount or customer.", _ERROR, "one order_id for two sales", "package", "Make order_id unique, or set `event_identity:`.", locked=True),
)  # fmt: skip

#: Rules whose warning leaves the cell out; other warnings and notes cost nothing.
COSTS_CELL = frozenset(
    {
        "placeholder", "email_shape", "hash_sha1", "hash_md5", "phone_letters", "phone_impossible", "phone_region",
        "phone_damaged", "store_code_length", "store_code_characters", "store_code_url", "quantity_format",
        "price_format", "encoding", "control_character", "identifier_in_text",
    }
)  # fmt: skip


def cost_of(rule: str, severity: str) -> Cost:
    """What an issue costs: the row, the cell, or nothing."""
    if severity == "error" or rule == "duplicate":
        return "row"
    return "cell" if rule in COSTS_CELL else "nothing"


#: Rules that whoever keeps the configuration settles; the others are for whoever makes the file.
_BY_CONFIGURATION = frozenset(
    {
        "unreadable", "utf16", "delimiter", "mapped_column", "phone_region", "phone_two_readings", "category_unknown",
        "timestamp_offset", "amount_ambiguous", "amount_repeated", "store_unknown", "line_repeated", "white_space",
        "timestamp_expires",
    }
)  # fmt: skip


def who_acts(rule: str, todo: str) -> str:
    """Who should do what a rule asks for: ``export``, ``configuration`` or ``nobody``.

    :param todo: what is to be done.
    """
    if todo.startswith("Nothing"):
        return "nobody"
    return "configuration" if rule in _BY_CONFIGURATION else "export"


#: What a fault costs under liveramp where `repair: true` lets the value be written in the programme's form.
REPAIRED: Mapping[str, Severity] = {
    "white_space": "note",
    "line_break": "note",
    "invisible_character": "warning",
    "spreadsheet_mark": "warning",
    "email_punctuation": "warning",
    "phone_punctuation": "note",
    "phone_extension": "warning",
    "timestamp_near": "note",
    "timestamp_iso": "note",
    "amount_decimals": "note",
    "amount_rounded": "warning",
}

#: Every rule, file-level ones first.
RULES: dict[str, Rule] = {rule.name: rule for rule in (*_FILE_RULES, *_ROW_RULES)}


def severity_of(name: str, settings: ConversionSettings) -> Severity:
    """What breaking a rule costs under these settings."""
    rule = RULES[name]
    if rule.locked:
        return "error"
    set_by_hand = settings.severities.get(name)
    if set_by_hand is not None:
        return set_by_hand
    if name == "white_space" and settings.trim_white_space:
        return "note"
    if settings.repair and name in REPAIRED:
        return REPAIRED[name]
    if name == "unknown_column" and settings.allow_extra_columns:
        return "note"
    return rule.severity[settings.profile]
