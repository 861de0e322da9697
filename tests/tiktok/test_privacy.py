"""No token, secret, code or customer's value in any error or log record, at any level of any library."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl
import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import GrantError, TikTokOfflineError
from airflow_provider_tiktok_offline.tiktok.callback import CallbackServer
from airflow_provider_tiktok_offline.tiktok.check import check
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.grant_connection import GrantConnection
from airflow_provider_tiktok_offline.tiktok.oauth import (
    App,
    Grant,
    auth_code_of,
    exchange,
    list_advertisers,
    refresh,
    revoke,
)
from airflow_provider_tiktok_offline.tiktok.requests import Envelope
from airflow_provider_tiktok_offline.tiktok.upload import SendOptions, send
from tests.tiktok.browser import open_in_browser
from tests.tiktok.scripted import LOST, Reply, code, in_turn, scripted, unused_port
from tests.tiktok.sending import EVENT_SET_ID, FAST, Receipts, in_one

TOKEN = "leak-token-b41f"
SECRET = "leak-secret-77c0"
AUTH_CODE = "leak-code-9a02"
REFRESH = "leak-refresh-51de"
CUSTOMER = "leak-customer@example.com"
DIGEST = "1ea4" * 16
ORDER = "leak-order-31337"
SECRETS = (TOKEN, SECRET, AUTH_CODE, REFRESH, CUSTOMER, DIGEST, ORDER, "leak-")

APP = App("7000000000000000001", SECRET)
ITEM = (
    f'{{"event": "Purchase", "event_id": "{ORDER}", "user": {{"email": ["{DIGEST}"]}}, '
    f'"properties": {{"order_id": "{ORDER}", "description": "{CUSTOMER}"}}}}'
)
#: Messages as bad as they come: they echo what was sent.
ECHO = f"Invalid value for properties.order_id: {ORDER} of {CUSTOMER} with {DIGEST}, {TOKEN}, {SECRET}, {AUTH_CODE}"

CALLS: dict[str, Callable[[TikTokClient], object]] = {
    "track": lambda client: client.track(f'{{"data": [{ITEM}]}}'.encode()),
    "advertisers": lambda client: list_advertisers(client, APP),
    "exchange": lambda client: exchange(client, APP, AUTH_CODE),
    "refresh": lambda client: refresh(client, APP, Grant(access_token=TOKEN, refresh_token=REFRESH)),
    "revoke": lambda client: revoke(client, APP, TOKEN),
    "upload": lambda client: send(
        in_one(pl.Series([ITEM] * 3)), 3, client, Receipts(), SendOptions(Envelope(EVENT_SET_ID), FAST)
    ),
}
ANSWERS: dict[str, Reply] = {
    "refused": code(40002, ECHO, request_id=CUSTOMER),
    "permission": code(40002, f"{ECHO} no permission"),
    "unhashed": code(40062, ECHO),
    "bad token": code(40105, ECHO),
    "throttled": code(40100, ECHO, Retry_After="0"),
    "partial": code(20001, ECHO),
    "failed": code(50000, ECHO),
    "unknown": code(49999, ECHO),
    "html": Reply(f"<html>{ECHO}</html>".encode(), 502),
    "lost": LOST,
    "cut": Reply(ECHO.encode() * 50, cut="middle"),
    "nonsense": Reply(ECHO.encode()),
}


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every log record, of every logger, at the finest level."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection", "airflow_provider_tiktok_offline"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def everything_said(error: BaseException) -> str:
    """All that could be shown of an error: text, notes, fields, its causes, its trace and its pickle."""
    said = ["".join(traceback.format_exception(error)), repr(error), str(error), repr(pickle.dumps(error))]
    seen: BaseException | None = error
    while seen is not None:
        said += [repr(seen), str(seen), repr(vars(seen)), repr(seen.args)]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(said)


def logged(records: pytest.LogCaptureFixture) -> str:
    return "\n".join(f"{record.getMessage()} {record.__dict__!r}" for record in records.records)


@pytest.mark.parametrize("answer", list(ANSWERS))
@pytest.mark.parametrize("call", list(CALLS))
def test_no_error_and_no_log_shows_what_was_sent(call: str, answer: str, records: pytest.LogCaptureFixture) -> None:
    """Each call, with each answer, however much of the request the answer echoes."""
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    with scripted(in_turn(ANSWERS[answer])) as server, TikTokClient(TOKEN, base_url=server.url, clock=clock) as client:
        said = repr(client)
        try:
            said += repr(CALLS[call](client))
        except TikTokOfflineError as error:
            said += everything_said(error)
    said += logged(records)
    assert "receive_response_headers.started" in said or "send_request" in said
    assert [secret for secret in SECRETS if secret in said] == []


@pytest.mark.parametrize("call", ["track", "advertisers", "exchange"])
def test_no_error_shows_what_would_have_been_sent(call: str, records: pytest.LogCaptureFixture) -> None:
    """Nor is it shown where there is no connection."""
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    url = f"http://127.0.0.1:{unused_port()}"
    with TikTokClient(TOKEN, base_url=url, clock=clock) as client, pytest.raises(TikTokOfflineError) as caught:
        CALLS[call](client)
    said = everything_said(caught.value) + logged(records)
    assert [secret for secret in SECRETS if secret in said] == []


def test_a_successful_call_logs_no_query(records: pytest.LogCaptureFixture) -> None:
    """The list of advertisers needs the app's secret in its query; httpx would log that at INFO."""
    with (
        scripted(in_turn(code(0, "OK", data={"list": []}))) as server,
        TikTokClient(TOKEN, base_url=server.url) as client,
    ):
        list_advertisers(client, APP)
    assert SECRET in server.requests[0].path
    assert SECRET not in logged(records)
    assert not [record for record in records.records if record.name == "httpx"]


def test_a_proxys_password_is_not_shown(monkeypatch: pytest.MonkeyPatch, records: pytest.LogCaptureFixture) -> None:
    """A proxy that can't be reached is no reason to show its password."""
    monkeypatch.setenv("http_proxy", f"http://user:{SECRET}@127.0.0.1:{unused_port()}")
    monkeypatch.setenv("no_proxy", "")
    with (
        TikTokClient(TOKEN, base_url="http://tiktok.invalid", allow_http=True) as client,
        pytest.raises(TikTokOfflineError) as caught,
    ):
        client.track(b"{}")
    assert SECRET not in everything_said(caught.value) + logged(records)


def test_reprs_hide_secrets() -> None:
    """What ends in a debugger or a rendered field shows no secret."""
    shown = [
        repr(APP),
        repr(Grant(access_token=TOKEN, refresh_token=REFRESH)),
        repr(GrantConnection(access_token=TOKEN, app=APP)),
        GrantConnection(access_token=TOKEN, app=APP).to_json(),
        GrantConnection(access_token=TOKEN, app=APP).to_uri(),
        GrantConnection(access_token=TOKEN, app=APP).to_command(),
    ]
    assert [secret for secret in SECRETS for text in shown if secret in text] == []


def test_a_redirect_that_fails_does_not_show_its_code(records: pytest.LogCaptureFixture) -> None:
    """The code could still be exchanged by whoever reads the log."""
    with pytest.raises(GrantError) as caught:
        auth_code_of(f"http://127.0.0.1/callback?auth_code={AUTH_CODE}&state=other", "mine")
    assert AUTH_CODE not in everything_said(caught.value) + logged(records)


def test_the_callback_server_logs_no_code(records: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """The stdlib's server would print the request line."""
    with CallbackServer() as server:
        with pytest.raises(OSError, match="400"):
            open_in_browser(f"{server.redirect_uri}?auth_code={AUTH_CODE}&state=s")
        open_in_browser(f"{server.redirect_uri}?auth_code={AUTH_CODE}&state={server.authorization('1').state}")
    out, err = capfd.readouterr()
    assert AUTH_CODE not in out + err + logged(records)


def test_a_check_shows_no_secret(records: pytest.LogCaptureFixture) -> None:
    """Its findings are shown in Airflow's connection form."""
    clock = ManualClock(datetime(2026, 11, 22, tzinfo=UTC))
    for answer in ANSWERS.values():
        with scripted(in_turn(answer)) as server, TikTokClient(TOKEN, base_url=server.url, clock=clock) as client:
            found = check(client, advertiser_id="7", event_set_id="8", app=APP, prove_role=True)
        assert [secret for secret in SECRETS if secret in f"{found} {found!r}"] == []
    assert [secret for secret in SECRETS if secret in logged(records)] == []
