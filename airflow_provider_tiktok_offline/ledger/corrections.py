"""What a person may change: adopt, reopen, resolve, mark as erroneous, switch the route, acknowledge an identity.

Nothing here edits a row: each correction appends what holds from now on, and leaves an entry in the audit log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Literal

import polars as pl

from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings
from airflow_provider_tiktok_offline.errors import ConfigError, DeliveryHeldError, LedgerBusyError
from airflow_provider_tiktok_offline.ledger import audit, identity_record, meta_document
from airflow_provider_tiktok_offline.ledger.event_states import SENT_OUTCOMES
from airflow_provider_tiktok_offline.ledger.keys_table import KnownEvents, key_rows
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace
from airflow_provider_tiktok_offline.ledger.table_faults import CommitConflict
from airflow_provider_tiktok_offline.storage import documents

#: Makes the rows to append of the newest known ones.
_Choose = Callable[[pl.DataFrame], pl.DataFrame]


def adopt(
    ledger: Ledger, delivery_id: str, frames: Iterable[pl.DataFrame], *, route: str, reason: str, actor: str
) -> int:
    """Record events as delivered without sending them: a go-live, a delivery by other means, a rebuild. Idempotent.

    :param frames: ``event_key``, ``content``, ``event_time`` of the prepared events, in pieces of some millions.
    :returns: how many events were new to the ledger.
    """
    adopted = 0
    for frame in frames:
        keyed = frame.select("event_key").with_columns(content=ledger.contents(frame))
        adopted += _append(ledger, keyed.select("event_key"), delivery_id, route, _adopt_unsent(keyed))
    details = {**_whose(ledger, delivery_id), "events": adopted}
    audit.note(ledger.place, "adopt", reason=reason, actor=actor, details=details)
    return adopted


def reopen(ledger: Ledger, delivery_id: str, *, reason: str, actor: str) -> int:
    """Let a delivery that the other side rejected go out again: its events count as not sent.

    :returns: how many events were released.
    :raises DeliveryHeldError: while a run works on it.
    """
    state = ledger.deliveries.get(delivery_id)
    if ledger.deliveries.alive(state):
        raise DeliveryHeldError(f"{state.holder} works on this delivery", where=delivery_id, todo="Wait for it to end.")
    ledger.close_dead_claims()
    ledger.release(delivery_id)
    released = 0
    for keys in _keys_with(ledger, SENT_OUTCOMES, delivery_id):
        sent_by_it = pl.col("outcome").is_in(SENT_OUTCOMES) & (pl.col("delivery_id") == delivery_id)
        released += _append(ledger, keys, delivery_id, state.route, _change(sent_by_it, "released"))
    ledger.deliveries.reopen(delivery_id, reason)
    details = {**_whose(ledger, delivery_id), "events": released}
    audit.note(ledger.place, "reopen", reason=reason, actor=actor, details=details)
    return released


def break_lease(ledger: Ledger, delivery_id: str, *, reason: str, actor: str) -> None:
    """Take a delivery from a run that is known to be dead, though its heartbeat has not expired.

    If that run is alive after all, it sends nothing more.
    """
    former = ledger.deliveries.get(delivery_id)
    details = {**_whose(ledger, delivery_id), "holder": former.holder}
    audit.note(ledger.place, "break-lease", reason=reason, actor=actor, details=details)
    ledger.deliveries.break_lease(delivery_id, reason)


def resolve(
    ledger: Ledger, assume: Literal["sent", "resend"], *, reason: str, actor: str, delivery_id: str | None = None
) -> int:
    """Decide about events that were sent without a definite answer and are too old to be tried again.

    :param assume: ``sent``: they count as sent; ``resend``: they may go out again, with the risk of counting twice.
    :param delivery_id: only those that this delivery left in doubt.
    :returns: how many events that were. Those of a delivery that is at work are left to it.
    """
    ledger.close_dead_claims()
    held = ledger.held_keys()
    outcome = "assumed" if assume == "sent" else "released"
    resolved = 0
    for keys in _keys_with(ledger, ("in_doubt",), delivery_id):
        free = keys.filter(~pl.col("event_key").is_in(held.implode())) if len(held) else keys
        change = _change(pl.col("outcome") == "in_doubt", outcome)
        resolved += _append(ledger, free, delivery_id or "resolve", ledger.meta.route or "", change)
    details = {"assume": assume, **_whose(ledger, delivery_id), "events": resolved}
    audit.note(ledger.place, "resolve", reason=reason, actor=actor, details=details)
    return resolved


def mark_erroneous(ledger: Ledger, delivery_id: str, *, reason: str, actor: str) -> None:
    """Say that a delivery should not have been made. What TikTok took can't be recalled: its events stay *sent*."""
    state = ledger.deliveries.get(delivery_id)
    ledger.records.append(
        {
            "delivery_id": delivery_id,
            "advertiser": state.advertiser,
            "event_set_id": ledger.event_set_id,
            "route": state.route,
            "file_name": state.file_name,
            "digest": state.digest,
            "erroneous": reason,
        }
    )
    audit.note(ledger.place, "mark-erroneous", reason=reason, actor=actor, details=_whose(ledger, delivery_id))


def switch_route(ledger: Ledger, to: str, *, reason: str, actor: str) -> None:
    """Make another route the event set's live one.

    :raises LedgerBusyError: while a delivery by the former route is at work.
    """
    claims = ledger.close_dead_claims().claims
    if claims:
        raise LedgerBusyError(
            "deliveries by the former route are at work",
            where=", ".join(sorted(claims)),
            todo="Pause its DAG, let them end, and try again.",
        )

    def edit(document: documents.Document) -> documents.Document:
        return {**document, "route": to}

    documents.change(ledger.objects, ledger.place.meta_path, ledger.clock, edit)
    audit.note(ledger.place, "switch-route", reason=reason, actor=actor, details={"from": ledger.meta.route, "to": to})


def acknowledge_identity(
    place: LedgerPlace, *, settings: IdentitySettings, send_from: datetime, reason: str, actor: str
) -> None:
    """Accept that event ids are made by other settings from now on.

    :param settings: the new ones (``AdvertiserConfig.identity_settings``).
    :param send_from: the cut-over: transactions before it count as sent, since they can't be recognised any more.
    :raises ConfigError: if the cut-over lies before an earlier one.
    """
    meta = meta_document.read_meta(place)
    if meta.send_from is not None and send_from < meta.send_from:
        raise ConfigError(
            f"the cut-over lies before the one of {meta.send_from:%Y-%m-%d %H:%M} UTC",
            where=f"event set {place.event_set_id}",
            todo="Choose a later moment.",
        )

    changed = identity_record.changed_keys(meta, settings)

    def edit(document: documents.Document) -> documents.Document:
        return {**identity_record.acknowledged(place, document, settings), "send_from": send_from.isoformat()}

    documents.change(place.objects, place.meta_path, place.clock, edit)
    details = {"changed": changed, "send_from": send_from.isoformat()}
    audit.note(place, "acknowledge-identity", reason=reason, actor=actor, details=details)


def _whose(ledger: Ledger, delivery_id: str | None) -> dict[str, object]:
    """The delivery and its advertiser, for the audit log; without a delivery the whole event set is meant."""
    state = None if delivery_id is None else ledger.deliveries.find(delivery_id)
    return {"delivery_id": delivery_id, **({} if state is None else {"advertiser": state.advertiser})}


def _append(ledger: Ledger, keys: pl.DataFrame, delivery_id: str, route: str, choose: _Choose) -> int:
    """Append the rows that ``choose`` makes, against the version that was read; how many."""
    known = KnownEvents(keys.select("event_key"))
    app_id = f"correction:{secrets.token_hex(8)}"
    for _ in documents.attempts(ledger.clock, f"{ledger.objects.uri}/{ledger.table.path}"):
        snapshot = ledger.table.snapshot()
        rows = choose(known.refresh(ledger.table, snapshot))
        if rows.is_empty():
            return 0
        batches = key_rows(rows, now=ledger.clock.now(), delivery_id=delivery_id, route=route, seq=snapshot.version + 1)
        with suppress(CommitConflict):
            ledger.table.append(pl.from_arrow(batches), snapshot, app_id=app_id, transaction=0)
            return rows.height
    raise AssertionError("attempts() ends by raising")


def _adopt_unsent(keyed: pl.DataFrame) -> _Choose:
    def choose(known: pl.DataFrame) -> pl.DataFrame:
        sent = known.filter(pl.col("outcome").is_in(SENT_OUTCOMES))
        return _with_outcome(keyed.join(sent, on="event_key", how="anti"), "adopted")

    return choose


def _change(which: pl.Expr, outcome: str) -> _Choose:
    return lambda known: _with_outcome(known.filter(which).select("event_key", "content"), outcome)


def _with_outcome(events: pl.DataFrame, outcome: str) -> pl.DataFrame:
    return events.with_columns(
        outcome=pl.lit(outcome),
        first_attempt_at=pl.lit(None, pl.Datetime("us", "UTC")),
        code=pl.lit(None, pl.Int32),
        field=pl.lit(None, pl.String),
    )


def _keys_with(ledger: Ledger, outcomes: Iterable[str], delivery_id: str | None) -> Iterator[pl.DataFrame]:
    """The events that had one of these outcomes, file by file; whether they still have is checked on appending."""
    wanted = pl.col("outcome").is_in(list(outcomes))
    if delivery_id is not None:
        wanted &= pl.col("delivery_id") == delivery_id
    for file in ledger.table.snapshot().files:
        scan = ledger.table.scan([file], ["event_key", "outcome", "delivery_id"])
        keys = ledger.table.collect(scan.filter(wanted).select("event_key").unique())
        if keys.height:
            yield keys
