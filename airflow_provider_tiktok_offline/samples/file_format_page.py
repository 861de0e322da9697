# ruff: noqa: E501 - a table reads best with one row a line
"""Makes docs/file-format.md: ``python -m airflow_provider_tiktok_offline.samples.file_format_page``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from airflow_provider_tiktok_offline.conversions.contract.catalogue import EXCLUSIONS, REPAIRED, RULES, Rule, cost_of
from airflow_provider_tiktok_offline.conversions.contract.columns import (
    CANONICAL_EVENT,
    COLUMNS,
    CURRENCIES,
    CURRENT_EVENTS,
    DELIMITER_OF_TYPE,
    LIVERAMP_CATEGORIES,
    OLDER_EVENTS,
    PROGRAMME_COLUMNS,
    Column,
)
from airflow_provider_tiktok_offline.conversions.contract.settings import Limits, Profile

_PROFILES: tuple[Profile, ...] = ("tiktok", "liveramp")
#: Setting, what it does, what that costs.
_SETTINGS = (
    ("severities", "another severity for a rule without a lock", "what you say: row, cell or nothing"),
    ("profile", "whose severities apply", "the columns `tiktok` and `liveramp` below"),
    ("repair", "liveramp: what is surely understood is written in the programme's form", "a note or a warning instead of the row; every row is taken apart and written anew, instead of copied"),
    ("trim_white_space", "liveramp: white space around values is trimmed", "a note instead of the row"),
    ("allow_extra_columns", "liveramp: columns outside the programme are dropped", "a note instead of the file"),
    ("format.decimal, format.thousands", "what the marks of amounts mean", "settles `amount_ambiguous`; an amount in another form costs its row"),
    ("format.timestamp_formats", "notations that are tried before the programme's", "a time in none of them costs its row"),
    ("format.encoding", "how bytes become text", "about 1.1 times the processor time of UTF-8; bytes it does not have: `encoding`"),
    ("format.skip_lines, format.footer_lines", "lines that are no part of the table", "nothing: they are no rows"),
    ("where", "rows of this advertiser", "other rows are left out, outside the gate and every sum"),
    ("consent, suppression", "people who do not agree", "their rows are left out, outside the gate"),
    ("basket: order", "an order is one event", "a rejected row holds back its whole order: `order_incomplete`"),
    ("returns: net", "`basket: order`: a negative amount is taken off its order", "nothing; an order of which nothing is left is left out as `return` or `zero`"),
    ("send_after_days", "a file's events wait for returns in later files", "nothing; an event of which nothing is left is `returned`, and a sale that becomes too old meanwhile is warned of: `timestamp_expires`"),
    ("lookback_days, send_from", "how old a sale may be", "older: an error, or left out"),
    ("event_map, categories", "which words are sales", "another word costs its row: `category_unknown`"),
    ("max_rejected_ratio", "the gate", "a larger share of rejected rows stops the file"),
    ("send_fields", "what an event may carry", "faults of columns that are not sent cost nothing under `tiktok`"),
)  # fmt: skip
PAGE = Path("docs/file-format.md")
_MARKS = {",": "comma", "\t": "tab", "|": "pipe"}


def page() -> str:
    """The whole page, as Markdown."""
    return (
        "\n\n".join([_INTRODUCTION, *_file(), *_columns(), *_values(), *_settings(), *_rules(), *_exclusions()]) + "\n"
    )


_INTRODUCTION = """# The file format

<!-- Made by `python -m airflow_provider_tiktok_offline.samples.file_format_page`; a test compares the two. -->

What a [conversion file](glossary.md#conversion-file) must look like, which rule is checked, and what breaking it costs.
Every rule has a name; reports, `rejects.csv` and `severities:` in the configuration use it.

Severities: an **error** costs the row (or, of the file, stops it); a **warning** costs the cell, which is left out, or
nothing, where the value was mended; a **note** is only counted. Behind each severity stands what it costs: file, row, cell or
nothing, as in the column `cost` of `rejects.csv`. They differ by profile: `tiktok` is the direct route to TikTok's Events API, `liveramp` the
delivery of a plaintext file to LiveRamp, which refuses what breaks its rules. Any severity can be set under
`severities:`, except those marked with a lock (&#128274;): without them nothing can be sent.

Sources: *programme* is LiveRamp's page "The TikTok Conversions API Program for Offline Conversions", *LiveRamp* its
general pages on file formats, *TikTok* the Events API documentation (Doc ID 1771101303285761), *package* what this
package adds."""


def _file() -> Iterable[str]:
    limits = Limits()
    types = ", ".join(f"`{kind}` ({_MARKS[mark]})" for kind, mark in DELIMITER_OF_TYPE.items())
    yield "## The file"
    yield (
        f"Types: {types}, `.txt` (any of the three), each also with `.gz` behind it. On `tiktok` a file of any other name is read too, and "
        "whether it is compressed with gzip is seen in its first bytes. UTF-8. Line 1 is the header; "
        f"every other line is one transaction, or one item of it. At most {limits.rows:,} rows, {limits.bytes:,} bytes "
        f"uncompressed and {limits.row_characters:,} characters a row; `limits:` changes that. Quotes are those of RFC "
        "4180."
    )


def _columns() -> Iterable[str]:
    yield "## The columns"
    yield (
        "In this order. *Column* says whether the header must have it, *value* whether every row must, *sent* whether "
        "a TikTok event can carry it; what is sent by default and what is opted into is in `send_fields`."
    )
    rows = [[str(number), f"`{column.name}`", *_needs(column)] for number, column in enumerate(COLUMNS, 1)]
    yield _table(["", "name", "column", "value", "sent"], rows)
    yield "Every row needs at least one e-mail address or phone number."


def _needs(column: Column) -> list[str]:
    value = "required" if column.value_required else ""
    if column.name in ("email_1", "phone_1"):
        value = "one of the two"
    return ["required" if column.required else "", value, "yes" if column.sent else ""]


def _values() -> Iterable[str]:
    older = ", ".join(f"`{old}` counts as `{new}`" for old, new in CANONICAL_EVENT.items())
    yield "## The values"
    yield (
        f"**transaction_category**: for LiveRamp {_names(LIVERAMP_CATEGORIES)}. For TikTok {_names(CURRENT_EVENTS)}, "
        f"and the older {_names(OLDER_EVENTS)}. Nothing is renamed silently ({older} in event ids only); `event_map` "
        "says what your own words stand for."
    )
    yield (
        "**transaction_timestamp**: `yyyy-MM-dd`, `yyyy-MM-dd'T'HH:mm:ss'Z'-0000`, `MM/dd/yyyy h:mm:ss aa`, `MMM "
        "dd, yyyy h:mm:ss`, `MM/dd/yyyy HH:mm:ss`, `yyyy-MM-dd HH:mm:ss`, `yyyy-MM-dd'T'HH:mm:ss`, "
        "`yyyy-MM-dd HH:mm:ssZ`. The clock part of `'Z'-hhmm` is UTC. "
        "Times without an offset are in `time_zone` (UTC by default)."
    )
    yield (
        "**transaction_amount**: digits and a decimal point, `XXX.XX`, without symbols or separators. Currencies and "
        f"their decimals as ISO 4217 has them: {_currencies()}."
    )
    yield (
        "**E-mail**: trimmed and lower-cased, nothing else, then SHA-256. **Phone**: E.164 with `+`, then SHA-256. "
        "Country codes may be written with or without `+`; national numbers need `phone_region`, and `phone_digits` "
        "says how digits without `+` are meant. How a cell is read, and which cells are left out: "
        "[phones.md](phones.md). A SHA-256 digest passes through on the direct route."
    )


def _currencies() -> str:
    by_decimals = {
        decimals: " ".join(sorted(code for code, places in CURRENCIES.items() if places == decimals))
        for decimals in sorted(set(CURRENCIES.values()), reverse=True)
    }
    return "; ".join(f"{decimals}: {codes}" for decimals, codes in by_decimals.items())


def _rules() -> Iterable[str]:
    for scope, title in (("file", "Rules of the file"), ("row", "Rules of a row")):
        yield f"## {title}"
        yield _table(
            ["rule", "columns", "what is wrong", "tiktok", "liveramp", "breaks it", "source", "what to do"],
            [_rule(rule) for rule in RULES.values() if rule.scope == scope],
        )


def _rule(rule: Rule) -> list[str]:
    severities = [_severity(rule, profile) for profile in _PROFILES]
    return [f"`{rule.name}`", _looked_at(rule), rule.fault, *severities, rule.example, rule.source, rule.todo]


def _severity(rule: Rule, profile: Profile) -> str:
    """What breaking a rule costs: its severity, and the row, the cell or nothing."""
    lock = " &#128274;" if rule.locked else ""
    severity = "error" if rule.locked else rule.severity[profile]
    if severity == "off":
        return severity
    cost = "file" if rule.scope == "file" and severity == "error" else cost_of(rule.name, severity)
    return f"{severity}{lock}: {cost}"


def _settings() -> Iterable[str]:
    yield "## What settings change"
    yield (
        "Settings that decide what a fault costs. What each one costs in time is in [benchmarks.md](benchmarks.md); keys "
        "and defaults are in [configuration.md](configuration.md)."
    )
    rows = [[f"`{setting}`", what, cost] for setting, what, cost in _SETTINGS]
    yield _table(["setting", "what it does", "what it costs"], rows)
    repaired = [f"`{rule}` {severity}" for rule, severity in REPAIRED.items()]
    yield f"With `repair: true` these rules cost, under `liveramp`: {', '.join(repaired)}."


def _looked_at(rule: Rule) -> str:
    if len(rule.columns) > len(PROGRAMME_COLUMNS) // 2:
        left = [name for name in PROGRAMME_COLUMNS if name not in rule.columns]
        return "all but " + _names(left, keep_order=True) if left else "all"
    return _names(rule.columns, keep_order=True)


def _exclusions() -> Iterable[str]:
    yield "## Left out on purpose"
    yield (
        "Rows that are rightly not sent. They are counted and summed by reason, and don't count towards "
        "`max_rejected_ratio`."
    )
    yield _table(["reason", "when"], [[f"`{name}`", words] for name, words in EXCLUSIONS.items()])


def _names(names: Iterable[str], *, keep_order: bool = False) -> str:
    ordered = list(names) if keep_order else sorted(names)
    return ", ".join(f"`{name}`" for name in ordered)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Write the page below the current directory, which is the repository's."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}: {len(RULES)} rules\n")


if __name__ == "__main__":
    main()
