"""YAML files as plain values: keys are text, duplicate keys are found, ``${VARIABLES}`` are filled in, lines are known.

Scalars are read as YAML 1.2 reads them: ``NO`` is Norway and not false, ``07:30:00`` is a time and not a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import yaml

from airflow_provider_tiktok_offline.errors import ConfigError

KeyPath: TypeAlias = tuple[str | int, ...]

_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\})")
if TYPE_CHECKING:
    from yaml import SafeLoader as _Base
else:
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _TooLargeError(Exception):
    """A document is too deep, or has too many values with its aliases.

    :param line: from 1, where that is seen.
    """

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Loader(_Base):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    # PyYAML calls both around each node that it makes, and makes nodes of nodes by recursion: a hundred thousand levels
    # would end the process.

    def descend_resolver(self, current_node: yaml.Node | None, current_index: object) -> None:  # noqa: ARG002
        self._depth += 1
        if self._depth > _DEEPEST and current_node is not None:
            raise _TooLargeError(current_node.start_mark.line + 1)

    def ascend_resolver(self) -> None:
        self._depth -= 1


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(f"^(?:{_pattern})$"),
        ["" if letter == "\0" else letter for letter in _first],
    )

#: Beyond what a thousand advertisers in one file need.
_LARGEST_TEXT = 16 * 1024 * 1024
_MOST_NODES = 1_000_000
_DEEPEST = 64

_CONSTANTS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a document.

    Attributes:
        path: keys and list positions from the top of the document.
        line: line number, from 1.
        message: what is wrong; never a value.
    """

    path: KeyPath
    line: int
    message: str


@dataclass(slots=True)
class Document:
    """One YAML file.

    Attributes:
        file: its name as it was given.
        value: the plain value; mappings have text keys only.
        problems: duplicate keys, unknown variables and unknown tags.
        filled: where an environment variable gave the value, or a part of it.
    """

    file: str
    value: object = None
    problems: list[Problem] = field(default_factory=list)
    filled: set[KeyPath] = field(default_factory=set)
    _root: yaml.Node | None = None

    def line(self, path: KeyPath) -> int | None:
        """The line on which the value at ``path`` begins, None if the document has no such place."""
        node, line = self._root, 1
        for step in path:
            if isinstance(node, yaml.MappingNode):
                entry = next(((key, value) for key, value in node.value if key.value == step), None)
                if entry is None:
                    return None
                line, node = entry[0].start_mark.line + 1, entry[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                return None
        return line


def read_document(path: Path, environ: Mapping[str, str]) -> Document:
    """Read one YAML file.

    :raises ConfigError: if it can't be read or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the configuration can't be read ({error.strerror}).", where=str(path), todo="Check path and permissions."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError("the configuration is no UTF-8 text.", where=str(path)) from None
    if len(text) > _LARGEST_TEXT:
        raise ConfigError(
            f"the configuration has more than {_LARGEST_TEXT:,} characters.",
            where=str(path),
            todo="Use a directory of files.",
        )
    document = Document(str(path))
    loader = _Loader(text)
    try:
        document._root = loader.get_single_node()
        if document._root is not None:
            document.value = _Builder(document, environ).build(document._root, ())
    except _TooLargeError as error:
        raise ConfigError(
            f"the configuration is deeper than {_DEEPEST} levels, or has more than {_MOST_NODES:,} values "
            "with its aliases.",
            where=f"{path}:{error.line}",
            todo="Use a directory of files; write repeated settings under defaults:.",
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"no valid YAML: {error.problem or error.context}.", where=where) from None
    except yaml.YAMLError:
        raise ConfigError("no valid YAML: it holds a character that YAML does not allow.", where=str(path)) from None
    finally:
        loader.dispose()
    return document


def _is_name(path: KeyPath) -> bool:
    """Whether a path is that of an advertiser's name."""
    return len(path) == 3 and path[0] == "advertisers" and path[2] == "name"


class _Builder:
    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self._open: set[int] = set()
        self._made = 0

    def build(self, node: yaml.Node, path: KeyPath) -> object:
        # What an alias stands for is made each time: a few lines can stand for a thousand million values.
        self._made += 1
        if self._made > _MOST_NODES or len(self._open) > _DEEPEST:
            raise _TooLargeError(node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._problem(node, path, "an anchor may not contain itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, object]:
        values: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                value = self.build(value_node, path)
                for base in value if isinstance(value, list) else [value]:
                    if isinstance(base, dict):
                        merged = {**base, **merged}
                    else:
                        self._problem(key_node, path, "<<: needs a mapping")
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, path, "a key must be plain text")
                continue
            key = key_node.value
            if key in values:
                self._problem(key_node, (*path, key), "the key is there twice")
                continue
            values[key] = self.build(value_node, (*path, key))
        return {**merged, **values}

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> object:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        text: str = node.value
        match kind:
            case "str":
                return self._filled_in(node, text, path) if "$" in text else text
            case "int" | "float":
                try:
                    return int(text) if kind == "int" else float(text)
                except ValueError:
                    self._problem(node, path, f"no valid {kind}")
                    return None
            case "bool":
                return _CONSTANTS.get(text.lower())
            case "null":
                return None
            case _:
                self._problem(node, path, "YAML tags are not understood here")
                return None

    def _filled_in(self, node: yaml.Node, text: str, path: KeyPath) -> str:
        if _is_name(path) and any(not match[1] for match in _REFERENCE.finditer(text)):
            # It names the DAG, the state's folder and every message: what a variable holds would be shown there.
            self._problem(node, path, "a name may not come from an environment variable: write it out")
            return text

        def value(match: re.Match[str]) -> str:
            literal, name, default = match.groups()
            if literal:
                return "$"
            setting = self._environ.get(name, "")
            if setting or (default is None and name in self._environ):
                self._document.filled.add(path)
                return setting
            if default is None:
                self._problem(node, path, f"the environment variable {name} is not set")
                return ""
            return str(default)

        return _REFERENCE.sub(value, text)

    def _problem(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        self._document.problems.append(Problem(path=path, line=node.start_mark.line + 1, message=message))
