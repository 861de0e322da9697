"""Receipts as objects: their names, what each holds, and all of a part in one.

An upload that ends writes its last answers together with everything that its part's receipts said before. Whoever reads
them then reads that one object, and what is not repeated in it. Without it the others say what they said: it is a
receipt like them, never written over and never a condition.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from airflow_provider_tiktok_offline.ledger import key_files
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

Kind = Literal["attempted", "accepted", "refused", "released"]

#: Receipts that are read at the same time.
_READS_AT_ONCE = 8
_FOLDED, _ACCEPTED = "folded", "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptHeader:
    """The header of one receipt.

    Attributes:
        kind: what happened to its events.
        at: when it was written.
        batches: events, request id, code and field of each answer; None for attempts.
    """

    kind: Kind
    at: documents.Moment
    batches: list[tuple[int, str | None, int | None, str | None]] | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt, read.

    Attributes:
        name: tells it from all others of its part, wherever it is repeated.
        seq: its number within the part.
        header: what happened to its events.
        keys: of its events, in the order of ``header.batches``.
    """

    name: str
    seq: int
    header: ReceiptHeader
    keys: pl.Series

    @property
    def batch_sizes(self) -> list[int]:
        """How many events each request or answer has: one number for an attempt."""
        return [len(self.keys)] if self.header.batches is None else [batch[0] for batch in self.header.batches]


@dataclass(frozen=True, slots=True)
class _Repeated:
    """One receipt within a folded one: where its keys lie follows from those before it."""

    name: str
    seq: int
    events: int
    header: ReceiptHeader


@dataclass(frozen=True, slots=True)
class _FoldedHeader:
    """The header of a folded receipt: the objects that it repeats, and the receipts that are in it."""

    covers: list[str]
    receipts: list[_Repeated]


def sequence(path: str) -> int:
    """The number of a receipt within its part."""
    return int(_name(path).partition("-")[0])


def new_name(number: int, kind: Kind) -> str:
    """A name for a receipt that nobody has."""
    return f"{number:08d}-{secrets.token_hex(4)}-{kind}"


def pack_receipt(header: ReceiptHeader, keys: pl.Series, holder: str) -> bytes:
    """A receipt as stored."""
    return key_files.pack(keys, {**_plain(header), "holder": holder})


def fold(receipts: Sequence[Receipt], covers: Iterable[str], *, at: datetime, holder: str) -> tuple[str, bytes]:
    """Name and content of the object that says what all these receipts say.

    :param receipts: at least one.
    :param covers: the names of the objects that need not be read beside it.
    """
    number = max(receipt.seq for receipt in receipts)
    accepted = any(receipt.header.kind == "accepted" for receipt in receipts)
    name = f"{number:08d}-{secrets.token_hex(4)}-{_FOLDED}{f'-{_ACCEPTED}' if accepted else ''}"
    repeated = [
        {"name": one.name, "seq": one.seq, "events": len(one.keys), "header": _plain(one.header)} for one in receipts
    ]
    keys = pl.concat([receipt.keys.alias("event_key") for receipt in receipts])
    header = {"kind": _FOLDED, "at": at.isoformat(), "holder": holder, "covers": list(covers), "receipts": repeated}
    return name, key_files.pack(keys, header)


def read_receipts(objects: ObjectStore, paths: Iterable[str]) -> list[Receipt]:
    """What the named objects say, in the order of the receipts' numbers, each receipt once.

    Objects that are gone are left out, as are those that a folded one repeats; several are read at once.

    :raises LedgerDamagedError: if one is cut off or was changed.
    """
    left = {_name(path): path for path in paths}
    found: dict[str, Receipt] = {}
    # The newest of them usually holds everything.
    for name in sorted((name for name in left if _is_folded(name)), key=sequence, reverse=True):
        if name in left:
            covered, receipts = _read(objects, left.pop(name))
            for one in covered:
                left.pop(one, None)
            found |= {receipt.name: receipt for receipt in receipts}
    if left:
        with ThreadPoolExecutor(_READS_AT_ONCE) as readers:
            for _, receipts in readers.map(lambda path: _read(objects, path), left.values()):
                found |= {receipt.name: receipt for receipt in receipts}
    return sorted(found.values(), key=lambda receipt: receipt.seq)


def any_accepted(objects: ObjectStore, paths: Iterable[str]) -> bool:
    """Whether some of these receipts says that events were accepted."""
    paths = sorted(paths, key=sequence, reverse=True)
    if any(path.endswith(f"-{_ACCEPTED}") for path in paths):
        return True
    # Names of the first releases don't tell; the newest receipt of a part is the likeliest.
    for path in paths:
        stored = objects.get(path) if _name(path).count("-") == 1 else None
        if stored is not None and read_receipt_header(stored[0], f"{objects.uri}/{path}").kind == "accepted":
            return True
    return False


def request_ids_of(receipts: Iterable[Receipt]) -> list[str]:
    """TikTok's ids of the requests that were answered, in order."""
    ids = (request_id for each in receipts for _, request_id, _, _ in each.header.batches or () if request_id)
    return list(dict.fromkeys(ids))


def read_receipt_header(content: bytes, where: str) -> ReceiptHeader:
    """The header of a receipt.

    :raises LedgerDamagedError: if the receipt is cut off or was changed.
    """
    return documents.typed(key_files.read_header(content, where), ReceiptHeader, where)


def _read(objects: ObjectStore, path: str) -> tuple[list[str], list[Receipt]]:
    """The objects that an object repeats, and the receipts in it; of one that is gone none."""
    stored = objects.get(path)
    if stored is None:
        return [], []
    where = f"{objects.uri}/{path}"
    raw, keys = key_files.unpack(stored[0], where)
    if not _is_folded(path):
        return [], [Receipt(_name(path), sequence(path), documents.typed(raw, ReceiptHeader, where), keys)]
    header = documents.typed(raw, _FoldedHeader, where)
    if sum(one.events for one in header.receipts) != len(keys) or any(one.events < 0 for one in header.receipts):
        raise documents.damaged(where)
    receipts, start = [], 0
    for one in header.receipts:
        receipts.append(Receipt(one.name, one.seq, one.header, keys.slice(start, one.events)))
        start += one.events
    return header.covers, receipts


def _plain(header: ReceiptHeader) -> dict[str, object]:
    plain = asdict(header) | {"at": header.at.isoformat()}
    return plain if header.batches is not None else {"kind": plain["kind"], "at": plain["at"]}


def _is_folded(path: str) -> bool:
    return _name(path).split("-")[2:3] == [_FOLDED]


def _name(path: str) -> str:
    return path.rpartition("/")[2]
