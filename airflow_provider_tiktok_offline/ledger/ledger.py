"""The ledger of one event set: what was sent, what is claimed, and by which plan the rest goes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import event_keys, identity_record, meta_document, rebuilding
from airflow_provider_tiktok_offline.ledger.claims import Claims, ClaimSet
from airflow_provider_tiktok_offline.ledger.deliveries import Deliveries
from airflow_provider_tiktok_offline.ledger.delivery_records import Records
from airflow_provider_tiktok_offline.ledger.event_states import RETRY_WINDOW
from airflow_provider_tiktok_offline.ledger.key_sweep import KeySweep, PartEvents
from airflow_provider_tiktok_offline.ledger.keys_table import KnownEvents
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace, Meta
from airflow_provider_tiktok_offline.ledger.plan import (
    Plan,
    PlanDraft,
    VerdictSum,
    plan_rounds,
    read_plan,
    receipts_folder,
    receipts_round,
    sender_path,
)
from airflow_provider_tiktok_offline.ledger.planner import Planner
from airflow_provider_tiktok_offline.ledger.receipt_files import any_accepted
from airflow_provider_tiktok_offline.ledger.receipts import AttemptRules, PartReceipts
from airflow_provider_tiktok_offline.ledger.senders import Sender
from airflow_provider_tiktok_offline.ledger.settlement import Settlement, Settler
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.ledger.takeover import Takeover
from airflow_provider_tiktok_offline.ledger.verdicts import NO_KEYS, VerdictRules
from airflow_provider_tiktok_offline.storage.objects import check_conditional_writes
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: Small files in the keys table beyond which a settlement merges them.
_MANY_FILES = 128
#: The most events that are compared with the ledger at once, in memory.
_BATCH_EVENTS = 2_000_000
#: The columns of an event that decide about it.
_COMPARED = ("event_key", "content", "event_time", "returned")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOptions:
    """How a ledger is opened.

    Attributes:
        deliveries: the deliveries under the same ``state_uri``; None for those with the usual lease.
        retry_window: how long after its first attempt an event in doubt may be sent again.
        rebuilding: open a ledger whose rebuild is under way; only the rebuild may.
        look: whether table and claims are looked at right away. Without it they are by whatever is done with them: a
            plan is made, and a delivery settled, by a table that is whole, and an upload goes by its plan and claims.
    """

    deliveries: Deliveries | None = None
    retry_window: timedelta = RETRY_WINDOW
    rebuilding: bool = False
    look: bool = True


class Ledger:
    """The ledger of one event set. Use :meth:`open`, or :meth:`init` once."""

    def __init__(
        self, place: LedgerPlace, meta: Meta, secret: bytes, deliveries: Deliveries, retry_window: timedelta
    ) -> None:
        objects, clock = place.objects, place.clock
        self.place = place
        self.objects = objects
        self.clock = clock
        self.meta = meta
        self.deliveries = deliveries
        self.retry_window = retry_window
        self.root = f"{place.root}/{meta.generation}"
        self.table = WitnessedTable(objects, f"{self.root}/keys", clock, keys="event_key")
        self.claims = Claims(objects, self.root, clock)
        self.records = Records(objects, f"{self.root}/records", clock)
        self._secret = secret
        self._settler = Settler(objects, self.root, self.table, clock)
        self._takeover = Takeover(
            objects, self.root, clock, claims=self.claims, deliveries=deliveries, settler=self._settler
        )
        self._planner = Planner(self.table, self.claims, self._takeover, clock)

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
        :raises StorageError: if the store takes writes without looking at their conditions.
        """
        check_conditional_writes(objects)
        rebuilding.make(LedgerPlace(objects, event_set_id, clock), identity=identity, secret=secret)
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
        options: LedgerOptions | None = None,
    ) -> Ledger:
        """Open the ledger of an event set and check that it is whole.

        :param identity, secret: as for :meth:`init`.
        :raises LedgerMissingError: if it was never made.
        :raises LedgerVersionError: if a newer package wrote it, or under other identity settings.
        :raises LedgerDamagedError: if anything of it is missing.
        """
        options = options or LedgerOptions()
        place = LedgerPlace(objects, event_set_id, clock)
        meta = meta_document.read_meta(place)
        if meta.rebuilding and not options.rebuilding:
            raise LedgerDamagedError(
                "the ledger is being rebuilt",
                where=f"event set {event_set_id}",
                todo="Finish it: tiktok-offline ledger rebuild. Nothing was sent.",
            )
        identity_record.check_identity(meta, identity)
        used = meta_document.read_secret(place, meta, secret)
        ledger = cls(place, meta, used, options.deliveries or Deliveries(objects, clock), options.retry_window)
        if options.look:
            ledger.table.snapshot()
            ledger.claims.read()
        return ledger

    @property
    def event_set_id(self) -> str:
        """Whose ledger it is."""
        return self.meta.event_set_id

    @property
    def send_from(self) -> datetime | None:
        """The cut-over of an acknowledged change of identity: what happened before it counts as sent."""
        return self.meta.send_from

    def before_cut_over(self, send_from: datetime | None) -> Ledger:
        """This ledger for events whose ids were made under an earlier cut-over, or before there was one."""
        earlier = copy(self)
        earlier.meta = replace(self.meta, send_from=send_from)
        return earlier

    def use_route(self, route: str) -> None:
        """Make ``route`` the event set's one live route.

        :raises ConfigError: if it has another one.
        """
        if self.meta.route != route:
            meta_document.claim_route(self.place, route)
            self.meta = replace(self.meta, route=route)

    def keep_identity(self, identity: IdentitySettings, *, actor: str) -> None:
        """Keep what is not known of the settings that enter event ids: a live run makes ids by them.

        :param actor: who runs.
        :raises LedgerVersionError: if a setting was changed and nobody acknowledged it.
        """
        identity_record.keep_identity(self.place, identity, actor=actor)

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
        judged: Callable[[int, pl.DataFrame], list[VerdictSum]] | None = None,
    ) -> Plan:
        """Make the delivery's plan, or return the one that is under way.

        A plan stays as it is until every event of it has an answer; the next call then makes a new one, which takes up
        what was held before.

        :param parts: index of each prepared part and its frame, in order: ``event_key``, ``content``, ``event_time``,
            ``event_id`` where the part is to be known again by its :meth:`fingerprint`, ``returned`` in each part or
            in none: whether nothing is left of the event's value, and what ``judged`` needs. Beyond two million events
            they wait on the local disk.
        :param judged: called with each part's index and its frame, with the column ``verdict``; returns what the events
            are worth, which is kept with the plan. What it was told counts if the plan is new (:attr:`.Plan.is_new`).
        :raises LedgerBusyError: if other writers came first each time.
        """
        rounds = plan_rounds(self.objects, self.root, delivery_id)
        live = self._live_plan(delivery_id, rounds)
        if live is not None:
            return live
        rules = self._rules(delivery_id, now, lookback, retry_refused=retry_refused)
        draft = PlanDraft(self.objects, self.root, delivery_id, 1 + max(rounds, default=-1))
        for some, known in self._batches(parts):
            events = pl.concat([part.frame.select(name for name in _COMPARED if name in part.frame) for part in some])
            found = self._planner.claim(events, draft, rules, route=route, known=known)
            found = pl.concat([events, found], how="horizontal")
            start = 0
            for part in some:
                of_part = found.slice(start, part.frame.height)
                sums = None if judged is None else judged(part.index, part.frame.with_columns(of_part["verdict"]))
                draft.add(part.index, of_part, part.fingerprint, sums)
                start += part.frame.height
        return draft.close(route=route)

    def _batches(
        self, parts: Iterable[tuple[int, pl.DataFrame]]
    ) -> Iterator[tuple[list[PartEvents], KnownEvents | None]]:
        """The parts in batches; of several batches, with what the keys table says of each, by one look at it."""
        waiting: list[PartEvents] = []
        listed = (self._part(*one) for one in parts)
        for part in listed:
            waiting.append(part)
            if sum(one.frame.height for one in waiting) > _BATCH_EVENTS:
                break
        else:
            if waiting:
                yield waiting, None
            return
        with KeySweep(self.table) as sweep:
            while waiting:
                sweep.add(waiting.pop(0))
            for part in listed:
                sweep.add(part)
            yield from sweep.batches()

    def _part(self, index: int, frame: pl.DataFrame) -> PartEvents:
        fingerprint = self.fingerprint(frame["event_id"]) if "event_id" in frame.columns else None
        return PartEvents(index, self._keyed(frame), fingerprint)

    def look(
        self, frame: pl.DataFrame, *, now: datetime, lookback: timedelta | None, delivery_id: str = ""
    ) -> pl.Series:
        """Each event's verdict as :meth:`dedupe` would give it; nothing is written."""
        rules = self._rules(delivery_id, now, lookback, retry_refused=False)
        return self._planner.look(self._keyed(frame), rules).get_column("verdict")

    def plan(self, delivery_id: str) -> Plan:
        """The delivery's newest plan.

        :raises LedgerDamagedError: if none was made.
        """
        rounds = plan_rounds(self.objects, self.root, delivery_id)
        return read_plan(self.objects, self.root, delivery_id, rounds[-1] if rounds else 0)

    def receipts(self, delivery_id: str, part_index: int, holder: str, *, plan: Plan | None = None) -> PartReceipts:
        """The receipts of one part of a plan, to be used as a context manager.

        :param plan: None for the newest.
        """
        plan = plan or self.plan(delivery_id)
        rules = AttemptRules(
            fence=lambda: self.claims.fence(delivery_id, plan.epoch),
            in_doubt=plan.in_doubt(part_index),
            retry_window=self.retry_window,
            sender=Sender(self.objects, sender_path(self.root, plan, part_index), self.clock),
        )
        folder = receipts_folder(self.root, plan, part_index)
        return PartReceipts(self.objects, folder, holder, self.clock, rules)

    def receipt_paths(self, plan: Plan) -> list[str]:
        """The receipts of all parts of a plan."""
        return self.objects.list(receipts_round(self.root, plan))

    def any_accepted(self, plan: Plan, receipt_paths: Sequence[str]) -> bool:
        """Whether TikTok has taken some event of the plan's delivery, by receipts of it."""
        return bool(plan.counts["accepted"]) or any_accepted(self.objects, receipt_paths)

    def settle(self, delivery_id: str) -> Settlement:
        """Fold the delivery's receipts into the keys table, and give up the claim once all events have an answer.

        What has no answer stays claimed until the delivery's lease expires, so that a retry goes on where it stopped.
        Idempotent.
        """
        for round_ in plan_rounds(self.objects, self.root, delivery_id) or [0]:
            plan = read_plan(self.objects, self.root, delivery_id, round_)
            folded = self._settler.fold(plan)
        settlement = self._settler.summary(plan, folded)
        if settlement.finished:
            self.claims.remove(delivery_id, plan.round)
        if len(folded.snapshot.files) > _MANY_FILES:
            self.table.compact()
        return settlement

    def release(self, delivery_id: str) -> None:
        """Give up what the delivery has claimed and not sent; what was tried without an answer stays in doubt."""
        claim = self.claims.read().claims.get(delivery_id)
        if claim is not None:
            self._takeover.close(claim)

    def close_dead_claims(self) -> ClaimSet:
        """Take over what dead deliveries had claimed, and fold their receipts; the claims that are left."""
        return self._takeover.living_claims()

    def held_keys(self) -> pl.Series:
        """Every event that some delivery holds now."""
        return pl.concat([NO_KEYS, *(self.claims.keys_of(claim) for claim in self.claims.read().claims.values())])

    def known_deliveries(self, *, before: datetime | None = None) -> list[str]:
        """The deliveries that have a plan, receipts or claims here.

        :param before: only those whose objects were all written before then, by the store's dates.
        """
        newest: dict[str, datetime] = {}
        for kind in ("plans", "receipts", "claims"):
            folder = f"{self.root}/{kind}"
            for path, at in self.objects.written(folder).items():
                delivery_id = path.removeprefix(f"{folder}/").partition("/")[0]
                newest[delivery_id] = max(at, newest.get(delivery_id, at))
        return sorted(delivery_id for delivery_id, at in newest.items() if before is None or at < before)

    def _keyed(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.drop("event_id", strict=False).with_columns(content=self.contents(frame))

    def _live_plan(self, delivery_id: str, rounds: list[int]) -> Plan | None:
        """The plan that is under way, or None."""
        claim = self.claims.read().claims.get(delivery_id) if rounds else None
        if claim is not None and not claim.broken and claim.round == rounds[-1]:
            return read_plan(self.objects, self.root, delivery_id, rounds[-1])
        return None

    def _rules(
        self, delivery_id: str, now: datetime, lookback: timedelta | None, *, retry_refused: bool
    ) -> VerdictRules:
        return VerdictRules(
            delivery_id=delivery_id,
            now=now,
            lookback=lookback,
            retry_window=self.retry_window,
            send_from=self.send_from,
            retry_refused=retry_refused,
        )
