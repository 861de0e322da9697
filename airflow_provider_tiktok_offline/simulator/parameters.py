"""Reads the parameters of a call, from its query or its JSON body; a wrong one is refused as TikTok refuses it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import TypeVar

import msgspec

from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal

Parameters = Mapping[str, object]

_Value = TypeVar("_Value")
_ID = re.compile(r"[0-9]{1,19}")


def wrong(name: str, reason: str) -> Refusal:
    """The refusal of one parameter."""
    return Refusal(Code.PARAM_ERROR, f"{name}: {reason}")


def text(values: Parameters, name: str) -> str:
    """A required text."""
    if name not in values:
        raise wrong(name, "Missing data for required field.")
    value = values[name]
    if not isinstance(value, str) or not value:
        raise wrong(name, "Not a valid string.")
    return value


def identifier(values: Parameters, name: str) -> str:
    """A required id: an int64, carried as a string of digits."""
    value = text(values, name)
    if not _ID.fullmatch(value):
        raise wrong(name, "Not a valid id.")
    return value


def flag(values: Parameters, name: str, default: bool) -> bool:
    """A boolean; a query carries it as text."""
    value = values.get(name, default)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise wrong(name, "Not a valid boolean.")
    return value


def choice(values: Parameters, name: str, choices: Collection[str], default: str | None = None) -> str:
    """One of several words; required if there is no default."""
    value = text(values, name) if default is None else values.get(name, default)
    if not isinstance(value, str) or value not in choices:
        raise wrong(name, "Not a valid choice.")
    return value


def whole_number(values: Parameters, name: str, default: int, largest: int) -> int:
    """A whole number from 1 on."""
    value = str(values.get(name, default))
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= largest:
        raise wrong(name, f"Must be between 1 and {largest}.")
    return int(value)


def day(values: Parameters, name: str) -> date:
    """A required date."""
    try:
        return date.fromisoformat(text(values, name))
    except ValueError:
        raise wrong(name, "Not a valid date, as YYYY-MM-DD.") from None


def from_json(values: Parameters, name: str, kind: type[_Value]) -> _Value:
    """A value that a query carries as JSON."""
    try:
        return msgspec.json.decode(text(values, name), type=kind)
    except msgspec.MsgspecError:
        raise wrong(name, "Not valid JSON of the documented type.") from None


def names(values: Parameters, name: str) -> list[str]:
    """A required JSON list of strings."""
    return from_json(values, name, list[str])


def identifiers(values: Parameters, name: str) -> list[str]:
    """A required JSON list of ids."""
    ids = names(values, name)
    if not all(map(_ID.fullmatch, ids)):
        raise wrong(name, "Not a valid list of ids.")
    return ids
