"""Calls TikTok's Business API and turns each answer into a result or an error. The only module that knows HTTP.

Requests go through httpx's transport, below the layer that logs URLs, because one OAuth call carries the app's secret
in its query. No error raised here holds a body, a token, a query or TikTok's own message. No error is chained to one of
the HTTP library, which would hold the request.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, TypeVar

import httpx

from airflow_provider_tiktok_offline import __version__
from airflow_provider_tiktok_offline.clock import Clock, system_clock
from airflow_provider_tiktok_offline.errors import (
    AnswerFacts,
    ApiError,
    BatchTooLargeError,
    CallerError,
    CredentialsError,
    OutcomeUnknownError,
    ServiceUnavailableError,
    ThrottledError,
    UnexpectedAnswerError,
)
from airflow_provider_tiktok_offline.tiktok.answer_envelope import read_envelope
from airflow_provider_tiktok_offline.tiktok.answer_schemas import read_as
from airflow_provider_tiktok_offline.tiktok.api_address import PRODUCTION_URL, checked_url, proxy_for
from airflow_provider_tiktok_offline.tiktok.codes import error_type, return_code
from airflow_provider_tiktok_offline.tiktok.exchange_deadline import Deadline, DeadlineNetwork
from airflow_provider_tiktok_offline.tiktok.message_fields import TOP_LEVEL_FIELDS, field_path, names_permission
from airflow_provider_tiktok_offline.tiktok.pacing import AppPace, shared_pace

_T = TypeVar("_T")

_PREFIX: Final = "/open_api/v1.3"
_LARGEST_ANSWER: Final = 32 * 1024 * 1024
#: An exchange ends after so many times the time-out, however the server drips.
_DEADLINE_TIMEOUTS: Final = 10
_LATER: Final = "Try again later."
#: TikTok limits the calls of the developer app. An ad account's own limit has another code.
_APP_IS_LIMITED: Final = 40100
#: The limit of a second passes while a call is tried again; one that is refused so often has exceeded that of a minute.
_REFUSALS_OF_A_SUSPENDED_APP: Final = 3
_SUSPENSION_SECONDS: Final = 300.0

#: Failures before the request could be sent: nothing was taken.
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer.

    Attributes:
        data: the answer's ``data``; hidden in ``repr``, since it may hold a token.
        request_id: TikTok's id of the request.
    """

    data: Mapping[str, object] = field(repr=False)
    request_id: str | None

    def read_as(self, kind: type[_T]) -> _T:
        """``data`` as the type of the call, one of :mod:`~airflow_provider_tiktok_offline.tiktok.answer_schemas`.

        :raises UnexpectedAnswerError: if it has another shape: then nobody knows what it says.
        """
        return read_as(kind, self.data, self.request_id)


class TikTokClient:
    """A client of TikTok's Business API. Several threads may use one client.

    :param access_token: the grant's token; None for the calls that create or revoke one.
    :param base_url: scheme and host, without a path.
    :param clock: where the time comes from.
    :param timeout: seconds to wait for a connection, and for each silence of the server.
    :param pace: of all calls but ``event/track``; None for that of this process.
    :param allow_http: send the token without TLS to another machine, as to a simulator on one's own network.
    :raises CredentialsError: if the token has characters that no token has.
    :raises ConfigError: if the URL is malformed.
    """

    def __init__(
        self,
        access_token: str | None,
        *,
        base_url: str = PRODUCTION_URL,
        clock: Clock | None = None,
        timeout: float = 30.0,
        pace: AppPace | None = None,
        allow_http: bool = False,
    ) -> None:
        self.base_url = checked_url(base_url, allow_http=allow_http)
        self.clock = clock or system_clock()
        self._timeout = timeout
        self._pace = pace or shared_pace(self.base_url)
        self._app_pace = pace
        self._refusals = 0
        self._urls: dict[str, httpx.URL] = {}
        self._headers = {
            "Host": httpx.URL(self.base_url).netloc.decode(),
            "User-Agent": f"airflow-provider-tiktok-offline/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if access_token is not None:
            self._headers["Access-Token"] = _checked_token(access_token)
        self._transport = httpx.HTTPTransport(
            # Loading the certificates takes longer than many requests, and only TLS needs them.
            verify=self.base_url.startswith("https:"),
            proxy=proxy_for(self.base_url),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30.0),
        )
        # httpx has no deadline of its own for an exchange, and no argument for the network below it.
        self._deadline = Deadline(self.clock)
        self._transport._pool._network_backend = DeadlineNetwork(self._deadline)

    def __repr__(self) -> str:
        return f"TikTokClient(base_url={self.base_url!r})"

    def __enter__(self) -> TikTokClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()

    def track(self, body: bytes) -> Answer:
        """Send one batch of events.

        :param body: the complete JSON of the request (Doc ID 1771101303285761).
        :raises ApiError: its type says what the answer, or a missing answer, means for the batch.
        """
        return self._call("POST", "/event/track/", body=body)

    def post(self, path: str, payload: Mapping[str, object]) -> Answer:
        """Call a path below ``/open_api/v1.3`` with a JSON body, at the pace of management calls.

        :raises ApiError: if the answer's code is not 0.
        """
        return self._paced("POST", path, body=json.dumps(payload).encode())

    def get(self, path: str, query: Mapping[str, str]) -> Answer:
        """Call a path below ``/open_api/v1.3`` with a query, which no log or error shows, at the same pace.

        :raises ApiError: if the answer's code is not 0.
        """
        return self._paced("GET", path, query=query)

    def fetch(self, url: str) -> bytes:
        """Read a public document, as TikTok's status feed, without a token.

        :raises ApiError: if it does not answer, or with another status than 200.
        """
        try:
            request = httpx.Request(
                "GET",
                url,
                headers={"User-Agent": self._headers["User-Agent"], "Accept-Encoding": "identity"},
                extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)},
            )
            status, _, text = self._exchange(request)
        except (httpx.TransportError, httpx.InvalidURL, httpx.StreamError, _AnswerTooLong) as failure:
            status, text, cause = 0, b"", type(failure).__name__.lstrip("_")
        else:
            cause = f"HTTP {status}"
        if status != 200:
            raise ServiceUnavailableError(f"the document can't be read ({cause}).", where="status feed", todo=_LATER)
        return text

    def _paced(
        self, method: str, path: str, *, body: bytes | None = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        self._pace.wait_for_turn()
        try:
            answer = self._call(method, path, body=body, query=query)
        except ThrottledError as error:
            self._refusals += error.code == _APP_IS_LIMITED
            if self._app_pace is not None and self._refusals >= _REFUSALS_OF_A_SUSPENDED_APP:
                self._refusals = 0
                self._app_pace.close(_SUSPENSION_SECONDS)
            raise
        self._refusals = 0
        return answer

    def _call(
        self, method: str, path: str, *, body: bytes | None = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        request = httpx.Request(
            method,
            self._url(path),
            params=query,
            headers=headers,
            content=body,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)},
        )
        where = f"{method} {path}"
        try:
            status, answer_headers, text = self._exchange(request)
        except _NOT_SENT as failure:
            error: ApiError = ServiceUnavailableError(
                f"no connection to {httpx.URL(self.base_url).host} ({_cause(failure)}).",
                where=where,
                todo="Nothing was sent. Check the network and the API URL of the connection.",
            )
        except (httpx.TransportError, httpx.InvalidURL, httpx.StreamError, _AnswerTooLong) as failure:
            error = OutcomeUnknownError(
                f"the request left and no complete answer came back ({type(failure).__name__.lstrip('_')}).",
                where=where,
                todo=_LATER,
            )
        else:
            result = self._read(status, answer_headers, text, where)
            if isinstance(result, Answer):
                return result
            error = result
        raise error

    def _url(self, path: str) -> httpx.URL:
        """The URL of a path. It is parsed once, since parsing takes as long as half a request."""
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = httpx.URL(self.base_url + _PREFIX + path)
        return url

    def _exchange(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        with self._deadline.within(_DEADLINE_TIMEOUTS * self._timeout):
            response = self._transport.handle_request(request)
            try:
                if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                    # Compressed content was not asked for, and can be a thousand times as large.
                    raise _AnswerTooLong
                parts: list[bytes] = []
                size = 0
                for part in response.iter_raw():
                    size += len(part)
                    if size > _LARGEST_ANSWER:
                        raise _AnswerTooLong
                    parts.append(part)
            finally:
                response.close()
        return response.status_code, response.headers, b"".join(parts)

    def _read(self, status: int, headers: httpx.Headers, text: bytes, where: str) -> Answer | ApiError:
        envelope = read_envelope(text)
        if envelope is None:
            return self._without_code(status, headers, where)
        code, message, request_id = envelope.code, envelope.message, envelope.request_id
        known = return_code(code)
        if known.kind == "ok":
            if status < 300 and envelope.data is not None:
                return Answer(envelope.data, request_id)
            unclear = OutcomeUnknownError if status >= 300 else UnexpectedAnswerError
            return unclear(
                f"code 0 came with HTTP {status}{'' if status >= 300 else ' and data of another shape'}.",
                answer=AnswerFacts(code=0, http_status=status, request_id=request_id),
                where=where,
                todo=_LATER,
            )
        named = field_path(message)
        kind = error_type(known.kind)
        todo = known.todo
        if known.kind == "row" and (named in TOP_LEVEL_FIELDS or names_permission(message)):
            kind = CallerError
            todo = "The request was refused as a whole: check event_set_id, the grant's role and test_event_code."
        return kind(
            f"TikTok answered with code {code} ({known.name}){f' about {named}' if named else ''}.",
            answer=AnswerFacts(code=code, http_status=status, request_id=request_id, field=named),
            retry_after=self._retry_after(headers),
            where=where if request_id is None else f"{where}, request {request_id}",
            todo=todo or _LATER,
        )

    def _without_code(self, status: int, headers: httpx.Headers, where: str) -> ApiError:
        """The error for an answer that a gateway in front of TikTok's API gave."""
        kind: type[ApiError] = CallerError
        todo = "Check the API URL of the connection, and the proxy or gateway in between."
        if status == 429:
            kind, todo = ThrottledError, _LATER
        elif status == 413:
            kind, todo = BatchTooLargeError, "Lower upload.batch_bytes."
        elif status < 300 or status == 408 or status >= 500:
            kind, todo = OutcomeUnknownError, _LATER
        return kind(
            f"HTTP {status} without an answer from TikTok's API.",
            answer=AnswerFacts(http_status=status),
            retry_after=self._retry_after(headers),
            where=where,
            todo=todo,
        )

    def _retry_after(self, headers: httpx.Headers) -> float | None:
        text = headers.get("Retry-After", "").strip()
        if re.fullmatch(r"\d{1,9}", text):
            return float(text)
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, IndexError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - self.clock.now()).total_seconds())


class _AnswerTooLong(Exception):
    """An answer has more bytes than any answer of this API needs, or is compressed without having been asked for."""


def _checked_token(token: str) -> str:
    token = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]{1,4096}", token):
        raise CredentialsError(
            "the access token is empty or holds characters that no token has.",
            todo="Paste it again into the connection, or get a new one: tiktok-offline auth login.",
        )
    return token


def _cause(failure: BaseException) -> str:
    """Why there was no connection, in the system's words. The failure's own text may name a proxy's user."""
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"
        if isinstance(cause, socket.gaierror):
            return "host name not found"
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
            return os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    return type(failure).__name__
