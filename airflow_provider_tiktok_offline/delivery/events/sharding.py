"""A large file that several tasks read a shard of each: what they leave, and how one task makes a whole of it.

Everything lies in the folder of the pass (see :mod:`.unbound_parts`), under the token of the try that cut the file: if
the file is cut anew, what was read before belongs to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.source.opt_out_list import keyed_list
from airflow_provider_tiktok_offline.delivery.state.unbound_parts import UnboundParts

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
    from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression
    from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import Shards
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext


@dataclass(frozen=True, slots=True)
class ShardedFile:
    """A file of which every shard was read.

    Attributes:
        shards: how it was cut.
        parts: where its shards lie.
        one_list: whether all shards were read under the list of opt-outs that is read now.
    """

    shards: Shards
    parts: UnboundParts
    one_list: bool

    def judged_at(self, moment: datetime) -> bool:
        """Whether ages were checked against that moment."""
        return self.shards.as_of == moment


def sharded_file(
    ctx: DeliveryContext, parts: UnboundParts, settings: ConversionSettings, people: Suppression | None
) -> ShardedFile | None:
    """The file if all its shards were read, under the settings of now; None if it is to be read as a whole.

    :param parts: of the pass over it; goes on with the try that cut the file.
    :param people: those on the list of opt-outs now.
    """
    from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import SHARDS, read_shards, shard_object
    from airflow_provider_tiktok_offline.conversions.preparation.shards import read_shard

    if ctx.config.shards is None or not parts.resume():
        return None
    there = parts.names()
    if SHARDS not in there:
        return None
    shards = read_shards(parts.shared)
    numbers = range(len(shards.pieces))
    if shards.settings != settings.fingerprint() or not there.issuperset(map(shard_object, numbers)):
        return None
    notes = {read_shard(parts.shared, number).note for number in numbers}
    return ShardedFile(shards, parts, notes == {keyed_list(ctx, people)})


__all__ = ["ShardedFile", "sharded_file"]
