"""Presets: the settings of exports whose layout is publicly documented, as data in ``config/preset_files``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NotRequired, TypedDict

import yaml

from airflow_provider_tiktok_offline.conversions.file.header import DELIMITERS

_NEEDED = frozenset({"transaction_timestamp", "transaction_amount"})


class PresetEntry(TypedDict, total=False):
    """The settings of a preset that the package itself looks at; it holds other keys of an advertiser's entry too.

    Attributes:
        columns: the file's column -> the package's, or the package's -> the file's columns that are joined.
        extensions: what an extra column stands for -> the file's column.
        format: how the file is written.
    """

    columns: dict[str, str | list[str]]
    extensions: dict[str, str]
    format: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Preset:
    """One documented layout.

    Attributes:
        name: what ``format.preset`` says.
        title: which export it is.
        documented: where its layout is described.
        amount: which amount it takes, and why.
        header: columns by which a file is recognised; empty for a preset that none can be recognised by.
        entry: the settings, as an advertiser's entry has them.
        also: other names that ``format.preset`` may give it.
        identifiers: where e-mails and phones come from, for an export that has none itself; else empty.
    """

    name: str
    title: str
    documented: str
    amount: str
    header: tuple[str, ...]
    entry: PresetEntry
    also: tuple[str, ...] = ()
    identifiers: str = ""


class _PresetFile(TypedDict):
    also: NotRequired[list[str]]
    identifiers: NotRequired[str]
    title: str
    documented: str
    amount: str
    header: list[str]
    entry: PresetEntry


@cache
def presets() -> dict[str, Preset]:
    """Every preset by its name."""
    folder = files("airflow_provider_tiktok_offline.config").joinpath("preset_files")
    by_name = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            name = file.name.removesuffix(".yaml")
            by_name[name] = _preset(name, yaml.safe_load(file.read_text(encoding="utf-8")))
    return by_name


def _preset(name: str, content: _PresetFile) -> Preset:
    return Preset(
        name,
        content["title"],
        content["documented"],
        content["amount"],
        tuple(content["header"]),
        content["entry"],
        tuple(content.get("also", ())),
        content.get("identifiers", ""),
    )


def preset_named(name: str) -> Preset | None:
    """The preset of a name, its own or another one that it has."""
    return presets().get(name) or next((preset for preset in presets().values() if name in preset.also), None)


def recognised(header: tuple[str, ...]) -> Preset | None:
    """The preset whose columns are all in a header; of several the one with the most."""
    fitting = [preset for preset in presets().values() if preset.header and set(preset.header) <= set(header)]
    return max(fitting, key=lambda preset: len(preset.header), default=None)


def written_like(delimiter: str, decimal: str) -> Preset | None:
    """The preset of no single product that has this delimiter and decimal sign."""
    for preset in presets().values():
        written = preset.entry.get("format", {})
        if not preset.header and (DELIMITERS.get(delimiter), decimal) == (written["delimiter"], written["decimal"]):
            return preset
    return None


def deep_merge(base: Mapping[str, object], over: Mapping[str, object]) -> dict[str, object]:
    """``base`` with the keys of ``over``; mappings on both sides are merged, anything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = deep_merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def optional_columns(name: str) -> frozenset[str]:
    """The columns of a preset that a file may lack: exports leave out what a shop does not use."""
    preset = preset_named(name)
    columns = {} if preset is None else preset.entry.get("columns", {})
    return frozenset(column for column, target in columns.items() if isinstance(target, str) and target not in _NEEDED)


def with_preset(entry: Mapping[str, object]) -> Mapping[str, object]:
    """An advertiser's entry on top of the settings of its preset, if it names one that there is."""
    written = entry.get("format")
    name = written.get("preset") if isinstance(written, Mapping) else None
    preset = preset_named(name) if isinstance(name, str) else None
    return entry if preset is None else deep_merge(preset.entry, entry)
