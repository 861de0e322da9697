"""The drift of a delivery's file: looked at when it is validated, kept in its report, and compared with ``drift:``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.day_history import earlier_days, figures_of
from airflow_provider_tiktok_offline.delivery.events.drift import Drift, a_year_before, compare, history_since
from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.delivery.source.closed_days import closed_days
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.report.report import Report

log = plain_logger(__name__)


def with_drift(ctx: DeliveryContext, report: Report) -> Report:
    """The report with what the file has less of than usual, which is logged as a warning."""
    if ctx.config.drift == "off":
        return report
    drift = _drift(ctx, report)
    for finding in drift.findings:
        log.warning("%s: today's file has drifted: %s (compared with %s).", ctx.config.name, finding, drift.basis)
    return replace(report, drift=drift.findings, drift_basis=drift.basis)


def drift_breaches(ctx: DeliveryContext, delivery_id: str) -> tuple[str, ...]:
    """What a delivery's file has less of than usual, where that stops a run or asks a person."""
    if ctx.config.drift not in ("stop", "approve"):
        return ()
    report = read_report(ctx, delivery_id)
    return () if report is None else report.drift


def _drift(ctx: DeliveryContext, report: Report) -> Drift:
    today = figures_of(report)
    if today is None:
        return Drift((), "nothing: no row is valid", compared=False)
    last_year = a_year_before(today.day)
    spans = (last_year, last_year + timedelta(days=1)), (history_since(today.day), today.day)
    history = earlier_days(ctx, *spans, leave_out=report.sha256)
    return compare(today, history, closed=closed_days(ctx.config, ctx.connections))
