"""What is kept of TikTok's messages."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.tiktok.message_fields import field_path, names_permission


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Batch.0.properties.contents.0.content_id: Not a valid string.", "properties.contents.content_id"),
        ("Invalid value for event_source_id: not a valid string.", "event_source_id"),
        ("Invalid value for event_id: not a valid string.", "event_id"),
        ("Invalid value for event_source_id", "event_source_id"),
        ("data.17.user.email.0: must be hashed", "user.email"),
        ("data[3].properties.value: bad", "properties.value"),
        ("The email field must be hashed with SHA-256.", "email"),
        ("event_time: Missing data for required field.", "event_time"),
        ("Invalid value for data: length must be between 1 and 1000.", "data"),
        ("The order_id is too long", "order_id"),
        ("currency: unsupported", "currency"),
    ],
)
def test_the_field_is_found_in_messages_as_they_were_seen(message: str, field: str) -> None:
    """Every shape of message that other connectors have seen yields its field."""
    assert field_path(message) == field


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Too many requests. Please retry in some time.",
        "The value of an event must not be negative",
        "alice@example.com is not a valid email",
        "user@order_id.example: bad",
        "Invalid value for +12133734253: not hashed",
        "secret_sauce.hot: no such thing",
    ],
)
def test_ordinary_words_and_values_are_no_field(message: str) -> None:
    """A message that names no field for certain yields none."""
    assert field_path(message) is None


@given(st.text(max_size=60), st.text(max_size=20))
def test_a_value_echoed_in_a_message_is_never_kept(text: str, echoed: str) -> None:
    """Whatever a message holds, only names of the request's own fields come out of it."""
    found = field_path(f"{text}: {echoed}. Invalid value for {echoed}: {text}")
    assert found is None or re.fullmatch(r"[a-z_.]{2,60}", found)
    if found is not None:
        assert field_path(f"{found}: x") == found


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("No permission to operate pixel code X. You must be admin or operator of this advertiser account.", True),
        ("The authorization was cancelled by the advertiser", True),
        ("The app is not in the allowlist", True),
        ("Invalid value for event_time: not a valid integer.", False),
    ],
)
def test_a_permission_is_told_from_a_parameter(message: str, expected: bool) -> None:
    """Code 40002 is also used for permissions; those are no row's fault."""
    assert names_permission(message) is expected
