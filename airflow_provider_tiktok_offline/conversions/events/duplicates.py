"""The same transaction twice in one file, and what else needs the whole file at once.

Each valid row leaves 128 bits of its identity, hashed under a secret of this run. Only rows that share a number with
another one are looked at again; see :mod:`.key_store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.events.key_store import KeyPartitions, WaitingKeys
from airflow_provider_tiktok_offline.conversions.events.occurrences import Occurrences
from airflow_provider_tiktok_offline.conversions.events.row_keys import (
    Hashes,
    Keys,
    Numbers,
    StoredKeys,
    among,
    repeated,
)
from airflow_provider_tiktok_offline.conversions.rules.amounts import UNITS, sum_units


@dataclass(slots=True)
class Repeats:
    """What was found once the whole file was seen, each in the order of the file.

    Attributes:
        duplicates: rows that repeat an earlier line.
        collisions: rows with the id of an earlier line and another time, amount or customer.
        damaged: rows with an id that a spreadsheet has damaged.
        incomplete: rows of orders of which another row is rejected.
        returned: rows of orders whose returned lines are worth more than the others.
        cancelled: rows of orders whose returned lines are worth as much as the others.
        netted: rows of orders from which returned lines were taken off, the cancelled ones among them.
        repeated_amounts: lines of orders whose rows all repeat one amount.
        at_stake: what those repetitions add up to, in millionths.
        later: rows of an order but its first sale.
        heads: for each of them the line of that sale.
    """

    duplicates: Keys
    collisions: Keys
    damaged: Keys
    incomplete: Keys
    returned: Keys
    cancelled: Keys
    netted: Keys
    repeated_amounts: Numbers
    at_stake: int
    later: Keys
    heads: Numbers

    @property
    def lost(self) -> tuple[Keys, ...]:
        """Rows that were thought valid and make no event."""
        return (self.duplicates, self.damaged, self.collisions, self.incomplete, self.returned, self.cancelled)


@dataclass(slots=True)
class _Found:
    duplicates: list[Keys] = field(default_factory=list)
    collisions: list[Keys] = field(default_factory=list)
    damaged: list[Keys] = field(default_factory=list)
    incomplete: list[Keys] = field(default_factory=list)
    returned: list[Keys] = field(default_factory=list)
    cancelled: list[Keys] = field(default_factory=list)
    netted: list[Keys] = field(default_factory=list)
    repeated: list[Numbers] = field(default_factory=list)
    at_stake: int = 0
    later: list[Keys] = field(default_factory=list)
    heads: list[Numbers] = field(default_factory=list)


class RepeatFinder:
    """Collects rows as they come, finds repeats at the end.

    :param directory: where keys are put that memory does not hold; :meth:`close` removes them.
    :param amounts: whether orders that repeat one amount are looked for.
    :param orders: whether the later rows of an order are wanted.
    :param hold_back: whether orders of which a row is rejected are held back as a whole.
    :param net: whether returned lines are among the rows, and are taken off their orders.
    :param again: the rows once more; None if those that were added have to wait here.
    """

    def __init__(
        self,
        directory: str | Path | None,
        *,
        amounts: bool,
        orders: bool,
        hold_back: bool = False,
        net: bool = False,
        again: Callable[[], Iterator[StoredKeys]] | None = None,
    ) -> None:
        self._again = again
        self._waiting = WaitingKeys(directory)
        self._identities, self._order_numbers = Occurrences(directory), Occurrences(directory)
        self._candidates = KeyPartitions(directory)
        self._amounts = amounts
        self._orders = orders
        self._hold_back = hold_back
        self._net = net
        self._looks_at_orders = amounts or orders or hold_back or net
        self._broken: list[Hashes] = []
        self._lost = np.empty(0, dtype=np.int64)

    def add_broken(self, orders: Hashes) -> None:
        """Take the orders, as ``Keys.order`` has them, of which a row is rejected: their other rows are held back."""
        if len(orders):
            self._broken.append(np.unique(orders))

    def add(self, rows: Keys) -> None:
        """Take the valid rows of the next block."""
        self._waiting.add(rows)
        self.add_stored(rows)

    def add_stored(self, rows: Keys | StoredKeys) -> None:
        """Take the next rows where they can be had again."""
        self._identities.add(rows.high)
        if self._looks_at_orders:
            self._order_numbers.add(rows.order[rows.order != 0])

    def find(self, damaged: Numbers | None = None) -> Repeats:
        """Everything that was found; call once, at the end.

        :param damaged: lines that are rejected for a damaged id, and repeat nothing.
        """
        found = _Found()
        self._lost = damaged if damaged is not None else self._lost
        self._choose()
        for rows in self._candidates:
            self._find_in(rows, found)
        no_lines = np.empty(0, dtype=np.int64)
        later = Keys.joined(found.later)
        heads = np.concatenate([no_lines, *found.heads])
        order = np.argsort(later.line, kind="stable")
        return Repeats(
            Keys.joined(found.duplicates).by_line(),
            Keys.joined(found.collisions).by_line(),
            Keys.joined(found.damaged).by_line(),
            Keys.joined(found.incomplete).by_line(),
            Keys.joined(found.returned).by_line(),
            Keys.joined(found.cancelled).by_line(),
            Keys.joined(found.netted).by_line(),
            np.sort(np.concatenate([no_lines, *found.repeated])),
            found.at_stake,
            later.take(order),
            heads[order],
        )

    def _choose(self) -> None:
        """Take the rows that share their identity or order with another one, and those that are looked at anyway."""
        identities, orders = self._identities.several(), self._order_numbers.several()
        broken = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *self._broken]))
        if not (len(identities) or len(orders) or len(broken) or len(self._lost) or self._net):
            return
        waiting: Iterable[Keys | StoredKeys] = self._waiting if self._again is None else self._again()
        for rows in waiting:
            chosen = among(rows.high, identities) | among(rows.order, orders) | among(rows.order, broken)
            if len(self._lost):
                chosen |= np.isin(rows.line, self._lost)
            if self._net:
                chosen |= rows.units < 0
            if chosen.any():
                self._candidates.add(rows.take(chosen))

    def _find_in(self, rows: Keys, found: _Found) -> None:
        if len(self._lost):
            lost = np.isin(rows.line, self._lost)
            found.damaged.append(rows.take(lost))
            rows = rows.take(~lost)
        single = np.ones(len(rows), dtype=bool)
        twice = repeated(rows.high)
        if twice is not None:
            candidates = rows.take(twice)
            identity = ("high", "low")
            frame = pl.DataFrame({name: getattr(candidates, name) for name in (*identity, "content", "line")})
            first_row = pl.col("content").sort_by("line").first().over(identity)
            firsts = frame.select(first=pl.col("line").min().over(identity), known=first_row)
            repeats = candidates.line != firsts["first"].to_numpy()
            same = candidates.content == firsts["known"].to_numpy()
            found.duplicates.append(candidates.take(repeats & same))
            found.collisions.append(candidates.take(repeats & ~same))
            single[np.flatnonzero(twice)[repeats]] = False
        if self._hold_back:
            incomplete = self._incomplete(rows, found) & single
            found.incomplete.append(rows.take(incomplete))
            single &= ~incomplete
        if self._net:
            returned, cancelled, netted = _with_returns(rows, single)
            found.returned.append(rows.take(returned))
            found.cancelled.append(rows.take(cancelled))
            found.netted.append(rows.take(netted))
            single &= ~(returned | cancelled)
        if self._amounts or self._orders:
            self._find_orders(rows, single & (rows.order != 0), found)

    def _incomplete(self, rows: Keys, found: _Found) -> npt.NDArray[np.bool_]:
        nothing = np.empty(0, dtype=np.uint64)
        broken = np.concatenate([nothing, *self._broken, *(keys.order for keys in [*found.collisions, *found.damaged])])
        incomplete: npt.NDArray[np.bool_] = (rows.order != 0) & np.isin(rows.order, broken)
        return incomplete

    def _find_orders(self, rows: Keys, looked_at: np.ndarray, found: _Found) -> None:
        several = repeated(rows.order if looked_at.all() else rows.order[looked_at])
        if several is None:
            return
        places = np.flatnonzero(looked_at)[several]
        rows = rows.take(places).by_line()
        frame = pl.DataFrame({"order": rows.order, "units": rows.units, "line": rows.line}).select(
            # A return is no sale: what is sent of the order begins at its first sale.
            first=pl.when(pl.col("units") > 0).then("line").min().over("order"),
            same=(pl.col("units").min().over("order") == pl.col("units").max().over("order")),
        )
        heads = frame["first"].to_numpy()
        later = rows.line != heads
        if self._orders:
            found.later.append(rows.take(later))
            found.heads.append(heads[later])
        if self._amounts:
            same = frame["same"].to_numpy()
            found.repeated.append(rows.line[same])
            found.at_stake += sum_units(rows.units[same & later])

    def close(self) -> None:
        """Remove what was put on disk."""
        for kept in (self._waiting, self._identities, self._order_numbers, self._candidates):
            kept.close()


def _with_returns(rows: Keys, looked_at: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], ...]:
    """The rows of orders whose returned lines are worth more than the others; as much; at most as much."""
    nothing = np.zeros(len(rows), dtype=bool)
    candidates = looked_at & (rows.order != 0)
    candidates &= np.isin(rows.order, rows.order[candidates & (rows.units < 0)])
    if not candidates.any():
        return nothing, nothing, nothing
    places = np.flatnonzero(candidates)
    # In two parts, so that no sum leaves 64 bits.
    frame = pl.DataFrame({"order": rows.order[places], "units": rows.units[places]}).select(
        whole=(pl.col("units") // UNITS).sum().over("order"), part=(pl.col("units") % UNITS).sum().over("order")
    )
    net = frame.select(whole=pl.col("whole") + pl.col("part") // UNITS, part=pl.col("part") % UNITS)
    returned, cancelled = nothing.copy(), nothing.copy()
    returned[places] = (net["whole"] < 0).to_numpy()
    cancelled[places] = ((net["whole"] == 0) & (net["part"] == 0)).to_numpy()
    return returned, cancelled, candidates & ~returned
