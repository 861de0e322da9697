"""Making a delivery's plan: verdicts batch by batch, and a claim of what may be sent, in the same step."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.ledger.claims import Claims, ClaimSet, taken_over
from airflow_provider_tiktok_offline.ledger.event_states import SENT_VERDICTS
from airflow_provider_tiktok_offline.ledger.key_probe import KeyProbe
from airflow_provider_tiktok_offline.ledger.keys_table import KnownEvents
from airflow_provider_tiktok_offline.ledger.plan import PlanDraft
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.ledger.takeover import Takeover
from airflow_provider_tiktok_offline.ledger.verdicts import NO_KEYS, ClaimedKeys, VerdictRules, verdicts
from airflow_provider_tiktok_offline.storage import documents

#: Verdicts of events that a plan claims: those it sends and has not claimed yet.
_TO_CLAIM = [verdict for verdict in SENT_VERDICTS if verdict != "own"]


class Planner:
    """Compares events with the keys table and the claims of one event set."""

    def __init__(self, table: WitnessedTable, claims: Claims, takeover: Takeover, clock: Clock) -> None:
        self._table = table
        self._claims = claims
        self._takeover = takeover
        self._clock = clock

    def look(self, events: pl.DataFrame, rules: VerdictRules) -> pl.DataFrame:
        """Each event's verdict by the claims and keys of now; nothing is written."""
        return self._verdicts(events, KnownEvents(events.select("event_key")), self._claims.read(), rules)

    def claim(
        self, events: pl.DataFrame, draft: PlanDraft, rules: VerdictRules, *, route: str, known: KnownEvents | None
    ) -> pl.DataFrame:
        """Each event's verdict; what may be sent is claimed against the version of the claims that it was checked on.

        :param known: what the keys table says of the events, where they are one batch of several.
        :raises LedgerBusyError: if another delivery took the claim over, or other writers came first each time.
        """
        one_of_several = known is not None
        known = known or KnownEvents(events.select("event_key"))
        for _ in documents.attempts(self._clock, self._claims.where):
            claims = self._takeover.living_claims(draft.delivery_id, draft.round)
            own = claims.claims.get(draft.delivery_id)
            if draft.epoch is not None and (own is None or own.epoch != draft.epoch):
                raise taken_over(draft.delivery_id)
            draft.epoch = draft.epoch if own is None else own.epoch
            judged = self._verdicts(events, known, claims, rules, draft.claimed if one_of_several else None)
            to_claim = events.filter(judged["verdict"].is_in(_TO_CLAIM))["event_key"]
            if to_claim.is_empty():
                return judged
            entered = self._claims.enter(
                claims, draft.delivery_id, draft.round, to_claim, route=route, epoch=draft.epoch
            )
            if entered is not None:
                draft.epoch = entered.epoch
                draft.claimed.add(entered.file)
                return judged
        raise AssertionError("attempts() ends by raising")

    def _verdicts(
        self,
        events: pl.DataFrame,
        known: KnownEvents,
        claims: ClaimSet,
        rules: VerdictRules,
        claimed: Collection[str] | None = None,
    ) -> pl.DataFrame:
        """The verdicts.

        :param claimed: the lists of keys that this plan has claimed for other events, where it has many more.
        """
        own = claims.claims.get(rules.delivery_id)
        all_read = claimed is None or {path for claim in claims.claims.values() for path in claim.files} <= set(claimed)
        among = None if all_read else KeyProbe(events["event_key"])
        others = [
            self._claims.keys_of(claim, among) for key, claim in claims.claims.items() if key != rules.delivery_id
        ]
        keys = ClaimedKeys(
            own=NO_KEYS if own is None else self._claims.keys_of(own, among, leave_out=claimed or ()),
            held=pl.concat([NO_KEYS, *others]),
        )
        # Only after the claims: a claim goes when its outcome stands in the table, never before.
        newest = known.refresh(self._table, self._table.snapshot())
        return verdicts(events, newest, keys, rules)
