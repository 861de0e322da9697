"""The report as one self-contained page: no script, no font, no image from elsewhere, every text escaped.

It is made for the people who own the numbers, not for the ones who run the pipeline: what became of the rows and their
money, what is wrong with the file, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import TypedDict
from zoneinfo import ZoneInfo

from airflow_provider_tiktok_offline.conversions.contract.catalogue import EXCLUSIONS, RULES, who_acts
from airflow_provider_tiktok_offline.conversions.contract.outcomes import OUTCOMES
from airflow_provider_tiktok_offline.conversions.report.html_page import PAGE
from airflow_provider_tiktok_offline.conversions.report.html_parts import (
    counted,
    html_table,
    marked,
    section,
    sentence,
    share_bar,
    stack,
)
from airflow_provider_tiktok_offline.conversions.report.report import Report, ReportIssue, money, number_of, percent

#: Class of rows -> what it means, in a reader's words.
_CLASSES = {
    "valid": "Ready to be measured.",
    "rejected": "Broke a rule and is left out. Correct it and send it again.",
    "duplicate": "The same transaction stands above in this file; it counts once.",
    "excluded": "Left out on purpose, see below. Nothing to correct.",
}
_SEVERITIES = {
    "error": ("To correct", "Rows that break one of these rules are left out."),
    "warning": ("To look at", "These rows were used as far as possible: a value was left out or mended."),
    "note": ("Noted", "Nothing to do, unless a number surprises you."),
}
_COUNTED = (("Rows", "number"), ("Share", "number"), ("Value", "number"), ("Meaning", ""))
_CLASS_COLUMNS = (("Class", ""), *_COUNTED)
_OUTCOME_COLUMNS = (("Outcome", ""), ("Events", "number"), *_COUNTED[1:])
_ISSUE_COLUMNS = (
    ("What is wrong", ""), ("Column", "column"), ("Rows", "number"), ("", "bars"), ("First lines", "lines"),
    ("Who does what next", ""),
)  # fmt: skip
_ACTORS = {"export": "Whoever makes the file: ", "configuration": "Whoever keeps the configuration: ", "nobody": ""}
_IDENTIFIERS = {
    "both": "An e-mail address and a phone: best matched.",
    "email": "An e-mail address alone.",
    "phone": "A phone alone.",
    "none": "Neither: nobody could be matched, so the row is left out.",
}
_MOST_STORES = 50


class EventsSummary(TypedDict, total=False):
    """What became of a delivery, as the page says it.

    Attributes:
        advertiser, delivery_id: whose delivery it is.
        mode: ``live``, ``test`` or ``dry_run``.
        events: outcome -> events.
        values: outcome -> currency -> sum.
        open: what is not finished; empty if nothing is.
    """

    advertiser: str
    delivery_id: str
    mode: str
    events: Mapping[str, int]
    values: Mapping[str, Mapping[str, str]]
    open: str


def html(report: Report, *, summary: EventsSummary | None = None) -> str:
    """The page of one file.

    :param report: what the pass over the file found.
    :param summary: what became of the events, as the summary of the delivery says it: ``events`` and ``values`` by
        outcome, ``mode``, ``advertiser``, ``open``. Left out while nothing has been sent.
    """
    sections = [
        _head(report, summary),
        _rows(report),
        _events(summary) if summary and summary.get("events") else "",
        *(_issues(report, severity) for severity in _SEVERITIES),
        _drift(report),
        _excluded(report),
        _identifiers(report),
        _content(report),
        _stores(report),
        _about(report, summary),
    ]
    return PAGE.substitute(
        title=escape(f"{report.file}: conversion file report"), body="\n".join(filter(None, sections))
    )


def _verdict(report: Report, summary: EventsSummary | None) -> tuple[str, str]:
    """How it stands: ``good``, ``warn`` or ``bad``, and in words."""
    if report.gate_exceeded:
        if report.nothing_valid:
            return "bad", sentence(report.gate_in_words) + " Nothing was sent."
        rejected = percent(report.rejected_ratio)
        return "bad", (
            f"{rejected} of the rows are rejected, more than the {percent(report.max_rejected_ratio)} that are "
            "allowed. Nothing was sent."
        )
    if any(issue.severity == "error" and not issue.rows for issue in report.issues):
        return "bad", "The file can't be used as it is."
    if summary and summary.get("open"):
        return "warn", f"Not finished: {summary['open']}."
    if report.drift:
        return "warn", f"The file has less than usual: {report.drift[0]}."
    if report.rows_rejected:
        return "warn", f"The file was used; {counted(report.rows_rejected, 'row')} left out."
    return "good", "The file is fine."


def _head(report: Report, summary: EventsSummary | None) -> str:
    state, words = _verdict(report, summary)
    mark = {"good": "&#10003;", "warn": "!", "bad": "&#10007;"}[state]
    own = report.rows_own
    others = report.rows_total - own
    of_own = " for a fault of their own" if report.rows_held_back else ""
    facts = [
        _fact("Rows", f"{own:,}", f"and {others:,} of others" if others else ""),
        _fact("Ready", f"{report.rows_valid:,}", percent(report.rows_valid, own)),
        _fact("Worth", money(report.values.get("valid", {})) or "not said"),
        _fact(
            "Rejected",
            f"{report.rows_rejected:,}",
            f"{percent(report.rejected_ratio)}{of_own}, at most {percent(report.max_rejected_ratio)}",
        ),
    ]
    name = f"<p class='quiet'>{escape(str(summary['advertiser']))}</p>" if summary and summary.get("advertiser") else ""
    sign = f"<span class='mark' aria-hidden='true'>{mark}</span>"
    return (
        f"<header>{name}<h1>{escape(report.file)}</h1>"
        f"<p class='verdict {state}'>{sign}<span>{marked(words)}</span></p>"
        f"<div class='facts'>{''.join(facts)}</div></header>"
    )


def _fact(label: str, value: str, more: str = "") -> str:
    small = f"<small>{escape(more)}</small>" if more else ""
    return f"<div><span>{escape(label)}</span><b>{escape(value)}</b>{small}</div>"


def _rows(report: Report) -> str:
    counts = {name: int(getattr(report, f"rows_{name}")) for name in _CLASSES}
    counts["excluded"] -= report.excluded.get("filtered", 0)
    rows = [
        _outcome_row(name, name, counts[name], report.rows_own, money(report.values.get(name, {})), meaning)
        for name, meaning in _CLASSES.items()
    ]
    return section(
        "What became of the rows",
        stack([(name, name, count) for name, count in counts.items()], report.rows_own),
        html_table(_CLASS_COLUMNS, rows, "outcomes"),
        *(f"<p class='quiet'>{marked(text)}</p>" for text in _beside_the_rows(report)),
    )


def _beside_the_rows(report: Report) -> list[str]:
    """What the counts by class do not show."""
    texts = []
    if report.rows_held_back:
        texts.append(
            f"{number_of(report.rows_held_back, 'rejected row')} without a fault: held back with an order of which "
            "another row is rejected. They do not count against the limit."
        )
    if report.excluded.get("filtered"):
        texts.append(f"Left out here: {number_of(report.excluded['filtered'], 'row')} of others (`where:`).")
    if report.lines_without_row:
        texts.append(f"{number_of(report.lines_without_row, 'line')} without a row: blank, or delimiters alone.")
    if report.events and report.events != report.rows_valid:
        texts.append(
            f"{number_of(report.rows_valid, 'valid row')} make {number_of(report.events, 'event')}: the rows of an "
            "order are one event (`basket: order`)."
        )
    if report.returns is not None:
        words = report.returns_in_words
        texts.append(f"{words[0].upper()}{words[1:]}.")
    return texts


def _events(summary: EventsSummary) -> str:
    counts = {name: int(rows) for name, rows in summary["events"].items()}
    total = sum(counts.values())
    values = summary.get("values") or {}
    order = [name for name in OUTCOMES if name in counts] + sorted(set(counts) - set(OUTCOMES))
    rows = [
        _outcome_row(
            name,
            _colour(name),
            counts[name],
            total,
            money(values.get(name, {})),
            OUTCOMES[name].meaning if name in OUTCOMES else "",
        )
        for name in order
        if counts[name]
    ]
    said = {"dry_run": "Dry run: nothing was sent.", "test": "Test: a few events were sent with a test code."}
    lead = f"<p class='lead'>{said[summary['mode']]}</p>" if summary.get("mode") in said else ""
    return section(
        "What became of the events",
        lead + stack([(name, _colour(name), counts[name]) for name in order], total),
        html_table(_OUTCOME_COLUMNS, rows, "outcomes") if rows else "<p>No event.</p>",
    )


def _colour(outcome: str) -> str:
    return OUTCOMES[outcome].kind if outcome in OUTCOMES else "other"


def _outcome_row(name: str, colour: str, rows: int, total: int, worth: str, meaning: str) -> list[str]:
    return [
        f"<i class='dot {colour}'></i>{escape(name.replace('_', ' '))}",
        f"{rows:,}",
        percent(rows, total),
        escape(worth) or "&ndash;",
        marked(meaning),
    ]


def _excluded(report: Report) -> str:
    opt_outs = f"<p>{escape(sentence(report.opt_outs_in_words))}</p>" if report.opt_outs else ""
    if not report.excluded:
        return section("Left out on purpose", opt_outs) if opt_outs else ""
    most = max(report.excluded.values())
    rows = [
        [
            marked(sentence(EXCLUSIONS.get(reason, reason.replace("_", " ")))),
            f"{count:,}",
            share_bar(count, most, "excluded"),
        ]
        for reason, count in sorted(report.excluded.items(), key=lambda item: -item[1])
    ]
    columns = (("Reason", ""), ("Rows", "number"), ("", "bars"))
    return section("Left out on purpose", html_table(columns, rows, "reasons"), opt_outs)


def _issues(report: Report, severity: str) -> str:
    found = [issue for issue in report.issues if issue.severity == severity]
    if not found:
        return ""
    title, lead = _SEVERITIES[severity]
    most = max(issue.rows for issue in found) or 1
    ordered = sorted(found, key=lambda issue: (issue.rows > 0, -issue.rows))
    return section(
        f"{title} <span class='quiet'>{len(found)}</span>",
        f"<p class='lead'>{escape(lead)}</p>",
        html_table(_ISSUE_COLUMNS, [_issue(issue, most, report) for issue in ordered], "issues"),
    )


def _issue(issue: ReportIssue, most: int, report: Report) -> list[str]:
    rule = RULES.get(issue.rule)
    todo = issue.todo or (rule.todo if rule else "")
    said = issue.message.removesuffix(todo).strip() if issue.todo else rule.fault if rule and issue.rows else ""
    worth = f"<small>{escape(report.worth(issue))}</small>" if issue.value else ""
    lines = ", ".join(str(line) for line in issue.first_lines[:5]) if issue.rows else ""
    more = "<span class='quiet'>, &hellip;</span>" if issue.rows > len(issue.first_lines[:5]) and lines else ""
    rows = f"{issue.rows:,}<small>{percent(issue.rows, report.rows_own)}</small>{worth}" if issue.rows else "file"
    colour = {"error": "rejected", "warning": "warning"}.get(issue.severity, "note")
    column = f"<code>{escape(issue.column)}</code>" if issue.column else "<span class='quiet'>row</span>"
    return [
        f"{marked(said or issue.message or issue.rule)}<small><code>{escape(issue.rule)}</code></small>",
        column if issue.rows or issue.column else "",
        rows,
        share_bar(issue.rows, most, colour) if issue.rows else "",
        lines + more,
        f"<span class='quiet'>{_ACTORS[who_acts(issue.rule, todo)]}</span>{marked(todo)}" if todo else "",
    ]


def _drift(report: Report) -> str:
    """What is less than usual; nothing where nobody looked."""
    if not report.drift_basis:
        return ""
    found = "".join(f"<li>{escape(finding)}</li>" for finding in report.drift)
    listed = f"<ul>{found}</ul>" if found else "<p>Nothing has fallen.</p>"
    return section("Compared with earlier files", listed, f"<p>Compared with {escape(report.drift_basis)}.</p>")


def _identifiers(report: Report) -> str:
    """How many rows can be matched by what."""
    counts = {kind: report.identifiers.get(kind, 0) for kind in _IDENTIFIERS}
    total = sum(counts.values())
    if not total:
        return ""
    most = max(counts.values())
    rows = [
        [marked(words), f"{counts[kind]:,}", percent(counts[kind], total),
         share_bar(counts[kind], most, "excluded" if kind == "none" else "valid")]
        for kind, words in _IDENTIFIERS.items()
        if counts[kind]
    ]  # fmt: skip
    columns = (("What is known of the customer", ""), ("Rows", "number"), ("Share", "number"), ("", "bars"))
    phones = f"<p>{escape(sentence(report.phones_in_words))}</p>" if report.phones_in_words else ""
    known = _before(total - counts["none"], report)
    return section("Who can be matched", html_table(columns, rows, "reasons"), known, phones)


def _content(report: Report) -> str:
    if not report.categories:
        return ""
    most, total = max(report.categories.values()), sum(report.categories.values())
    rows = [
        [escape(name), f"{count:,}", percent(count, total), share_bar(count, most, "valid")]
        for name, count in sorted(report.categories.items(), key=lambda item: -item[1])
    ]
    period = ""
    if report.first_time is not None and report.last_time is not None:
        first, last = (_local(moment, report.time_zone) for moment in (report.first_time, report.last_time))
        period = f"<p class='lead'>Transactions from {first} to {last} ({escape(report.time_zone)}).</p>"
    unknown = ""
    if report.unknown_categories:
        words = ", ".join(f"<code>{escape(word)}</code>" for word in report.unknown_categories)
        unknown = f"<p>Unknown categories: {words}. <code>event_map</code> says what they stand for.</p>"
    columns = (("Category", ""), ("Rows", "number"), ("Share", "number"), ("", "bars"))
    return section("What was sold when", period, html_table(columns, rows, "reasons"), _before(total, report), unknown)


def _before(total: int, report: Report) -> str:
    """Why counts by category, identifier or store add up to more than the valid rows."""
    if total == report.rows_valid:
        return ""
    return "<p class='quiet'>Counted before repeated rows and orders that are held back were taken out.</p>"


def _stores(report: Report) -> str:
    """Valid rows and sums by store, where the settings ask for them."""
    if not report.stores:
        return ""
    shown = list(report.stores.items())[:_MOST_STORES]
    most = max(sums["rows"] for _, sums in shown)
    rows = [
        [escape(store) or "<span class='quiet'>no store</span>", f"{sums['rows']:,}", escape(money(sums["value"])),
         share_bar(sums["rows"], most, "valid")]
        for store, sums in shown
    ]  # fmt: skip
    left = len(report.stores) - len(shown)
    more = f"<p class='lead'>{number_of(left, 'further store')}: see report.json.</p>" if left else ""
    columns = (("Store", ""), ("Rows", "number"), ("Value", "number"), ("", "bars"))
    before = _before(sum(sums["rows"] for sums in report.stores.values()), report) if not left else ""
    return section("By store", html_table(columns, rows, "reasons"), before, more)


def _local(moment: float, time_zone: str) -> str:
    """A moment as a clock in the advertiser's time zone shows it."""
    return f"{datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M}"


def _about(report: Report, summary: EventsSummary | None) -> str:
    as_of = _local(datetime.fromisoformat(report.as_of).timestamp(), report.time_zone)
    facts: Iterable[tuple[str, str]] = (
        ("Ages as of", f"{as_of} ({report.time_zone})"),
        ("Rules of", {"tiktok": "TikTok, direct", "liveramp": "LiveRamp"}.get(report.profile, report.profile)),
        ("Size", f"{report.size:,} bytes"),
        ("Delimiter", report.delimiter),
        ("Columns", ", ".join(report.columns)),
        ("SHA-256", report.sha256),
        ("Checked in", f"{report.duration_s:.1f} s"),
        ("Delivery", str(summary.get("delivery_id", "")) if summary else ""),
    )
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts if value)
    note = "<p>Line 1 is the header. No e-mail address, phone number or other value of a customer is on this page.</p>"
    return f"<footer><dl>{listed}</dl>{note}</footer>"
