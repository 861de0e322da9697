"""Every code block of the documentation is loaded, parsed or resolved by what would run it."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from airflow_provider_tiktok_offline.cli.app import app
from airflow_provider_tiktok_offline.config import load_config
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Languages of blocks; one without a language is output, or a picture of text.
#: Python that stands in no example DAG is run by tests/delivery/test_documented_code.py, and the quick
#: start's commands by tests/cli/test_quick_start.py.
CHECKED = {"yaml", "python", "json", "console", "shell"}
OTHERS = {"", "dockerfile", "text"}
ENTRY = {
    "name": "shop",
    "advertiser_id": "7000000000000000001",
    "event_set_id": "7100000000000000001",
    "source": {"path": "/in/{{ ds }}.csv"},
    "state_uri": "/state",
}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        place: page and line.
        language: as the fence says.
        text: what is in it, without the fence's indentation.
    """

    place: str
    language: str
    text: str


def _blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
            line = text[: found.start()].count("\n") + 1
            inner = re.sub(f"^{found[1]}", "", found[3], flags=re.MULTILINE)
            yield Block(f"{page.relative_to(ROOT)}:{line}", found[2], inner)


BLOCKS = list(_blocks())


def _of(*languages: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=lambda block: block.place)


def test_every_language_is_known() -> None:
    """A block in a language that nothing here checks has to be listed."""
    assert {block.language for block in BLOCKS} <= CHECKED | OTHERS
    assert {block.language for block in BLOCKS} >= CHECKED


@_of("yaml")
def test_yaml_is_what_the_loader_takes(block: Block, tmp_path: Path) -> None:
    """A whole configuration, keys of an entry, or values of Airflow's Helm chart or of a compose file."""
    content = yaml.safe_load(block.text)
    assert isinstance(content, dict)
    if {"images", "services", "connections"} & content.keys():
        return
    if "advertisers" not in content and "defaults" not in content:
        assert content.keys() <= AdvertiserConfig.model_fields.keys()
        content = {"advertisers": [{**ENTRY, **content}]}
    elif not content.get("advertisers"):
        content["advertisers"] = [ENTRY]
    file = tmp_path / "advertisers.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    environ = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", block.text), "value")
    assert [str(fault) for fault in load_config(file, environ=environ).broken] == []


@_of("json")
def test_json_is_json(block: Block) -> None:
    """As a policy would be read."""
    assert json.loads(block.text)


@_of("python")
def test_python_compiles_and_its_imports_exist(block: Block) -> None:
    """What a block imports of this package and of Airflow is there; optional packages of others are not asked for."""
    tree = ast.parse(block.text, filename=block.place)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "airflow", "airflow_provider_tiktok_offline",
        ):  # fmt: skip
            module = importlib.import_module(node.module or "")
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []


def _commands(block: Block) -> Iterator[list[str]]:
    """The words of each ``tiktok-offline`` command of a block, without what the shell takes of them."""
    for line in block.text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\|\||&&|[|;]", line.removeprefix("$ ")):
            words = shlex.split(part, comments=True) if "tiktok-offline " in part else []
            while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] in ("env", "sudo")):
                words.pop(0)
            name = words[0].rpartition("/")[2] if words else ""
            if name == "tiktok-offline":
                ends = [place for place, word in enumerate(words) if re.fullmatch(r"\d?>>?|<", word)]
                yield words[1 : ends[0] if ends else None]


@_of("console", "shell")
def test_commands_are_those_of_the_command_line(block: Block) -> None:
    """Command and options resolve as the parser would read them."""
    for words in _commands(block):
        command: Any = typer.main.get_command(app)
        rest = list(words)
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            assert rest[0] in command.commands, f"{block.place}: {' '.join(words)}"
            command = command.commands[rest.pop(0)]
        context = command.context_class(command, info_name="tiktok-offline")
        options, left, _ = command.make_parser(context).parse_args(args=rest)
        assert options or left or not rest, f"{block.place}: {' '.join(words)}"


def test_commands_are_found_in_the_blocks() -> None:
    """The test above looks at something."""
    found = [words for block in BLOCKS if block.language in ("console", "shell") for words in _commands(block)]
    assert len(found) > 10
