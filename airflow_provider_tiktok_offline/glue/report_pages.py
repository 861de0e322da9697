"""Reports behind Airflow's login: a page of the API server shows those to which no URL can be signed.

Who may read a task's log may read its report; both hold the same figures.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

_PREFIX = "/tiktok-offline"
_XCOM_KEY = "conversion_file_report"
#: A report below a state folder: no step upwards.
_REPORT = re.compile(r"(?:[\w-]+/)+report\.html")
#: The page is text and tables: nothing is loaded, run or sent, whatever stands in it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


def page_link(ti: RuntimeTaskInstanceProtocol, state_uri: str, path: str) -> str:
    """The page of a task's report; where the report lies is kept among the task's XComs.

    :param ti: the running task instance.
    :param path: the report's, below ``state_uri``.
    """
    ti.xcom_push(key=_XCOM_KEY, value={"state_uri": state_uri, "path": path})
    task = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
    return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}{_PREFIX}/report?{urlencode(task)}"


def _report(dag_id: str, run_id: str, task_id: str, map_index: int) -> bytes | None:
    """A report's HTML, None if there is none (any more)."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
    from airflow_provider_tiktok_offline.storage.objects import open_objects

    task = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index, "key": _XCOM_KEY}
    with create_session() as session:
        row = session.scalars(select(XComModel).filter_by(**task)).one_or_none()
        place = None if row is None else XComModel.deserialize_value(row)
    if place is None or not _REPORT.fullmatch(place["path"]):
        return None
    found = open_objects(place["state_uri"], AirflowConnections()).get(place["path"])
    return None if found is None else found[0]


@functools.cache
def _app() -> FastAPI:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI
    from starlette.responses import HTMLResponse

    from airflow_provider_tiktok_offline.errors import TikTokOfflineError

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/report", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))])
    def report(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        try:
            content = _report(dag_id, run_id, task_id, map_index)
        except TikTokOfflineError:
            content = None
        if content is None:
            return HTMLResponse(
                "<p>The report can't be read from Airflow's API server: it is older than the state is kept, or lies on "
                "another machine's disk. Its table stands in the task's log.</p>",
                status_code=404,
                headers=_HEADERS,
            )
        return HTMLResponse(content, headers=_HEADERS)

    return app


class _Reports:
    """The app, made at its first request: plugins are loaded by every one of Airflow's processes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _app()(scope, receive, send)


class ConversionFileReports(AirflowPlugin):
    """``/tiktok-offline/report`` in Airflow's API server."""

    name = "tiktok_offline_reports"
    fastapi_apps = [{"name": "Conversion file reports", "app": _Reports(), "url_prefix": _PREFIX}]  # noqa: RUF012
