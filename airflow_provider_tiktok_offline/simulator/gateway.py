"""The HTTP front: routes, scripted faults, the rate of management calls, and the log of requests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.simulator import ads, event_sets, events, incidents, oauth, portal, reports
from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal, envelope, gateway_page
from airflow_provider_tiktok_offline.simulator.callers import Call, Caller
from airflow_provider_tiktok_offline.simulator.faults import TRACK, Fault, Faults, survivors
from airflow_provider_tiktok_offline.simulator.parameters import Parameters
from airflow_provider_tiktok_offline.simulator.rates import ManagementRate
from airflow_provider_tiktok_offline.simulator.store import Store

API = "/open_api/v1.3"
#: Every path takes every method, since a wrong one is answered with a return code.
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
#: How to cut the connection that a request came in on: given by the server, which knows its sockets.
Cut = Callable[[tuple[str, int]], None]

#: Management calls of a caller with a token: path -> method and what answers.
_CALLS: dict[str, tuple[str, Callable[[Call], object]]] = {
    "/oauth2/advertiser/get/": ("GET", oauth.advertisers),
    "/advertiser/info/": ("GET", oauth.advertiser_info),
    "/report/integrated/get/": ("GET", reports.integrated),
    "/ad/get/": ("GET", ads.get),
    "/smart_plus/ad/get/": ("GET", ads.smart_plus_get),
    "/offline/get/": ("GET", event_sets.get),
    "/offline/create/": ("POST", event_sets.create),
    "/offline/update/": ("POST", event_sets.update),
    "/offline/delete/": ("POST", event_sets.delete),
}
#: Management calls without a token.
_CALLS_WITHOUT_TOKEN: dict[str, Callable[[Store, Parameters, float], object]] = {
    "/oauth2/access_token/": oauth.exchange,
    "/oauth2/revoke_token/": oauth.revoke,
}


@dataclass(slots=True)
class _Exchange:
    """A request on its way to an answer.

    Attributes:
        events: how many events of it were taken.
    """

    request: Request
    request_id: str
    fault: Fault | None
    events: int = 0


class Gateway:
    """The Business API over a store.

    :param sink: ``event/track`` counts and answers at once, unchecked and unremembered: for benchmarks.
    """

    def __init__(self, store: Store, clock: Clock, *, sink: bool = False) -> None:
        self.store = store
        self.faults = Faults()
        self.rates = ManagementRate()
        self.clock = clock
        self.offset = timedelta(0)
        self.sink = sink
        self.cut: Cut = lambda _: None
        self._numbers = itertools.count(1)

    def now(self) -> float:
        """Seconds since 1970 by the simulator's own clock."""
        return (self.clock.now() + self.offset).timestamp()

    def routes(self) -> list[Route]:
        """The routes of the API, the consent page and the status feed."""
        return [
            self._route(TRACK, self._take),
            *(self._route(API + path, self._as_caller(*call)) for path, call in _CALLS.items()),
            *(self._route(API + path, self._without_token(call)) for path, call in _CALLS_WITHOUT_TOKEN.items()),
            Route("/portal/auth", self._portal, methods=["GET"]),
            Route(incidents.PATH, self._incidents, methods=["GET"]),
            Route("/{path:path}", self._nowhere, methods=_METHODS),
        ]

    # --- the calls ---

    def _route(self, path: str, answer: Callable[[_Exchange, bytes], object]) -> Route:
        async def endpoint(request: Request) -> Response:
            return await self._serve(request, answer)

        return Route(path, endpoint, methods=_METHODS)

    def _caller(self, request: Request) -> Caller:
        return Caller(self.store, request.headers.get("access-token"))

    def _as_caller(self, method: str, call: Callable[[Call], object]) -> Callable[[_Exchange, bytes], object]:
        def answer(exchange: _Exchange, body: bytes) -> object:
            request = exchange.request
            _must_be(request, method)
            caller = self._caller(request)
            self.rates.must_pass(caller.app_id, self.now())
            values: Parameters = request.query_params if method == "GET" else _json(body)
            return call(Call(self.store, caller, values, self.now()))

        return answer

    def _without_token(
        self, call: Callable[[Store, Parameters, float], object]
    ) -> Callable[[_Exchange, bytes], object]:
        def answer(exchange: _Exchange, body: bytes) -> object:
            _must_be(exchange.request, "POST")
            values = _json(body)
            self.rates.must_pass(str(values.get("app_id")), self.now())
            return call(self.store, values, self.now())

        return answer

    def _take(self, exchange: _Exchange, body: bytes) -> object:
        if self.sink:
            exchange.events = events.count(body)
            self.store.count("events_received", exchange.events)
            return {}
        _must_be(exchange.request, "POST")
        caller = self._caller(exchange.request)
        batch = events.read(body)
        event_sets.must_send(self.store, caller, batch.event_set_id)
        self.faults.must_not_refuse(batch.events)
        for name in batch.undocumented:
            self.store.run(
                "INSERT INTO undocumented VALUES (?, ?) ON CONFLICT DO UPDATE SET events = events + excluded.events",
                name, len(batch.events),
            )  # fmt: skip
        exchange.events = len(batch.events)
        if batch.test_event_code is not None:
            self.store.test(batch.event_set_id, batch.test_event_code, batch.events, self.now())
            return {}
        taken = batch.events
        if exchange.fault is not None and exchange.fault.kind == "partial":
            taken = survivors(taken, exchange.fault)
        self.store.take(batch.event_set_id, taken, self.now(), exchange.request_id)
        if len(taken) < len(batch.events):
            raise Refusal(Code.PARTIAL_OK, "Partial success.")
        return {}

    async def _portal(self, request: Request) -> Response:
        return await portal.authorize(request, self.store, self.now())

    async def _incidents(self, request: Request) -> Response:
        return self._log(_Exchange(request, self._request_id(), None), incidents.feed(self.store), None, "OK")

    async def _nowhere(self, request: Request) -> Response:
        if request.url.path.startswith("/open_api/") and not request.url.path.startswith(API + "/"):
            code, message = Code.INVALID_API_VERSION, "Invalid API version."
            return envelope(self._request_id(), code=code, message=message)
        return PlainTextResponse("404 page not found", 404)

    # --- one request ---

    def _request_id(self) -> str:
        return f"{self.clock.now() + self.offset:%Y%m%d%H%M%S}{next(self._numbers):018X}"

    async def _serve(self, request: Request, answer: Callable[[_Exchange, bytes], object]) -> Response:
        received = self.store.counter("events_received")
        fault = self.faults.match(request.url.path, received, self.clock.monotonic())
        exchange = _Exchange(request, self._request_id(), fault)
        if fault is not None:
            if fault.delay_seconds:
                await asyncio.sleep(fault.delay_seconds)
            if fault.kind == "revoke":
                self.store.set_revoked(request.headers.get("access-token", ""), True)
            if fault.kind == "limit" or (fault.kind in ("drop", "answer") and not fault.taken):
                return await self._misanswer(exchange, fault)
        try:
            body = await request.body()
        except ClientDisconnect:
            return self._log(exchange, PlainTextResponse(""), None, "client went away")
        try:
            data = answer(exchange, body)
        except Refusal as refusal:
            response = envelope(exchange.request_id, code=refusal.code, message=refusal.message)
            return self._log(exchange, response, refusal.code, refusal.message)
        if fault is not None and fault.kind in ("drop", "answer"):
            return await self._misanswer(exchange, fault)
        return self._log(exchange, envelope(exchange.request_id, data), Code.OK, "OK")

    async def _misanswer(self, exchange: _Exchange, fault: Fault) -> Response:
        response = Response()
        if fault.kind == "drop":
            client = exchange.request.client
            if client is not None:
                self.cut((client.host, client.port))
            await asyncio.sleep(0)
            return self._log(exchange, response, None, "connection cut")
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        if fault.body is not None:
            response = Response(fault.body, fault.status, headers, "application/json")
        elif fault.code is not None or fault.kind == "limit":
            code = Code.TOO_FREQUENT if fault.code is None else fault.code
            response = envelope(
                exchange.request_id, code=code, message=fault.message, status=fault.status, headers=headers
            )
            return self._log(exchange, response, code, fault.message)
        else:
            response = gateway_page(fault.status)
            response.headers.update(headers)
        return self._log(exchange, response, None, fault.message)

    def _log(self, exchange: _Exchange, response: Response, code: int | None, message: str) -> Response:
        if not self.sink:
            request, fault = exchange.request, exchange.fault
            self.store.run(
                "INSERT INTO requests (at, method, path, status, code, message, events, request_id, fault)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                self.now(), request.method, request.url.path, response.status_code, code, message, exchange.events,
                exchange.request_id, None if fault is None else fault.kind,
            )  # fmt: skip
        return response


def _must_be(request: Request, method: str) -> None:
    if request.method != method:
        raise Refusal(Code.METHOD_FORBIDDEN, f"Method {request.method} is forbidden.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if method == "POST" and kind != "application/json":
        raise Refusal(Code.PARAM_ERROR, "Content-Type must be application/json.")


def _json(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except msgspec.MsgspecError:
        raise Refusal(Code.INVALID_PARAMS, "The request body is not a valid JSON object.") from None


def application(gateway: Gateway, control: list[Route]) -> Starlette:
    """The whole application; paths must match to the last slash."""
    app = Starlette(routes=[*control, *gateway.routes()])
    app.router.redirect_slashes = False
    return app
