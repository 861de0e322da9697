"""The control API under ``/_simulator/``: script faults, change accounts, move the clock, read back what was taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_tiktok_offline.simulator import defaults, incidents
from airflow_provider_tiktok_offline.simulator.ads import NewAds, make_ads
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.simulator.gateway import Gateway
from airflow_provider_tiktok_offline.simulator.incidents import Incident
from airflow_provider_tiktok_offline.simulator.lateness import Lateness, set_lateness
from airflow_provider_tiktok_offline.simulator.rates import Rates

PREFIX = "/_simulator"
#: Lines of one page of a read-back.
PAGE = 20_000


class Summary(Struct, kw_only=True):
    """What the simulator took so far.

    Attributes:
        events_held: events after dedupe.
        events_received: events of all batches that were not refused, before dedupe.
        distinct_received: distinct (event set, event, event id) among them.
        events_tested: events sent with a test_event_code.
        requests: API requests of any kind.
        faults_happened: scripted faults that struck.
        codes: return code of ``event/track`` -> requests; ``none`` where there was no code.
        undocumented: fields that the reference does not have for offline events -> events of the batches with them.
        now: the simulator's clock, seconds since 1970.
    """

    events_held: int
    events_received: int
    distinct_received: int
    events_tested: int
    requests: int
    faults_happened: int
    codes: dict[str, int]
    undocumented: dict[str, int]
    now: float


class HeldEvent(Struct):
    """An event that counts.

    Attributes:
        seq: its place in the order of arrival.
        event_set_id, taken_at, request_id: where, when and with which request it came.
        item: the item of ``data`` as sent.
    """

    seq: int
    event_set_id: str
    taken_at: float
    request_id: str
    item: dict[str, Any]


class Received(Struct):
    """How often one event came, before dedupe, and how often it was held."""

    event_set_id: str
    event: str
    event_id: str
    times: int
    held: int


class TestedEvent(Struct):
    """An event in the Test Events tab."""

    __test__ = False

    seq: int
    event_set_id: str
    code: str
    taken_at: float
    item: dict[str, Any]


class LoggedRequest(Struct):
    """One request to the API, without its body or token."""

    seq: int
    at: float
    method: str
    path: str
    status: int
    code: int | None
    message: str
    events: int
    request_id: str
    fault: str | None


class ClockChange(Struct, forbid_unknown_fields=True):
    """Move the clock: to a fixed distance from the real time, or on from where it is."""

    offset_seconds: float | None = None
    advance_seconds: float = 0.0


class TokenChange(Struct, forbid_unknown_fields=True):
    """Revoke or restore a token, or grant it a role on an advertiser.

    Attributes:
        scopes: the permissions of a token that is new.
    """

    token: str
    revoked: bool | None = None
    advertiser_id: str | None = None
    role: str = "ADMIN"
    scopes: tuple[int, ...] = defaults.SCOPES


class NewAdvertiser(Struct, kw_only=True, forbid_unknown_fields=True):
    """An advertiser with an event set, which the default token manages; one that exists is changed."""

    advertiser_id: str
    event_set_id: str
    name: str
    currency: str = "USD"
    timezone: str = "UTC"


def _answer(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


def _lines(rows: Iterable[object]) -> Response:
    return Response(b"".join(msgspec.json.encode(row) + b"\n" for row in rows), media_type="application/x-ndjson")


class ControlRoutes:
    """The control API over a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._store = gateway.store

    def routes(self) -> list[Route]:
        table: dict[str, tuple[str, Callable[[Request, bytes], Response]]] = {
            "/summary": ("GET", self._summary),
            "/events": ("GET", self._events),
            "/received": ("GET", self._received),
            "/tested": ("GET", self._tested),
            "/requests": ("GET", self._requests),
            "/faults": ("GET", lambda _, __: _answer(self._gateway.faults.waiting())),
            "/faults/add": ("POST", self._add_faults),
            "/faults/clear": ("POST", self._clear_faults),
            "/clock": ("POST", self._clock),
            "/token": ("POST", self._token),
            "/advertisers": ("POST", self._add_advertiser),
            "/ads": ("POST", self._add_ads),
            "/rates": ("POST", self._set_rates),
            "/incidents": ("POST", self._report_incident),
            "/lateness": ("POST", self._set_lateness),
            "/reset": ("POST", self._reset),
        }
        return [Route(PREFIX + path, self._endpoint(call), methods=[method]) for path, (method, call) in table.items()]

    def _endpoint(self, call: Callable[[Request, bytes], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return call(request, await request.body())
            except msgspec.MsgspecError as error:
                return _answer({"error": str(error)}, 400)

        return endpoint

    def _summary(self, _: Request, __: bytes) -> Response:
        store = self._store
        distinct = store.row("SELECT count(*) AS n FROM received")
        requests = store.row("SELECT count(*) AS n FROM requests")
        codes = store.rows("SELECT code, count(*) AS n FROM requests WHERE path LIKE '%/event/track/' GROUP BY code")
        return _answer(
            Summary(
                events_held=store.counter("events_held"),
                events_received=store.counter("events_received"),
                distinct_received=0 if distinct is None else distinct["n"],
                events_tested=store.counter("events_tested"),
                requests=0 if requests is None else requests["n"],
                faults_happened=self._gateway.faults.happened,
                codes={"none" if row["code"] is None else str(row["code"]): row["n"] for row in codes},
                undocumented={row["field"]: row["events"] for row in store.rows("SELECT * FROM undocumented")},
                now=self._gateway.now(),
            )
        )

    def _page(self, request: Request, query: str) -> Iterator[sqlite3.Row]:
        after = int(request.query_params.get("after", "0"))
        return self._store.rows(query, after, PAGE)

    def _events(self, request: Request, _: bytes) -> Response:
        rows = self._page(
            request,
            "SELECT seq, event_set_id, taken_at, request_id, item FROM held WHERE seq > ? ORDER BY seq LIMIT ?",
        )
        return _lines({**row, "item": Raw(row["item"])} for row in rows)

    def _received(self, request: Request, _: bytes) -> Response:
        after = msgspec.json.decode(request.query_params.get("after", '["","",""]'), type=tuple[str, str, str])
        rows = self._store.rows(
            "SELECT event_set_id, event, event_id, times, held FROM received"
            " WHERE (event_set_id, event, event_id) > (?, ?, ?) ORDER BY event_set_id, event, event_id LIMIT ?",
            *after,
            PAGE,
        )
        return _lines(dict(row) for row in rows)

    def _tested(self, request: Request, _: bytes) -> Response:
        rows = self._page(
            request, "SELECT seq, event_set_id, code, taken_at, item FROM tested WHERE seq > ? ORDER BY seq LIMIT ?"
        )
        return _lines({**row, "item": Raw(row["item"])} for row in rows)

    def _requests(self, request: Request, _: bytes) -> Response:
        rows = self._page(request, "SELECT * FROM requests WHERE seq > ? ORDER BY seq LIMIT ?")
        return _lines(dict(row) for row in rows)

    def _add_faults(self, _: Request, body: bytes) -> Response:
        self._gateway.faults.add(msgspec.json.decode(body, type=list[Fault]))
        return _answer({})

    def _clear_faults(self, _: Request, __: bytes) -> Response:
        self._gateway.faults.clear()
        return _answer({})

    def _clock(self, _: Request, body: bytes) -> Response:
        change = msgspec.json.decode(body, type=ClockChange)
        if change.offset_seconds is not None:
            self._gateway.offset = timedelta(seconds=change.offset_seconds)
        self._gateway.offset += timedelta(seconds=change.advance_seconds)
        return _answer({"now": self._gateway.now()})

    def _token(self, _: Request, body: bytes) -> Response:
        change = msgspec.json.decode(body, type=TokenChange)
        if change.advertiser_id is not None:
            self._store.grant(change.token, change.advertiser_id, change.role, scopes=change.scopes)
        if change.revoked is not None and not self._store.set_revoked(change.token, change.revoked):
            return _answer({"error": "no such token"}, 404)
        return _answer({})

    def _add_advertiser(self, _: Request, body: bytes) -> Response:
        new = msgspec.json.decode(body, type=NewAdvertiser)
        self._store.run(
            "INSERT INTO advertisers VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " name = excluded.name, currency = excluded.currency, timezone = excluded.timezone",
            new.advertiser_id, new.name, new.currency, new.timezone,
        )  # fmt: skip
        self._store.run(
            "INSERT OR IGNORE INTO event_sets VALUES (?, ?, ?, ?, 0, 0, 0)",
            new.event_set_id, new.advertiser_id, f"{new.name} tills", "Sales",
        )  # fmt: skip
        self._store.grant(defaults.ACCESS_TOKEN, new.advertiser_id, "ADMIN")
        return _answer({})

    def _add_ads(self, _: Request, body: bytes) -> Response:
        make_ads(self._store, msgspec.json.decode(body, type=NewAds), self._gateway.now())
        return _answer({})

    def _set_rates(self, _: Request, body: bytes) -> Response:
        self._gateway.rates.limits = msgspec.json.decode(body, type=Rates)
        return _answer({})

    def _report_incident(self, _: Request, body: bytes) -> Response:
        incidents.report(self._store, msgspec.json.decode(body, type=Incident), self._gateway.now())
        return _answer({})

    def _set_lateness(self, _: Request, body: bytes) -> Response:
        set_lateness(self._store, msgspec.json.decode(body, type=Lateness))
        return _answer({})

    def _reset(self, _: Request, __: bytes) -> Response:
        self._store.reset()
        self._gateway.rates.reset()
        self._gateway.faults.clear()
        self._gateway.faults.happened = 0
        self._gateway.offset = timedelta(0)
        return _answer({})
