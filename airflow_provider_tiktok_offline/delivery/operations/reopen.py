"""Letting a delivery go out again that the other side has rejected."""

from __future__ import annotations

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext


def reopen_delivery(ctx: DeliveryContext, delivery_id: str, *, reason: str) -> dict[str, int]:
    """Make a delivery's events count as not sent, and its file as not handled.

    A feed file that LiveRamp has rejected takes every delivery along whose rows were in it. A delivery that waits for
    returns is withdrawn: no run takes it up, and its returns are taken off nothing.

    :param reason: why; kept in the audit trail.
    :returns: delivery id -> events that may be sent again.
    :raises DeliveryHeldError: while a run works on it.
    """
    from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
    from airflow_provider_tiktok_offline.delivery.state.waiting import stop_waiting
    from airflow_provider_tiktok_offline.ledger import corrections

    together = [delivery_id]
    if ctx.config.route == "liveramp":
        from airflow_provider_tiktok_offline.delivery.events.feed_setup import open_feed_state

        feed_state = open_feed_state(ctx)
        record = feed_state.of_delivery(delivery_id)
        if record is not None and record.status == "delivered":
            together = list(record.deliveries)
            feed_state.reject(record.day, reason)
    waiting = [one for one in together if (state := ctx.deliveries.find(one)) is not None and state.waits]
    done = {one: corrections.reopen(ctx.ledger, one, reason=reason, actor=ctx.holder) for one in together}
    for one in waiting:
        stop_waiting(ctx, one)
        StagedParts(ctx.staging, one).clear()
    return done
