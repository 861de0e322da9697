"""Before step 1, for a large file: cut it into shards, and read one; :mod:`.prepare_file` settles what they left."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NotRequired, TypedDict

from airflow_provider_tiktok_offline.delivery.events.feed_setup import contract_settings
from airflow_provider_tiktok_offline.delivery.events.validation import open_check
from airflow_provider_tiktok_offline.delivery.source.checksum_file import ChecksummedFile
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import keyed_list, load_suppression
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state import source_registry
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep_staging
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.unbound_parts import UnboundParts
from airflow_provider_tiktok_offline.errors import FileChangedError, InputFileError
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage.stamps import FileStamp

__all__ = ["PlannedShard", "ReadShard", "cut_file", "read_shard"]

log = plain_logger(__name__)

_MEGABYTE = 1_000_000
#: Enough of a file to see that it is compressed.
_HEAD_BYTES = 16


class PlannedShard(TypedDict):
    """A shard of a file that a task of its own reads.

    Attributes:
        file: the file's stamp.
        checksum: what its checksum file says; None without one.
        token: of the try that cut it.
        shard: the shard's number, from 0.
        name: the shard in the UI, as ``sales_20261127.csv, shard 2 of 8``.
    """

    file: dict[str, object]
    checksum: str | None
    token: str
    shard: int
    name: NotRequired[str]


@dataclass(frozen=True, slots=True)
class ReadShard:
    """What reading a shard gave.

    Attributes:
        shard: its number, from 0.
        rows: the data lines in it.
        settled: whether the whole file was settled before, so that nothing was read.
    """

    shard: int
    rows: int
    settled: bool = False


def cut_file(ctx: DeliveryContext, stamp: Mapping[str, object], *, as_of: datetime | None = None) -> list[PlannedShard]:
    """Cut a large file into shards that tasks of their own read.

    The file is read once, without looking at a cell. A file that is not large, that can't be cut, or whose events are
    staged or delivered already, gives none: then ``prepare`` does all of it.

    :param stamp: the file, as the sensor found it.
    :param as_of: judge ages against another moment than the first time this file was read.
    """
    from airflow_provider_tiktok_offline.conversions.file.cutting import why_not_cut
    from airflow_provider_tiktok_offline.conversions.file.reader import BLOCK_BYTES
    from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import cut_into_shards

    wanted = ctx.config.shards
    found = FileStamp.from_dict(dict(stamp))
    least = 0 if wanted is None else int(wanted.megabytes * _MEGABYTE)
    if wanted is None or found.size < 2 * least:
        return []
    checksum = stamp.get("checksum")
    try:
        with open_check(ctx, found, None if checksum is None else str(checksum), step="cut_file") as check:
            if source_registry.known_digest(ctx, check.stamp, check.checksum) is not None:
                log.info("%s was read before: it is not cut.", check.stamp.uri)
                return []
            file = check.source.file if isinstance(check.source, ChecksummedFile) else check.source
            with file.open() as stream:
                why = why_not_cut(stream.read(_HEAD_BYTES), check.settings)
            if why is not None:
                log.warning("%s is read by one task, since %s.", check.stamp.uri, why)
                return []
            sweep_staging(ctx)
            parts = UnboundParts(ctx, check.stamp)
            parts.begin()
            shards = cut_into_shards(
                check.source,
                check.settings,
                as_of=source_registry.first_seen(ctx, check.stamp, as_of=as_of),
                least_bytes=least,
                most=wanted.most,
                output=parts.shared,
                # A shard has whole blocks.
                block_bytes=min(BLOCK_BYTES, least),
                tick=lambda done: ctx.progress("cut_file", done, found.size),
            )
            if isinstance(check.source, ChecksummedFile):
                check.source.verify()
    except InputFileError as error:
        # prepare finds the same, and does what is to be done about it.
        log.warning("%s", error)
        return []
    count = len(shards.pieces)
    return [
        PlannedShard(
            file=check.stamp.to_dict(),
            checksum=check.checksum,
            token=parts.token,
            shard=number,
            name=f"{check.source.name}, shard {number + 1} of {count}",
        )
        for number in range(count if count > 1 else 0)
    ]


def read_shard(ctx: DeliveryContext, planned: PlannedShard) -> ReadShard:
    """Check the rows of a shard and stage what is needed of them.

    A shard that was read is not read again, nor one of a file that was settled since.

    :raises FileChangedError: if the file, or the settings, are not those that it was cut with.
    """
    from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import read_shards, shard_object
    from airflow_provider_tiktok_offline.conversions.preparation.shards import ShardRequest, prepare_shard
    from airflow_provider_tiktok_offline.conversions.preparation.whole_file import PassOptions
    from airflow_provider_tiktok_offline.storage.files import open_files

    stamp, number = FileStamp.from_dict(planned["file"]), planned["shard"]
    parts = UnboundParts(ctx, stamp)
    if not parts.resume() or parts.token != planned["token"]:
        if source_registry.known_digest(ctx, stamp, planned["checksum"]) is not None:
            return ReadShard(number, 0, settled=True)
        raise FileChangedError(
            "the file was cut anew.", rule="file_changed", where=stamp.uri,
            todo="This try goes no further; clear cut_file and what follows to read the file again.",
        )  # fmt: skip
    shards = read_shards(parts.shared)
    rows = shards.rows(number)
    if parts.shared.find(shard_object(number)) is not None:
        return ReadShard(number, rows)
    people = load_suppression(ctx)
    with (
        open_files(stamp.uri, ctx.connections) as files,
        tempfile.TemporaryDirectory(prefix="tiktok-offline-") as spill,
    ):
        now = files.stat(stamp.uri)
        if (now.size, now.mtime) != (stamp.size, stamp.mtime):
            raise FileChangedError(
                "the file has changed since it was cut.", rule="file_changed", where=stamp.uri,
                todo="Clear wait_for_file and what follows.",
            )  # fmt: skip
        feeds = ctx.config.route == "liveramp"
        prepare_shard(
            StoredFile(stamp.uri, stamp.size, files),
            contract_settings(ctx),
            shards,
            number,
            output=parts.shared,
            request=ShardRequest(
                events=not feeds,
                verdicts=feeds,
                suppression=people,
                options=PassOptions(
                    part_events=ctx.config.upload.part_events,
                    progress=lambda done, total, _rows: ctx.progress("prepare_shard", done, total),
                    spill_dir=spill,
                ),
                note=keyed_list(ctx, people),
            ),
        )
    return ReadShard(number, rows)
