"""What one block of lines becomes; the part of a pass that runs in several threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from .duplicates import ROW, Rows
from .events import Identities, stage
from .identity import content_numbers, id_bytes
from .parsing import parse
from .reader import Block
from .rejects import rejected_lines, rejects_text
from .rules import VALID, Judged, Rulebook
from .settings import ConversionSettings
from .tally import NO_CURRENCY, Tally, tally_block
from .verdicts import block_verdicts


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a pass is asked for beyond its report."""

    events: bool = False
    rejects: bool = False
    repair: bool = False
    verdicts: bool = False


@dataclass(slots=True)
class Outcome:
    """One block, judged."""

    tally: Tally
    rows: Rows
    staged: pl.DataFrame | None
    rejects: bytes
    repair: list[tuple[bytes, str]]
    verdicts: pl.DataFrame | None


class Currencies:
    """A small number for each currency, shared by the threads of a pass."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._codes: dict[str | None, int] = {}
        self._lock = threading.Lock()

    def codes(self, currencies: pl.Series) -> npt.NDArray[np.int32]:
        """The number of each row's currency."""
        names = currencies.unique().to_list()
        for name in names:
            self._code(name)
        if len(names) == 1:
            return np.full(len(currencies), self._codes[names[0]], dtype=np.int32)
        return currencies.replace_strict(self._codes, default=None, return_dtype=pl.Int32).to_numpy()

    def _code(self, name: str | None) -> int:
        with self._lock:
            if name not in self._codes:
                self.names[len(self._codes)] = name or NO_CURRENCY
                self._codes[name] = len(self._codes)
            return self._codes[name]


class BlockWorker:
    """Judges blocks; safe to call from several threads.

    :param seeds: two secrets of this run under which identities are hashed to find duplicates.
    """

    def __init__(self, book: Rulebook, wanted: Wanted, seeds: tuple[int, int], *, orders: bool) -> None:
        self._book = book
        self._wanted = wanted
        self._seeds = seeds
        self._orders = orders
        self.currencies = Currencies()

    def __call__(self, block: Block) -> Outcome:
        header, settings = self._book.header, self._book.settings
        parsed = parse(block, header.width, header.delimiter.encode(), settings.limits.row_characters)
        judged = self._book.judge(parsed)
        classes = judged.classes
        rows = None if not classes.any() else np.flatnonzero(classes == VALID)
        identities = Identities(judged, rows, settings)
        texts = identities.texts()
        picked = slice(None) if rows is None else rows
        content = content_numbers(judged.epoch[picked], judged.units[picked])
        wanted = self._wanted
        staged = stage(judged, rows, self._event_texts(identities, texts), content, settings) if wanted.events else None
        verdicts = None
        if wanted.verdicts:
            ids = texts.to_frame("text").select(id_bytes(pl.col("text"))).to_series()
            verdicts = block_verdicts(judged, parsed.faults, judged.lines[picked], ids, content)
        return Outcome(
            tally_block(judged, parsed.faults),
            self._keys(judged, identities, texts, content, picked),
            staged,
            rejects_text(judged, parsed.faults) if wanted.rejects else b"",
            rejected_lines(block, judged, parsed.faults) if wanted.repair else [],
            verdicts,
        )

    def _event_texts(self, identities: Identities, texts: pl.Series) -> pl.Series:
        if self._book.settings.basket == "row":
            return texts
        order = identities.order_texts()
        return pl.select(pl.coalesce(order, texts)).to_series()

    def _keys(
        self, judged: Judged, identities: Identities, texts: pl.Series, content: npt.NDArray[np.uint64], picked: object
    ) -> Rows:
        keys = np.empty(identities.height, dtype=ROW)
        first, second = self._seeds
        keys["high"] = texts.hash(first).to_numpy()
        keys["low"] = texts.hash(second).to_numpy()
        if self._orders:
            hashed = identities.order_texts().hash(first).to_numpy()
            keys["order"] = np.where(identities.with_order, hashed | np.uint64(1), 0)
        else:
            keys["order"] = 0
        keys["content"] = content
        keys["units"] = judged.units[picked]  # type: ignore[call-overload]
        keys["line"] = judged.lines[picked]  # type: ignore[call-overload]
        currency = judged.values["currency"]
        keys["currency"] = self.currencies.codes(currency if isinstance(picked, slice) else currency.gather(picked))
        return keys


def looks_for_orders(settings: ConversionSettings, columns: list[str]) -> bool:
    """Whether several rows of the file can belong to one order and be different transactions."""
    if "order_id" not in columns:
        return False
    return (
        settings.basket == "order"
        or settings.amount == "order"
        or bool(set(settings.event_identity) & set(columns) - {"order_id", "store_code"})
    )
