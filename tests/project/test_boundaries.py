"""Where the package calls a library, the library's words stay there: its text may repeat a value, a token or a URL."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from airflow_provider_tiktok_offline import errors
from airflow_provider_tiktok_offline.errors import UnexpectedError
from airflow_provider_tiktok_offline.glue.delivery_task import task_errors

PACKAGE = Path(__file__).parents[2] / "airflow_provider_tiktok_offline"
#: The package's own errors: their messages are written to be shown.
OWN = frozenset(errors.__all__)
#: Attributes of a library's error that hold no text of a customer, a server or a user.
SAFE_ATTRIBUTES = frozenset({"errno", "strerror", "code", "start_mark", "problem_mark", "context_mark"})
#: A library's words that are let through, each with its reason.
LET_THROUGH = {
    "tiktok/answer_schemas.py": "of msgspec's words only names of this package's own fields are taken",
    "liveramp/encryption.py": "handed from one thread to another, and raised there as it is",
    "simulator/control.py": "the simulator tells its own caller what is wrong with a request",
}

HANDLERS = [
    (path, handler)
    for path in sorted(PACKAGE.rglob("*.py"))
    for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(handler, ast.ExceptHandler)
]


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', '?')}"


def caught(handler: ast.ExceptHandler) -> set[str]:
    """The names of the types that a handler catches."""
    if handler.type is None:
        return {"BaseException"}
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(handler.type)
        if isinstance(node, ast.Name | ast.Attribute)
    }


def of_libraries() -> Iterator[tuple[Path, ast.ExceptHandler]]:
    for path, handler in HANDLERS:
        if not caught(handler) <= OWN:
            yield path, handler


def test_no_error_is_chained_to_a_librarys() -> None:
    """A chained traceback carries its text: ``from None`` at each boundary."""
    chained = [
        place(path, node)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and node.cause is not None and not is_none(node.cause)
    ]
    unsaid = [
        place(path, node)
        for path, handler in HANDLERS
        for node in ast.walk(handler)
        if isinstance(node, ast.Raise)
        and node.exc is not None
        and node.cause is None
        and not (isinstance(node.exc, ast.Name) and node.exc.id == handler.name)
    ]
    assert chained + unsaid == []


def is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def test_no_librarys_error_is_put_into_words() -> None:
    """Its type may be named, and its number; never its text."""
    told = []
    for path, handler in of_libraries():
        name = handler.name
        if name is None:
            continue
        parents = {child: parent for parent in ast.walk(handler) for child in ast.iter_child_nodes(parent)}
        for node in ast.walk(handler):
            if not (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)):
                continue
            parent = parents[node]
            compared = isinstance(parents.get(parent), ast.Compare)
            if isinstance(parent, ast.FormattedValue) or (
                isinstance(parent, ast.Call) and shows(parent) and not compared
            ):
                told.append(place(path, node))
    assert [one for one in told if one.partition(":")[0] not in LET_THROUGH] == []
    assert {one.partition(":")[0] for one in told} == set(LET_THROUGH)


def shows(call: ast.Call) -> bool:
    """Whether a call turns its argument into text that somebody reads."""
    function = call.func
    if isinstance(function, ast.Name):
        return function.id in ("str", "repr", "format")
    return isinstance(function, ast.Attribute) and function.attr in (
        "debug", "info", "warning", "error", "exception", "critical", "print", "echo", "append", "format"
    )  # fmt: skip


def test_no_log_shows_a_traceback() -> None:
    """``log.exception`` and ``exc_info`` write the library's text."""
    shown = [
        place(path, node)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (
            (node.func.attr == "exception" and node.args)
            or any(one.arg in ("exc_info", "stack_info") for one in node.keywords)
        )
    ]
    assert shown == []


def test_a_native_panic_and_a_librarys_error_are_told_without_their_text() -> None:
    """What nobody foresaw is named by type and place, wherever it comes from."""
    secret = "erika.mustermann@example.com"

    class PanicException(BaseException):
        """As a Rust library raises it."""

    for raised in (ValueError(secret), KeyError(secret), pl.exceptions.ComputeError(secret), PanicException(secret)):
        with pytest.raises(UnexpectedError) as caught, task_errors():
            raise raised
        said = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(vars(caught.value))
        assert secret not in said
        assert type(raised).__name__ in said
        assert "test_boundaries.py" in said
