"""Making a ledger, and making a lost one again from the files that were kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import documents, keying
from airflow_provider_tiktok_offline.ledger import identity as identities
from airflow_provider_tiktok_offline.ledger.claims import Claims
from airflow_provider_tiktok_offline.ledger.dedupe import KEYS_SCHEMA
from airflow_provider_tiktok_offline.ledger.records import SCHEMA as RECORDS_SCHEMA
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage.objects import ObjectStore


def make(
    objects: ObjectStore, event_set_id: str, *, identity: Mapping[str, Any], clock: Clock, secret: bytes | None
) -> None:
    """Make an empty ledger unless there is one; a creation that broke off is completed.

    :raises LedgerDamagedError: if something was recorded once and only the ledger's own document is gone.
    """
    if objects.get(identities.meta_path(event_set_id)) is not None:
        return
    root = identities.root_of(event_set_id)
    generation = "g0001"
    table = WitnessedTable(objects, f"{root}/{generation}/keys", clock)
    records = WitnessedTable(objects, f"{root}/records", clock)
    for found in (table, records):
        if found.remains():
            found.create(KEYS_SCHEMA if found is table else RECORDS_SCHEMA)
            if found.snapshot().version:
                raise LedgerDamagedError(
                    "the ledger's own document is gone, but its tables say that something was sent",
                    where=f"{objects.uri}/{identities.meta_path(event_set_id)}",
                    todo="Restore the document, or rebuild the ledger (docs/operations.md).",
                )
    if secret is None:
        objects.create(identities.secret_path(event_set_id), keying.new_secret())
        kept = objects.get(identities.secret_path(event_set_id))
        made_with = kept[0] if kept is not None else b""
    else:
        made_with = secret
    table.create(KEYS_SCHEMA)
    records.create(RECORDS_SCHEMA)
    Claims(objects, f"{root}/{generation}", clock).make()
    documents.create(
        objects,
        identities.meta_path(event_set_id),
        identities.new_meta(
            event_set_id,
            generation,
            identity,
            made_with,
            identities.BESIDE if secret is None else identities.FROM_CONNECTION,
            clock,
        ),
    )
