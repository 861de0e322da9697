"""What a ledger keeps of the settings that enter event ids: checked when it is opened, extended by live runs."""

from __future__ import annotations

from airflow_provider_tiktok_offline.conversions.events.identity_changes import (
    IdentityChange,
    compare_event_set,
    compare_source,
)
from airflow_provider_tiktok_offline.conversions.events.identity_settings import OF_FILE, IdentitySettings, Kept
from airflow_provider_tiktok_offline.errors import LedgerVersionError
from airflow_provider_tiktok_offline.ledger import audit, meta_document
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace, Meta
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage import documents

log = plain_logger(__name__)


def changed_keys(meta: Meta, identity: IdentitySettings) -> list[str]:
    """The settings whose change gives transactions that the ledger knows another id."""
    shared, own = _compared(meta, identity)
    return sorted({*shared.changed, *own.changed})


def check_identity(meta: Meta, identity: IdentitySettings) -> None:
    """Check that event ids are still made as they were.

    :raises LedgerVersionError: if a setting that enters them was changed and nobody acknowledged it.
    """
    changed = changed_keys(meta, identity)
    if not changed:
        return
    what = f"settings that enter the event id were changed ({', '.join(changed)})"
    if all(key.startswith(OF_FILE) for key in changed):
        names = ", ".join(key.removeprefix(OF_FILE) for key in changed)
        what = f"the file has other columns that enter the event id than the files before ({names})"
    if "recipe" in changed:
        what = f"event ids are made by recipe {identity.event_set['recipe']}, the ledger's were made by {meta.recipe}"
    raise LedgerVersionError(
        f"{what}: what was sent before would not be recognised and be sent again",
        where=f"event set {meta.event_set_id}",
        todo="Acknowledge the change with a cut-over: tiktok-offline ledger acknowledge."
        + ("" if "recipe" in changed else " Or change the settings back."),
    )


def keep_identity(place: LedgerPlace, identity: IdentitySettings, *, actor: str) -> None:
    """Keep what the ledger does not know of the settings yet: added words and stores, settings of a later package.

    Settings that it lacked are audited and warned of: whether they were changed before can't be seen.

    :param actor: who runs.
    :raises LedgerVersionError: as :func:`check_identity`.
    """
    lacked: list[str] = []

    def edit(document: documents.Document) -> documents.Document | None:
        meta = meta_document.parse(place, document)
        check_identity(meta, identity)
        shared, own = _compared(meta, identity)
        lacked[:] = shared.added
        if identity.advertiser in meta.identity_sources:
            lacked.extend(key for key in own.added if not key.startswith(OF_FILE))
        kept = _kept(meta, shared.kept, identity.advertiser, own.kept)
        return None if kept.items() <= document.items() else {**document, **kept}

    _, changed = documents.change(place.objects, place.meta_path, place.clock, edit)
    if not changed or not lacked:
        return
    log.warning(
        "The ledger of event set %s did not keep %s. They are kept from now on; earlier changes of them can't be seen.",
        place.event_set_id, ", ".join(lacked),
    )  # fmt: skip
    audit.note(
        place,
        "adopt-identity",
        reason="the ledger did not keep these settings",
        actor=actor,
        details={"advertiser": identity.advertiser, "keys": lacked},
    )


def acknowledged(place: LedgerPlace, document: documents.Document, identity: IdentitySettings) -> documents.Document:
    """The ledger's own document once ids are made by these settings; other advertisers' words and stores stay."""
    meta = meta_document.parse(place, document)
    event_set: Kept = {}
    for key, value in identity.event_set.items():
        before = meta.identity_settings.get(key)
        event_set[key] = before | value if isinstance(value, dict) and isinstance(before, dict) else value
    return {**document, **_kept(meta, event_set, identity.advertiser, identity.source)}


def _kept(meta: Meta, event_set: Kept, advertiser: str, source: Kept) -> documents.Document:
    return meta_document.kept_identity(event_set, {**meta.identity_sources, advertiser: source})


def _compared(meta: Meta, identity: IdentitySettings) -> tuple[IdentityChange, IdentityChange]:
    own = compare_source(meta.identity_sources.get(identity.advertiser, {}), identity)
    return compare_event_set(meta.identity_settings, identity), own
