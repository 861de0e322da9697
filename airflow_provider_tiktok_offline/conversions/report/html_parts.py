"""The parts of the HTML report: sections, tables that a phone can show, bars, numbers in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from airflow_provider_tiktok_offline.conversions.report.report import number_of


def section(title: str, *parts: str) -> str:
    """A part of the page with its heading."""
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def html_table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], kind: str) -> str:
    """A table; on a narrow screen each row becomes a card, in which every cell says its column.

    :param columns: heading and class of each; the first cell of a row is its heading.
    :param rows: cells as HTML, one for each column.
    :param kind: the table's class.
    """
    head = "".join(f"<th scope='col'>{escape(heading)}</th>" for heading, _ in columns)
    body = "".join(f"<tr>{''.join(_cells(columns, row))}</tr>" for row in rows)
    return (
        f"<div class='scroll'><table class='{kind}'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(columns: Sequence[tuple[str, str]], row: Sequence[str]) -> Iterable[str]:
    (_, kind), *others = columns
    yield f"<th scope='row' class='{kind}'>{row[0]}</th>"
    for (heading, kind), cell in zip(others, row[1:], strict=True):
        # A cell without content is no line of a card.
        label = f" data-label='{escape(heading)}'" if heading and cell else ""
        yield f"<td class='{kind}'{label}><div>{cell}</div></td>" if cell else f"<td class='{kind}'></td>"


def stack(parts: Iterable[tuple[str, str, int]], total: int) -> str:
    """One bar of all parts, each at least visible."""
    pieces = "".join(
        f"<span class='{colour}' style='flex:{max(count / total, 0.004):.5f}'"
        f" title='{escape(name.replace('_', ' '))}: {count:,}'></span>"
        for name, colour, count in parts
        if count
    )
    return f"<div class='stack' role='img' aria-label='shares, as in the table below'>{pieces}</div>"


def share_bar(count: int, most: int, colour: str) -> str:
    """A bar as long as its share of the most."""
    return f"<span class='bar {colour}' style='width:{max(100 * count / most, 1):.1f}%'></span>"


def counted(number: int, thing: str) -> str:
    """The same with its verb in the past."""
    return f"{number_of(number, thing)} {'was' if number == 1 else 'were'}"


def sentence(words: str) -> str:
    """Words as a sentence."""
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def marked(text: str) -> str:
    """Text in which `back quotes` mark names."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
