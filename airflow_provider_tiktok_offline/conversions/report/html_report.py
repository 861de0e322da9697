"""The report as one self-contained page: no script, no font, no image from elsewhere, every text escaped.

It is made for the people who own the numbers, not for the ones who run the pipeline: what became of the rows and their
money, what is wrong with the file, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TypedDict

from airflow_provider_tiktok_offline.conversions.contract.catalogue import EXCLUSIONS, RULES
from airflow_provider_tiktok_offline.conversions.contract.outcomes import OUTCOMES
from airflow_provider_tiktok_offline.conversions.report.html_page import PAGE
from airflow_provider_tiktok_offline.conversions.report.report import Report, ReportIssue, money

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
_DELIMITERS = {",": "comma", "\t": "tab", "|": "pipe"}


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
        _excluded(report),
        *(_issues(report, severity) for severity in _SEVERITIES),
        _content(report),
        _about(report, summary),
    ]
    return PAGE.substitute(
        title=escape(f"{report.file}: conversion file report"), body="\n".join(filter(None, sections))
    )


def _head(report: Report, summary: EventsSummary | None) -> str:
    if report.gate_exceeded:
        state, words = (
            "bad",
            (
                f"{_percent(report.rows_rejected, report.rows_total)} of the rows are rejected, more than the "
                f"{report.max_rejected_ratio:.1%} that are allowed. Nothing was sent."
            ),
        )
    elif any(issue.severity == "error" and not issue.rows for issue in report.issues):
        state, words = "bad", "The file can't be used as it is."
    elif summary and summary.get("open"):
        state, words = "warn", f"Not finished: {summary['open']}."
    elif report.rows_rejected:
        state, words = "warn", f"The file was used; {_count(report.rows_rejected, 'row')} left out."
    else:
        state, words = "good", "The file is fine."
    mark = {"good": "&#10003;", "warn": "!", "bad": "&#10007;"}[state]
    facts = [
        _fact("Rows", f"{report.rows_total:,}"),
        _fact("Ready", f"{report.rows_valid:,}", _percent(report.rows_valid, report.rows_total)),
        _fact("Worth", money(report.values.get("valid", {})) or "not said"),
        _fact(
            "Rejected",
            f"{report.rows_rejected:,}",
            f"{_percent(report.rows_rejected, report.rows_total)}, at most {report.max_rejected_ratio:.1%}",
        ),
    ]
    name = f"<p class='quiet'>{escape(str(summary['advertiser']))}</p>" if summary and summary.get("advertiser") else ""
    return (
        f"<header>{name}<h1>{escape(report.file)}</h1>"
        f"<p class='verdict {state}'><span class='mark' aria-hidden='true'>{mark}</span>{escape(words)}</p>"
        f"<div class='facts'>{''.join(facts)}</div></header>"
    )


def _fact(label: str, value: str, more: str = "") -> str:
    small = f"<small>{escape(more)}</small>" if more else ""
    return f"<div><span>{escape(label)}</span><b>{escape(value)}</b>{small}</div>"


def _rows(report: Report) -> str:
    counts = {name: int(getattr(report, f"rows_{name}")) for name in _CLASSES}
    table = [
        _outcome_row(name, name, counts[name], report.rows_total, money(report.values.get(name, {})), meaning)
        for name, meaning in _CLASSES.items()
    ]
    return _section(
        "What became of the rows",
        _stack([(name, name, rows) for name, rows in counts.items()], report.rows_total),
        _table(("Class", "Rows", "Share", "Value", "Meaning"), table, "outcomes"),
        *(f"<p class='lead'>{text}</p>" for text in _beside_the_rows(report)),
    )


def _beside_the_rows(report: Report) -> list[str]:
    """What the counts by class do not show."""
    texts = []
    if report.rows_held_back:
        texts.append(
            f"{_number_of(report.rows_held_back, 'rejected row')} without a fault: held back with an order of which "
            "another row is rejected. They do not count against the limit."
        )
    if report.lines_without_row:
        texts.append(f"{_number_of(report.lines_without_row, 'line')} without a row: blank, or delimiters alone.")
    if report.events and report.events != report.rows_valid:
        texts.append(
            f"{_number_of(report.rows_valid, 'valid row')} make {_number_of(report.events, 'event')}: the rows of an "
            "order are one event."
        )
    return texts


def _events(summary: EventsSummary) -> str:
    counts = {name: int(rows) for name, rows in summary["events"].items()}
    total = sum(counts.values())
    values = summary.get("values") or {}
    order = [name for name in OUTCOMES if name in counts] + sorted(set(counts) - set(OUTCOMES))
    table = [
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
    return _section(
        "What became of the events",
        lead + _stack([(name, _colour(name), counts[name]) for name in order], total),
        _table(("Outcome", "Events", "Share", "Value", "Meaning"), table, "outcomes") if table else "<p>No event.</p>",
    )


def _colour(outcome: str) -> str:
    return OUTCOMES[outcome].kind if outcome in OUTCOMES else "other"


def _outcome_row(name: str, colour: str, rows: int, total: int, worth: str, meaning: str) -> str:
    return (
        f"<tr><th scope='row'><i class='dot {colour}'></i>{escape(name.replace('_', ' '))}</th>"
        f"<td class='number'>{rows:,}</td><td class='number'>{_percent(rows, total)}</td>"
        f"<td class='number'>{escape(worth) or '&ndash;'}</td><td>{escape(meaning)}</td></tr>"
    )


def _excluded(report: Report) -> str:
    opt_outs = f"<p>{escape(report.opt_outs_in_words.capitalize())}.</p>" if report.opt_outs else ""
    if not report.excluded:
        return _section("Left out on purpose", opt_outs) if opt_outs else ""
    most = max(report.excluded.values())
    rows = [
        f"<tr><th scope='row'>{escape(_sentence(EXCLUSIONS.get(reason, reason.replace('_', ' '))))}</th>"
        f"<td class='number'>{count:,}</td><td class='bars'>{_bar(count, most, 'excluded')}</td></tr>"
        for reason, count in sorted(report.excluded.items(), key=lambda item: -item[1])
    ]
    return _section("Left out on purpose", _table(("Reason", "Rows", ""), rows, "reasons"), opt_outs)


def _issues(report: Report, severity: str) -> str:
    found = [issue for issue in report.issues if issue.severity == severity]
    if not found:
        return ""
    title, lead = _SEVERITIES[severity]
    most = max(issue.rows for issue in found) or 1
    ordered = sorted(found, key=lambda issue: (issue.rows > 0, -issue.rows))
    rows = [_issue(issue, most, report.rows_total) for issue in ordered]
    return _section(
        f"{title} <span class='quiet'>{len(found)}</span>",
        f"<p class='lead'>{escape(lead)}</p>",
        _table(("What is wrong", "Column", "Rows", "", "First lines", "What to do"), rows, "issues"),
    )


def _issue(issue: ReportIssue, most: int, total: int) -> str:
    rule = RULES.get(issue.rule)
    todo = issue.todo or (rule.todo if rule and issue.rows else "")
    said = issue.message.removesuffix(todo).strip() if issue.todo else rule.fault if rule and issue.rows else ""
    fault = said or issue.message or issue.rule
    worth = f"<small>{escape(issue.value)}</small>" if issue.value else ""
    lines = ", ".join(str(line) for line in issue.first_lines[:5])
    more = "<span class='quiet'>, &hellip;</span>" if issue.rows > len(issue.first_lines[:5]) and lines else ""
    rows = f"{issue.rows:,}<small>{_percent(issue.rows, total)}</small>{worth}" if issue.rows else "file"
    bar = _bar(issue.rows, most, {"error": "rejected", "warning": "warning"}.get(issue.severity, "note"))
    column = f"<code>{escape(issue.column)}</code>" if issue.column else "<span class='quiet'>row</span>"
    return (
        f"<tr><th scope='row'>{_marked(fault)}<small><code>{escape(issue.rule)}</code></small></th>"
        f"<td class='column'>{column if issue.rows or issue.column else ''}</td><td class='number'>{rows}</td>"
        f"<td class='bars'>{bar if issue.rows else ''}</td><td class='lines'>{lines}{more}</td>"
        f"<td>{_marked(todo)}</td></tr>"
    )


def _content(report: Report) -> str:
    if not report.categories:
        return ""
    most = max(report.categories.values())
    rows = [
        f"<tr><th scope='row'>{escape(name)}</th><td class='number'>{count:,}</td>"
        f"<td class='number'>{_percent(count, report.rows_valid)}</td>"
        f"<td class='bars'>{_bar(count, most, 'valid')}</td></tr>"
        for name, count in sorted(report.categories.items(), key=lambda item: -item[1])
    ]
    period = ""
    if report.first_time is not None and report.last_time is not None:
        first, last = (datetime.fromtimestamp(moment, UTC) for moment in (report.first_time, report.last_time))
        period = f"<p class='lead'>Transactions from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC.</p>"
    unknown = ""
    if report.unknown_categories:
        words = ", ".join(f"<code>{escape(word)}</code>" for word in report.unknown_categories)
        unknown = f"<p>Unknown categories: {words}. <code>event_map</code> says what they stand for.</p>"
    phones = f"<p>{escape(report.phones_in_words.capitalize())}.</p>" if report.phones_in_words else ""
    return _section(
        "What was sold when", period, _table(("Category", "Valid rows", "Share", ""), rows, "reasons"), unknown, phones
    )


def _about(report: Report, summary: EventsSummary | None) -> str:
    facts: Iterable[tuple[str, str]] = (
        ("Ages as of", report.as_of),
        ("Rules of", {"tiktok": "TikTok, direct", "liveramp": "LiveRamp"}.get(report.profile, report.profile)),
        ("Size", f"{report.size:,} bytes"),
        ("Delimiter", _DELIMITERS.get(report.delimiter, report.delimiter)),
        ("Columns", ", ".join(report.columns)),
        ("SHA-256", report.sha256),
        ("Checked in", f"{report.duration_s:.1f} s"),
        ("Delivery", str(summary.get("delivery_id", "")) if summary else ""),
    )
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts if value)
    note = "<p>Line 1 is the header. No e-mail address, phone number or other value of a customer is on this page.</p>"
    return f"<footer><dl>{listed}</dl>{note}</footer>"


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def _table(headings: Sequence[str], rows: Iterable[str], kind: str) -> str:
    head = "".join(f"<th scope='col'>{escape(heading)}</th>" for heading in headings)
    body = "".join(rows)
    return (
        f"<div class='scroll'><table class='{kind}'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _stack(parts: Iterable[tuple[str, str, int]], total: int) -> str:
    """One bar of all parts, each at least visible."""
    pieces = "".join(
        f"<span class='{colour}' style='flex:{max(count / total, 0.004):.5f}'"
        f" title='{escape(name.replace('_', ' '))}: {count:,}'></span>"
        for name, colour, count in parts
        if count
    )
    return f"<div class='stack' role='img' aria-label='shares, as in the table below'>{pieces}</div>"


def _bar(count: int, most: int, colour: str) -> str:
    return f"<span class='bar {colour}' style='width:{max(100 * count / most, 1):.1f}%'></span>"


def _percent(count: int, total: int) -> str:
    if not total:
        return ""
    share = 100 * count / total
    if count and share < 0.01:
        return "<0.01 %"
    return f"{share:.2f} %" if share < 10 or share > 99 else f"{share:.1f} %"


def _number_of(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _count(number: int, thing: str) -> str:
    return f"{_number_of(number, thing)} {'was' if number == 1 else 'were'}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def _marked(text: str) -> str:
    """Text in which `back quotes` mark names."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
