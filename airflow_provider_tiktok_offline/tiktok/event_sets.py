"""Offline event sets, to which offline conversions are sent: list, create, update, delete (reference, 6.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_tiktok_offline.errors import ConfigError, OutcomeUnknownError
from airflow_provider_tiktok_offline.tiktok.answer_schemas import (
    CreatedEventSetAnswer,
    EventSetAnswer,
    EventSetsAnswer,
    UpdatedEventSetAnswer,
)
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.retries import with_retries

_DESCRIPTION = "Made by airflow-provider-tiktok-offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSet:
    """An offline event set.

    Attributes:
        event_set_id: its id, a string of digits.
        advertiser_id: the ad account it belongs to.
        name, description: as shown in Events Manager.
        auto_tracking: whether later campaigns of the ad account use it for attribution by themselves.
        created, updated: as TikTok writes them, UTC; None where it does not.
    """

    event_set_id: str
    advertiser_id: str
    name: str
    description: str = ""
    auto_tracking: bool = False
    created: str | None = None
    updated: str | None = None


def list_event_sets(
    client: TikTokClient, advertiser_id: str, *, name: str | None = None, event_set_ids: Sequence[str] = ()
) -> list[EventSet]:
    """The event sets of an ad account.

    :param name: only event sets of exactly this name.
    :param event_set_ids: only these.
    :raises ApiError: if TikTok answers with an error.
    """
    query = {"advertiser_id": advertiser_id}
    if name is not None:
        query["name"] = name
    if event_set_ids:
        query["event_set_ids"] = json.dumps(list(event_set_ids))
    answer = with_retries(client.clock, client.get, "/offline/get/", query)
    event_sets = [_event_set(each, advertiser_id) for each in answer.read_as(EventSetsAnswer).event_set_list]
    return [each for each in event_sets if name is None or each.name == name]


def create_event_set(
    client: TikTokClient, advertiser_id: str, name: str, *, description: str = _DESCRIPTION, auto_tracking: bool = False
) -> str:
    """Create an event set and return its id. Not retried, since a second try could create a second event set.

    :raises ApiError: if TikTok did not confirm it.
    """
    answer = client.post(
        "/offline/create/",
        {"advertiser_id": advertiser_id, "name": name, "description": description, "auto_tracking": auto_tracking},
    )
    return str(answer.read_as(CreatedEventSetAnswer).event_set_id)


def update_event_set(
    client: TikTokClient,
    advertiser_id: str,
    event_set_id: str,
    *,
    name: str | None = None,
    auto_tracking: bool | None = None,
) -> EventSet:
    """Rename an event set, or switch its auto-tracking, or both.

    :raises ApiError: if TikTok did not confirm it.
    """
    changes = {"name": name, "auto_tracking": auto_tracking}
    payload = {"advertiser_id": advertiser_id, "event_set_id": event_set_id} | {
        key: value for key, value in changes.items() if value is not None
    }
    answer = with_retries(client.clock, client.post, "/offline/update/", payload)
    return _event_set(answer.read_as(UpdatedEventSetAnswer), advertiser_id, event_set_id)


def delete_event_set(client: TikTokClient, advertiser_id: str, event_set_id: str, *, name: str) -> None:
    """Delete an event set with all its events, for good.

    :param name: the name that it must have: a guard against a wrong id.
    :raises ConfigError: if there is no such event set, or it has another name; nothing was deleted.
    :raises ApiError: if TikTok did not confirm it.
    """
    listed = list_event_sets(client, advertiser_id, event_set_ids=[event_set_id])
    if [each.name for each in listed if each.event_set_id == event_set_id] != [name]:
        raise ConfigError(
            "there is no event set with this id and this name: nothing was deleted.",
            where=f"event set {event_set_id}",
            todo="List them: tiktok-offline event-sets list.",
        )
    client.post("/offline/delete/", {"advertiser_id": advertiser_id, "event_set_id": event_set_id})


def ensure_event_set(
    client: TikTokClient, advertiser_id: str, name: str, *, description: str = _DESCRIPTION, auto_tracking: bool = False
) -> str:
    """The id of the event set of this name; it is created if it does not exist.

    An existing event set keeps its description and auto-tracking.

    :raises ConfigError: if several event sets have this name.
    :raises ApiError: if TikTok did not confirm it.
    """
    known = _only(list_event_sets(client, advertiser_id, name=name), name)
    if known is not None:
        return known
    try:
        return create_event_set(client, advertiser_id, name, description=description, auto_tracking=auto_tracking)
    except OutcomeUnknownError:
        known = _only(list_event_sets(client, advertiser_id, name=name), name)
        if known is None:
            raise
        return known


def _only(event_sets: Sequence[EventSet], name: str) -> str | None:
    if len(event_sets) > 1:
        raise ConfigError(
            f"{len(event_sets)} event sets have the name {name!r}.",
            where=", ".join(each.event_set_id for each in event_sets),
            todo="Use the id of the event set instead.",
        )
    return event_sets[0].event_set_id if event_sets else None


def _event_set(answer: EventSetAnswer | UpdatedEventSetAnswer, advertiser_id: str, event_set_id: str = "") -> EventSet:
    return EventSet(
        event_set_id=str(answer.event_set_id or event_set_id),
        advertiser_id=str(answer.advertiser_id or advertiser_id),
        name=answer.name or "",
        description=answer.description or "",
        auto_tracking=answer.auto_tracking is True,
        created=answer.create_time,
        updated=answer.update_time,
    )
