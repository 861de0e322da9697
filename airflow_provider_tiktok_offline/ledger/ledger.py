"""The ledger of one event set: what was sent, what is claimed, and by which plan the rest goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import dedupe, documents, identity, keying, plan
from airflow_provider_tiktok_offline.ledger.claims import Claim, ClaimBook, Claims
from airflow_provider_tiktok_offline.ledger.deliveries import Deliveries, alive
from airflow_provider_tiktok_offline.ledger.plan import Plan
from airflow_provider_tiktok_offline.ledger.receipts import PartReceipts
from airflow_provider_tiktok_offline.ledger.records import Records
from airflow_provider_tiktok_offline.ledger.settlement import (
    Settlement,
    Settler,
    carried,
    plans_folder,
    receipts_folder,
)
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage.objects import ObjectStore

#: TikTok dedupes for 48 hours; an event in doubt is tried again by itself only so long after its first attempt.
RETRY_WINDOW = timedelta(hours=44)
#: Small files in the keys table beyond which a settlement merges them.
_MANY_FILES = 128


class Ledger:
    """The ledger of one event set. Use :meth:`open`, or :meth:`init` once."""

    def __init__(
        self,
        objects: ObjectStore,
        meta: identity.Meta,
        secret: bytes,
        clock: Clock,
        deliveries: Deliveries,
        retry_window: timedelta,
    ) -> None:
        self.objects = objects
        self.meta = meta
        self.clock = clock
        self.deliveries = deliveries
        self.retry_window = retry_window
        self.root = f"{identity.root_of(meta.event_set_id)}/{meta.generation}"
        self.table = WitnessedTable(objects, f"{self.root}/keys", clock)
        self.claims = Claims(objects, self.root, clock)
        self.records = Records(objects, f"{identity.root_of(meta.event_set_id)}/records", clock)
        self._settler = Settler(objects, self.root, self.table, self.claims, clock)
        self._secret = secret
        self._tokens: dict[str, str] = {}
        self._epochs: dict[str, str | None] = {}

    @classmethod
    def init(
        cls,
        objects: ObjectStore,
        event_set_id: str,
        *,
        identity: Mapping[str, Any],
        clock: Clock,
        secret: bytes | None = None,
    ) -> Ledger:
        """Make the ledger of an event set, or open the one that is there.

        :param identity: the settings that enter an event id (``AdvertiserConfig.identity_settings``).
        :param secret: the secret, where a connection holds it; else one is made beside the ledger.
        :raises LedgerDamagedError: if remains of a ledger are there that say something was sent.
        """
        from airflow_provider_tiktok_offline.ledger import rebuilding

        rebuilding.make(objects, event_set_id, identity=identity, clock=clock, secret=secret)
        return cls.open(objects, event_set_id, identity=identity, clock=clock, secret=secret)

    @classmethod
    def open(
        cls,
        objects: ObjectStore,
        event_set_id: str,
        *,
        identity: Mapping[str, Any],
        clock: Clock,
        secret: bytes | None = None,
        deliveries: Deliveries | None = None,
        retry_window: timedelta = RETRY_WINDOW,
        rebuilding: bool = False,
    ) -> Ledger:
        """Open the ledger of an event set and prove that it is whole.

        :param rebuilding: open one whose rebuild is under way, which nobody else may.
        :raises LedgerMissingError: if it was never made.
        :raises LedgerVersionError: if a newer package wrote it, or under other identity settings.
        :raises LedgerDamagedError: if anything of it is missing.
        """
        from airflow_provider_tiktok_offline.ledger.identity import check_identity, read_meta, read_secret

        meta = read_meta(objects, event_set_id)
        if meta.rebuilding and not rebuilding:
            raise LedgerDamagedError(
                "the ledger is being rebuilt", where=f"event set {event_set_id}",
                todo="Finish it: tiktok-offline ledger rebuild. Nothing was sent.",
            )  # fmt: skip
        check_identity(objects, meta, identity)
        found = cls(
            objects,
            meta,
            read_secret(objects, meta, secret),
            clock,
            deliveries or Deliveries(objects, clock),
            retry_window,
        )
        found.table.snapshot()
        found.claims.read()
        return found

    @property
    def event_set_id(self) -> str:
        """Whose ledger it is."""
        return self.meta.event_set_id

    @property
    def send_from(self) -> datetime | None:
        """The cut-over of an acknowledged change of identity: what happened before it counts as sent."""
        return self.meta.send_from

    def use_route(self, route: str) -> None:
        """Make ``route`` the event set's one live route.

        :raises ConfigError: if it has another one.
        """
        if self.meta.route != route:
            identity.claim_route(self.objects, self.event_set_id, route, self.clock)
            self.meta = replace(self.meta, route=route)

    def keys(self, event_ids: pl.Series) -> pl.Series:
        """Event ids as event keys: 16 bytes each, keyed with the ledger's secret."""
        return keying.event_keys(self._secret, event_ids)

    def contents(self, frame: pl.DataFrame) -> pl.Series:
        """Fingerprints (``event_key``, ``content``) as the ledger keeps them."""
        return keying.content_keys(self._secret, frame)

    def claim(
        self,
        delivery_id: str,
        frame: pl.DataFrame,
        *,
        now: datetime,
        lookback: timedelta | None,
        retry_refused: bool = False,
    ) -> pl.Series:
        """Each event's verdict (:data:`~.dedupe.VERDICTS`); what is ``new`` is this delivery's from now on.

        What was claimed before and is still held is ``own``; what is in doubt since less than :attr:`retry_window` is
        ``new`` to whoever claims it next. Asking again gives the same answer, so a step that broke off is repeated.

        :param frame: ``event_key``, ``content`` (Binary), ``event_time`` (epoch seconds); each key once.
        :param retry_refused: what TikTok refused before may be sent again.
        :raises LedgerBusyError: if other writers came first each time.
        """
        keyed = self._keyed(frame)
        memory = dedupe.Memory(keyed.select("event_key"))
        for _ in documents.attempts(self.clock, f"{self.objects.uri}/{self.claims.path}"):
            book = self._living(delivery_id)
            own = book.claims.get(delivery_id)
            judged = self._judge(keyed, memory, book, delivery_id, now, lookback, retry_refused)
            wanted = pl.concat([keyed, judged], how="horizontal").filter(pl.col("verdict") == "new")
            if wanted.is_empty():
                epoch = None if own is None else own.epoch
            else:
                epoch = self.claims.enter(book, delivery_id, wanted)
                if epoch is None:
                    continue
            self._epochs[delivery_id] = epoch
            return judged.get_column("verdict")
        raise AssertionError("attempts() ends by raising")

    def look(
        self, frame: pl.DataFrame, *, now: datetime, lookback: timedelta | None, delivery_id: str | None = None
    ) -> pl.Series:
        """What :meth:`claim` would say; nothing is written."""
        keyed = self._keyed(frame)
        memory = dedupe.Memory(keyed.select("event_key"))
        book = self.claims.read()
        return self._judge(keyed, memory, book, delivery_id or "", now, lookback, False).get_column("verdict")

    def write_plan_part(self, delivery_id: str, part_index: int, frame: pl.DataFrame) -> None:
        """Write one part of the plan in the making.

        :param frame: ``row`` (index in the prepared part), ``event_key``, ``content`` (Binary), ``held``.
        """
        token = self._tokens.setdefault(delivery_id, plan.new_token())
        content = self.contents(frame)
        plan.write_part(self.objects, self._plans(delivery_id), token, part_index, frame.with_columns(content=content))

    def write_plan(self, delivery_id: str, events: Mapping[int, int]) -> Plan:
        """Fix the plan from the parts just written, unless another try has fixed one first; the plan that counts.

        :param events: part index -> events in it.
        """
        token = self._tokens.pop(delivery_id, plan.new_token())
        state = self.deliveries.find(delivery_id)
        route = state.route if state is not None else self.meta.route or "tiktok"
        plan.fix(self.objects, self._plans(delivery_id), token, route, events)
        return self._planned(delivery_id)

    def plan(self, delivery_id: str) -> Plan | None:
        """The delivery's plan, or None if none was made."""
        return plan.read(self.objects, self._plans(delivery_id), delivery_id)

    def receipts(self, delivery_id: str, part_index: int, holder: str) -> PartReceipts:
        """The receipts of one part of the plan.

        After :meth:`claim`, attempts are good as long as that claim is: once another delivery took it over, nothing
        more may be sent.

        :raises LedgerDamagedError: if there is no plan.
        """
        found = self._planned(delivery_id)
        if delivery_id not in self._epochs:
            claim = self.claims.read().claims.get(delivery_id)
            self._epochs[delivery_id] = None if claim is None else claim.epoch
        epoch = self._epochs[delivery_id]
        return PartReceipts(
            self.objects,
            receipts_folder(self.root, found, part_index),
            holder,
            clock=self.clock,
            fence=lambda: self.claims.fence(delivery_id, epoch),
            carried=carried(found, part_index, self.claims.doubts_of(delivery_id)),
        )

    def settle(self, delivery_id: str) -> Settlement:
        """Fold the delivery's receipts into the keys table; a finished one claims nothing more. Idempotent.

        What has no answer stays claimed until the delivery's lease expires, so that a retry goes on where it stopped.

        :raises LedgerDamagedError: if there is no plan.
        """
        found = self._planned(delivery_id)
        self._settler.fold(found)
        settlement = self._settler.summary(found)
        claim = self.claims.read().claims.get(delivery_id)
        if settlement.finished and claim is not None:
            self.claims.remove(claim)
        if len(self.table.snapshot().files) > _MANY_FILES:
            self.table.compact()
        return settlement

    def release(self, delivery_id: str) -> None:
        """Give up what the delivery has claimed and not sent; what was tried without an answer stays in doubt."""
        claim = self.claims.read().claims.get(delivery_id)
        if claim is not None:
            self._take_over(claim)

    def record(self, record: Mapping[str, Any]) -> None:
        """Keep a delivery record; see :class:`~.records.Records`."""
        self.records.append({"event_set_id": self.event_set_id, **record})

    def _keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("event_key", "event_time").with_columns(content=self.contents(frame))

    def _plans(self, delivery_id: str) -> str:
        return plans_folder(self.root, delivery_id)

    def _planned(self, delivery_id: str) -> Plan:
        found = self.plan(delivery_id)
        if found is None:
            raise LedgerDamagedError(
                "the delivery has no plan", where=delivery_id, todo="Run its dedupe step; nothing was sent."
            )
        return found

    def _judge(
        self,
        keyed: pl.DataFrame,
        memory: dedupe.Memory,
        book: ClaimBook,
        delivery_id: str,
        now: datetime,
        lookback: timedelta | None,
        retry_refused: bool,
    ) -> pl.DataFrame:
        own = self.claims.events_of(book.claims.get(delivery_id))["event_key"]
        others = [self.claims.events_of(claim) for key, claim in book.claims.items() if key != delivery_id]
        held = pl.concat([own.clear(), *(events["event_key"] for events in others)])
        # Only after the claims: a claim goes when its outcome stands in the table, never before.
        snapshot = self.table.snapshot()
        # What is claimed already can't have been sent by another since: the table need not be searched for it.
        known = (
            memory.none()
            if len(own) and keyed["event_key"].is_in(own.implode()).all()
            else memory.refresh(self.table, snapshot)
        )
        return dedupe.verdicts(
            keyed,
            known,
            own=own,
            held=held,
            now=now,
            lookback=lookback,
            retry_window=self.retry_window,
            send_from=self.send_from,
            retry_refused=retry_refused,
        )

    def _living(self, delivery_id: str) -> ClaimBook:
        """The claims, once those of dead deliveries, and a broken one of one's own, were closed."""
        while True:
            book = self.claims.read()
            dead = [
                claim
                for claim in book.claims.values()
                if (claim.broken if claim.delivery_id == delivery_id else self._dead(claim))
            ]
            if not dead:
                return book
            for claim in dead:
                self._take_over(claim)

    def _dead(self, claim: Claim) -> bool:
        if claim.broken:
            return True
        state = self.deliveries.find(claim.delivery_id)
        now = self.clock.now()
        if state is None:
            return now >= claim.claimed_at + self.deliveries.lease
        return not alive(state, now)

    def _take_over(self, claim: Claim) -> None:
        # First forbid, then read: whoever recorded an attempt before is seen here, whoever records one later is told.
        self.claims.break_(claim)
        found = self.plan(claim.delivery_id)
        if found is not None:
            self._settler.fold(found)
        self.claims.remove(claim)
