"""Columns of invented transactions, a few hundred thousand rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl


def _words(*lines: str) -> tuple[str, ...]:
    return tuple(word for line in lines for word in line.split())


_FIRST_NAMES = _words(
    "alba anna arlo bela bruno cleo dora edda emil enzo fina gino greta hugo ida ivo jana joel juno kira lars lena",
    "levi lina luca mara milo mina nele nico noah nora olga otis pia remo rita rosa ruben sina theo tilda ugo vera",
)
_LAST_NAMES = _words(
    "acker amsel birke bruch busch dorn eiche erle esche fels fink forst grund hain halm heide hirsch kiefer klee",
    "lerche linde moor mohn pappel quell rabe reh rose sand specht stein strauch tanne ulme wald weide weiher",
)
_DOMAINS = ("@example.com", "@example.org", "@example.net")
#: Area codes of the United States and Canada; with exchange 555 their numbers belong to nobody.
_AREAS = _words(
    "201 202 205 206 212 213 214 215 216 217 301 302 303 304 305 312 313 314 315 316 401 402 404 405 406 407 408 409",
    "412 413 414 415 502 503 504 505 508 509 512 513 515 516 601 602 603 605 606 607 608 609 612 613 614 615 616 617",
    "701 702 703 704 706 707 708 712 713 714 801 802 803 804 805 806 808 810 812 813 814 815 901 903 904 906 907 908",
)
#: How people write a national number; the parts are area code and line.
_WRITTEN = ("+1{}555{}", "({}) 555-{}", "{}-555-{}", "1 {} 555 {}", "{}.555.{}", "{}555{}")
_CITIES = ("Springfield", "Riverton", "Fairview", "Lakewood", "Hillsboro", "Mapleton")
_STATES = ("CA", "NY", "TX", "WA", "IL", "FL", "OH", "CO")
_PRODUCTS = ("Rain jacket", "Wool socks", "Trail shoes", "Canvas bag", "Steel bottle", "Linen shirt")
_CATEGORIES = ("Outdoor", "Apparel", "Shoes", "Accessories")
_BRANDS = ("Nordlicht", "Fernweh", "Talsohle")
_EVENTS = ("CompletePayment",) * 8 + ("Contact", "Subscribe")


#: Ten columns, both identifiers, about 107 bytes a row.
SAMPLE_COLUMNS = (
    "state",
    "email_1",
    "transaction_category",
    "transaction_timestamp",
    "transaction_amount",
    "phone_1",
    "order_id",
    "store_code",
    "quantity",
    "product_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleForm:
    """How a sample looks.

    Attributes:
        columns: the header, in this order; the required ones must be there.
        delimiter: None for what the path's type asks for, a comma in a stream.
        identifiers: whether every row has an e-mail and a phone, or some lack one of them.
        phones: digits only, or the ways in which people write them (for the ``tiktok`` profile).
        days: how many days the transactions spread over.
    """

    columns: Sequence[str] = SAMPLE_COLUMNS
    delimiter: Literal[",", "\t", "|"] | None = None
    identifiers: Literal["both", "some"] = "some"
    phones: Literal["digits", "written"] = "digits"
    days: int = 7


def rows(
    random: np.random.Generator, count: int, *, first: int, seed: int, as_of: datetime, form: SampleForm
) -> pl.DataFrame:
    """Rows ``first`` and following of the sample, every cell as text."""
    draw = _Draw(random, count, first, seed, int(as_of.timestamp()), form.days)
    columns = form.columns
    frame = pl.DataFrame({name: _COLUMNS[name](draw) for name in columns})
    if form.phones == "written":
        written = pl.select(draw.written_phone()).to_series()
        frame = frame.with_columns(written.alias(name) for name in columns if name in ("phone_1", "phone_2"))
    if form.identifiers == "some" and "phone_1" in columns:
        share = pl.Series(random.random(count, dtype=np.float32))
        frame = frame.with_columns(
            pl.when(share < 0.06).then(pl.lit("")).otherwise("email_1").alias("email_1"),
            pl.when(share > 0.88).then(pl.lit("")).otherwise("phone_1").alias("phone_1"),
        )
    return frame


@dataclass
class _Draw:
    """One chunk's random numbers, so that cells of a row belong together."""

    random: np.random.Generator
    count: int
    first: int
    seed: int
    end: int
    days: int

    def pick(self, words: Sequence[str]) -> pl.Series:
        return pl.Series(words).gather(self.whole(0, len(words)))

    def whole(self, low: int, high: int) -> pl.Series:
        return pl.Series(self.random.integers(low, high, self.count, dtype=np.uint32))

    @cached_property
    def lines(self) -> pl.Series:
        return pl.Series(np.arange(self.first, self.first + self.count, dtype=np.int64))

    @cached_property
    def phone_parts(self) -> tuple[pl.Series, pl.Series]:
        return self.pick(_AREAS), self.whole(1300, 10_000).cast(pl.String)

    @cached_property
    def cents(self) -> pl.Series:
        return pl.Series((np.exp(self.random.normal(3.6, 0.9, self.count)) * 100).astype(np.int64) + 100)

    def written_phone(self) -> pl.Expr:
        area, line = (pl.lit(part) for part in self.phone_parts)
        way = pl.lit(self.whole(0, len(_WRITTEN)))
        forms = [pl.when(way == number).then(pl.format(form, area, line)) for number, form in enumerate(_WRITTEN)]
        return pl.coalesce(forms)


def _email(draw: _Draw) -> pl.Series:
    parts = (draw.pick(_FIRST_NAMES), pl.lit("."), draw.pick(_LAST_NAMES), draw.whole(1, 1000), draw.pick(_DOMAINS))
    return pl.select(pl.concat_str(*parts)).to_series()


def _phone(draw: _Draw) -> pl.Series:
    area, line = draw.phone_parts
    return pl.select(pl.concat_str(area, pl.lit("555"), line)).to_series()


def _money(cents: pl.Series) -> pl.Series:
    return pl.select(pl.concat_str(cents // 100, pl.lit("."), (cents % 100).cast(pl.String).str.zfill(2))).to_series()


def _timestamp(draw: _Draw) -> pl.Series:
    seconds = pl.Series(draw.end - draw.random.integers(1, draw.days * 86_400, draw.count))
    return pl.from_epoch(seconds, time_unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ-0000")


def _order(draw: _Draw) -> pl.Series:
    return f"{draw.seed}-" + draw.lines.cast(pl.String)


def _address(draw: _Draw) -> pl.Series:
    return draw.whole(1, 999).cast(pl.String) + " Example Street"


_COLUMNS: Mapping[str, Callable[[_Draw], pl.Series]] = {
    "first_name": lambda draw: draw.pick(_FIRST_NAMES).str.to_titlecase(),
    "last_name": lambda draw: draw.pick(_LAST_NAMES).str.to_titlecase(),
    "address_1": _address,
    "address_2": lambda draw: "Unit " + draw.whole(1, 60).cast(pl.String),
    "city": lambda draw: draw.pick(_CITIES),
    "state": lambda draw: draw.pick(_STATES),
    "zip": lambda draw: draw.whole(501, 99_951).cast(pl.String).str.zfill(5),
    "email_1": _email,
    "email_2": _email,
    "email_3": _email,
    "email_4": _email,
    "transaction_category": lambda draw: draw.pick(_EVENTS),
    "transaction_timestamp": _timestamp,
    "transaction_amount": lambda draw: _money(draw.cents),
    "phone_1": _phone,
    "phone_2": _phone,
    "order_id": _order,
    "store_code": lambda draw: "s" + draw.whole(100, 500).cast(pl.String),
    "quantity": lambda draw: draw.whole(1, 6).cast(pl.String),
    "product_id": lambda draw: "P" + draw.whole(1000, 9999).cast(pl.String),
    "product_name": lambda draw: draw.pick(_PRODUCTS),
    "product_category": lambda draw: draw.pick(_CATEGORIES),
    "product_brand": lambda draw: draw.pick(_BRANDS),
    "product_price": lambda draw: _money(draw.cents),
}
