"""Making a ledger, and making a lost one again from the files that were kept."""

from __future__ import annotations

from contextlib import suppress

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import audit, event_keys, meta_document
from airflow_provider_tiktok_offline.ledger.claims import Claims
from airflow_provider_tiktok_offline.ledger.dedupe import KEYS_SCHEMA
from airflow_provider_tiktok_offline.ledger.delivery_records import SCHEMA as RECORDS_SCHEMA
from airflow_provider_tiktok_offline.ledger.delivery_records import Records
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

_FIRST_GENERATION = "g0001"


def make(
    objects: ObjectStore, event_set_id: str, *, identity: IdentitySettings, clock: Clock, secret: bytes | None
) -> None:
    """Make an empty ledger unless there is one; a creation that broke off is completed.

    :raises LedgerDamagedError: if something was recorded once and only the ledger's own document is gone.
    """
    if objects.get(meta_document.meta_path(event_set_id)) is not None:
        return
    root = meta_document.root_of(event_set_id)
    for name in ("keys", "records"):
        table = WitnessedTable(objects, f"{root}/{_FIRST_GENERATION}/{name}", clock)
        if table.remains() and table.commits():
            raise LedgerDamagedError(
                "the ledger's own document is gone, but its tables say that something was sent",
                where=f"{objects.uri}/{meta_document.meta_path(event_set_id)}",
                todo="Restore the document, or rebuild the ledger (docs/operations.md).",
            )
    made_with = _secret(objects, event_set_id, secret)
    _make_tables(objects, root, _FIRST_GENERATION, clock)
    document = _meta(event_set_id, _FIRST_GENERATION, identity, made_with, secret, clock)
    documents.create(objects, meta_document.meta_path(event_set_id), document)


def begin_rebuild(
    objects: ObjectStore,
    event_set_id: str,
    *,
    identity: IdentitySettings,
    clock: Clock,
    reason: str,
    actor: str,
    secret: bytes | None = None,
) -> None:
    """Put a lost or damaged ledger aside and make an empty one beside it, which nobody may send by yet.

    Open it with ``Ledger.open(..., rebuilding=True)``, adopt every file that was kept, then :func:`finish_rebuild`.
    What is left of the old tables stays where it is. A rebuild that is under way is gone on with.
    """
    path = meta_document.meta_path(event_set_id)
    found = objects.get(path)
    former: documents.Document = {} if found is None else documents.decode(found[0], path)
    if former.get("rebuilding"):
        return
    root = meta_document.root_of(event_set_id)
    audit.note(objects, event_set_id, clock, "rebuild", reason=reason, actor=actor)
    generation = _next_generation(objects, root)
    made_with = _secret(objects, event_set_id, secret)
    _make_tables(objects, root, generation, clock)
    _carry_records(objects, root, former.get("generation", _FIRST_GENERATION), generation, clock)
    fresh = _meta(event_set_id, generation, identity, made_with, secret, clock)
    sources = former.get("identity_sources", {}) | fresh["identity_sources"]
    document = {
        **fresh,
        "identity_sources": sources,
        "rebuilding": True,
        "route": former.get("route"),
        "send_from": former.get("send_from"),
    }
    if found is None:
        documents.create(objects, path, document)
    else:
        documents.swap(objects, path, document, found[1])


def finish_rebuild(objects: ObjectStore, event_set_id: str, *, clock: Clock, reason: str, actor: str) -> None:
    """Every kept file was adopted: the ledger may be sent by again."""

    def edit(document: documents.Document) -> documents.Document:
        return {**document, "rebuilding": False}

    documents.change(objects, meta_document.meta_path(event_set_id), clock, edit)
    audit.note(objects, event_set_id, clock, "rebuild-finished", reason=reason, actor=actor)


def _meta(
    event_set_id: str, generation: str, identity: IdentitySettings, made_with: bytes, given: bytes | None, clock: Clock
) -> documents.Document:
    secret_from = meta_document.BESIDE if given is None else meta_document.FROM_CONNECTION
    return meta_document.new_meta(event_set_id, generation, identity, made_with, secret_from, clock)


def _secret(objects: ObjectStore, event_set_id: str, given: bytes | None) -> bytes:
    if given is not None:
        return given
    path = meta_document.secret_path(event_set_id)
    objects.create(path, event_keys.new_secret())
    kept = objects.get(path)
    if kept is None or len(kept[0]) != event_keys.SECRET_BYTES:
        raise LedgerDamagedError(
            "the ledger's secret is damaged", where=f"{objects.uri}/{path}", todo="Restore it, or remove it to rebuild."
        )
    return kept[0]


def _make_tables(objects: ObjectStore, root: str, generation: str, clock: Clock) -> None:
    WitnessedTable(objects, f"{root}/{generation}/keys", clock).create(KEYS_SCHEMA)
    WitnessedTable(objects, f"{root}/{generation}/records", clock).create(RECORDS_SCHEMA)
    Claims(objects, f"{root}/{generation}", clock).make()


def _carry_records(objects: ObjectStore, root: str, before: str, after: str, clock: Clock) -> None:
    """Copy the delivery records over, if they can still be read."""
    with suppress(LedgerDamagedError):
        rows = Records(objects, f"{root}/{before}/records", clock).read()
        if rows.height:
            Records(objects, f"{root}/{after}/records", clock).carry(rows)


def _next_generation(objects: ObjectStore, root: str) -> str:
    taken = {path.removeprefix(f"{root}/").partition("/")[0].partition(".")[0] for path in objects.list(root)}
    numbers = [int(name[1:]) for name in taken if name[:1] == "g" and name[1:].isdigit()]
    return f"g{max(numbers, default=0) + 1:04d}"
