"""Tokens that expire, refreshed by several workers."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import CredentialsError
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.oauth import App, Grant
from airflow_provider_tiktok_offline.tiktok.token_store import ObjectTokenStore, fresh_access_token
from tests.tiktok.scripted import Reply, Request, code, in_turn, scripted

APP = App("1", "secret")


@pytest.fixture
def store(tmp_path: Path) -> ObjectTokenStore:
    return ObjectTokenStore(open_objects(str(tmp_path / "tokens")), "shop.json")


def expiring(clock: ManualClock, after: timedelta) -> Grant:
    return Grant(access_token="old", refresh_token="r1", expires_at=clock.now() + after)


def test_a_token_that_lives_on_is_used_as_it_is(store: ObjectTokenStore, clock: ManualClock) -> None:
    """No call is made for it."""
    assert store.save(expiring(clock, timedelta(hours=5)), None)
    with TikTokClient(None, base_url="http://127.0.0.1:1", clock=clock) as client:
        assert fresh_access_token(store, client, APP) == "old"


def test_a_long_lived_token_is_never_refreshed(store: ObjectTokenStore, clock: ManualClock) -> None:
    """It has no end."""
    store.save(Grant(access_token="forever"), None)
    clock.advance(timedelta(days=4000))
    with TikTokClient(None, base_url="http://127.0.0.1:1", clock=clock) as client:
        assert fresh_access_token(store, client, APP) == "forever"


def test_a_token_about_to_expire_is_refreshed_and_saved(store: ObjectTokenStore, clock: ManualClock) -> None:
    """The next worker finds the new one."""
    store.save(expiring(clock, timedelta(minutes=30)), None)
    reply = code(0, data={"access_token": "new", "refresh_token": "r2", "expires_in": 86400})
    with scripted(in_turn(reply)) as server, TikTokClient(None, base_url=server.url, clock=clock) as client:
        assert fresh_access_token(store, client, APP) == "new"
        assert fresh_access_token(store, client, APP) == "new"
    assert len(server.requests) == 1
    found = store.load()
    assert found is not None
    assert (found[0].refresh_token, found[0].expires_at) == ("r2", clock.now() + timedelta(days=1))


def test_workers_that_refresh_at_once_end_with_the_same_token(store: ObjectTokenStore, clock: ManualClock) -> None:
    """The refresh token works once; who comes second takes what the first has saved."""
    store.save(expiring(clock, timedelta(0)), None)
    used: set[str] = set()
    both_loaded = threading.Barrier(2, timeout=10)

    class Slow(ObjectTokenStore):
        waited = threading.local()

        def load(self) -> tuple[Grant, str] | None:
            found = super().load()
            if not hasattr(self.waited, "once"):
                self.waited.once = True
                both_loaded.wait()
            return found

    slow = Slow(store._objects, "shop.json")
    saved = threading.Event()

    def answer(request: Request) -> Reply:
        if request.json["refresh_token"] in used:
            saved.wait(10)
            return code(40107, "refresh token used")
        used.add(request.json["refresh_token"])
        return code(0, data={"access_token": "new", "refresh_token": "r2", "expires_in": 86400})

    def worker(_: int) -> str:
        with TikTokClient(None, base_url=server.url, clock=clock) as client:
            token = fresh_access_token(slow, client, APP)
        saved.set()
        return token

    with scripted(answer) as server, ThreadPoolExecutor(2) as pool:
        server.one_at_a_time = False
        assert list(pool.map(worker, range(2))) == ["new", "new"]


def test_a_refused_refresh_is_told(store: ObjectTokenStore, clock: ManualClock) -> None:
    """The grant has to be made again by a person."""
    store.save(expiring(clock, timedelta(0)), None)
    reply = code(40103, "expired")
    with (
        scripted(in_turn(reply)) as server,
        TikTokClient(None, base_url=server.url, clock=clock) as client,
        pytest.raises(CredentialsError, match="auth login"),
    ):
        fresh_access_token(store, client, APP)


def test_an_empty_store_is_told(store: ObjectTokenStore, clock: ManualClock) -> None:
    """Nothing is guessed."""
    with TikTokClient(None, clock=clock) as client, pytest.raises(CredentialsError, match="no grant was saved"):
        fresh_access_token(store, client, APP)


def test_a_saved_grant_is_readable_by_its_owner_alone(
    store: ObjectTokenStore, clock: ManualClock, tmp_path: Path
) -> None:
    """It is as good as a password."""
    store.save(expiring(clock, timedelta(hours=5)), None)
    assert stat.S_IMODE((tmp_path / "tokens" / "shop.json").stat().st_mode) == 0o600
