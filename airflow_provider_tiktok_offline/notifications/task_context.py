"""What a notification says of the task that it is about: the run, its pages, and why the task ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from airflow.providers.common.compat.sdk import conf

from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.glue.delivery_task import TaskFailedError
from airflow_provider_tiktok_offline.glue.report_pages import delivery_link

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import DeliveryStatus


def task_of(context: Context) -> object:
    """The task whose callback this is; None for a deadline."""
    return getattr(context.get("ti"), "task", None) or context.get("task")


def own_error(error: object) -> BaseException | None:
    """The package's own error, which a failed task carries."""
    if isinstance(error, TaskFailedError):
        return error.error
    return error if isinstance(error, BaseException) else None


def why_ended(context: Context, error: BaseException | None) -> str | None:
    """Why the task ended, in words without a value; None if it succeeded."""
    if isinstance(error, TikTokOfflineError):
        return str(error)
    if error is not None:
        # Somebody else's words may repeat a value.
        return f"{type(error).__name__}, see the task's log"
    return "the deadline is over" if context.get("deadline") else None


def links(context: Context) -> list[tuple[str, str]]:
    """Where the run and the task's log are shown."""
    run: object = context["dag_run"]
    dag_id, run_id = getattr(run, "dag_id", None), getattr(run, "run_id", None)
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    shown = [("Run's page", run_page(str(dag_id), str(run_id)))] if base and dag_id else []
    log_url = getattr(context.get("ti"), "log_url", None)
    return [*shown, ("Log", str(log_url))] if log_url else shown


def pages(delivery: DeliveryStatus) -> list[tuple[str, str]]:
    """The page of the run that worked on a delivery last, and that of its report."""
    dag_id, _, run_id = delivery.run.partition("/")
    report = delivery_link(dag_id, delivery.delivery_id)
    if report is None or dag_id == "cli":
        return []
    return [("Report", report), ("Run of that file", run_page(dag_id, run_id))]


def run_page(dag_id: str, run_id: str) -> str:
    """The page of a run in Airflow."""
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}/dags/{dag_id}/runs/{quote(run_id, safe='')}"


def with_run(context: Context) -> Context:
    """A deadline gives the run as plain values."""
    run: object = context["dag_run"]
    if isinstance(run, Mapping):
        times = {
            name: datetime.fromisoformat(str(run[name])) if run.get(name) else None
            for name in ("data_interval_start", "data_interval_end", "run_after")
        }
        named = SimpleNamespace(dag_id=run["dag_id"], run_id=run.get("dag_run_id") or run["run_id"], **times)
        return cast("Context", {**context, "dag_run": named, "params": run.get("conf") or {}})
    return context
