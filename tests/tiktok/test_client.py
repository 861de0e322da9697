"""What the client makes of answers, and of answers that do not come, over real HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import (
    ApiError,
    BatchTooLargeError,
    CallerError,
    ConfigError,
    CredentialsError,
    OutcomeUnknownError,
    PartialOutcomeError,
    RejectedRowsError,
    ServiceUnavailableError,
    ThrottledError,
)
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from tests.tiktok.scripted import LOST, OK, Reply, code, in_turn, scripted, unused_port

BODY = b'{"data": []}'


def error_of(reply: Reply, clock: ManualClock | None = None) -> ApiError:
    """The error that an answer to a batch is raised as."""
    with (
        scripted(in_turn(reply)) as server,
        TikTokClient("token", base_url=server.url, clock=clock, timeout=5) as client,
        pytest.raises(ApiError) as caught,
    ):
        client.track(BODY)
    return caught.value


def test_a_batch_goes_out_as_the_reference_says() -> None:
    """Path with its slash, token in ``Access-Token``, JSON, the body to the letter."""
    reply = code(0, "OK", data={"a": 1}, request_id="2026abc")
    with scripted(in_turn(reply)) as server, TikTokClient("token-1", base_url=server.url) as client:
        answer = client.track(BODY)
    sent = server.requests[0]
    assert (sent.method, sent.path, sent.body) == ("POST", "/open_api/v1.3/event/track/", BODY)
    assert sent.headers["Access-Token"] == "token-1"
    assert sent.headers["Content-Type"] == "application/json"
    assert "Authorization" not in sent.headers
    assert (answer.data, answer.request_id) == ({"a": 1}, "2026abc")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (code(20001, "Partial"), PartialOutcomeError),
        (code(40000, "Bad"), RejectedRowsError),
        (code(40002, "Invalid value for event_id: not a valid string."), RejectedRowsError),
        (code(40062, "Not hashed"), RejectedRowsError),
        (code(40002, "Invalid value for event_source_id"), CallerError),
        (code(40002, "data: Missing data for required field."), CallerError),
        (code(40002, "No permission to operate pixel code X."), CallerError),
        (code(40061, "Too many"), BatchTooLargeError),
        (code(40001, "No permission"), CallerError),
        (code(40100, "Too many requests"), ThrottledError),
        (code(40105, "Bad token"), CredentialsError),
        (code(50000, "System error"), OutcomeUnknownError),
        (code(60001, "Maintenance"), ServiceUnavailableError),
        (Reply(b"<html>502 Bad Gateway</html>", 502), OutcomeUnknownError),
        (Reply(b"", 503), OutcomeUnknownError),
        (Reply(b"<html>slow down</html>", 429), ThrottledError),
        (Reply(b"<html>too large</html>", 413), BatchTooLargeError),
        (Reply(b"<html>request timeout</html>", 408), OutcomeUnknownError),
        (Reply(b"<html>not here</html>", 404), CallerError),
        (Reply(b"", 302, {"Location": "http://127.0.0.1:1/"}), CallerError),
        (Reply(b"<html>welcome to the hotel</html>", 200), OutcomeUnknownError),
        (Reply(b"[]", 200), OutcomeUnknownError),
        (Reply(b'{"message": "no code"}', 200), OutcomeUnknownError),
        (Reply(b'{"code": true}', 200), OutcomeUnknownError),
        (Reply(b"[" * 100_000, 200), OutcomeUnknownError),
        (Reply(b"\xff\xfe", 200), OutcomeUnknownError),
        (Reply(b'{"code": "40100"}', 200), ThrottledError),
        (Reply(b'{"code": 0}', 502), OutcomeUnknownError),
        (Reply(b'{"code": 40105}', 500), CredentialsError),
        (Reply(b'{"code": 40100}', 401), ThrottledError),
        (LOST, OutcomeUnknownError),
        (Reply(OK.body, cut="middle"), OutcomeUnknownError),
    ],
)
def test_an_answer_is_raised_as_what_it_means_for_the_batch(reply: Reply, kind: type[ApiError]) -> None:
    """The code outranks the HTTP status; without a code the status decides; without an answer nothing is known."""
    assert type(error_of(reply)) is kind


def test_an_error_carries_code_field_and_request_id() -> None:
    """What support and the ledger need, and no more."""
    error = error_of(code(40002, "Invalid value for properties.value: 'lots'.", request_id="2026-r"))
    assert (error.code, error.field, error.request_id, error.http_status) == (40002, "properties.value", "2026-r", 200)
    assert str(error) == (
        "POST /event/track/, request 2026-r: TikTok answered with code 40002 (param_error) about properties.value. "
        "Look at the field that is named, and at the rows reported as refused."
    )


def test_a_request_id_that_looks_like_none_is_not_kept() -> None:
    """It is text of the other side like any other."""
    assert error_of(code(40100, request_id="alice@example.com")).request_id is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("soon", None), ("-3", None), ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0), ("", None)],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float | None, clock: ManualClock) -> None:
    """Both forms of RFC 9110; anything else is as if it were not there."""
    reply = code(40100, "Too many requests", Retry_After=header)
    assert error_of(reply, clock).retry_after == seconds


def test_a_date_of_retry_after_in_the_past_asks_for_no_wait(clock: ManualClock) -> None:
    """A clock that runs ahead does not make a negative wait."""
    past = format_datetime(clock.now() - timedelta(minutes=1), usegmt=True)
    assert error_of(Reply(b"", 429, {"Retry-After": past}), clock).retry_after == 0.0


def test_no_connection_means_that_nothing_was_taken() -> None:
    """A refused connection is told from a lost answer."""
    with (
        TikTokClient("token", base_url=f"http://127.0.0.1:{unused_port()}") as client,
        pytest.raises(ServiceUnavailableError, match=r"no connection to 127\.0\.0\.1 \(connection refused\)"),
    ):
        client.track(BODY)


def test_a_host_that_does_not_exist_means_that_nothing_was_taken() -> None:
    """Nor was anything sent where the name can't be resolved."""
    with (
        TikTokClient("token", base_url="https://no-such-host.invalid") as client,
        pytest.raises(ServiceUnavailableError, match="host name not found"),
    ):
        client.track(BODY)


@contextmanager
def silent_server() -> Iterator[str]:
    """Accepts connections, reads, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()
        thread.join()


def test_silence_after_the_request_left_is_an_unknown_outcome() -> None:
    """A time-out while waiting for the answer does not say whether the batch was taken."""
    with (
        silent_server() as url,
        TikTokClient("token", base_url=url, timeout=0.2) as client,
        pytest.raises(OutcomeUnknownError, match="ReadTimeout"),
    ):
        client.track(BODY)


def test_an_answer_that_never_ends_is_given_up() -> None:
    """An answer beyond any size of this API does not fill the memory."""
    error = error_of(Reply(b'{"code": 0, "message": "' + b"x" * (40 << 20) + b'"}'))
    assert isinstance(error, OutcomeUnknownError)


def test_a_connection_is_used_again() -> None:
    """Thousands of batches do not mean thousands of handshakes."""
    with scripted(in_turn(OK)) as server, TikTokClient("token", base_url=server.url) as client:
        for _ in range(5):
            client.track(BODY)
    assert server.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    """After a lost answer the next batch gets a new connection."""
    with scripted(in_turn(LOST, OK)) as server, TikTokClient("token", base_url=server.url) as client:
        with pytest.raises(OutcomeUnknownError):
            client.track(BODY)
        client.track(BODY)


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "caf\u00e9", "x" * 5000])
def test_what_can_be_no_token_is_refused_without_being_shown(token: str) -> None:
    """A token is pasted by hand, and a broken one must not end in a log."""
    with pytest.raises(CredentialsError) as caught:
        TikTokClient(token)
    assert not token.strip() or token.strip() not in str(caught.value)


def test_white_space_around_a_token_is_dropped() -> None:
    """A token read from a file ends in a newline."""
    with scripted(in_turn(OK)) as server, TikTokClient(" token\n", base_url=server.url) as client:
        client.track(BODY)
    assert server.requests[0].headers["Access-Token"] == "token"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "business-api.tiktok.com",
        "ftp://host",
        "http://user:secret@host",
        "http://host/path",
        "http://h?x=secret",
        "http://[",
        "https://host/#secret",
        "https://host#",
        "https://secret@host",
        "https://@host",
        "https://host?",
        "https://business-api.tiktok.com@evil.example",
        "https://ho st",
        "https://host\\@evil.example",
    ],
)
def test_an_api_url_that_can_be_none_is_refused_without_being_shown(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigError) as caught:
        TikTokClient("token", base_url=url)
    assert "secret" not in str(caught.value)


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment behind a proxy names it in the environment."""
    with scripted(in_turn(OK)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        with TikTokClient("token", base_url="http://tiktok.invalid", allow_http=True) as client:
            client.track(BODY)
    assert proxy.requests[0].path == "http://tiktok.invalid/open_api/v1.3/event/track/"


def test_a_host_excepted_from_the_proxy_is_called_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """``no_proxy`` is honoured."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with scripted(in_turn(OK)) as server, TikTokClient("token", base_url=server.url) as client:
        client.track(BODY)
    assert len(server.requests) == 1


def test_a_clock_is_the_source_of_the_time() -> None:
    """Without one it is the machine's."""
    with TikTokClient("token") as client:
        assert abs(client.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://business-api.tiktok.com", True),
        ("http://127.0.0.1:8931", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8931", True),
        ("http://localhost:8931", True),
        ("http://business-api.tiktok.com", False),
        ("HTTP://business-api.tiktok.com", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://10.0.0.7", False),
        ("http://0.0.0.0", False),
    ],
)
def test_a_token_crosses_no_network_without_tls(url: str, taken: bool) -> None:
    """Another machine is reached by https, unless somebody says otherwise in so many words."""
    TikTokClient("token", base_url=url, allow_http=True).close()
    if taken:
        TikTokClient("token", base_url=url).close()
        return
    with pytest.raises(ConfigError, match="no TLS"):
        TikTokClient("token", base_url=url)


def test_a_proxy_sees_nothing_meant_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TLS it would read the token."""
    monkeypatch.setenv("no_proxy", "")
    with scripted(in_turn(OK)) as proxy, scripted(in_turn(OK)) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        with TikTokClient("token", base_url=server.url) as client:
            client.track(BODY)
    assert not proxy.requests


def test_the_token_goes_to_no_other_host() -> None:
    """A redirect is an answer, and not followed."""
    with scripted(in_turn(OK)) as other:
        reply = Reply(b"", 307, {"Location": f"{other.url}/open_api/v1.3/event/track/"})
        with (
            scripted(in_turn(reply)) as server,
            TikTokClient("token", base_url=server.url) as client,
            pytest.raises(CallerError),
        ):
            client.track(BODY)
    assert not other.requests
