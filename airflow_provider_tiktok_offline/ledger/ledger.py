"""The ledger of one event set: what was sent, what is claimed, and by which plan the rest goes out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import event_keys, identity_record, meta_document, plan
from airflow_provider_tiktok_offline.ledger.claims import Claim, ClaimBook, Claims, taken_over
from airflow_provider_tiktok_offline.ledger.dedupe import Memory, verdicts
from airflow_provider_tiktok_offline.ledger.deliveries import Deliveries, alive
from airflow_provider_tiktok_offline.ledger.delivery_records import Records
from airflow_provider_tiktok_offline.ledger.plan import Plan
from airflow_provider_tiktok_offline.ledger.receipts import PartReceipts
from airflow_provider_tiktok_offline.ledger.settlement import Settlement, Settler, carried, receipts_folder
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: TikTok dedupes for 48 hours; an event in doubt is tried again by itself only so long after its first attempt.
RETRY_WINDOW = timedelta(hours=44)
#: Small files in the keys table beyond which a settlement merges them.
_MANY_FILES = 128
#: Events that one look at the ledger is made for.
_BATCH_EVENTS = 2_000_000


class Ledger:
    """The ledger of one event set. Use :meth:`open`, or :meth:`init` once."""

    def __init__(
        self,
        objects: ObjectStore,
        meta: meta_document.Meta,
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
        self.root = f"{meta_document.root_of(meta.event_set_id)}/{meta.generation}"
        self.table = WitnessedTable(objects, f"{self.root}/keys", clock)
        self.claims = Claims(objects, self.root, clock)
        self.records = Records(objects, f"{self.root}/records", clock)
        self._settler = Settler(objects, self.root, self.table, clock)
        self._secret = secret

    @classmethod
    def init(
        cls,
        objects: ObjectStore,
        event_set_id: str,
        *,
        identity: IdentitySettings,
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
        identity: IdentitySettings,
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
        meta = meta_document.read_meta(objects, event_set_id)
        if meta.rebuilding and not rebuilding:
            raise LedgerDamagedError(
                "the ledger is being rebuilt", where=f"event set {event_set_id}",
                todo="Finish it: tiktok-offline ledger rebuild. Nothing was sent.",
            )  # fmt: skip
        identity_record.check_identity(meta, identity)
        found = cls(
            objects,
            meta,
            meta_document.read_secret(objects, meta, secret),
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
            meta_document.claim_route(self.objects, self.event_set_id, route, self.clock)
            self.meta = replace(self.meta, route=route)

    def keep_identity(self, identity: IdentitySettings, *, actor: str) -> None:
        """Keep what is not known of the settings that enter event ids: a live run makes ids by them.

        :param actor: who runs.
        :raises LedgerVersionError: if a setting was changed and nobody acknowledged it.
        """
        identity_record.keep_identity(self.objects, self.event_set_id, identity, self.clock, actor=actor)

    def keys(self, event_ids: pl.Series) -> pl.Series:
        """Event ids as event keys: 16 bytes each, keyed with the ledger's secret."""
        return event_keys.event_keys(self._secret, event_ids)

    def fingerprint(self, event_ids: pl.Series) -> str:
        """What tells whether these are the same events in the same order, without a key for each."""
        return event_keys.fingerprint(self._secret, event_ids)

    def keyed_digest(self, text: str) -> str:
        """A digest of the text, keyed with the ledger's secret, so that it can't be guessed."""
        return event_keys.keyed_digest(self._secret, text)

    def contents(self, frame: pl.DataFrame) -> pl.Series:
        """Fingerprints (``event_key``, ``content``) as the ledger keeps them."""
        return event_keys.content_keys(self._secret, frame)

    def dedupe(
        self,
        delivery_id: str,
        parts: Iterable[tuple[int, pl.DataFrame]],
        *,
        route: str,
        now: datetime,
        lookback: timedelta | None,
        retry_refused: bool = False,
    ) -> Plan:
        """Make the delivery's plan, or return the one that is under way.

        A plan stays as it is until every event of it has an answer; the next call then makes a new one, which takes up
        what was held before.

        :param parts: index of each prepared part and its frame, in order: ``event_key``, ``content``, ``event_time``,
            and ``event_id`` where the part is to be known again by its :meth:`fingerprint`.
        :raises LedgerBusyError: if other writers came first each time.
        """
        found = self._live_plan(delivery_id)
        if found is not None:
            return found
        planning = _Planning(
            delivery_id=delivery_id, route=route, now=now, lookback=lookback, retry_refused=retry_refused,
            draft=plan.Draft(self.objects, self.root, delivery_id, self._next_round(delivery_id)),
        )  # fmt: skip
        batch: list[tuple[int, pl.DataFrame]] = []
        events = 0
        for index, frame in parts:
            batch.append((index, frame))
            events += frame.height
            if events >= _BATCH_EVENTS:
                self._plan_batch(planning, batch)
                batch, events = [], 0
        self._plan_batch(planning, batch)
        return planning.draft.close(epoch=planning.epoch or "", route=route)

    def look(
        self, frame: pl.DataFrame, *, now: datetime, lookback: timedelta | None, delivery_id: str = ""
    ) -> pl.Series:
        """Each event's verdict as :meth:`dedupe` would find it; nothing is written."""
        keyed = self._keyed(frame)
        memory = Memory(keyed.select("event_key"))
        judged = self._judge(keyed, memory, self.claims.read(), delivery_id, now, lookback, False)
        return judged.get_column("verdict")

    def plan(self, delivery_id: str) -> Plan:
        """The delivery's newest plan.

        :raises LedgerDamagedError: if none was made.
        """
        rounds = plan.rounds(self.objects, self.root, delivery_id)
        return plan.read(self.objects, self.root, delivery_id, rounds[-1] if rounds else 0)

    def receipts(self, delivery_id: str, part_index: int, holder: str) -> PartReceipts:
        """The receipts of one part of the newest plan, to be used as a context manager.

        :raises LedgerBusyError: if another delivery took the claims over.
        """
        found = self.plan(delivery_id)

        def fence() -> None:
            self.claims.fence(delivery_id, found.epoch)

        return PartReceipts(
            self.objects,
            receipts_folder(self.root, found, part_index),
            holder,
            clock=self.clock,
            fence=fence,
            carried=carried(found, part_index),
            retry_window=self.retry_window,
        )

    def settle(self, delivery_id: str) -> Settlement:
        """Fold the delivery's receipts into the keys table; what has an answer is claimed no more. Idempotent.

        What has none stays claimed until the delivery's lease expires, so that a retry goes on where it stopped.
        """
        snapshot = None
        for round_ in plan.rounds(self.objects, self.root, delivery_id):
            found = plan.read(self.objects, self.root, delivery_id, round_)
            snapshot = self._settler.fold(found)
        found = self.plan(delivery_id)
        settlement = self._settler.summary(found)
        if settlement.finished:
            self.claims.remove(delivery_id, found.round)
        if snapshot is not None and len(snapshot.files) > _MANY_FILES:
            self.table.compact()
        return settlement

    def release(self, delivery_id: str) -> None:
        """Give up what the delivery has claimed and not sent; what was tried without an answer stays in doubt."""
        claim = self.claims.read().claims.get(delivery_id)
        if claim is not None:
            self._take_over(claim)

    def _keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select("event_key", "event_time").with_columns(content=self.contents(frame))

    def _live_plan(self, delivery_id: str) -> Plan | None:
        rounds = plan.rounds(self.objects, self.root, delivery_id)
        claim = self.claims.read().claims.get(delivery_id)
        if rounds and claim is not None and not claim.broken and claim.round == rounds[-1]:
            return plan.read(self.objects, self.root, delivery_id, rounds[-1])
        return None

    def _next_round(self, delivery_id: str) -> int:
        return 1 + max(plan.rounds(self.objects, self.root, delivery_id), default=-1)

    def _plan_batch(self, planning: _Planning, batch: list[tuple[int, pl.DataFrame]]) -> None:
        if not batch:
            return
        keyed = self._keyed(pl.concat([frame.select("event_key", "content", "event_time") for _, frame in batch]))
        judged = pl.concat([keyed, self._claim(planning, keyed)], how="horizontal")
        start = 0
        for index, frame in batch:
            found = self.fingerprint(frame["event_id"]) if "event_id" in frame.columns else None
            planning.draft.add(index, judged.slice(start, frame.height), found)
            start += frame.height

    def _claim(self, planning: _Planning, keyed: pl.DataFrame) -> pl.DataFrame:
        memory = Memory(keyed.select("event_key"))
        delivery_id, round_ = planning.delivery_id, planning.draft.round
        for _ in documents.attempts(self.clock, f"{self.objects.uri}/{self.root}/claims.json"):
            book = self._living(delivery_id, round_)
            own = book.claims.get(delivery_id)
            if planning.epoch is not None and (own is None or own.epoch != planning.epoch):
                raise taken_over(delivery_id)
            if own is not None:
                planning.epoch = own.epoch
            judged = self._judge(
                keyed, memory, book, delivery_id, planning.now, planning.lookback, planning.retry_refused
            )
            mine = keyed.filter(judged["verdict"].is_in(plan.SENT_VERDICTS) & (judged["verdict"] != "own"))["event_key"]
            if mine.is_empty():
                return judged
            epoch = self.claims.enter(book, delivery_id, round_, mine, route=planning.route, epoch=planning.epoch)
            if epoch is not None:
                planning.epoch = epoch
                return judged
        raise AssertionError("attempts() ends by raising")

    def _judge(
        self,
        keyed: pl.DataFrame,
        memory: Memory,
        book: ClaimBook,
        delivery_id: str,
        now: datetime,
        lookback: timedelta | None,
        retry_refused: bool,
    ) -> pl.DataFrame:
        own = book.claims.get(delivery_id)
        others = [self.claims.keys_of(claim) for key, claim in book.claims.items() if key != delivery_id]
        # Only after the claims: a claim goes when its outcome stands in the table, never before.
        known = memory.refresh(self.table, self.table.snapshot())
        return verdicts(
            keyed,
            known,
            delivery_id=delivery_id,
            own=_NO_KEYS if own is None else self.claims.keys_of(own),
            held=pl.concat([_NO_KEYS, *others]),
            now=now,
            lookback=lookback,
            retry_window=self.retry_window,
            send_from=self.send_from,
            retry_refused=retry_refused,
        )

    def close_dead_claims(self) -> ClaimBook:
        """Take over what dead deliveries had claimed, and fold their receipts; the claims that are left."""
        return self._living("", 0)

    def held_keys(self) -> pl.Series:
        """Every event that some delivery holds now."""
        return pl.concat([_NO_KEYS, *(self.claims.keys_of(claim) for claim in self.claims.read().claims.values())])

    def known_deliveries(self) -> list[str]:
        """The deliveries that have a plan, receipts or claims here."""
        found = set()
        for kind in ("plans", "receipts", "claims"):
            folder = f"{self.root}/{kind}/"
            found |= {path.removeprefix(folder).partition("/")[0] for path in self.objects.list(folder.rstrip("/"))}
        return sorted(found)

    def _living(self, delivery_id: str, round_: int) -> ClaimBook:
        """The claims, once those of dead deliveries were taken over and one's own old rounds closed."""
        while True:
            book = self.claims.read()
            dead = [
                claim
                for claim in book.claims.values()
                if (claim.round != round_ or claim.broken if claim.delivery_id == delivery_id else self._dead(claim))
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
        self.claims.break_(claim)
        for round_ in plan.rounds(self.objects, self.root, claim.delivery_id):
            self._settler.fold(plan.read(self.objects, self.root, claim.delivery_id, round_))
        self.claims.remove(claim.delivery_id, claim.round)


_NO_KEYS = pl.Series("event_key", [], dtype=pl.Binary)


@dataclass(slots=True, kw_only=True)
class _Planning:
    delivery_id: str
    route: str
    now: datetime
    lookback: timedelta | None
    retry_refused: bool
    draft: plan.Draft
    epoch: str | None = None
