"""What a person may change: adopt, reopen, resolve, mark as erroneous, switch the route, acknowledge an identity.

Nothing here edits a row: each correction appends what holds from now on, and leaves an entry in the audit log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Literal

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings
from airflow_provider_tiktok_offline.errors import ConfigError, DeliveryHeldError, LedgerBusyError
from airflow_provider_tiktok_offline.ledger import audit, identity_record, meta_document
from airflow_provider_tiktok_offline.ledger.dedupe import SENT, Memory
from airflow_provider_tiktok_offline.ledger.deliveries import alive
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.ledger.settlement import rows_of
from airflow_provider_tiktok_offline.ledger.table import CommitConflict
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore


def adopt(
    ledger: Ledger, delivery_id: str, frames: Iterable[pl.DataFrame], *, route: str, reason: str, actor: str
) -> int:
    """Record events as delivered without sending them: a go-live, a delivery by other means, a rebuild.

    Doing it again adds nothing.

    :param frames: ``event_key``, ``content``, ``event_time`` of the prepared events, in pieces of some millions.
    :returns: how many events were new to the ledger.
    """
    adopted = 0
    for frame in frames:
        keyed = frame.select("event_key").with_columns(content=ledger.contents(frame))
        adopted += _append(ledger, keyed.select("event_key"), delivery_id, route, _not_sent_yet(keyed))
    audit.note(
        ledger.objects, ledger.event_set_id, ledger.clock, "adopt",
        reason=reason, actor=actor, details={"delivery_id": delivery_id, "events": adopted},
    )  # fmt: skip
    return adopted


def reopen(ledger: Ledger, delivery_id: str, *, reason: str, actor: str) -> int:
    """Let a delivery go out again that the other side rejected: its events count as not sent.

    :returns: how many events were released.
    :raises DeliveryHeldError: while a run works on it.
    """
    state = ledger.deliveries.get(delivery_id)
    if alive(state, ledger.clock.now()):
        raise DeliveryHeldError(f"{state.holder} works on this delivery", where=delivery_id, todo="Wait for it to end.")
    ledger.close_dead_claims()
    ledger.release(delivery_id)
    released = 0
    for keys in _keys_of(ledger, SENT, delivery_id):
        newest = pl.col("outcome").is_in(SENT) & (pl.col("delivery_id") == delivery_id)
        released += _append(ledger, keys, delivery_id, state.route, _turn(newest, "released"))
    ledger.deliveries.reopen(delivery_id, reason)
    audit.note(
        ledger.objects, ledger.event_set_id, ledger.clock, "reopen",
        reason=reason, actor=actor, details={"delivery_id": delivery_id, "events": released},
    )  # fmt: skip
    return released


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
    resolved = 0
    doubtful = pl.col("outcome") == "in_doubt"
    for keys in _keys_of(ledger, ("in_doubt",), delivery_id):
        free = keys.filter(~pl.col("event_key").is_in(held.implode())) if len(held) else keys
        to = "assumed" if assume == "sent" else "released"
        resolved += _append(ledger, free, delivery_id or "resolve", ledger.meta.route or "", _turn(doubtful, to))
    audit.note(
        ledger.objects, ledger.event_set_id, ledger.clock, "resolve",
        reason=reason, actor=actor, details={"assume": assume, "delivery_id": delivery_id, "events": resolved},
    )  # fmt: skip
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
    audit.note(
        ledger.objects, ledger.event_set_id, ledger.clock, "mark-erroneous",
        reason=reason, actor=actor, details={"delivery_id": delivery_id},
    )  # fmt: skip


def switch_route(ledger: Ledger, to: str, *, reason: str, actor: str) -> None:
    """Make another route the event set's live one.

    :raises LedgerBusyError: while a delivery by the former route is at work.
    """
    book = ledger.close_dead_claims()
    if book.claims:
        raise LedgerBusyError(
            "deliveries by the former route are at work",
            where=", ".join(sorted(book.claims)),
            todo="Pause its DAG, let them end, and try again.",
        )

    def edit(document: documents.Document) -> documents.Document:
        return {**document, "route": to}

    documents.change(ledger.objects, meta_document.meta_path(ledger.event_set_id), ledger.clock, edit)
    audit.note(
        ledger.objects, ledger.event_set_id, ledger.clock, "switch-route",
        reason=reason, actor=actor, details={"from": ledger.meta.route, "to": to},
    )  # fmt: skip


def acknowledge_identity(
    objects: ObjectStore,
    event_set_id: str,
    *,
    settings: IdentitySettings,
    send_from: datetime,
    reason: str,
    actor: str,
    clock: Clock,
) -> None:
    """Accept that event ids are made by other settings from now on.

    :param settings: the new ones (``AdvertiserConfig.identity_settings``).
    :param send_from: the cut-over: transactions before it count as sent, since they can't be recognised any more.
    :raises ConfigError: if the cut-over lies before an earlier one.
    """
    meta = meta_document.read_meta(objects, event_set_id)
    if meta.send_from is not None and send_from < meta.send_from:
        raise ConfigError(
            f"the cut-over lies before the one of {meta.send_from:%Y-%m-%d %H:%M} UTC",
            where=f"event set {event_set_id}", todo="Choose a later moment.",
        )  # fmt: skip

    changed = identity_record.changed_keys(meta, settings)

    def edit(document: documents.Document) -> documents.Document:
        return {**identity_record.acknowledged(document, settings), "send_from": send_from.isoformat()}

    documents.change(objects, meta_document.meta_path(event_set_id), clock, edit)
    audit.note(
        objects, event_set_id, clock, "acknowledge-identity",
        reason=reason, actor=actor, details={"changed": changed, "send_from": send_from.isoformat()},
    )  # fmt: skip


_Choose = Callable[[pl.DataFrame], pl.DataFrame]


def _append(ledger: Ledger, keys: pl.DataFrame, delivery_id: str, route: str, choose: _Choose) -> int:
    """Append rows that ``choose`` makes of the newest known ones, against the version that was read."""
    memory = Memory(keys.select("event_key"))
    app_id = f"correction:{secrets.token_hex(8)}"
    for _ in documents.attempts(ledger.clock, f"{ledger.objects.uri}/{ledger.table.path}"):
        snapshot = ledger.table.snapshot()
        rows = choose(memory.refresh(ledger.table, snapshot))
        if rows.is_empty():
            return 0
        batches = rows_of(rows, now=ledger.clock.now(), delivery_id=delivery_id, route=route, seq=snapshot.version + 1)
        with suppress(CommitConflict):
            ledger.table.append(pl.from_arrow(batches), snapshot, app_id=app_id, transaction=0)
            return rows.height
    raise AssertionError("attempts() ends by raising")


def _not_sent_yet(keyed: pl.DataFrame) -> _Choose:
    def choose(known: pl.DataFrame) -> pl.DataFrame:
        sent = known.filter(pl.col("outcome").is_in(SENT))
        return _outcome(keyed.join(sent, on="event_key", how="anti"), "adopted")

    return choose


def _turn(which: pl.Expr, to: str) -> _Choose:
    return lambda known: _outcome(known.filter(which).select("event_key", "content"), to)


def _outcome(frame: pl.DataFrame, outcome: str) -> pl.DataFrame:
    return frame.with_columns(
        outcome=pl.lit(outcome),
        first_attempt_at=pl.lit(None, pl.Datetime("us", "UTC")),
        code=pl.lit(None, pl.Int32),
        field=pl.lit(None, pl.String),
    )


def _keys_of(ledger: Ledger, outcomes: Iterable[str], delivery_id: str | None) -> Iterable[pl.DataFrame]:
    """The events that some row says these outcomes of, file by file; whether it is the newest is seen on appending."""
    wanted = pl.col("outcome").is_in(list(outcomes))
    if delivery_id is not None:
        wanted &= pl.col("delivery_id") == delivery_id
    for file in ledger.table.snapshot().files:
        scan = ledger.table.scan([file], ["event_key", "outcome", "delivery_id"])
        found = ledger.table.collect(scan.filter(wanted).select("event_key").unique())
        if found.height:
            yield found
