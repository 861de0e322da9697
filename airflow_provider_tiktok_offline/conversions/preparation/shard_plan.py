"""How a large file is read in shards: what its cut leaves for those who read one.

It needs none of what the rules need, so that the task which cuts a file begins at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from airflow_provider_tiktok_offline import typed_json
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.cutting import Cut, cut, pieces
from airflow_provider_tiktok_offline.conversions.file.reader import BLOCK_BYTES
from airflow_provider_tiktok_offline.conversions.preparation.part_store import RETURNS, PartStore, damaged

_Kind = TypeVar("_Kind")

#: The object that says how a file is read in shards.
SHARDS = "shards.json"
#: The endings of what shards leave each other; all else of them is sent from.
_BETWEEN_TASKS = (".json", ".arrow", ".npz", f"-{RETURNS}")


@dataclass(frozen=True, slots=True)
class Shards:
    """How a file is read in shards; the object ``shards.json``.

    Attributes:
        cut: where its blocks lie.
        pieces: of each shard, its first block and the one behind its last.
        seeds: under which identities are hashed in every shard.
        as_of: the moment against which ages are checked.
        settings: the fingerprint of the settings.
    """

    cut: Cut
    pieces: tuple[tuple[int, int], ...]
    seeds: tuple[int, int]
    as_of: datetime
    settings: str

    def rows(self, number: int) -> int:
        """Data lines in a shard."""
        first, behind = self.pieces[number]
        return sum(self.cut.lines[first:behind])


def cut_into_shards(
    source: ByteSource,
    settings: ConversionSettings,
    *,
    as_of: datetime,
    least_bytes: int,
    most: int,
    output: PartStore,
    block_bytes: int = BLOCK_BYTES,
    tick: Callable[[int], None] | None = None,
) -> Shards:
    """Read a file once, without looking at a cell, and note in ``output`` how it is read in shards.

    :param as_of: the moment against which ages are checked; with a time zone.
    :param least_bytes: of a shard; a smaller file is one shard.
    :param most: shards at most.
    :param block_bytes: how much text is checked at a time; a shard has whole blocks.
    :param tick: called with the stored bytes read so far.
    :raises InputFileError: the file can't be used at all.
    """
    found = cut(source, settings, block_bytes=block_bytes, tick=tick)
    ranges = tuple(pieces(found, least_bytes=least_bytes, most=most))
    shards = Shards(found, ranges, new_seeds(), as_of, settings.fingerprint())
    output.put(SHARDS, msgspec.json.encode(shards))
    return shards


def read_shards(store: PartStore) -> Shards:
    """What :func:`cut_into_shards` noted."""
    return decoded(store, SHARDS, Shards)


def new_seeds() -> tuple[int, int]:
    """Two secrets of a run, under which identities are hashed to find duplicates."""
    return secrets.randbits(63), secrets.randbits(63)


def shard_object(number: int) -> str:
    """The object that makes a shard complete."""
    return f"shard-{number:05}.json"


def new_prefix(number: int) -> str:
    """How the names of a shard's other objects begin: of each try others, so that a late one changes nothing."""
    return f"shard-{number:05}-{secrets.token_hex(4)}-"


def is_between_tasks(name: str) -> bool:
    """Whether an object is of no use once the file is settled."""
    return name == SHARDS or (name.startswith("shard-") and name.endswith(_BETWEEN_TASKS))


def decoded(store: PartStore, name: str, kind: type[_Kind]) -> _Kind:
    """An object that another task has left.

    :raises InputFileError: it is damaged.
    """
    try:
        return typed_json.decode(store.get(name), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise damaged(name) from None
