"""What the models say of themselves: a JSON Schema for editors, and each key's description."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import TYPE_CHECKING

from pydantic import BaseModel

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
#: A value from the environment may stand for a number, a choice or a switch.
_REFERENCE = {"type": "string", "pattern": r"\$\{"}


def json_schema() -> JsonSchemaValue:
    """The JSON Schema of ``advertisers.yaml``."""
    schema = AdvertiserConfig.model_json_schema()
    definitions = {name: _described(name, part) for name, part in schema.pop("$defs").items()}
    entry = _described("AdvertiserConfig", schema)
    entry["required"] = ["name"]  # the rest may come from defaults
    defaults = {key: value for key, value in entry.items() if key != "required"}
    defaults["properties"] = {key: value for key, value in entry["properties"].items() if key != "name"}
    for part in definitions.values():
        part.pop("required", None)
    return {
        "$schema": _DRAFT,
        "title": "advertisers.yaml of airflow-provider-tiktok-offline",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "defaults": {**defaults, "description": "What every advertiser of this file has unless it says otherwise."},
            "advertisers": {"type": "array", "items": {"$ref": "#/$defs/AdvertiserConfig"}},
        },
        "$defs": {**definitions, "AdvertiserConfig": entry},
    }


@cache
def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Key -> what it means, from the *Attributes* section of the model's docstring."""
    _, _, section = (inspect.getdoc(model) or "").partition("Attributes:\n")
    meanings: dict[str, str] = {}
    key = ""
    for line in section.splitlines():
        start = re.match(r"    ([a-z_]+): (.*)", line)
        if start:
            key = start[1]
            meanings[key] = start[2]
        elif line.strip() and key:
            meanings[key] += " " + line.strip()
    return meanings


def section_models() -> dict[str, type[BaseModel]]:
    """Name of the model -> model, of the entry and all its sections."""
    return {model.__name__: model for model in _models_below(AdvertiserConfig)}


def _models_below(model: type[BaseModel]) -> list[type[BaseModel]]:
    models = [model]
    for info in model.model_fields.values():
        models += [other for other in _models_in(info.annotation) if other not in models]
    return models


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _models_below(annotation)
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def _described(name: str, part: JsonSchemaValue) -> JsonSchemaValue:
    model = section_models()[name]
    texts = descriptions(model)
    properties = {
        key: {**_or_reference(value), "description": texts[key].replace("``", "`")}
        for key, value in part["properties"].items()
    }
    summary = (inspect.getdoc(model) or "").partition("\n")[0].replace("``", "`")
    return {**part, "properties": properties, "description": summary}


def _or_reference(value: JsonSchemaValue) -> JsonSchemaValue:
    """The same value, or a reference to the environment where that would not be a string anyway."""
    value = {key: part for key, part in value.items() if key != "title"}
    if "anyOf" in value:
        plain = any(option.get("type") == "string" and "enum" not in option for option in value["anyOf"])
        return value if plain else {**value, "anyOf": [*value["anyOf"], _REFERENCE]}
    if "enum" in value or value.get("type") in ("integer", "number", "boolean"):
        rest = {key: value.pop(key) for key in ("default",) if key in value}
        return {**rest, "anyOf": [value, _REFERENCE]}
    return value
