"""What advertisers of one event set must share: they have one ledger, and it knows a transaction by one id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two advertisers of one event set that can't both deliver to it.

    Attributes:
        advertiser: the entry that differs from one before it.
        other: that one.
        key: the setting, as it is called in the ledger.
        serious: both are live, so the next run of one of them stops.
    """

    advertiser: str
    other: str
    key: str
    serious: bool

    def __str__(self) -> str:
        return (
            f"entry {self.advertiser}, key {self.key}: differs from entry {self.other}, which has the same event set; "
            "the ledger takes one value for both."
        )


def conflicts(configs: Iterable[AdvertiserConfig]) -> list[Conflict]:
    """The settings in which advertisers of one event set differ although they must not.

    :param configs: all advertisers; each is compared with the first one of its event set.
    """
    first: dict[str, AdvertiserConfig] = {}
    found: list[Conflict] = []
    for config in configs:
        other = first.setdefault(config.event_set_id, config)
        if other is not config:
            serious = other.mode == config.mode == "live"
            found += [Conflict(config.name, other.name, key, serious) for key in _differences(other, config)]
    return found


def in_groups(configs: Iterable[AdvertiserConfig], most: int) -> list[list[str]]:
    """Names of advertisers in groups that can be worked on side by side: those of one event set are in one group.

    :param configs: all advertisers.
    :param most: names in a group; there are more only if one event set has more.
    :returns: the groups, each with its names in order.
    """
    by_event_set: dict[str, list[str]] = {}
    for config in configs:
        by_event_set.setdefault(config.event_set_id, []).append(config.name)
    groups: list[list[str]] = []
    for names in by_event_set.values():
        if not groups or len(groups[-1]) + len(names) > most:
            groups.append([])
        groups[-1] += names
    return [sorted(group) for group in groups]


def _differences(one: AdvertiserConfig, other: AdvertiserConfig) -> Iterator[str]:
    for key in ("state_uri", "route"):
        if getattr(one, key) != getattr(other, key):
            yield key
    for key in ("secret_conn_id", "retention_days"):
        if getattr(one.ledger, key) != getattr(other.ledger, key):
            yield f"ledger.{key}"
    mine, theirs = one.identity_settings().event_set, other.identity_settings().event_set
    for key in mine.keys() & theirs.keys():
        if _disagree(mine[key], theirs[key]):
            yield key


def _disagree(mine: object, theirs: object) -> bool:
    """Whether two kept values can't both hold; each may have words and stores that the other lacks."""
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return any(mine[word] != theirs[word] for word in mine.keys() & theirs.keys())
    return mine != theirs
