"""The whole grant against the simulator: page, callback, exchange, advertisers, revocation."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import (
    CallerError,
    ConfigError,
    CredentialsError,
    GrantError,
    UnexpectedAnswerError,
)
from airflow_provider_tiktok_offline.simulator.defaults import ADVERTISER_NAME, SECOND_ADVERTISER_ID
from airflow_provider_tiktok_offline.tiktok.callback import CallbackServer
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.oauth import (
    Advertiser,
    App,
    Grant,
    UnreadGrantError,
    app_of,
    auth_code_of,
    authorization,
    exchange,
    list_advertisers,
    refresh,
    revoke,
)
from tests.servers.simulator import ADVERTISER_ID, APP_ID, APP_SECRET, RunningSimulator
from tests.tiktok.browser import open_in_browser
from tests.tiktok.scripted import LOST, code, in_turn, scripted

APP = App(APP_ID, APP_SECRET)


def confirmed(tiktok: RunningSimulator, server: CallbackServer) -> str:
    """The code that comes back when the ad account's admin confirms."""
    started = server.authorization(APP_ID, base_url=tiktok.url)
    open_in_browser(f"{started.url}&auto_confirm=1")
    return server.wait(timeout=5)


def test_a_grant_from_the_page_to_its_end(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """Authorise, exchange, list, revoke: as the command line does it."""
    with CallbackServer() as server, TikTokClient(None, base_url=tiktok.url, clock=clock) as nobody:
        grant = exchange(nobody, APP, confirmed(tiktok, server))
        assert set(grant.advertiser_ids) == {ADVERTISER_ID, SECOND_ADVERTISER_ID}
        assert (grant.expires_at, grant.refresh_token) == (None, None)
        with TikTokClient(grant.access_token, base_url=tiktok.url, clock=clock) as client:
            assert Advertiser(ADVERTISER_ID, ADVERTISER_NAME) in list_advertisers(client, APP)
            revoke(nobody, APP, grant.access_token)
            with pytest.raises(CredentialsError) as caught:
                list_advertisers(client, APP)
    assert caught.value.code == 40105


def test_a_code_works_once(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """A second exchange is refused, and says to start again."""
    with CallbackServer() as server, TikTokClient(None, base_url=tiktok.url, clock=clock) as nobody:
        auth_code = confirmed(tiktok, server)
        exchange(nobody, APP, auth_code)
        with pytest.raises(CredentialsError, match="start the grant again") as caught:
            exchange(nobody, APP, auth_code)
    assert caught.value.code == 40110


def test_a_wrong_secret_is_named(tiktok: RunningSimulator, clock: ManualClock) -> None:
    """It is the app that is refused, not the code."""
    with TikTokClient(None, base_url=tiktok.url, clock=clock) as nobody, pytest.raises(CallerError) as caught:
        exchange(nobody, App(APP_ID, "another"), "code")
    assert caught.value.code == 40101


def test_the_address_holds_app_state_and_redirect() -> None:
    """As the reference has it; each try has a state of its own."""
    first = authorization("123", "http://127.0.0.1:8000/callback")
    second = authorization("123", "http://127.0.0.1:8000/callback")
    query = parse_qs(urlsplit(first.url).query)
    assert first.url.startswith("https://business-api.tiktok.com/portal/auth?")
    assert query == {"app_id": ["123"], "state": [first.state], "redirect_uri": ["http://127.0.0.1:8000/callback"]}
    assert len(first.state) >= 32
    assert first.state != second.state


@pytest.mark.parametrize(
    "pasted",
    [
        "https://shop.example/back?auth_code=abc123&state=s1",
        "  https://shop.example/back?state=s1&code=abc123&auth_code=abc123  ",
        "https://shop.example/back?auth_code=abc123&state=s1#top",
        "http://127.0.0.1:1/callback?code=abc123&state=s1",
        "auth_code=abc123&state=s1",
    ],
)
def test_a_pasted_address_yields_its_code(pasted: str) -> None:
    """The admin copies it from the browser, with or without what is around it."""
    assert auth_code_of(pasted, "s1") == "abc123"


@pytest.mark.parametrize(
    ("pasted", "why"),
    [
        ("https://shop.example/back?auth_code=abc", "does not belong"),
        ("https://shop.example/back?auth_code=abc&state=s2", "does not belong"),
        ("https://shop.example/back?auth_code=abc&state=s1&state=s2", "does not belong"),
        ("https://shop.example/back?auth_code=abc&state=caf\u00e9", "does not belong"),
        ("https://shop.example/back?state=s1", "holds no auth_code"),
        ("https://shop.example/back?state=s1&auth_code=", "holds no auth_code"),
        ("https://shop.example/back?state=s1&auth_code=a%20b", "holds no auth_code"),
        ("http://[", "does not belong"),
        ("", "does not belong"),
    ],
)
def test_an_address_of_another_try_or_without_a_code_is_refused(pasted: str, why: str) -> None:
    """Nothing is exchanged for it."""
    with pytest.raises(GrantError, match=why):
        auth_code_of(pasted, "s1")


def test_a_callback_with_a_foreign_state_is_ignored() -> None:
    """A page on another site can neither slip its own code in nor end the login."""
    with CallbackServer() as server:
        started = server.authorization("1")
        for query in ("auth_code=evil&state=guess", "auth_code=evil", "state=", f"state={started.state}&state=x", ""):
            with pytest.raises(OSError, match="400"):
                open_in_browser(f"{server.redirect_uri}?{query}")
        open_in_browser(f"{server.redirect_uri}?auth_code=good&state={started.state}")
        assert server.wait(timeout=5) == "good"


def test_a_callback_before_a_grant_was_begun_is_ignored() -> None:
    """Nothing is expected yet."""
    with CallbackServer() as server, pytest.raises(OSError, match="400"):
        open_in_browser(f"{server.redirect_uri}?auth_code=evil&state=")


def test_only_the_first_callback_counts() -> None:
    """A reload of the page, or a late one, changes nothing."""
    with CallbackServer() as server:
        started = server.authorization("1")
        open_in_browser(f"{server.redirect_uri}?auth_code=first&state={started.state}")
        open_in_browser(f"{server.redirect_uri}?auth_code=second&state={started.state}")
        assert server.wait(timeout=5) == "first"


def test_other_requests_of_the_browser_do_not_count() -> None:
    """An icon, a connection opened ahead and left silent."""
    with CallbackServer() as server:
        started = server.authorization("1")
        port = urlsplit(server.redirect_uri).port
        with socket.create_connection(("127.0.0.1", port)), pytest.raises(OSError, match="404"):
            open_in_browser(f"http://127.0.0.1:{port}/favicon.ico")
        open_in_browser(f"{server.redirect_uri}?auth_code=abc&state={started.state}")
        assert server.wait(timeout=5) == "abc"


@pytest.mark.parametrize(
    "request_line",
    [
        "HEAD /callback?auth_code=evil&state={state} HTTP/1.1",
        "POST /callback?auth_code=evil&state={state} HTTP/1.1",
        "GET http://[::bad/callback?auth_code=evil&state=x HTTP/1.1",
        "GET //a\u2100b/callback HTTP/1.1",
        "GET /elsewhere?auth_code=evil&state={state} HTTP/1.1",
        "GET /callback?auth_code=evil&" + "x" * 70_000 + " HTTP/1.1",
        "\x16\x03\x01",
        "",
    ],
    ids=["head", "post", "no address", "no host", "another path", "too long", "tls", "nothing"],
)
def test_no_other_request_ends_the_login_or_is_shown(request_line: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A look ahead of the browser, a scanner, one that hangs up at once: nothing of them reaches the terminal."""
    with CallbackServer() as server:
        started = server.authorization("1")
        address = ("127.0.0.1", urlsplit(server.redirect_uri).port)
        with socket.create_connection(address) as one:
            one.sendall(f"{request_line.format(state=started.state)}\r\n\r\n".encode())
            one.settimeout(5)
            with suppress(ConnectionError):
                one.recv(100)
        with socket.create_connection(address) as one:
            one.sendall(b"GET /callback?auth_code=evil&state=x")
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        open_in_browser(f"{server.redirect_uri}?auth_code=good&state={started.state}")
        assert server.wait(timeout=5) == "good"
    assert capfd.readouterr() == ("", "")


def test_the_callback_listens_on_loopback_only() -> None:
    """Nobody else on the network may hand in a code."""
    with CallbackServer() as server:
        assert urlsplit(server.redirect_uri).hostname == "127.0.0.1"


def test_nobody_confirming_ends_in_a_clear_error() -> None:
    """The command line does not hang for ever."""
    with CallbackServer() as server, pytest.raises(GrantError, match="no admin confirmed within 0 seconds"):
        (server.authorization("1"), server.wait(timeout=0.05))


def test_a_taken_port_is_named() -> None:
    """The redirect's port is registered with the app, so another can't be taken silently."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1"):
            CallbackServer(port)


def test_a_grant_that_expires_says_when(clock: ManualClock) -> None:
    """Most do not; some apps get short-lived tokens."""
    data = {"access_token": "t", "refresh_token": "r", "expires_in": 86400, "scope": [4], "advertiser_ids": ["7"]}
    with (
        scripted(in_turn(code(0, data=data))) as server,
        TikTokClient(None, base_url=server.url, clock=clock) as client,
    ):
        grant = exchange(client, APP, "code")
    assert grant.expires_at == clock.now() + timedelta(days=1)
    assert (grant.refresh_token, grant.scope, grant.advertiser_ids) == ("r", (4,), ("7",))
    assert Grant.from_json(grant.to_json()) == grant


def test_a_lost_answer_to_an_exchange_is_not_asked_for_again(clock: ManualClock) -> None:
    """The code is used up by then: the grant is started again."""
    with scripted(in_turn(LOST)) as server, TikTokClient(None, base_url=server.url, clock=clock) as client:
        with pytest.raises(Exception, match="no complete answer"):
            exchange(client, APP, "code")
        assert len(server.requests) == 1


def test_an_answer_without_a_token_is_no_grant(clock: ManualClock) -> None:
    """Success without a token is none."""
    with (
        scripted(in_turn(code(0))) as server,
        TikTokClient(None, base_url=server.url, clock=clock) as client,
        pytest.raises(UnexpectedAnswerError, match="access_token"),
    ):
        exchange(client, APP, "code")


@pytest.mark.parametrize("field", ["scope", "advertiser_ids", "expires_in", "refresh_token"])
def test_a_token_in_a_strange_answer_is_not_lost(clock: ManualClock, field: str) -> None:
    """The code is used up, and the admin would have to confirm again."""
    reply = code(0, data={"access_token": "t0ken", field: {"no": "such shape"}})
    with (
        scripted(in_turn(reply)) as server,
        TikTokClient(None, base_url=server.url, clock=clock) as client,
        pytest.raises(UnreadGrantError) as caught,
    ):
        exchange(client, APP, "code")
    assert caught.value.grant.access_token == "t0ken"
    assert "t0ken" not in f"{caught.value} {caught.value!r}"


def test_a_refresh_keeps_what_the_answer_leaves_out(clock: ManualClock) -> None:
    """Advertisers and refresh token of before stay, unless new ones come."""
    before = Grant(access_token="old", advertiser_ids=("7",), scope=(4,), refresh_token="r1")
    reply = code(0, data={"access_token": "new", "expires_in": 60})
    with scripted(in_turn(reply)) as server, TikTokClient(None, base_url=server.url, clock=clock) as client:
        after = refresh(client, APP, before)
    assert (after.access_token, after.advertiser_ids, after.refresh_token) == ("new", ("7",), "r1")
    assert server.requests[0].json == {
        "app_id": APP_ID,
        "secret": APP_SECRET,
        "grant_type": "refresh_token",
        "refresh_token": "r1",
    }


def test_a_long_lived_grant_can_not_be_refreshed(clock: ManualClock) -> None:
    """It has nothing to refresh with."""
    with TikTokClient(None, clock=clock) as client, pytest.raises(CredentialsError, match="no refresh token"):
        refresh(client, APP, Grant(access_token="t"))


def test_the_app_stands_in_a_connections_extra() -> None:
    """Airflow reads ids of digits in a URI as numbers."""
    assert app_of({"app_id": 123, "app_secret": "s"}) == App("123", "s")
    assert app_of({"app_id": "123"}) is None
    assert app_of({}) is None
