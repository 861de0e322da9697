"""Making a ledger, and making a lost one again from the files that were kept."""

from __future__ import annotations

from contextlib import suppress

from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import audit, event_keys, meta_document
from airflow_provider_tiktok_offline.ledger.claims import Claims
from airflow_provider_tiktok_offline.ledger.delivery_records import SCHEMA as RECORDS_SCHEMA
from airflow_provider_tiktok_offline.ledger.delivery_records import Records
from airflow_provider_tiktok_offline.ledger.keys_table import KEYS_SCHEMA
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage import documents

_FIRST_GENERATION = "g0001"


def make(place: LedgerPlace, *, identity: IdentitySettings, secret: bytes | None) -> None:
    """Make an empty ledger unless there is one; a creation that broke off is completed.

    :param secret: where a connection holds it; else one is made beside the ledger.
    :raises LedgerDamagedError: if something was recorded once and only the ledger's own document is gone.
    """
    if place.objects.get(place.meta_path) is not None:
        return
    for name in ("keys", "records"):
        table = WitnessedTable(place.objects, f"{place.root}/{_FIRST_GENERATION}/{name}", place.clock)
        if table.remains() and table.commits():
            raise LedgerDamagedError(
                "the ledger's own document is gone, but its tables say that something was sent",
                where=place.uri(place.meta_path),
                todo="Restore the document, or rebuild the ledger (docs/operations.md).",
            )
    documents.create(place.objects, place.meta_path, _make_generation(place, _FIRST_GENERATION, identity, secret))


def begin_rebuild(
    place: LedgerPlace, *, identity: IdentitySettings, reason: str, actor: str, secret: bytes | None = None
) -> None:
    """Make an empty ledger beside a lost or damaged one, by which nothing may be sent yet.

    Open it with ``rebuilding``, adopt every file that was kept, then :func:`finish_rebuild`. The old tables stay where
    they are. A rebuild that was begun is continued.
    """
    stored = place.objects.get(place.meta_path)
    former: documents.Document = {} if stored is None else documents.decode(stored[0], place.meta_path)
    if former.get("rebuilding"):
        return
    audit.note(place, "rebuild", reason=reason, actor=actor)
    generation = _next_generation(place)
    made = _make_generation(place, generation, identity, secret)
    _copy_records(place, former.get("generation", _FIRST_GENERATION), generation)
    document = {
        **made,
        "identity_sources": former.get("identity_sources", {}) | made["identity_sources"],
        "rebuilding": True,
        "route": former.get("route"),
        "send_from": former.get("send_from"),
    }
    if stored is None:
        documents.create(place.objects, place.meta_path, document)
    else:
        documents.swap(place.objects, place.meta_path, document, stored[1])


def finish_rebuild(place: LedgerPlace, *, reason: str, actor: str) -> None:
    """Let the ledger be used again, once every kept file was adopted."""

    def edit(document: documents.Document) -> documents.Document:
        return {**document, "rebuilding": False}

    documents.change(place.objects, place.meta_path, place.clock, edit)
    audit.note(place, "rebuild-finished", reason=reason, actor=actor)


def _make_generation(
    place: LedgerPlace, generation: str, identity: IdentitySettings, given: bytes | None
) -> documents.Document:
    """Make secret, tables and claims; the document that makes them the ledger."""
    secret = _beside(place) if given is None else given
    folder = f"{place.root}/{generation}"
    WitnessedTable(place.objects, f"{folder}/keys", place.clock).create(KEYS_SCHEMA)
    WitnessedTable(place.objects, f"{folder}/records", place.clock).create(RECORDS_SCHEMA)
    Claims(place.objects, folder, place.clock).make()
    secret_from: meta_document.SecretFrom = "ledger" if given is None else "connection"
    return meta_document.new_meta(place, generation, identity, secret, secret_from)


def _beside(place: LedgerPlace) -> bytes:
    """The secret beside the ledger; made if there is none."""
    place.objects.create(place.secret_path, event_keys.new_secret())
    stored = place.objects.get(place.secret_path)
    if stored is None or len(stored[0]) != event_keys.SECRET_BYTES:
        raise LedgerDamagedError(
            "the ledger's secret is damaged",
            where=place.uri(place.secret_path),
            todo="Restore it, or remove it to rebuild.",
        )
    return stored[0]


def _copy_records(place: LedgerPlace, before: str, after: str) -> None:
    """Copy the delivery records over, if they can still be read."""
    with suppress(LedgerDamagedError):
        rows = Records(place.objects, f"{place.root}/{before}/records", place.clock).read()
        if rows.height:
            Records(place.objects, f"{place.root}/{after}/records", place.clock).copy_from(rows)


def _next_generation(place: LedgerPlace) -> str:
    names = {path.removeprefix(f"{place.root}/").partition("/")[0] for path in place.objects.list(place.root)}
    stems = {name.partition(".")[0] for name in names}
    numbers = [int(stem[1:]) for stem in stems if stem[:1] == "g" and stem[1:].isdigit()]
    return f"g{max(numbers, default=0) + 1:04d}"
