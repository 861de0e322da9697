"""Answers of another shape, endless ones and large ones end as one typed error, in time."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.errors import ApiError, OutcomeUnknownError
from airflow_provider_tiktok_offline.tiktok.answer_envelope import read_envelope
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.event_sets import list_event_sets
from airflow_provider_tiktok_offline.tiktok.message_fields import field_path
from tests.servers.dripping import drip, raw_server
from tests.tiktok.scripted import Reply, code, in_turn, scripted


@pytest.mark.parametrize(
    "text", [b"HTTP/1.1 100 Continue\r\n\r\n", b"H", b"X-A: b\r\n"], ids=["continue", "status line", "nonsense"]
)
def test_a_server_that_drips_is_given_up(text: bytes) -> None:
    """Each byte comes in time, and the answer never ends."""
    with raw_server(drip(text)) as url, TikTokClient("token", base_url=url, timeout=0.1) as client:
        begun = time.monotonic()
        with pytest.raises(OutcomeUnknownError):
            client.track(b"{}")
        assert time.monotonic() - begun < 3


def test_headers_that_never_end_are_given_up() -> None:
    """One header after the other, for ever."""
    begun_headers = threading.Event()

    def talk(connection: socket.socket) -> None:
        if not begun_headers.is_set():
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            begun_headers.set()
        connection.sendall(b"X: y\r\n")
        threading.Event().wait(0.05)

    with raw_server(talk) as url, TikTokClient("token", base_url=url, timeout=0.1) as client:
        begun = time.monotonic()
        with pytest.raises(OutcomeUnknownError):
            client.track(b"{}")
        assert time.monotonic() - begun < 3


def test_compressed_content_that_nobody_asked_for_is_refused() -> None:
    """1.8 KB that would take two gigabytes."""
    body = gzip.compress(b" " * 2_000_000)
    reply = Reply(body, headers={"Content-Encoding": "gzip"})
    with (
        scripted(in_turn(reply)) as server,
        TikTokClient("token", base_url=server.url) as client,
        pytest.raises(OutcomeUnknownError),
    ):
        client.track(b"{}")


@pytest.mark.parametrize("data", [{}, {"event_set_list": None}, {"event_set_list": {}}, {"event_set_list": ["x", 1]}])
def test_a_listing_without_its_list_is_an_error(data: object) -> None:
    """Not "no event sets", which would make a second one."""
    with (
        scripted(in_turn(code(0, data=data))) as server,
        TikTokClient("token", base_url=server.url) as client,
        pytest.raises(ApiError, match="event_set_list"),
    ):
        list_event_sets(client, "7000000000000000001")


@pytest.mark.parametrize("data", [[], "text", 7, True])
def test_success_with_data_of_another_shape_is_no_success(data: object) -> None:
    """Nobody knows what such an answer says."""
    reply = Reply(json.dumps({"code": 0, "message": "OK", "data": data}).encode())
    with (
        scripted(in_turn(reply)) as server,
        TikTokClient("token", base_url=server.url) as client,
        pytest.raises(OutcomeUnknownError),
    ):
        client.track(b"{}")


def test_a_long_message_is_read_in_no_time() -> None:
    """96 KB of what may be field names."""
    for word in ("a.", "event_id ", "data.0.", "[0]", "properties.contents.0."):
        text = json.dumps({"code": 40002, "message": word * (96 * 1024 // len(word))}).encode()
        begun = time.monotonic()
        envelope = read_envelope(text)
        assert envelope is not None
        field_path(envelope.message)
        assert time.monotonic() - begun < 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_ENVELOPES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("code", "message", "request_id", "data"), _JSON)
) | st.fixed_dictionaries({"code": st.integers(), "message": st.text(max_size=200), "data": _JSON})


@settings(max_examples=60, deadline=None)
@given(st.one_of(_ENVELOPES.map(lambda value: json.dumps(value).encode()), st.binary(max_size=200)))
def test_any_answer_is_an_envelope_or_none(text: bytes) -> None:
    """Nothing else ever comes out, and no other error."""
    envelope = read_envelope(text)
    if envelope is not None:
        assert 0 <= envelope.code < 10**9
        assert envelope.data is None or isinstance(envelope.data, dict)
        field_path(envelope.message)
