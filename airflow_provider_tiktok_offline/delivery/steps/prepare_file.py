"""Steps 1 and 2 in one read of the file: judge every row and stage the events of the valid ones.

The explicit steps :mod:`.validate` and :mod:`.normalize_hash` do the same in two reads, with the same results.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.opening import judge, open_delivery, stage_new_verdicts
from airflow_provider_tiktok_offline.delivery.events.sharding import sharded_file
from airflow_provider_tiktok_offline.delivery.events.validation import FileCheck, open_check
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import note_staged_under, was_staged_under
from airflow_provider_tiktok_offline.delivery.state import source_registry
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep_staging
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import is_planned, note_step, resume
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.step_results import NormalizeHashResult, ValidateResult
from airflow_provider_tiktok_offline.delivery.state.unbound_parts import UnboundParts
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.storage.stamps import FileStamp

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState

__all__ = ["PreparedFile", "prepare_file"]


@dataclass(frozen=True, slots=True)
class PreparedFile:
    """What preparing a file gave.

    Attributes:
        validated: as ``validate`` returns it.
        staged: as ``normalize_hash`` returns it; None on the liveramp route, which stages no events.
    """

    validated: ValidateResult
    staged: NormalizeHashResult | None


def prepare_file(
    ctx: DeliveryContext, stamp: Mapping[str, object], *, as_of: datetime | None = None, day: date | None = None
) -> PreparedFile:
    """Read one conversion file, open its delivery and stage its events (on the liveramp route: its verdicts).

    Events are staged while the rows are judged, and become the delivery's when the file was read to its end; those of
    a file that can't be used, or that exceeds the gate, are thrown away. A try that finds the file as it was, or gone,
    and its events staged with the settings and the opt-outs of now, does not read it again.

    The parameters and errors of :func:`~airflow_provider_tiktok_offline.delivery.steps.validate.validate` mean the
    same here.
    """
    checksum = stamp.get("checksum")
    found = FileStamp.from_dict(dict(stamp))
    feeds = ctx.config.route == "liveramp"
    with open_check(
        ctx, found, None if checksum is None else str(checksum), step="prepare", may_be_gone=not feeds
    ) as check:
        if feeds:
            state, report = _verdicts(ctx, check, as_of=as_of, day=day)
        else:
            state, report = _staged(ctx, check, as_of=as_of, day=day)
    if report.gate_exceeded and not _ends_from_its_parts(ctx, state):
        StagedParts(ctx.staging, state.id).clear()
    validated = judge(ctx, check.stamp, state, report)
    return PreparedFile(validated, None if feeds else _noted(ctx, state))


def _verdicts(
    ctx: DeliveryContext, check: FileCheck, *, as_of: datetime | None, day: date | None
) -> tuple[DeliveryState, Report]:
    """Open the file's delivery with its rows' verdicts staged."""
    unbound = UnboundParts(ctx, check.stamp)
    sharded = sharded_file(ctx, unbound, check.settings, check.suppression)

    def read(moment: datetime) -> Report:
        return check.run(moment) if sharded is None or not sharded.judged_at(moment) else check.run_shards(sharded)

    state, report = open_delivery(ctx, check, read, as_of=as_of, day=day)
    if not report.gate_exceeded:
        stage_new_verdicts(
            ctx, check if sharded is None or sharded.one_list else replace(check, suppression=None), state
        )
    if sharded is not None:
        unbound.throw_away()
    return state, report


def _staged(
    ctx: DeliveryContext, check: FileCheck, *, as_of: datetime | None, day: date | None
) -> tuple[DeliveryState, Report]:
    """Open the file's delivery with its events staged."""
    known = _known(ctx, check)
    with nullcontext() if known is None or known.status == "closed" else Lease(ctx, known):
        kept = None if known is None else _kept_report(ctx, check, known, as_of)
        if kept is not None:
            return open_delivery(ctx, check, lambda _moment: kept, as_of=as_of, day=day)
        if known is not None and _ends_from_its_parts(ctx, known):
            return open_delivery(ctx, check, check.run, as_of=as_of, day=day)
        return _read_into_parts(ctx, check, as_of=as_of, day=day)


def _known(ctx: DeliveryContext, check: FileCheck) -> DeliveryState | None:
    """The delivery of a file that was read before, as it stands now, and is held by this run from now on."""
    digest = source_registry.known_digest(ctx, check.stamp, check.checksum)
    state = None if digest is None else ctx.deliveries.find(ctx.delivery_id(digest))
    return state if state is None or state.status == "closed" else resume(ctx, state.id)


def _kept_report(ctx: DeliveryContext, check: FileCheck, known: DeliveryState, as_of: datetime | None) -> Report | None:
    """The report of the pass that staged the delivery's events; None if the file is to be read again."""
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents

    parts = StagedParts(ctx.staging, known.id)
    if known.status == "closed" or as_of not in (None, known.as_of) or not parts.whole():
        return None
    prepared = PreparedEvents.open(parts)
    made_of = prepared.manifest["sha256"], datetime.fromisoformat(prepared.manifest["as_of"])
    up_to_date = (
        made_of == (known.digest, known.as_of)
        and prepared.made_by(ctx.config.conversion_settings())
        and prepared.keeps_returns >= bool(ctx.config.send_after_days)
        and was_staged_under(ctx, parts, check.suppression)
    )
    # A plan is finished without its file too, if that is gone.
    if not up_to_date and (check.gone is None or not is_planned(ctx, known)):
        return None
    return replace(prepared.report, max_rejected_ratio=ctx.config.max_rejected_ratio)


def _ends_from_its_parts(ctx: DeliveryContext, state: DeliveryState) -> bool:
    """Whether nothing may take the place of what is staged: the delivery is closed, or was planned on it."""
    return state.status == "closed" or (is_planned(ctx, state) and StagedParts(ctx.staging, state.id).whole())


def _read_into_parts(
    ctx: DeliveryContext, check: FileCheck, *, as_of: datetime | None, day: date | None
) -> tuple[DeliveryState, Report]:
    """Read the file once, into parts that become its delivery's when it was read to its end."""
    sweep_staging(ctx)
    unbound = UnboundParts(ctx, check.stamp)
    sharded = sharded_file(ctx, unbound, check.settings, check.suppression)

    def read(moment: datetime) -> Report:
        nonlocal sharded
        if sharded is not None and sharded.judged_at(moment):
            return check.run_shards(sharded, unbound)
        sharded = None
        unbound.begin()
        return check.run(moment, unbound)

    wanted = kept = False
    try:
        state, report = open_delivery(ctx, check, read, as_of=as_of, day=day)
        wanted = not (report.gate_exceeded or _ends_from_its_parts(ctx, state))
    except TikTokOfflineError as error:
        # The next try settles what the shards have left.
        kept = sharded is not None and error.retryable
        raise
    finally:
        if not (wanted or kept):
            with suppress(TikTokOfflineError):
                unbound.throw_away()
    if wanted:
        with Lease(ctx, state):
            people = check.suppression if sharded is None or sharded.one_list else None
            note_staged_under(ctx, unbound.bind(state.id), people)
            if sharded is not None:
                unbound.drop_shards()
    return state, report


def _noted(ctx: DeliveryContext, state: DeliveryState) -> NormalizeHashResult:
    """What is staged, kept with the delivery."""
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents

    if state.status == "closed":
        return NormalizeHashResult(delivery_id=state.id, closed=True)
    parts = StagedParts(ctx.staging, state.id)
    staged = PreparedEvents.open(parts).manifest["parts"]
    result = NormalizeHashResult(
        delivery_id=state.id,
        events=sum(part["events"] for part in staged),
        parts=len(staged),
        manifest_uri=parts.manifest_uri,
    )
    if result != NormalizeHashResult.of(state):
        note_step(ctx, state, result)
    return result
