"""Step 3: check the prepared events against the ledger and write the plan: what is to be sent, once and for all."""

from __future__ import annotations

from airflow_provider_tiktok_offline.delivery.events.delivery_events import open_events
from airflow_provider_tiktok_offline.delivery.events.feed_recovery import recover_feed_files
from airflow_provider_tiktok_offline.delivery.events.guards import check_guards
from airflow_provider_tiktok_offline.delivery.events.planning import hold_for_returns, plan_events
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import resume
from airflow_provider_tiktok_offline.delivery.state.second_witness import check_second_witness
from airflow_provider_tiktok_offline.delivery.state.step_results import DedupeResult, WaitResult
from airflow_provider_tiktok_offline.delivery.state.waiting import waits_until


def dedupe(ctx: DeliveryContext, delivery_id: str, *, retry_refused: bool = False) -> DedupeResult:
    """Claim the events that nobody has sent yet and fix them in the delivery's plan.

    With ``send_after_days`` the events of a delivery that is not due yet wait: nothing is claimed or planned. Once it
    is due, the returns that came in meanwhile are taken off them first.

    A plan that is under way is returned as it is, so this step can run again at any time. Once every event of it has
    an answer, the next call plans what another delivery held before. Dry runs and test runs read the ledger
    where there is one, and write nothing to it.

    :param retry_refused: plan again what TikTok refused before.
    :returns: events and their values by verdict, and the numbers of the parts that have something to send; of a closed
        delivery the parts that were planned, so that Airflow keeps the mapped tasks that sent them.
    :raises GuardError: if a limit set before sending is breached.
    :raises LedgerDamagedError: if the ledger is not what was last committed.
    :raises LedgerMissingError: in live mode, if the event set's ledger was never made.
    """
    from airflow_provider_tiktok_offline.delivery.events.netting import net_returns, netting_of

    state = resume(ctx, delivery_id)
    if state.status == "closed":
        planned = DedupeResult.of(state)
        return DedupeResult(delivery_id=delivery_id, closed=True, parts=() if planned is None else planned.parts)
    if ctx.live:
        ctx.open_ledger_unseen()
    if ctx.live and ctx.config.route == "liveramp":
        recover_feed_files(ctx)
    check_second_witness(ctx)
    events = open_events(ctx, delivery_id)
    with Lease(ctx, state):
        if WaitResult.of(state) is None:
            check_guards(ctx, state, events)
        if DedupeResult.of(state) is None and ctx.live:
            if waits_until(ctx, state) is not None:
                return hold_for_returns(ctx, state, events)
            netting = net_returns(ctx, state) if state.waits or ctx.config.send_after_days else None
        else:
            netting = netting_of(ctx, state)
        if netting is not None:
            events = open_events(ctx, delivery_id, netting)
        return plan_events(ctx, state, events, retry_refused=retry_refused)
