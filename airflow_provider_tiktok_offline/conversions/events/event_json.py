"""Events as the items of a request's ``data[]``: columns to JSON, without a Python object an event."""

from __future__ import annotations

import polars as pl

_ODD_CHARACTER = r'["\\\x00-\x1f]'


def to_json(events: pl.DataFrame, *, before: str = "") -> pl.Series:
    """One item of a request's ``data[]`` per event, as JSON text.

    :param events: a frame as :meth:`.prepared.PreparedEvents.read` gives it.
    :param before: what stands before each item.
    """
    if not events.height:
        return pl.Series("item", dtype=pl.String)
    ready = events.with_columns(
        escape(events[name].fill_null("")).alias(name) for name in ("order_id", "shop_id") if name in events.columns
    )
    user = _object([_digests(ready, "email"), _digests(ready, "phone")], empty="{}")
    properties = _object(
        [
            _member(ready, "value", quoted=False),
            *(_member(ready, name) for name in ("currency", "order_id", "shop_id", "content_type")),
            _member(ready, "contents", quoted=False),
        ]
    )
    item = _object(
        [
            _member(ready, "event"),
            _member(ready, "event_time", quoted=False),
            _member(ready, "event_id"),
            _Member(['"user":', *user.pieces], always=True),
            _Member(['"properties":', *properties.pieces] if properties.pieces else [], properties.always),
        ]
    )
    return ready.select(_joined([before, *item.pieces]).alias("item")).to_series()


class _Member:
    """A member of a JSON object: the texts and columns it is made of, without a comma.

    ``pieces`` is empty if no row has it; ``always`` is set if each has.
    """

    def __init__(self, pieces: list[str | pl.Expr], always: bool) -> None:
        self.pieces = pieces
        self.always = always


def _member(events: pl.DataFrame, name: str, *, quoted: bool = True) -> _Member:
    if name not in events.columns:
        return _Member([], always=False)
    column = events[name]
    cells = pl.col(name).cast(pl.String)
    present = column.is_not_null() if column.dtype != pl.String else column.fill_null("") != ""
    found = int(present.sum())
    if not found:
        return _Member([], always=False)
    mark = '"' if quoted else ""
    if found < events.height:
        cells = pl.when(pl.col(name) != "").then(cells) if column.dtype == pl.String else cells
    return _Member([f'"{name}":{mark}', cells, mark], always=found == events.height)


def _digests(events: pl.DataFrame, field: str) -> _Member:
    names = [
        name
        for name in sorted(events.columns)
        if name.startswith(f"{field}_") and name[-1].isdigit() and events[name].null_count() < events.height
    ]
    if not names:
        return _Member([], always=False)
    first, *others = (pl.col(name).bin.encode("hex") for name in names)
    if len(names) == 1 or not events[names[0]].null_count():
        more = [_joined([',"', other, '"'], skip_nulls=False).fill_null("") for other in others]
        return _Member([f'"{field}":["', first, '"', *more, "]"], always=not events[names[0]].null_count())
    all_of_row = [_joined([',"', each, '"'], skip_nulls=False) for each in (first, *others)]
    text = _joined([*all_of_row]).str.slice(1)
    return _Member([f'"{field}":[', pl.when(text != "").then(text), "]"], always=False)


def _object(members: list[_Member], empty: str | None = None) -> _Member:
    """An object of members that each row has or has not; a row without any has ``empty``, or no object.

    Where each row has the first member, everything is one flat row of texts, which is several times faster.
    """
    members = [member for member in members if member.pieces]
    if not members:
        return _Member([] if empty is None else [empty], always=empty is not None)
    first, *others = members
    if first.always:
        pieces: list[str | pl.Expr] = ["{", *first.pieces]
        for member in others:
            if member.always:
                pieces += [",", *member.pieces]
            else:
                pieces.append(_joined([",", *member.pieces], skip_nulls=False))
        return _Member([*pieces, "}"], always=True)
    body = _joined([_joined([",", *member.pieces], skip_nulls=False) for member in members]).str.slice(1)
    text = pl.when(body != "").then(pl.lit("{") + body + pl.lit("}")).otherwise(pl.lit(empty, dtype=pl.String))
    return _Member([text], always=empty is not None)


def _joined(pieces: list[str | pl.Expr], *, skip_nulls: bool = True) -> pl.Expr:
    """The pieces as one text; neighbouring literals are one."""
    merged: list[str | pl.Expr] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    texts = [
        pl.lit(piece) if isinstance(piece, str) else piece for piece in merged if not isinstance(piece, str) or piece
    ]
    return pl.concat_str(texts, ignore_nulls=skip_nulls)


def escape(cells: pl.Series) -> pl.Series:
    """Texts as they stand between the quotes of a JSON string."""
    if not cells.str.contains(_ODD_CHARACTER).any():
        return cells
    return (
        cells.str.replace_all("\\", "\\\\", literal=True)
        .str.replace_all('"', '\\"', literal=True)
        .str.replace_all("\t", "\\t", literal=True)
        .str.replace_all(r"[\x00-\x1f]", " ")
    )
