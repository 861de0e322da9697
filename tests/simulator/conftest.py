"""One simulator for the folder, fresh for every test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from airflow_provider_tiktok_offline.simulator.defaults import ACCESS_TOKEN, EVENT_SET_ID
from airflow_provider_tiktok_offline.simulator.faults import TRACK
from airflow_provider_tiktok_offline.simulator.server import Simulator


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """One offline event as the reference has it."""
    event: dict[str, Any] = {
        "event": "Purchase",
        "event_time": 1_700_000_000 + number,
        "event_id": f"v1-{number}",
        "user": {"email": [digest(f"buyer{number}@shop.example")], "phone": [digest(f"+1213373{number:04}")]},
        "properties": {
            "order_id": f"{number:06}",
            "shop_id": "store-17",
            "currency": "USD",
            "value": 25.0,
            "content_type": "product",
            "contents": [{"content_id": "SKU-1", "content_name": "Shoe", "price": 12.5, "quantity": 2}],
        },
    }
    return event | changes


class Api:
    """A client that knows nothing but the wire."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=10)

    def send(self, events: list[Any], *, token: str | None = ACCESS_TOKEN, **top: Any) -> dict[str, Any]:
        """Post events; returns the body of the answer."""
        body = {"event_source": "offline", "event_source_id": EVENT_SET_ID, "data": events} | top
        headers = {} if token is None else {"Access-Token": token}
        answer = self.http.post(TRACK, json=body, headers=headers)
        assert answer.status_code == 200
        told: dict[str, Any] = answer.json()
        return told

    def get(self, path: str, *, token: str = ACCESS_TOKEN, **query: Any) -> dict[str, Any]:
        answer = self.http.get(f"/open_api/v1.3{path}", params=query, headers={"Access-Token": token})
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    def post(self, path: str, *, token: str = ACCESS_TOKEN, **values: Any) -> dict[str, Any]:
        answer = self.http.post(f"/open_api/v1.3{path}", json=values, headers={"Access-Token": token})
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture(scope="session")
def running() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.control.reset()
    return running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[Api]:
    api = Api(simulator.url)
    with api.http:
        yield api
