"""Pydantic's findings in the words of the file: which key, what is wrong, what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from airflow_provider_tiktok_offline.config.fields import MISFIT
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.config.yaml_documents import KeyPath

#: Keys of earlier versions -> what they are called now.
_RENAMED: Mapping[KeyPath, str] = {("source", "manifest"): "checksum_file", ("suppression", "column"): "columns"}


def explain(error: ValidationError, entry: Mapping[str, object]) -> list[tuple[KeyPath, str]]:
    """Each finding as the path of its key within the entry and one message.

    :param entry: what was validated.
    """
    by_key: dict[KeyPath, list[str]] = {}
    for detail in error.errors(include_url=False):
        key, message = _explained(detail, entry)
        messages = by_key.setdefault(key, [])
        if message not in messages:
            messages.append(message)
    return [(key, _joined(messages)) for key, messages in by_key.items()]


def _explained(detail: ErrorDetails, entry: Mapping[str, object]) -> tuple[KeyPath, str]:
    kind, key = detail["type"], _path(detail["loc"], entry)
    if kind == MISFIT:
        return (*key, *str(detail["ctx"]["key"]).split(".")), detail["msg"]
    if kind == "missing":
        return (*key, detail["loc"][-1]), "is missing"
    if kind == "extra_forbidden":
        return key, _unknown_key(key)
    if kind == "model_type" or kind == "dict_type":
        return key, "must be a mapping, its keys indented below"
    if detail["input"] is None:
        return key, "is empty: give a value or leave the key out"
    if kind == "string_type" and isinstance(detail["input"], int | float):
        return key, "must be text: write it in quotes"
    if kind == "string_pattern_mismatch" and key[-1:] in {("name",), ("feed",)}:
        return key, "must begin with a letter and hold letters, digits, - and _ only, at most 63"
    return key, re.sub(r"^(Value error, |Input )", "", detail["msg"]).replace("should be", "must be")


def _path(location: tuple[str | int, ...], entry: object) -> KeyPath:
    """The part of pydantic's location that the entry really has; the rest names branches of a union."""
    path: list[str | int] = []
    here = entry
    for step in location:
        if isinstance(here, Mapping) and step in here:
            here = here[str(step)]
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        else:
            break
        path.append(step)
    return tuple(path)


def _unknown_key(key: KeyPath) -> str:
    model = _model_at(key[:-1])
    if model is None:
        return "unknown key"
    name = str(key[-1])
    if key in _RENAMED:
        return f"the key was renamed: write {_RENAMED[key]}"
    near = get_close_matches(name, model.model_fields, n=1, cutoff=0.7)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    homes = [".".join((*path, name)) for path, other in _sections(AdvertiserConfig) if name in other.model_fields]
    return f"unknown key; it belongs at {' or '.join(homes)}" if homes else "unknown key"


def _model_at(path: KeyPath) -> type[BaseModel] | None:
    model: type[BaseModel] | None = AdvertiserConfig
    for step in path:
        if model is not None and step in model.model_fields:
            model = _model_of(model.model_fields[str(step)].annotation)
        # A mapping's own keys, as a store's code, lie between the field and its model.
    return model


def _sections(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], type[BaseModel]]]:
    sections = [(path, model)]
    for name, info in model.model_fields.items():
        below = _model_of(info.annotation)
        if below is not None:
            sections += _sections(below, (*path, name))
    return sections


def _model_of(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_of(part)) is not None), None)


def _joined(messages: list[str]) -> str:
    if len(messages) > 1 and all(message.startswith("must be ") for message in messages):
        return ", or ".join([messages[0], *(message.removeprefix("must be ") for message in messages[1:])])
    return "; ".join(messages)
