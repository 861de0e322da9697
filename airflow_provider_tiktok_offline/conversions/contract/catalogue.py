# ruff: noqa: E501 - a table reads best with one row a line
"""Every rule of the file format, as data: what is checked, where, and what breaking it costs under each profile.

Code, documentation and messages are generated from this table. Importing it loads nothing else, so a DAG file may.

Sources: "seed" is the programme's page "The TikTok Conversions API Program for Offline Conversions"; "LiveRamp" its
general pages on file formats; "TikTok" is Doc ID 1771101303285761; "package" marks what this package adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from airflow_provider_tiktok_offline.conversions.contract.columns import EMAIL_COLUMNS, PHONE_COLUMNS, PROGRAMME_COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, Profile, Severity

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
        checks: what must hold, one sentence.
        severity: what breaking it costs, by profile, unless ``severities:`` says otherwise.
        example: what breaks it; invented.
        source: who asks for it.
        todo: what whoever makes the file should do.
        locked: an error whatever the settings say, because nothing can be sent without it.
    """

    name: str
    scope: Literal["file", "row"]
    columns: tuple[str, ...]
    checks: str
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
_IDENTIFIERS = EMAIL_COLUMNS + PHONE_COLUMNS
_CATEGORY, _TIMESTAMP, _AMOUNT = (f"transaction_{part}" for part in ("category", "timestamp", "amount"))


def _file(
    name: str,
    checks: str,
    severity: Mapping[Profile, Severity],
    example: str,
    source: str,
    todo: str,
    *,
    locked: bool = False,
) -> Rule:
    return Rule(name, "file", (), checks, severity, example, source, todo, locked)


_FILE_RULES = (
    _file("unreadable", "The file can be opened and read.", _ERROR, "a file without read permission", "package", "Check path and permissions.", locked=True),
    _file("directory", "The path is a file, not a directory.", _ERROR, "`/in/daily/`", "package", "Name the file itself.", locked=True),
    _file("file_type", "The file's name ends in .csv, .tsv, .psv or .txt, each also with .gz behind it.", _ERROR, "`sales.xlsx`", "seed", "Save it as one of these types.", locked=True),
    _file("empty_file", "The file holds something.", _ERROR, "0 bytes", "package", "Check the export that writes it.", locked=True),
    _file("header_only", "There is at least one data row below the header.", _ERROR, "a header and nothing else", "package", "Check the export; a day without sales needs no file.", locked=True),
    _file("binary_file", "The file is text.", _ERROR, "a workbook renamed to .csv", "package", "Export as text instead of renaming.", locked=True),
    _file("utf16", "The text is UTF-8.", _ERROR, "\"Unicode text\" from a spreadsheet (UTF-16)", "LiveRamp", "Save it as \"CSV UTF-8\".", locked=True),
    _file("gzip_damaged", "A .gz file is complete and its checksum fits.", _ERROR, "a .gz cut off in the middle", "package", "Transfer it again.", locked=True),
    _file("line_ending", "Lines end in \\n or \\r\\n.", _ERROR, "\\r alone", "package", "Export with Unix or Windows line ends.", locked=True),
    _file("file_too_large", "The uncompressed file is within `limits.bytes` (50 GB).", _ERROR, "a .gz that unpacks to more", "seed", "Split the export, or raise `limits.bytes`.", locked=True),
    _file("too_many_rows", "The file has at most `limits.rows` rows (500,000,000).", _ERROR, "500,000,001 rows", "seed", "Split the export, or raise `limits.rows`.", locked=True),
    _file("byte_order_mark", "The file starts without a byte order mark.", _by_profile("note", "warning"), "a file saved by Excel", "LiveRamp", "Nothing: it is skipped. Save without it where you can."),
    _file("delimiter", "The delimiter is comma, tab or pipe.", _by_profile("note", "error"), "`email_1;transaction_category;…`", "seed", "Set `format.delimiter`, or use comma, tab or pipe."),
    _file("delimiter_type", "Delimiter and file type agree: .csv comma, .tsv tab, .psv pipe; .txt any.", _DROPPED, "pipes in a .csv", "seed", "Rename the file or change the delimiter."),
    _file("header_missing", "Line 1 is the header.", _ERROR, "a first line that holds a customer's row", "seed", "Write the column names into line 1.", locked=True),
    _file("required_column", "Every required column is in the header.", _ERROR, "no `transaction_amount`", "seed", "Add the column, or map your own with `columns:`.", locked=True),
    _file("email_column", "`email_1` is in the header, even where phones are the identifiers.", _DROPPED, "`phone_1` alone", "seed", "Add `email_1`; its cells may be blank."),
    _file("unknown_column", "Every column is one of the programme's 24, or mapped.", _by_profile("note", "error"), "`loyalty_card`", "seed", "Drop or map the column, or set `allow_extra_columns: true`."),
    _file("misspelt_column", "No column is a near miss of one of the 24.", _DROPPED, "`Email_1`", "seed", "Spell it exactly."),
    _file("repeated_column", "Every column is there once.", _ERROR, "two `email_1`", "seed", "Remove the second one.", locked=True),
    _file("column_order", "The columns are in the seed's order.", _DROPPED, "`phone_1` before `email_1`", "seed", "Order them as docs/file-format.md lists them."),
    _file("mapped_column", "Every column that the settings name is in the header.", _ERROR, "`columns: {Umsatz: …}` without such a column", "package", "Correct the settings or the export.", locked=True),
)  # fmt: skip


def _row(
    name: str,
    columns: tuple[str, ...],
    checks: str,
    severity: Mapping[Profile, Severity],
    example: str,
    source: str,
    todo: str,
    *,
    locked: bool = False,
) -> Rule:
    return Rule(name, "row", columns, checks, severity, example, source, todo, locked)


_ROW_RULES = (
    _row("field_count", (), "The row has as many fields as the header.", _ERROR, "one delimiter too many", "seed", "Quote values that hold the delimiter.", locked=True),
    _row("quoting", (), "Quotes are as RFC 4180 has them: around the whole field, doubled inside.", _ERROR, "`\"5\" pipe\"`", "LiveRamp", "Double quotes inside a quoted value.", locked=True),
    _row("line_break", PROGRAMME_COLUMNS, "The value holds a line break.", _by_profile("note", "error"), "an address over two lines", "LiveRamp", "Replace line breaks by blanks; on the direct route a blank is read."),
    _row("encoding", (), "The text holds bytes that are not in its encoding.", _ERROR, "Latin-1 umlauts in a file read as UTF-8", "LiveRamp", "Set `format.encoding`, or export as UTF-8.", locked=True),
    _row("control_character", (), "The text holds control characters.", _ERROR, "a NUL byte", "package", "Remove them from the export.", locked=True),
    _row("row_length", (), "The row has at most `limits.row_characters` characters (10,000).", _ERROR, "a free-text column", "LiveRamp", "Shorten the texts.", locked=True),
    _row("instruction_row", (), "The template's row of formatting instructions is gone.", _ERROR, "`Required. Must be plaintext.`", "seed", "Delete that row.", locked=True),
    _row("white_space", PROGRAMME_COLUMNS, "No white space around a value.", _by_profile("note", "error"), "`\" CA\"`", "seed", "Trim values, or set `trim_white_space: true`."),
    _row("placeholder", tuple(c for c in PROGRAMME_COLUMNS if c not in _NAMES), "A value that is missing is left blank.", _DROPPED, "`N/A`, `null`, `none`, `nan`, `-`", "seed", "Leave the cell blank."),
    _row("placeholder_name", _NAMES, "A name that is missing is left blank.", _by_profile("note", "warning"), "`null`", "seed", "Leave the cell blank, unless it is the name."),
    _row("identifier_missing", _IDENTIFIERS, "None of the row's e-mails and phones can be used.", _ERROR, "`nobody` as the only e-mail", "seed", "Correct them, or leave them blank: a row without any is left out.", locked=True),
    _row("identifier_position", ("email_1", *PHONE_COLUMNS), "An e-mail stands in `email_1`, or there is a phone.", _by_profile("note", "error"), "an e-mail in `email_2` alone", "seed", "Put the best e-mail into `email_1`."),
    _row("email_shape", EMAIL_COLUMNS, "It is an e-mail address.", _DROPPED, "`ann.example.com`", "TikTok", "Correct it or leave it blank."),
    _row("already_hashed", _IDENTIFIERS, "The value is plaintext, not a SHA-256 digest.", _by_profile("note", "error"), "64 hex digits", "seed", "Send plaintext to LiveRamp; on the direct route a digest passes through."),
    _row("hash_sha1", _IDENTIFIERS, "The value is plaintext, not a SHA-1 digest.", _DROPPED, "40 hex digits", "seed", "Send plaintext."),
    _row("hash_md5", _IDENTIFIERS, "The value is plaintext, not an MD5 digest.", _DROPPED, "32 hex digits", "seed", "Send plaintext."),
    _row("phone_punctuation", PHONE_COLUMNS, "The phone is digits only.", _by_profile("off", "error"), "`(212) 555-0100`", "seed", "Write digits only."),
    _row("phone_letters", PHONE_COLUMNS, "The phone holds no letters.", _DROPPED, "`1-800-FLOWERS`", "TikTok", "Write the digits."),
    _row("phone_impossible", PHONE_COLUMNS, "The phone is a possible number.", _DROPPED, "`12345`", "TikTok", "Correct it or leave it blank."),
    _row("phone_region", PHONE_COLUMNS, "A national number comes with a region.", _DROPPED, "`030 901820` without `phone_region`", "TikTok", "Set `phone_region`, or write the country code."),
    _row("phone_damaged", PHONE_COLUMNS, "The phone was not turned into a number by a spreadsheet.", _DROPPED, "`1.21255E+10`", "package", "Format the column as text before saving."),
    _row("phone_extension", PHONE_COLUMNS, "The phone has no extension.", _DROPPED, "`212 555 0100 ext. 5`", "TikTok", "Nothing on the direct route: the extension is dropped."),
    _row("phone_assumed_international", PHONE_COLUMNS, "Digits that are no number of the region don't start with a country code.", _WARNING, "`491701234567` with region US", "package", "Write `+` before a country code."),
    _row("category_missing", (_CATEGORY,), "There is a category.", _ERROR, "blank, `N/A`", "seed", "Fill it in, or set it under `constants:`.", locked=True),
    _row("category_unknown", (_CATEGORY,), "The category is one of the profile's, or mapped by `event_map`.", _ERROR, "`In Store`", "seed", "Use a listed category, or map yours with `event_map:`.", locked=True),
    _row("timestamp_missing", (_TIMESTAMP,), "There is a timestamp.", _ERROR, "blank, `null`", "seed", "Fill it in.", locked=True),
    _row("timestamp_format", (_TIMESTAMP,), "The timestamp is written in one of the seed's formats.", _ERROR, "`31.12.2026`", "seed", "Use `2026-11-22T10:01:00Z-0000`.", locked=True),
    _row("timestamp_impossible", (_TIMESTAMP,), "The timestamp is a date and a time that exist.", _ERROR, "`2026-02-30`", "package", "Correct it.", locked=True),
    _row("timestamp_old", (_TIMESTAMP,), "The transaction is not older than `lookback_days` (28).", _ERROR, "`2014-03-31`", "seed", "Leave old transactions out."),
    _row("timestamp_future", (_TIMESTAMP,), "The transaction does not lie in the future.", _ERROR, "tomorrow", "seed", "Check clock and time zone of the export."),
    _row("timestamp_offset", (_TIMESTAMP,), "The digits behind `Z-` are 0000.", _WARNING, "`2017-02-07T13:25:00Z-0800`", "seed", "Write UTC and 0000, or set `offset: apply`."),
    _row("timestamp_hour12", (_TIMESTAMP,), "A 12-hour clock says am or pm.", _by_profile("warning", "note"), "`Nov 22, 2026 3:15:00`", "package", "Use a 24-hour format."),
    _row("timestamp_iso", (_TIMESTAMP,), "The offset is written as the seed has it.", _DROPPED, "`2026-11-22T10:01:00Z`", "seed", "Write `2026-11-22T10:01:00Z-0000`."),
    _row("timestamp_near", (_TIMESTAMP,), "The timestamp is in a known format but for its blanks, its fraction, its seconds or the form of its offset.", _by_profile("note", "error"), "`2026-11-22 10:01:00 -0500`", "package", "Nothing on the direct route: it is read as it is meant."),
    _row("timestamp_date_only", (_TIMESTAMP,), "The timestamp has a time of day.", _NOTE, "`2026-11-22`", "package", "Nothing: `date_only_time` is used."),
    _row("timestamp_gap", (_TIMESTAMP,), "The local time exists on the day clocks go forward.", _WARNING, "`2026-03-29 02:30:00` in Europe/Berlin", "package", "Export UTC; it is read as one hour later."),
    _row("timestamp_overlap", (_TIMESTAMP,), "The local time exists once on the day clocks go back.", _WARNING, "`2026-10-25 02:30:00` in Europe/Berlin", "package", "Export UTC; the earlier of the two is taken."),
    _row("time_zone", (), "The row's time zone is an IANA name.", _ERROR, "`Berlin`", "package", "Write `Europe/Berlin`.", locked=True),
    _row("amount_missing", (_AMOUNT,), "There is an amount.", _ERROR, "blank, `-`", "seed", "Fill it in.", locked=True),
    _row("amount_format", (_AMOUNT,), "The amount is digits with a decimal point, without symbols or separators.", _ERROR, "`$1,299.00`", "seed", "Write `1299.00`.", locked=True),
    _row("amount_ambiguous", (_AMOUNT,), "The three digits behind the mark may be a thousands group.", _by_profile("error", "off"), "`1.299`", "package", "Say what the marks mean: `format.decimal` and `format.thousands`.", locked=True),
    _row("amount_rounded", (_AMOUNT,), "The amount has more decimals than its currency; it was rounded.", _by_profile("warning", "off"), "`19.990000000000002`", "package", "Round the amounts in the export."),
    _row("amount_decimals", (_AMOUNT,), "The amount has two decimals (liveramp), or no more than its currency has (tiktok).", _DROPPED, "`99.9`", "seed", "Write `99.90`."),
    _row("amount_repeated", (_AMOUNT,), "The rows of an order don't all repeat one amount.", _WARNING, "three rows of one order with 59.97 each", "package", "If that is the order's total, set `amount: order`."),
    _row("currency", (), "The row's currency is one that TikTok supports.", _by_profile("error", "note"), "`EURO`", "TikTok", "Write the ISO 4217 code."),
    _row("region", (), "The row's phone region is an ISO 3166 code.", _WARNING, "`UK`", "package", "Write `GB`."),
    _row("store_unknown", ("store_code",), "The store is in the `stores:` table.", _WARNING, "a shop opened last week", "package", "Add it to `stores:`."),
    _row("id_characters", ("order_id", "product_id"), "The id is letters, digits, `_` and `-`.", _DROPPED, "`#1001`", "seed", "Drop other characters; on the direct route it is sent as it is."),
    _row("order_id_missing", ("order_id",), "A row with a product_id has an order_id.", _DROPPED, "an item without its order", "seed", "Fill in order_id."),
    _row("store_code_length", ("store_code",), "store_code has at most 64 characters.", _DROPPED, "65 letters", "seed", "Shorten it."),
    _row("store_code_characters", ("store_code",), "store_code holds no `<` or `>`.", _DROPPED, "`<b>12</b>`", "seed", "Remove them."),
    _row("store_code_url", ("store_code",), "store_code is no URL.", _DROPPED, "`https://shop.example/12`", "seed", "Use the store's code."),
    _row("quantity_format", ("quantity",), "quantity is a number.", _DROPPED, "`two`", "seed", "Write digits."),
    _row("price_format", ("product_price",), "product_price is a number without symbols.", _DROPPED, "`$5`", "seed", "Write `5.00`."),
    _row("state_format", ("state",), "state is two capitals.", _by_profile("note", "error"), "`California`", "seed", "Write `CA`."),
    _row("zip_format", ("zip",), "zip is 5 or 9 digits.", _by_profile("note", "error"), "`1011`", "seed", "Write `01011` or `010112345`."),
    _row("needs_quotes", PROGRAMME_COLUMNS, "No value holds the delimiter or a quote.", _by_profile("off", "error"), "`5\" pipe, black`", "LiveRamp", "Replace the character, or use a delimiter that no value holds."),
    _row("duplicate", (), "The transaction stands in the file once.", _NOTE, "the same row twice", "seed", "Nothing: the first is taken."),
    _row("line_repeated", (), "A line of an order stands in the file more than once; only the first is sent.", _WARNING, "two equal scans at a till", "package", "If each is a sale of its own, add a column that tells them apart, as a line number, to `event_identity:`."),
    _row("id_collision", (), "Rows with the same event id differ in time, amount or customer.", _ERROR, "one order_id for two sales", "package", "Make order_id unique, or set `event_identity:`.", locked=True),
)  # fmt: skip

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
    if name == "unknown_column" and settings.allow_extra_columns:
        return "note"
    return rule.severity[settings.profile]
