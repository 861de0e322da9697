"""Writes the generated pages (see ``PAGES``) from code and package: ``python docs/reference.py``."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel

import airflow_provider_tiktok_offline
from airflow_provider_tiktok_offline.cli.app import app
from airflow_provider_tiktok_offline.cli.commands.config import starter
from airflow_provider_tiktok_offline.config.schema import descriptions, json_schema, section_models

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import airflow_pages  # noqa: E402 - beside this file

_NOTE = "<!-- Written by docs/reference.py from the code; change it there. -->\n"


def cli_reference() -> str:
    """docs/cli.md."""
    root: Any = typer.main.get_command(app)
    commands = _commands(root, "")
    shared = _shared_options(commands)
    lines = [
        _NOTE,
        "# The command line",
        "",
        *_help(root),
        "",
        "Connections that the configuration names are read from the environment, as Airflow writes them:",
        "`AIRFLOW_CONN_<ID>` as JSON or URI. TikTok's access token is taken from `TIKTOK_ACCESS_TOKEN`, the app's",
        "secret for `auth` from `TIKTOK_APP_SECRET`. What the environment does not hold is asked of the",
        "Airflow that is configured on this machine: its metadata database and its secrets backends.",
        "`TIKTOK_OFFLINE_DEBUG=1` is the same as `--debug`. The words are those of the [glossary](glossary.md).",
        "",
        "## Options of several commands",
        "",
        "| option | meaning |",
        "|---|---|",
        *(f"| {option} | {meaning} |" for option, meaning in shared),
        "",
        "A command takes those of them that its `--help` lists, which also shows examples.",
    ]
    groups: dict[str, list[tuple[str, Any]]] = {}
    for path, command in commands:
        groups.setdefault(path.split(" ")[0] if " " in path else "", []).append((path, command))
    for group in sorted(groups):
        lines += ["", f"## {group or 'Files, deliveries and checks'}", "", "| command | what it does | own options |"]
        lines += ["|---|---|---|", *(_command(path, command, shared) for path, command in groups[group])]
    return "\n".join(lines) + "\n"


def configuration_reference() -> str:
    """docs/configuration.md."""
    schema = json_schema()
    lines = [
        _NOTE,
        "# advertisers.yaml",
        "",
        "One file, or a directory of them, for the DAG factory, the operators and the command line. `defaults:` hold",
        "for every entry of `advertisers:` unless the entry says otherwise; sections are merged key by key, lists are",
        "replaced. In a directory the `defaults:` of `defaults.yaml` lie under those of each file.",
        "",
        "- `${VARIABLE}` and `${VARIABLE:-default}` are filled in from the environment; `$$` is a dollar sign.",
        "  An advertiser's `name` is written out: it stands in every message.",
        "- Unknown keys, keys and names that are there twice, and ids given as numbers are errors. A broken entry is",
        "  reported with file, line, entry and key, and leaves the others.",
        "- Words are read as YAML 1.2 reads them: `NO` is Norway, `07:30` is a time.",
        "- Secrets have no place here: connections hold them.",
        "- The words are those of the [glossary](glossary.md).",
        "",
        "`tiktok-offline config init` writes this file to start from:",
        "",
        "```yaml",
        starter().rstrip(),
        "```",
    ]
    for name, model in section_models().items():
        place = _place(name)
        summary = (model.__doc__ or "").partition("\n")[0]
        part = schema["$defs"][name]
        lines += [
            "",
            f"## {place}",
            "",
            _plain(summary),
            "",
            "| key | values | default | meaning |",
            "|---|---|---|---|",
        ]
        for key, text in descriptions(model).items():
            field = model.model_fields[key]
            default = (
                "required" if field.is_required() else f"`{_default(field.get_default(call_default_factory=True))}`"
            )
            lines.append(f"| `{key}` | {_values(part['properties'][key])} | {default} | {_cell(_plain(text))} |")
    return "\n".join(lines) + "\n"


_PLACES = {
    "AdvertiserConfig": "One advertiser",
    "SourceConfig": "source:",
    "StoreConfig": "stores:",
    "ExtensionConfig": "extensions:",
    "SuppressionConfig": "suppression:",
    "ConsentConfig": "consent:",
    "LimitsConfig": "limits:",
    "GuardConfig": "guards:",
    "UploadConfig": "upload:",
    "LedgerConfig": "ledger:",
    "LiveRampConfig": "liveramp:",
    "NotificationsConfig": "notifications:",
    "TaskConfig": "tasks:",
    "ResourcesConfig": "resources: of a task",
}


def _place(name: str) -> str:
    return _PLACES.get(name) or name


def _default(value: Any) -> str:
    if value in (None, (), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{', '.join(value) if isinstance(value, tuple) else value}`"


def _values(schema: dict[str, Any]) -> str:
    options = schema.get("anyOf", [schema])
    return " or ".join(dict.fromkeys(_kind(one) for one in options if one.get("pattern") != r"\$\{")).replace(
        "|", "\\|"
    )


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"[section](#{_anchor(_place(schema['$ref'].rpartition('/')[2]))})"
    if "enum" in schema:
        return " ".join(f"`{one}`" for one in schema["enum"]) if len(schema["enum"]) < 9 else "name"
    kind = schema.get("type", "any")
    if kind == "array":
        inner = schema.get("items", {})
        kinds = " or ".join(dict.fromkeys(map(_kind, inner.get("anyOf", [inner]))))
        return f"list of {kinds}" if inner else "list"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"mapping to {_kind(inner)}" if isinstance(inner, dict) else "mapping"
    if kind == "null":
        return "null"
    if "const" in schema:
        return f"`{schema['const']}`"
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    names = {"integer": "whole number", "string": "text", "boolean": "`true` `false`"}
    name = schema.get("format") or names.get(kind, kind)
    if low is not None and high is not None:
        return f"{name}, {low} to {high}"
    if low is not None:
        return f"{name}, {'over' if 'exclusiveMinimum' in schema else 'from'} {low}"
    return name


def _commands(command: Any, path: str) -> list[tuple[str, Any]]:
    found = []
    for name, below in sorted(command.commands.items()):
        here = f"{path} {name}".strip()
        found += _commands(below, here) if hasattr(below, "commands") else [(here, below)]
    return found


def _options(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "option"]


#: An option that so many commands have is explained once.
_SEVERAL = 3


def _shared_options(commands: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Options that several commands have with the same meaning, as (option, meaning)."""
    counts = Counter((_option(one), _text(one)) for _, command in commands for one in _options(command))
    return sorted(option for option, count in counts.items() if count >= _SEVERAL)


def _command(path: str, command: Any, shared: list[tuple[str, str]]) -> str:
    """A row of the table: synopsis, first sentence, and the options that only this command has."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    shown = " ".join(_argument(one) if one.required else f"[{_argument(one)}]" for one in arguments)
    own = [one for one in _options(command) if (_option(one), _text(one)) not in shared]
    options = "<br>".join(f"{_option(one)} {_meaning(one)}" for one in own)
    return f"| `{_cell(f'{path} {shown}'.strip())}` | {_first_line(command)} | {options} |"


def _argument(argument: Any) -> str:
    name = (argument.metavar or argument.name).upper()
    name = name.strip("[]{}")
    return f"{name.rstrip('.')}..." if argument.nargs == -1 else name


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if option.is_flag:
        return names
    return f"{names} `{_cell(option.metavar or option.name.upper())}`"


def _meaning(parameter: Any) -> str:
    text = getattr(parameter, "help", None) or ""
    if parameter.required:
        return _cell(f"{text} Required.".strip())
    default = parameter.default
    if default in (None, False, (), []) or callable(default):
        return _cell(text)
    return _cell(f"{text} Default: `{default}`.".strip())


def _text(parameter: Any) -> str:
    return _cell(getattr(parameter, "help", None) or "")


def _help(command: Any) -> list[str]:
    return [re.sub(r"\s*\n\s*", " ", part) for part in (command.help or "").strip().split("\n\n")]


def _first_line(command: Any) -> str:
    return _cell(_help(command)[0])


def _plain(text: str) -> str:
    return text.replace("``", "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def not_attributed() -> str:
    """docs/not-attributed.md: what the page in Airflow shows."""
    folder = Path(airflow_provider_tiktok_offline.__file__).parent / "plugin" / "browser"
    return (folder / "not-attributed.md").read_text(encoding="utf-8")


PAGES = {
    "cli.md": cli_reference,
    "configuration.md": configuration_reference,
    "reference-airflow.md": airflow_pages.airflow_reference,
    "how-to.md": airflow_pages.how_to,
    "not-attributed.md": not_attributed,
}


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{HERE / name}\n")


if __name__ == "__main__":
    main()
