"""The audit log: who changed by hand what the ledger says, when and why."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.ledger.meta_document import root_of
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore


def note(
    objects: ObjectStore,
    event_set_id: str,
    clock: Clock,
    action: str,
    *,
    reason: str,
    actor: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Keep one entry; entries are never changed.

    :param reason: why, in the words of whoever did it; never a customer's data.
    :param actor: who, such as ``cli/alice``.
    :raises ConfigError: without a reason.
    """
    if not reason.strip():
        raise ConfigError("a reason is needed", where=action, todo="Say why with --reason: the audit log keeps it.")
    now = clock.now()
    documents.create(
        objects,
        f"{root_of(event_set_id)}/audit/{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}.json",
        {"at": now.isoformat(), "action": action, "reason": reason, "actor": actor, **(details or {})},
    )


def entries(objects: ObjectStore, event_set_id: str) -> list[dict[str, Any]]:
    """Every entry, oldest first."""
    found = (documents.read(objects, path) for path in objects.list(f"{root_of(event_set_id)}/audit"))
    return [{key: value for key, value in entry[0].items() if key != "writer"} for entry in found if entry is not None]
