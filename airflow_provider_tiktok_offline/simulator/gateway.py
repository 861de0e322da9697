"""The HTTP front: routes, scripted faults, and the log of requests."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.simulator import accounts, events, portal, reports
from airflow_provider_tiktok_offline.simulator.accounts import Caller
from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal, envelope, gateway_page
from airflow_provider_tiktok_offline.simulator.faults import TRACK, Fault, Faults, survivors
from airflow_provider_tiktok_offline.simulator.store import Store

API = "/open_api/v1.3"
#: Every path takes every method, since a wrong one is answered with a return code.
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
#: How to cut the connection that a request came in on: given by the server, which knows its sockets.
Cut = Callable[[tuple[str, int]], None]


class Gateway:
    """The Business API over a store.

    :param sink: ``event/track`` counts and answers at once, unchecked and unremembered: for benchmarks.
    """

    def __init__(self, store: Store, clock: Clock, *, sink: bool = False) -> None:
        self.store = store
        self.faults = Faults()
        self.clock = clock
        self.offset = timedelta(0)
        self.sink = sink
        self.cut: Cut = lambda _: None
        self._numbers = itertools.count(1)

    def now(self) -> float:
        """Seconds since 1970 by the simulator's own clock."""
        return (self.clock.now() + self.offset).timestamp()

    def routes(self) -> list[Route]:
        calls: dict[str, tuple[str, Callable[[Request, bytes], Any]]] = {
            "/oauth2/access_token/": ("POST", lambda _, body: accounts.exchange(self.store, _json(body), self.now())),
            "/oauth2/revoke_token/": ("POST", lambda _, body: accounts.revoke(self.store, _json(body))),
            "/oauth2/advertiser/get/": ("GET", self._as_caller(accounts.advertisers)),
            "/advertiser/info/": ("GET", self._as_caller(accounts.advertiser_info)),
            "/report/integrated/get/": ("GET", self._as_caller(reports.integrated)),
            "/offline/get/": ("GET", self._as_caller(accounts.get_event_sets)),
            "/offline/create/": ("POST", self._as_writer(accounts.create_event_set)),
            "/offline/update/": ("POST", self._as_writer(accounts.update_event_set)),
            "/offline/delete/": (
                "POST",
                lambda r, body: accounts.delete_event_set(self.store, self._caller(r), _json(body)),
            ),
        }
        return [
            Route(TRACK, self._track, methods=_METHODS),
            *(Route(API + path, self._endpoint(*call), methods=_METHODS) for path, call in calls.items()),
            Route("/portal/auth", self._portal, methods=["GET"]),
            Route("/{path:path}", self._nowhere, methods=_METHODS),
        ]

    # --- the calls ---

    def _caller(self, request: Request) -> Caller:
        return Caller(self.store, request.headers.get("access-token"))

    def _as_caller(self, call: Callable[[Store, Caller, Mapping[str, str]], Any]) -> Callable[[Request, bytes], Any]:
        return lambda request, _: call(self.store, self._caller(request), request.query_params)

    def _as_writer(
        self, call: Callable[[Store, Caller, Mapping[str, Any], float], Any]
    ) -> Callable[[Request, bytes], Any]:
        return lambda request, body: call(self.store, self._caller(request), _json(body), self.now())

    def _endpoint(self, method: str, call: Callable[[Request, bytes], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            def answer(body: bytes, _: Fault | None, __: str) -> tuple[Any, int]:
                _must_be(request, method)
                return call(request, body), 0

            return await self._serve(request, answer)

        return endpoint

    async def _track(self, request: Request) -> Response:
        return await self._serve(request, lambda body, fault, request_id: self._take(request, body, fault, request_id))

    def _take(self, request: Request, body: bytes, fault: Fault | None, request_id: str) -> tuple[Any, int]:
        if self.sink:
            number = events.count(body)
            self.store.count("events_received", number)
            return {}, number
        _must_be(request, "POST")
        caller = self._caller(request)
        batch = events.read(body)
        accounts.must_send(self.store, caller, batch.event_set_id)
        self.faults.must_not_refuse(batch.events)
        for name in batch.undocumented:
            self.store.run(
                "INSERT INTO undocumented VALUES (?, ?) ON CONFLICT DO UPDATE SET events = events + excluded.events",
                name, len(batch.events),
            )  # fmt: skip
        if batch.test_event_code is not None:
            self.store.test(batch.event_set_id, batch.test_event_code, batch.events, self.now())
            return {}, len(batch.events)
        taken = batch.events
        if fault is not None and fault.kind == "partial":
            taken = survivors(taken, fault)
        self.store.take(batch.event_set_id, taken, self.now(), request_id)
        if len(taken) < len(batch.events):
            raise _Partial(len(batch.events))
        return {}, len(batch.events)

    async def _portal(self, request: Request) -> Response:
        return await portal.authorize(request, self.store, self.now())

    async def _nowhere(self, request: Request) -> Response:
        if request.url.path.startswith("/open_api/") and not request.url.path.startswith(API + "/"):
            code, message = Code.INVALID_API_VERSION, "Invalid API version."
            return envelope(self._request_id(), code=code, message=message)
        return PlainTextResponse("404 page not found", 404)

    # --- one request ---

    def _request_id(self) -> str:
        return f"{self.clock.now() + self.offset:%Y%m%d%H%M%S}{next(self._numbers):018X}"

    async def _serve(self, request: Request, answer: Callable[[bytes, Fault | None, str], tuple[Any, int]]) -> Response:
        request_id = self._request_id()
        received = self.store.counter("events_received")
        fault = self.faults.match(request.url.path, received, self.clock.monotonic())
        if fault is not None:
            if fault.delay_seconds:
                await asyncio.sleep(fault.delay_seconds)
            if fault.kind == "revoke":
                self.store.set_revoked(request.headers.get("access-token", ""), True)
            if fault.kind == "limit" or (fault.kind in ("drop", "answer") and not fault.taken):
                return await self._misanswer(request, request_id, fault, 0)
        try:
            body = await request.body()
        except ClientDisconnect:
            return self._log(request, PlainTextResponse(""), request_id, 0, None, "client went away", fault)
        number = 0
        try:
            data, number = answer(body, fault, request_id)
        except Refusal as refusal:
            response = envelope(request_id, code=refusal.code, message=refusal.message)
            return self._log(request, response, request_id, number, refusal.code, refusal.message, fault)
        except _Partial as partial:
            message = "Partial success."
            response = envelope(request_id, code=Code.PARTIAL_OK, message=message)
            return self._log(request, response, request_id, partial.events, Code.PARTIAL_OK, message, fault)
        if fault is not None and fault.kind in ("drop", "answer"):
            return await self._misanswer(request, request_id, fault, number)
        return self._log(request, envelope(request_id, data), request_id, number, Code.OK, "OK", fault)

    async def _misanswer(self, request: Request, request_id: str, fault: Fault, number: int) -> Response:
        response = Response()
        if fault.kind == "drop":
            if request.client is not None:
                self.cut((request.client.host, request.client.port))
            await asyncio.sleep(0)
            return self._log(request, response, request_id, number, None, "connection cut", fault)
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        if fault.body is not None:
            response = Response(fault.body, fault.status, headers, "application/json")
        elif fault.code is not None or fault.kind == "limit":
            code = Code.TOO_FREQUENT if fault.code is None else fault.code
            response = envelope(request_id, code=code, message=fault.message, status=fault.status, headers=headers)
            return self._log(request, response, request_id, number, code, fault.message, fault)
        else:
            response = gateway_page(fault.status)
            response.headers.update(headers)
        return self._log(request, response, request_id, number, None, fault.message, fault)

    def _log(
        self,
        request: Request,
        response: Response,
        request_id: str,
        number: int,
        code: int | None,
        message: str,
        fault: Fault | None,
    ) -> Response:
        if not self.sink:
            self.store.run(
                "INSERT INTO requests (at, method, path, status, code, message, events, request_id, fault)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                self.now(), request.method, request.url.path, response.status_code, code, message, number, request_id,
                None if fault is None else fault.kind,
            )  # fmt: skip
        return response


class _Partial(Exception):
    """Some events of a batch were lost on purpose."""

    def __init__(self, events: int) -> None:
        super().__init__()
        self.events = events


def _must_be(request: Request, method: str) -> None:
    if request.method != method:
        raise Refusal(Code.METHOD_FORBIDDEN, f"Method {request.method} is forbidden.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if method == "POST" and kind != "application/json":
        raise Refusal(Code.PARAM_ERROR, "Content-Type must be application/json.")


def _json(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise Refusal(Code.INVALID_PARAMS, "The request body is not a valid JSON object.") from None


def application(gateway: Gateway, control: list[Route]) -> Starlette:
    """The whole application; paths must match to the last slash."""
    app = Starlette(routes=[*control, *gateway.routes()])
    app.router.redirect_slashes = False
    return app
