"""Makes docs/reference-airflow.md and docs/how-to.md; :mod:`reference` writes them."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

from airflow_provider_tiktok_offline import errors
from airflow_provider_tiktok_offline.get_provider_info import get_provider_info

ROOT = Path(__file__).parents[1]
_PACKAGE = "airflow_provider_tiktok_offline"
_NOTE = "<!-- Written by docs/reference.py from the code; change it there. -->\n"


def airflow_reference() -> str:
    """docs/reference-airflow.md."""
    lines = [
        _NOTE,
        "# Operators, sensors, triggers, hooks, notifiers",
        "",
        "Every class with what it takes. *Templated* parameters may hold Jinja. Operators and sensors also take what",
        "Airflow's own base class takes (`retries`, `pool`, `on_failure_callback`, ...). The words are those of the",
        "[glossary](glossary.md).",
    ]
    for title, classes in _groups().items():
        lines += ["", f"## {title}"]
        for one in classes:
            lines += ["", *_class(one)]
    lines += [
        "",
        "## Functions",
        "",
        *_function("taskflow", "delivery_step"),
        "",
        *_function("dag_factory", "build_dags"),
        "",
        *_function("dag_factory", "build_report_dag"),
        "",
        *_function("dag_factory", "raise_broken_advertisers"),
    ]
    lines += ["", "## Errors", "", *_errors()]
    return "\n".join(lines) + "\n"


def _groups() -> dict[str, list[type[Any]]]:
    info = get_provider_info()
    groups = {}
    for title, kind in (
        ("Operators", "operators"), ("Sensors", "sensors"), ("Triggers", "triggers"), ("Hooks", "hooks"),
    ):  # fmt: skip
        modules = [name for entry in info[kind] for name in entry["python-modules"]]
        groups[title] = [one for name in modules for one in _own(name)]
    groups["Notifiers"] = [_named(path) for path in info["notifications"]]
    groups["Links"] = [_named(path) for path in info["extra-links"]]
    return groups


def _own(module: str) -> list[type[Any]]:
    found = vars(importlib.import_module(module)).values()
    return [one for one in found if isinstance(one, type) and one.__module__ == module and one.__name__[0] != "_"]


def _named(path: str) -> type[Any]:
    module, _, name = path.rpartition(".")
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def _class(one: type[Any]) -> list[str]:
    text, own = _documented(one)
    described: dict[str, str] = {}
    for base in reversed(one.__mro__):
        if base.__module__.startswith(_PACKAGE):
            described |= _documented(base)[1]
    described |= own
    takes = _parameters(one)
    lines = [f"### {one.__name__}", "", f"`from {one.__module__} import {one.__name__}`", "", *text]
    rows = [(name, default, described[name]) for name, default in takes.items() if name in described]
    if rows:
        lines += ["", "| parameter | default | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {default} | {_cell(meaning)} |" for name, default, meaning in rows]
    return lines


def _function(module: str, name: str) -> list[str]:
    function = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)
    text, described = _documented(function)
    lines = [f"### {name}", "", f"`from {_PACKAGE}.{module} import {name}`", "", *text]
    lines += ["", "| parameter | meaning |", "|---|---|"]
    return lines + [f"| `{name}` | {_cell(meaning)} |" for name, meaning in described.items()]


def _documented(thing: Any) -> tuple[list[str], dict[str, str]]:
    """The text above the fields, as Markdown, and the parameters' descriptions."""
    documented = vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__
    whole = inspect.cleandoc(documented or "")
    text, *fields = re.split(r"^:(?=param |returns|raises)", whole, flags=re.MULTILINE)
    described = {}
    for field in fields:
        found = re.match(r"param (\w+):\s*(.*)", field, flags=re.DOTALL)
        if found:
            described[found[1]] = _plain(" ".join(found[2].split()))
    text = re.sub(
        r"::\n\n((?:    .*\n|\n)+)",
        lambda code: f":\n\n```python\n{textwrap.dedent(code[1]).strip()}\n```\n\n",
        text + "\n",
    )
    return _plain(text.strip()).splitlines(), described


def _parameters(one: type[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in one.__mro__:
        made = vars(base).get("__init__")
        if made is None or not base.__module__.startswith(_PACKAGE):
            continue
        for name, parameter in inspect.signature(made).parameters.items():
            if name != "self" and parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                required = parameter.default is parameter.empty
                found.setdefault(name, "required" if required else _default(parameter.default))
    return found


def _default(value: object) -> str:
    return "" if value is None or value == () else f"`{_cell(str(value))}`"


def _errors() -> list[str]:
    lines = [
        "What ends a task, by type. What may pass is tried again; the rest fails at once, whatever `retries` says.",
        "",
        "| type | what | tried again |",
        "|---|---|---|",
    ]
    kinds = [
        one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.TikTokOfflineError)
    ]
    for one in kinds[1:]:
        what = _plain((one.__doc__ or "").strip().partition("\n")[0])
        lines.append(f"| `{one.__name__}` | {_cell(what)} | {'yes' if one.retryable else 'no'} |")
    return lines


#: Title, marker, example DAG, and a sentence.
_HOW_TO = (
    (
        "Wait for the day's file",
        "howto_conversion_file_sensor",
        "tiktok_offline_daily",
        "Fires on complete files only; see [airflow.md](airflow.md#waiting-for-a-file).",
    ),
    (
        "Validate a file",
        "howto_validate_conversion_file",
        "tiktok_offline_daily",
        "Fails if more rows are rejected than `max_rejected_ratio` allows; the task links the report.",
    ),
    (
        "Check, hash and plan a file in one read",
        "howto_prepare",
        "tiktok_offline_on_arrival",
        "As `validate`, `normalize_hash` and `dedupe` in one task; the factory's DAGs do it so.",
    ),
    (
        "Send events to TikTok",
        "howto_tiktok_upload",
        "tiktok_offline_daily",
        "One mapped task a part of the plan; before it stand `normalize_hash` and `dedupe`.",
    ),
    (
        "Deliver a file to LiveRamp",
        "howto_liveramp_delivery",
        "liveramp_daily",
        "One file a UTC day, in one stream from the source; see [liveramp.md](liveramp.md).",
    ),
    (
        "Start a run when a file arrives",
        "howto_asset_watcher",
        "tiktok_offline_on_arrival",
        "No schedule: the asset's event starts the DAG, with the file in its payload.",
    ),
    (
        "Hold a file to the rules in a DAG of your own",
        "howto_quality_gate",
        "tiktok_offline_quality_gate",
        "A path or URI is enough, and nothing is sent.",
    ),
    (
        "Call a step from a @task",
        "howto_taskflow",
        "tiktok_offline_quality_gate",
        "Every function of `delivery` can be called so.",
    ),
    (
        "Read what TikTok attributed",
        "howto_offline_report",
        "tiktok_offline_report",
        "Every reading is kept with its time; see [airflow.md](airflow.md#what-tiktok-attributed).",
    ),
    (
        "Look at everything a delivery needs",
        "howto_doctor",
        "tiktok_offline_maintenance",
        "Every night, before the morning's file; a fault fails the task and says what to do.",
    ),
    (
        "Keep the ledger small",
        "howto_ledger_maintenance",
        "tiktok_offline_maintenance",
        "Retention, compaction, vacuum, and what abandoned runs left behind.",
    ),
)


def how_to() -> str:
    """docs/how-to.md."""
    lines = [
        _NOTE,
        "# How to",
        "",
        "One task each, with the code of an example DAG that the tests run. Settings come from `advertisers.yaml`",
        "([configuration.md](configuration.md)). [A DAG for each advertiser](airflow.md#a-dag-for-each-advertiser)",
        "needs none of this code. The words are those of the [glossary](glossary.md).",
    ]
    for title, marker, dag, words in _HOW_TO:
        source = f"dags/{dag}.py"
        lines += ["", f"## {title}", "", words, "", "```python", *_marked(ROOT / source, marker), "```", ""]
        lines += [f"From [`{source}`](../{source})."]
    return "\n".join(lines) + "\n"


def _marked(path: Path, marker: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    found = re.search(rf"# \[START {marker}\]\n(.*?)\s*# \[END {marker}\]", text, flags=re.DOTALL)
    if found is None:
        raise LookupError(f"{path} has no {marker}")
    return textwrap.dedent(found[1]).rstrip().splitlines()


def _plain(text: str) -> str:
    text = re.sub(r":(?:class|func|mod|meth):`~?[\w.]*?(\w+)`", r"`\1`", text)
    return re.sub(r"(?<!`)``(?!`)", "`", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
