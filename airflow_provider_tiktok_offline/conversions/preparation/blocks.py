"""What one block of lines becomes; the part of a pass that runs in several threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.event_id import content_numbers, id_bytes
from airflow_provider_tiktok_offline.conversions.events.identity_settings import ORDER_COLUMNS
from airflow_provider_tiktok_offline.conversions.events.kept_returns import kept_returns, returned_lines
from airflow_provider_tiktok_offline.conversions.events.row_keys import Hashes, Keys, hash_columns, mix
from airflow_provider_tiktok_offline.conversions.events.staged_events import Identities, stage
from airflow_provider_tiktok_offline.conversions.file.parsing import parse
from airflow_provider_tiktok_offline.conversions.file.reader import Block
from airflow_provider_tiktok_offline.conversions.preparation.block_tally import tally_block, tally_returns
from airflow_provider_tiktok_offline.conversions.preparation.rejects import rejected_lines, rejects_text
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import block_verdicts
from airflow_provider_tiktok_offline.conversions.preparation.tally import Tally
from airflow_provider_tiktok_offline.conversions.report.messages import Messages
from airflow_provider_tiktok_offline.conversions.report.report import NO_CURRENCY
from airflow_provider_tiktok_offline.conversions.rules.checked_block import REJECTED, VALID, CheckedBlock
from airflow_provider_tiktok_offline.conversions.rules.damaged_ids import IdColumn
from airflow_provider_tiktok_offline.conversions.rules.row_rules import check_block
from airflow_provider_tiktok_offline.conversions.rules.rulebook import Rulebook
from airflow_provider_tiktok_offline.conversions.text.column_bytes import remembering
from airflow_provider_tiktok_offline.errors import InputFileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What a pass is asked for beyond its report."""

    events: bool = False
    rejects: bool = False
    repair: bool = False
    verdicts: bool = False


@dataclass(slots=True)
class BlockResult:
    """One block, checked."""

    tally: Tally
    keys: Keys
    broken_orders: Hashes
    staged: pa.Table | None
    rejects: bytes
    repair: list[tuple[bytes, str]]
    verdicts: pl.DataFrame | None
    returns: pl.DataFrame | None
    ids: dict[str, IdColumn]


class Currencies:
    """A small number for each currency, shared by the threads of a pass."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self._codes: dict[str | None, int] = {}
        self._lock = threading.Lock()

    def codes(self, currencies: pl.Series, names: Sequence[str | None]) -> npt.NDArray[np.int32]:
        """The number of each row's currency.

        :param names: every currency that stands in a row.
        """
        for name in names:
            self.code(name)
        if len(names) == 1:
            return np.full(len(currencies), self._codes[names[0]], dtype=np.int32)
        return currencies.replace_strict(self._codes, default=None, return_dtype=pl.Int32).to_numpy()

    def code(self, name: str | None) -> int:
        """The number of a currency."""
        with self._lock:
            if name not in self._codes:
                self.names[len(self._codes)] = name or NO_CURRENCY
                self._codes[name] = len(self._codes)
            return self._codes[name]


class BlockWorker:
    """Checks blocks; safe to call from several threads.

    :param seeds: two secrets of this run under which identities are hashed to find duplicates.
    :param messages: how issues are said in ``rejects.csv``.
    """

    def __init__(
        self, rulebook: Rulebook, requested: Requested, seeds: tuple[int, int], messages: Messages, *, orders: bool
    ) -> None:
        self._rulebook = rulebook
        self._messages = messages
        self._requested = requested
        self._seeds = seeds
        self._orders = orders
        self.currencies = Currencies()

    def __call__(self, block: Block) -> BlockResult:
        """Check a block.

        :raises InputFileError: a library gave up on it; its own message may hold a value, so it is not repeated.
        """
        try:
            with remembering():
                return self._check(block)
        except (pl.exceptions.PolarsError, pa.ArrowException) as error:
            kind = type(error).__name__
        raise InputFileError(
            f"the {block.count:,} lines from {block.first_line:,} can't be checked ({kind}).",
            todo="This is a fault of the package: please report it with the kind of error and without the file.",
        )

    def _check(self, block: Block) -> BlockResult:
        header, settings = self._rulebook.header, self._rulebook.settings
        parsed = parse(
            block,
            header.width,
            header.delimiter.encode(),
            settings.limits.row_characters,
            lenient=settings.profile == "tiktok",
        )
        checked = check_block(self._rulebook, parsed)
        rows = np.flatnonzero(checked.classes == VALID) if checked.classes.any() else None
        identities = Identities(checked, rows, settings)
        picked = slice(None) if rows is None else rows
        content = content_numbers(checked.epoch[picked], checked.units[picked])
        requested = self._requested
        verdicts = None
        if requested.verdicts:
            ids = identities.event_texts().to_frame("text").select(id_bytes(pl.col("text"))).to_series()
            verdicts = block_verdicts(checked, parsed.faults, checked.lines[picked], ids, content)
        tally = tally_block(checked, parsed.faults, parsed.without_row, by_store=settings.report_by_store)
        tally.with_order = int(np.count_nonzero(identities.with_order))
        tally.without_order = identities.height - tally.with_order
        if settings.basket == "order" or settings.send_after_days:
            tally_returns(tally, checked)
        return BlockResult(
            tally,
            self._keys(checked, identities, content, rows),
            self._broken_orders(checked),
            stage(checked, rows, identities.event_texts(), content, settings) if requested.events else None,
            rejects_text(checked, parsed.faults, self._messages) if requested.rejects else b"",
            rejected_lines(block, checked, parsed.faults) if requested.repair else [],
            verdicts,
            self._returns(checked) if requested.events and settings.send_after_days else None,
            checked.ids,
        )

    def _returns(self, checked: CheckedBlock) -> pl.DataFrame:
        """The returned lines that are left out here, for the sales of this file and others."""
        rows = returned_lines(checked)
        identities = Identities(checked, rows, self._rulebook.settings)
        texts = identities.order_texts(self._rulebook.events.values())
        return kept_returns(checked, rows, texts, identities.numbers(self._seeds[0]))

    def _broken_orders(self, checked: CheckedBlock) -> Hashes:
        """The orders of rejected rows, as ``Keys.order`` has them, where an order is sent as a whole.

        Of a row whose category is unknown the order's event is not known either: it breaks the order under each.
        """
        nothing = np.empty(0, dtype=np.uint64)
        rejected = np.flatnonzero(checked.classes == REJECTED)
        if self._rulebook.settings.basket != "order" or not len(rejected) or "order_id" not in checked.values:
            return nothing
        orders = Identities(checked, rejected, self._rulebook.settings).orders(self._rulebook.events.values())
        return mix(hash_columns([orders[name] for name in ("event", *ORDER_COLUMNS)], self._seeds[0])) | np.uint64(1)

    def _customers(self, checked: CheckedBlock, rows: npt.NDArray[np.int64] | None) -> npt.NDArray[np.uint64]:
        """One number a valid row for the identifiers that it carries, hashed under a secret of this run."""
        columns = [
            column[kind] if rows is None else column[kind].gather(rows)
            for _, column in [*checked.emails, *checked.phones]
            for kind in ("normal", "digest")
            if column[kind].null_count() < len(column)
        ]
        return hash_columns(columns, self._seeds[1]) if columns else np.zeros(1, dtype=np.uint64)

    def _keys(
        self,
        checked: CheckedBlock,
        identities: Identities,
        content: npt.NDArray[np.uint64],
        rows: npt.NDArray[np.int64] | None,
    ) -> Keys:
        keys = Keys.empty(identities.height)
        keys.high[:], keys.low[:] = (identities.numbers(seed) for seed in self._seeds)
        # Without a look for orders it only matters whether there is one: the row stays in its identity's partition.
        order = mix(identities.order_numbers(self._seeds[0])) if self._orders else keys.high
        keys.order[:] = np.where(identities.with_order, order | np.uint64(1), 0)
        keys.content[:] = mix(content ^ self._customers(checked, rows))
        picked = slice(None) if rows is None else rows
        if self._rulebook.settings.returns == "net":
            # The return of a line is no repetition of it.
            returned = checked.units[picked] < 0
            for half in (keys.high, keys.low):
                half[returned] = mix(half[returned] ^ np.uint64(1))
        keys.units[:], keys.line[:] = checked.units[picked], checked.lines[picked]
        currency = checked.values["currency"]
        currency = currency if rows is None else currency.gather(rows)
        keys.currency[:] = self.currencies.codes(currency, checked.currencies)
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
