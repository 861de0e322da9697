"""Reports behind Airflow's login: a page of the API server shows those to which no URL can be signed.

Who may read a task's log may read its report; both hold the same figures.
"""

from __future__ import annotations

import functools
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

from airflow_provider_tiktok_offline.glue.signed_places import Place, Task, signed_place, verified_place

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

_MISSING = (
    "<p>The report can't be read from Airflow's API server: it is older than the state is kept, lies on another "
    "machine's disk, or was linked under another [api] secret_key. Its table stands in the task's log.</p>"
)


def page_link(ti: RuntimeTaskInstanceProtocol, state_uri: str, path: str) -> str | None:
    """The page of a task's report; where the report lies is kept among the task's XComs, signed.

    :param ti: the running task instance.
    :param path: the report's, below ``state_uri``.
    :returns: None where Airflow has no secret to sign with.
    """
    task = Task(ti.dag_id, ti.run_id, ti.task_id, ti.map_index if ti.map_index is not None else -1)
    signed = signed_place(task, Place(state_uri, path))
    if signed is None:
        return None
    ti.xcom_push(key=_XCOM_KEY, value=signed)
    query = {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id, "map_index": task.map_index}
    return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}{_PREFIX}/report?{urlencode(query)}"


def _report(task: Task) -> bytes | None:
    """A report's HTML, None if there is none (any more)."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
    from airflow_provider_tiktok_offline.storage.objects import read_page

    by = {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id, "map_index": task.map_index}
    with create_session() as session:
        row = session.scalars(select(XComModel).filter_by(**by, key=_XCOM_KEY)).one_or_none()
        place = None if row is None else verified_place(task, XComModel.deserialize_value(row))
    if place is None or not _REPORT.fullmatch(place.path):
        return None
    return read_page(place.state_uri, place.path, AirflowConnections())


def _asked_for(query: bytes) -> Task | None:
    """The task that a request names; None if a value is malformed, so that nothing of it reaches a database."""
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    if any(len(given) > 1 for given in values.values()):
        return None
    first = {name: given[0] for name, given in values.items()}
    names = (first.get("dag_id", ""), first.get("task_id", ""))
    run_id, map_index = first.get("run_id", ""), first.get("map_index", "-1")
    if not all(re.fullmatch(r"[\w.-]{1,250}", name) for name in names) or not re.fullmatch(r"-1|[0-9]{1,6}", map_index):
        return None
    if not 0 < len(run_id) <= 250 or not run_id.isprintable():
        return None
    return Task(names[0], run_id, names[1], int(map_index))


log = logging.getLogger(__name__)


@functools.cache
def _app() -> FastAPI:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI
    from starlette.responses import HTMLResponse

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/report", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))])
    def report(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        try:
            content = _report(Task(dag_id, run_id, task_id, map_index))
        except Exception as error:
            # Whatever is wrong with the state's place, it is not for a browser to see.
            log.warning("A report can't be shown (%s): %s, %s, %s.", type(error).__name__, dag_id, run_id, task_id)
            content = None
        status, page = (404, _MISSING) if content is None else (200, content)
        return HTMLResponse(page, status_code=status, headers=_HEADERS)

    return app


class _Reports:
    """The app, made at its first request: plugins are loaded by every one of Airflow's processes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _asked_for(scope["query_string"]) is None:
            # Airflow's own checks would ask the database for it.
            from starlette.responses import HTMLResponse

            await HTMLResponse(_MISSING, status_code=404, headers=_HEADERS)(scope, receive, send)
            return
        await _app()(scope, receive, send)


class ConversionFileReports(AirflowPlugin):
    """``/tiktok-offline/report`` in Airflow's API server."""

    name = "tiktok_offline_reports"
    fastapi_apps = [{"name": "Conversion file reports", "app": _Reports(), "url_prefix": _PREFIX}]  # noqa: RUF012
