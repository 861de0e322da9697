"""Taking over what deliveries had claimed whose runs have died."""

from __future__ import annotations

from airflow_provider_tiktok_offline.clock import Clock, lease_runs
from airflow_provider_tiktok_offline.ledger.claims import Claim, Claims, ClaimSet
from airflow_provider_tiktok_offline.ledger.deliveries import Deliveries
from airflow_provider_tiktok_offline.ledger.plan import plan_rounds, read_plan
from airflow_provider_tiktok_offline.ledger.settlement import Settler
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore


class Takeover:
    """Closes the claims of dead deliveries.

    :param root: the ledger's folder.
    """

    def __init__(
        self, objects: ObjectStore, root: str, clock: Clock, *, claims: Claims, deliveries: Deliveries, settler: Settler
    ) -> None:
        self._objects = objects
        self._root = root
        self._clock = clock
        self._claims = claims
        self._deliveries = deliveries
        self._settler = settler

    def living_claims(self, delivery_id: str | None = None, round_: int = 0) -> ClaimSet:
        """The claims, once those of dead deliveries are closed.

        :param delivery_id: the delivery that asks: its claims of other rounds than ``round_`` are closed, too.
        """
        while True:
            claims = self._claims.read()
            dead = [claim for claim in claims.claims.values() if self._is_dead(claim, delivery_id, round_)]
            if not dead:
                return claims
            for claim in dead:
                self.close(claim)

    def close(self, claim: Claim) -> None:
        """Fold the receipts of the claim's delivery and take the claim out; its holder may not send any more."""
        self._claims.revoke(claim)
        for round_ in plan_rounds(self._objects, self._root, claim.delivery_id):
            self._settler.fold(read_plan(self._objects, self._root, claim.delivery_id, round_))
        self._claims.remove(claim.delivery_id, claim.round)

    def _is_dead(self, claim: Claim, delivery_id: str | None, round_: int) -> bool:
        if claim.broken:
            return True
        if claim.delivery_id == delivery_id:
            return claim.round != round_
        state = self._deliveries.find(claim.delivery_id)
        if state is None:
            until = claim.claimed_at + self._deliveries.lease
            return not lease_runs(until, self._clock.now(), self._deliveries.lease)
        return not self._deliveries.alive(state)
