"""Step 4: send one part of the plan to TikTok, receipts as it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.plan_outcomes import is_unchanged
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import later_opt_outs, opted_out
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.opted_out_events import write_opted_out
from airflow_provider_tiktok_offline.delivery.state.runs import note_step, resume
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.step_results import UploadPartResult
from airflow_provider_tiktok_offline.errors import ConfigError, LedgerDamagedError, OutcomeUnknownError

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.plan import Plan
    from airflow_provider_tiktok_offline.ledger.receipts import PartReceipts
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
    from airflow_provider_tiktok_offline.tiktok.results import UploadResult
    from airflow_provider_tiktok_offline.tiktok.send_buffer import Items
    from airflow_provider_tiktok_offline.tiktok.shared_rate import SharedRate
    from airflow_provider_tiktok_offline.tiktok.upload import SendOptions

#: Upload tasks of one advertiser that wait for their turn at once, at most: a later turn is a wrong clock's.
_MOST_TASKS = 200
#: Batches whose bodies are in memory at once.
WINDOW_BATCHES = 100


def upload(ctx: DeliveryContext, delivery_id: str, part: int) -> UploadPartResult:
    """Send what the plan holds for one part and no receipt has settled yet.

    :param part: number of the part, as ``dedupe`` returned it.
    :returns: the part's events by TikTok's answer.
    :raises OutcomeUnknownError: if the outcome of some events is still unknown; calling again settles them.
    :raises ApiError: if TikTok refuses the token, the permission or the request as a whole.
    :raises CircuitOpenError: if TikTok kept failing.
    :raises OptOutListError: if the list of people who opted out can't be used.
    """
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
    from airflow_provider_tiktok_offline.delivery.events.netting import netting_of
    from airflow_provider_tiktok_offline.tiktok.upload import send

    if ctx.config.mode == "dry_run":
        closed = ctx.deliveries.find(delivery_id)
        if closed is None or closed.status != "closed":
            raise ConfigError(
                "nothing is uploaded in a dry run.",
                where=ctx.config.name,
                todo="Set mode: live when the numbers look right.",
            )
    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return UploadPartResult(delivery_id=delivery_id, part=part, closed=True)
    if ctx.live:
        ctx.open_ledger_unseen()
    parts = StagedParts(ctx.staging, delivery_id)
    frame = PreparedEvents.open(parts).with_netting(netting_of(ctx, state)).read(part)
    people = later_opt_outs(ctx, parts)
    frame = frame.with_columns(opted_out(people, frame))
    with open_client(ctx) as client:
        if ctx.config.mode == "test":
            with Lease(ctx, state):
                sent = _send_test_events(ctx, client, frame.filter(~frame["opted_out"]))
            tested = _part_result(delivery_id, part, sent)
            note_step(ctx, state, tested)
            return tested
        plan = ctx.ledger.plan(delivery_id)
        receipts = ctx.ledger.receipts(delivery_id, part, ctx.holder, plan=plan)
        with receipts, Lease(ctx, state, fence=receipts.fence) as lease:
            first = not receipts.take_over() and plan.round == 0
            listed = ctx.ledger.receipt_paths(plan)
            settled = receipts.settled(listed)
            unsent = _unsent(ctx, plan, part, frame, settled)
            left_out = unsent.filter("opted_out")["event_key"]
            if len(left_out) or (len(unsent) and not first):
                write_opted_out(ctx, delivery_id, part, left_out)
            todo = _allowed(ctx, unsent)
            # Then a refused batch is not the settings' fault.
            accepted_before = (settled["outcome"] == "accepted").any() or ctx.ledger.any_accepted(plan, listed)
            options = replace(
                _options(ctx, receipts, lease), accepted_before=accepted_before, shared=_shared_rate(ctx, plan)
            )
            sent = send(_windows(ctx, todo), todo.height, client, receipts, options)
    if sent.unconfirmed:
        raise OutcomeUnknownError(
            f"no definite answer for {sent.unconfirmed} of {todo.height} events ({sent.accepted} accepted).",
            where=f"delivery {delivery_id}, part {part}",
            todo="Run the task again: they go out under the same event ids, which TikTok takes once.",
        )
    return _part_result(delivery_id, part, sent, settled=settled.filter(settled["outcome"] != "in_doubt").height)


def _part_result(delivery_id: str, part: int, sent: UploadResult, *, settled: int = 0) -> UploadPartResult:
    return UploadPartResult(
        delivery_id=delivery_id,
        part=part,
        accepted=sent.accepted,
        refused=sent.refused,
        unconfirmed=sent.unconfirmed,
        settled=settled,
    )


def _unsent(ctx: DeliveryContext, plan: Plan, part: int, frame: pl.DataFrame, settled: pl.DataFrame) -> pl.DataFrame:
    """The planned events of a part that have no definite answer, in the part's order, with their event keys.

    Left out are those in doubt for longer than ``upload.retry_hours``, too.
    """
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.event_states import may_be_retried

    in_doubt = pl.col("outcome") == "in_doubt"
    stale = in_doubt & ~may_be_retried(ctx.clock.now(), ctx.ledger.retry_window)
    planned = _planned(ctx, plan, part, frame)
    over = settled.filter(~in_doubt | stale).select("event_key")
    return planned if over.is_empty() else planned.join(over, on="event_key", how="anti", maintain_order="left")


def _allowed(ctx: DeliveryContext, unsent: pl.DataFrame) -> pl.DataFrame:
    """Without events that have become older than the lookback, and those of people who opted out after staging."""
    import polars as pl

    oldest = ctx.oldest_event_time(ctx.clock.now())
    return unsent.filter(~pl.col("opted_out") & (pl.col("event_time") >= oldest))


def _planned(ctx: DeliveryContext, plan: Plan, part: int, frame: pl.DataFrame) -> pl.DataFrame:
    """The planned events of a part, in its order, with their event keys.

    If the part is unchanged since planning, its rows are chosen by number; else each event's key is computed.
    """
    planned = plan.part(part)
    if is_unchanged(ctx, plan, part, frame):
        chosen = frame if planned.height == frame.height else frame[planned["row"]]
        return chosen.with_columns(planned["event_key"])
    keyed = frame.with_columns(ctx.ledger.keys(frame["event_id"]).alias("event_key"))
    chosen = keyed.join(planned.select("event_key"), on="event_key", how="semi", maintain_order="left")
    if chosen.height != planned.height:
        raise LedgerDamagedError(
            f"the plan names {planned.height} events of part {part}, and {chosen.height} of them are staged.",
            where=f"delivery {plan.delivery_id}",
            todo="The staged parts are not those the plan was made from: run normalize_hash with the settings of then.",
        )
    return chosen


def open_client(ctx: DeliveryContext) -> TikTokClient:
    """A client with the advertiser's grant.

    :raises ConfigError: if the connection holds no access token.
    """
    from airflow_provider_tiktok_offline.tiktok.access import access_token_of, allows_http, api_url_of
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
    from airflow_provider_tiktok_offline.tiktok.pacing import shared_pace
    from airflow_provider_tiktok_offline.tiktok.shared_pace import SharedPace

    connection = ctx.connections.get(ctx.config.tiktok_conn_id)
    base_url = ctx.api_url or api_url_of(connection)
    token = access_token_of(connection, ctx.connections, api_url=base_url, clock=ctx.clock)
    ctx.mask(token)
    return TikTokClient(
        token,
        base_url=base_url,
        allow_http=allows_http(connection),
        clock=ctx.clock,
        timeout=ctx.config.upload.timeout_seconds,
        # A connection without the app's id counts with all others of this address: never too fast.
        pace=SharedPace(
            lambda: ctx.objects, str(connection.extra.get("app_id") or base_url), ctx.clock, shared_pace(base_url)
        ),
    )


def _windows(ctx: DeliveryContext, frame: pl.DataFrame) -> Iterator[Items]:
    """The events as JSON, as many as are in memory so at once."""
    from airflow_provider_tiktok_offline.conversions.events.staged_events import to_json
    from airflow_provider_tiktok_offline.tiktok.send_buffer import Items

    size = ctx.config.upload.batch_events * WINDOW_BATCHES
    for start in range(0, frame.height, size):
        window = frame.slice(start, size)
        yield Items(to_json(window, before=","), window["event_key"])


def _options(ctx: DeliveryContext, receipts: PartReceipts, lease: Lease) -> SendOptions:
    from airflow_provider_tiktok_offline.tiktok.requests import Envelope
    from airflow_provider_tiktok_offline.tiktok.upload import SendOptions

    def may_leave() -> None:
        lease.check()
        receipts.may_leave()

    return SendOptions(
        Envelope(ctx.config.event_set_id),
        ctx.config.upload,
        may_leave=may_leave,
        stopping=ctx.stopping,
        progress=lambda done, total: ctx.progress("upload", done, total),
    )


def _shared_rate(ctx: DeliveryContext, plan: Plan) -> SharedRate | None:
    """The rate that all upload tasks of the advertiser share; None for a file of one part, which sends for a second."""
    from airflow_provider_tiktok_offline.tiktok.shared_pace import SharedTurns
    from airflow_provider_tiktok_offline.tiktok.shared_rate import SharedRate, latest_turn

    if len(plan.parts) < 2:
        return None
    turns = SharedTurns(lambda: ctx.objects, rate_path(ctx), ctx.clock, latest_turn(_MOST_TASKS))
    return SharedRate(turns, ctx.config.upload.requests_per_second)


def rate_path(ctx: DeliveryContext) -> str:
    """Where it stands when the advertiser's next request may leave."""
    return f"advertisers/{ctx.config.name}/rate.json"


def _send_test_events(ctx: DeliveryContext, client: TikTokClient, frame: pl.DataFrame) -> UploadResult:
    """A few events under the test code: they show in Events Manager, count nowhere and leave no trace in the ledger."""
    from airflow_provider_tiktok_offline.conversions.events.staged_events import to_json
    from airflow_provider_tiktok_offline.tiktok.requests import Envelope
    from airflow_provider_tiktok_offline.tiktok.upload import SendOptions, send_test

    envelope = Envelope(ctx.config.event_set_id, test_event_code=ctx.config.test_event_code)
    items = to_json(frame.head(ctx.config.test_events), before=",")
    return send_test(items, client, SendOptions(envelope, ctx.config.upload))
