"""The audit log: who changed by hand what the ledger says, when and why."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace
from airflow_provider_tiktok_offline.storage import documents


def note(
    place: LedgerPlace, action: str, *, reason: str, actor: str, details: Mapping[str, object] | None = None
) -> None:
    """Keep one entry; entries are never changed.

    :param reason: why, in the words of whoever did it; never a customer's data.
    :param actor: who, such as ``cli/alice``.
    :raises ConfigError: without a reason.
    """
    if not reason.strip():
        raise ConfigError("a reason is needed", where=action, todo="Say why with --reason: the audit log keeps it.")
    now = place.clock.now()
    documents.create(
        place.objects,
        f"{place.root}/audit/{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}.json",
        {"at": now.isoformat(), "action": action, "reason": reason, "actor": actor, **(details or {})},
    )


def entries(place: LedgerPlace) -> list[documents.Document]:
    """Every entry, oldest first."""
    stored = (documents.read(place.objects, path) for path in place.objects.list(f"{place.root}/audit"))
    return [{key: value for key, value in entry[0].items() if key != "writer"} for entry in stored if entry is not None]
