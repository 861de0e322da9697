"""The JSON API behind the page. Nothing in a plugin's app is protected by Airflow: each route here asks for a right."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import (
    EditableDagsFilterDep,
    GetUserDep,
    ReadableDagsFilterDep,
    requires_access_dag,
)
from airflow.providers.common.compat.sdk import conf
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi import Path as PathParameter
from starlette.responses import JSONResponse, Response

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.plugin import airflow_facts, page_json
from airflow_provider_tiktok_offline.plugin.judgement import judge

_PRIVATE = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
_DAY = r"^\d{4}-\d{2}-\d{2}$"
_READS = [Depends(requires_access_dag("GET"))]


def make_app() -> FastAPI:
    """The app with its routes."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # Airflow's own dependencies look for it on the app that they run in.
    app.state.auth_manager = get_auth_manager()
    app.get("/{script}.js", dependencies=_READS)(script_of)
    app.get("/help/{page}", dependencies=_READS)(help_of)
    app.get("/api/overview", dependencies=_READS)(overview)
    app.get("/api/advertisers/{dag_id}", dependencies=_READS)(advertiser)
    app.get("/api/advertisers/{dag_id}/days/{day}", dependencies=_READS)(day_of)
    return app


def script_of(script: Annotated[str, PathParameter(pattern=r"^[a-z]+$")]) -> Response:
    """A script of the page."""
    found = _browser_files("js").get(script)
    if found is None:
        raise HTTPException(404, "There is no such script.")
    return Response(found, media_type="text/javascript", headers={**_PRIVATE, "Cache-Control": "private, no-cache"})


def help_of(page: Annotated[str, PathParameter(pattern=r"^[a-z-]+$")]) -> Response:
    """A page of the documentation that the page links, as Markdown."""
    found = _browser_files("md").get(page)
    if found is None:
        raise HTTPException(404, "There is no such page.")
    return Response(found, media_type="text/markdown", headers=_PRIVATE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of the overview are wanted.

    Attributes:
        limit, offset: the page.
        state: rows in this state alone.
        search: a part of the advertiser's names or id, or of the DAG's id.
    """

    limit: int
    offset: int
    state: str | None
    search: str


def _wanted(
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
    state: Annotated[str | None, Query(max_length=20)] = None,
    search: Annotated[str, Query(max_length=100)] = "",
) -> Wanted:
    """What the URL asks for. A function: FastAPI of Airflow 3.1 does not resolve the annotations of a dataclass."""
    return Wanted(limit, offset, state, search)


def overview(
    wanted: Annotated[Wanted, Depends(_wanted)],
    readable: ReadableDagsFilterDep,
    editable: EditableDagsFilterDep,
    user: GetUserDep,
) -> Response:
    """A row an advertiser, worst first; the entries that are broken; and how many are in which state."""
    now = system_clock().now()
    with create_session() as session:
        facts = airflow_facts.read_facts(session, readable, now)
        broken = airflow_facts.read_broken_entries(session) if _may_see_broken(user) else []
    rows = page_json.rows(facts, now)
    counts = Counter(row["state"]["key"] for row in rows)
    found = [row for row in rows if wanted.state in (None, row["state"]["key"]) and _matches(row, wanted.search)]
    chosen = found[wanted.offset : wanted.offset + wanted.limit]
    for row in chosen:
        row["values_shown"] = _sees_values(user, row["dag_id"], editable)
    return _answer(
        {
            "at": now.isoformat(timespec="seconds"),
            "total": len(found),
            "offset": wanted.offset,
            "limit": wanted.limit,
            "counts": counts,
            "states": page_json.states(),
            "broken": broken,
            "incidents": sorted({title for row in rows for title in row["incidents"]}),
            "advertisers": [row if row["values_shown"] else page_json.without_money(row) for row in chosen],
        }
    )


def advertiser(
    dag_id: str, readable: ReadableDagsFilterDep, editable: EditableDagsFilterDep, user: GetUserDep
) -> Response:
    """One advertiser: its row, funnel, days, doubts and set-up."""
    now = system_clock().now()
    with create_session() as session:
        facts = airflow_facts.read_facts(session, readable, now, dag_id=dag_id)
        if not facts.dags:
            raise HTTPException(404, f"{dag_id} delivers no offline conversions.")
        history = airflow_facts.read_history(session, dag_id)
    [dag] = facts.dags
    return _with_values(page_json.advertiser(dag, judge(dag, facts.pools, now), history, now), dag_id, user, editable)


def day_of(
    dag_id: str,
    day: Annotated[str, PathParameter(pattern=_DAY)],
    readable: ReadableDagsFilterDep,
    editable: EditableDagsFilterDep,
    user: GetUserDep,
) -> Response:
    """The deliveries of one day, each with its funnel."""
    with create_session() as session:
        if not airflow_facts.read_facts(session, readable, system_clock().now(), dag_id=dag_id).dags:
            raise HTTPException(404, f"{dag_id} delivers no offline conversions.")
        found = airflow_facts.read_day(session, dag_id, day)
    return _with_values({"dag_id": dag_id, "day": day, "deliveries": page_json.day(found)}, dag_id, user, editable)


def _with_values(content: page_json.Row, dag_id: str, user: Any, editable: Any) -> Response:
    shown = _sees_values(user, dag_id, editable)
    return _answer({**(content if shown else page_json.without_money(content)), "values_shown": shown})


def _sees_values(user: Any, dag_id: str, editable: Any) -> bool:
    """Whether the user sees sums of money: whom ``[tiktok_offline] values_for`` names."""
    setting = conf.get("tiktok_offline", "values_for", fallback="editors").strip()
    match setting:
        case "readers":
            return True
        case "nobody":
            return False
        case "editors" | "":
            return dag_id in (editable.value or ())
    return str(user.get_name()) in {name.strip() for name in setting.split(",")}


def _may_see_broken(user: Any) -> bool:
    return bool(get_auth_manager().is_authorized_view(access_view=AccessView.IMPORT_ERRORS, user=user))


def _matches(row: page_json.Row, text: str) -> bool:
    names = ("advertiser", "display_name", "dag_id", "advertiser_id")
    return text.lower() in " ".join(str(row[name] or "") for name in names).lower()


def _answer(content: page_json.Row) -> Response:
    return JSONResponse(content, headers=_PRIVATE)


@cache
def _browser_files(kind: str) -> dict[str, str]:
    folder = Path(__file__).parent / "browser"
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob(f"*.{kind}")}
