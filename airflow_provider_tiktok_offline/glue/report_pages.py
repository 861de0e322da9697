"""Reports behind Airflow's login: a page of the API server shows those to which no URL can be signed.

Who may read a task's log may read its report; both hold the same figures.
"""

from __future__ import annotations

import functools
import re
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

from airflow_provider_tiktok_offline.glue.signed_places import Place, Task, signed_place, verified_place
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

_PREFIX = "/tiktok-offline"
_XCOM_KEY = "conversion_file_report"
#: A report below a state folder: no step upwards. Before the delivery's id stands the advertiser's folder.
_REPORT = re.compile(r"((?:[\w-]+/)+)[\w-]+/report\.html")
_DELIVERY = re.compile(r"[\w-]{1,100}")
#: Signed places of a DAG that are looked at for its advertisers' folders, newest first.
_PLACES = 50
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


log = plain_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a DAG's advertiser."""

    dag_id: str
    delivery_id: str


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
    return _address(asdict(task))


def delivery_link(dag_id: str, delivery_id: str) -> str | None:
    """The page of a delivery's report, for messages; None without a ``[api] base_url``.

    Where the report lies is found by what a task of the DAG has signed.
    """
    return (
        _address({"dag_id": dag_id, "delivery_id": delivery_id}) if conf.get("api", "base_url", fallback="") else None
    )


def _address(query: dict[str, object]) -> str:
    return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}{_PREFIX}/report?{urlencode(query)}"


def _report(asked: Task | Delivery) -> bytes | None:
    """A report's HTML, None if there is none (any more)."""
    from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
    from airflow_provider_tiktok_offline.storage.objects import read_page

    for place in _places(asked):
        found = read_page(place.state_uri, place.path, AirflowConnections())
        if found is not None:
            return found
    return None


def _places(asked: Task | Delivery) -> list[Place]:
    """Where the report may lie: a task's own place, or the delivery's below the folders that the DAG has signed."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(XComModel).where(XComModel.dag_id == asked.dag_id, XComModel.key == _XCOM_KEY)
    if isinstance(asked, Task):
        query = query.filter_by(run_id=asked.run_id, task_id=asked.task_id, map_index=asked.map_index)
    places: dict[Place, None] = {}
    with create_session() as session:
        for row in session.scalars(query.order_by(XComModel.timestamp.desc()).limit(_PLACES)):
            signer = Task(row.dag_id, row.run_id, row.task_id, row.map_index)
            try:
                place = verified_place(signer, XComModel.deserialize_value(row))
            except Exception:
                # Anybody may have written it: it must not hide the others.
                place = None
            known = None if place is None else _REPORT.fullmatch(place.path)
            if place is None or known is None:
                continue
            if isinstance(asked, Delivery):
                place = Place(place.state_uri, f"{known[1]}{asked.delivery_id}/report.html")
            places[place] = None
    return list(places)


def _asked_for(query: bytes) -> Task | Delivery | None:
    """What a request names; None if a value is malformed, so that nothing of it reaches a database."""
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    if any(len(given) > 1 for given in values.values()):
        return None
    first = {name: given[0] for name, given in values.items()}
    if "delivery_id" in first:
        named = re.fullmatch(r"[\w.-]{1,250}", first.get("dag_id", "")) and _DELIVERY.fullmatch(first["delivery_id"])
        return Delivery(first["dag_id"], first["delivery_id"]) if named else None
    names = (first.get("dag_id", ""), first.get("task_id", ""))
    run_id, map_index = first.get("run_id", ""), first.get("map_index", "-1")
    if not all(re.fullmatch(r"[\w.-]{1,250}", name) for name in names) or not re.fullmatch(r"-1|[0-9]{1,6}", map_index):
        return None
    if not 0 < len(run_id) <= 250 or not run_id.isprintable():
        return None
    return Task(names[0], run_id, names[1], int(map_index))


@functools.cache
def _app() -> FastAPI:
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends, FastAPI
    from starlette.responses import HTMLResponse

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/report", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))])
    def report(
        dag_id: str, run_id: str = "", task_id: str = "", map_index: int = -1, delivery_id: str | None = None
    ) -> Any:
        asked = Task(dag_id, run_id, task_id, map_index) if delivery_id is None else Delivery(dag_id, delivery_id)
        try:
            content = _report(asked)
        except Exception as error:
            # Whatever is wrong with the state's place, it is not for a browser to see.
            log.warning("A report can't be shown (%s): %s.", type(error).__name__, ", ".join(map(str, astuple(asked))))
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
