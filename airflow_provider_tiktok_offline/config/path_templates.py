"""Paths that hold a file's day: ``/outgoing/sales_{{ ds_nodash }}.csv``."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from jinja2 import Environment, Template, nodes

#: A path that fills in its day and computes nothing.
_SIMPLE = re.compile(r"(?:[^{]|\{(?![{%#])|\{\{ ?(?:ds|ds_nodash|day) ?\}\})*")
#: No path is longer.
_MOST_CHARACTERS = 2_000
#: A format of a date that names no width: glibc pads to any width that is asked for.
_DATE_FORMAT = re.compile(r"(?:[^%]|%[-_0^#]?[A-Za-z%]){0,100}")
#: What of a date may be called, beside ``strftime``.
_OF_A_DATE = frozenset({"isoformat", "isocalendar", "weekday", "isoweekday", "replace"})
_OF_A_WEEK = frozenset({"year", "week", "weekday"})
_NAMES = frozenset({"day", "ds", "ds_nodash"})
_FILTERS = frozenset({"int", "lower", "string", "trim", "upper"})
_TODO = "It may use {{ ds }}, {{ ds_nodash }} and {{ day }}, as in {{ day.strftime('%d.%m.%y') }}."


class _ForbiddenError(Exception):
    """The template does what no path needs."""


def render(template: str, day: date) -> str:
    """Fill ``{{ ds }}``, ``{{ ds_nodash }}`` and ``{{ day }}`` (a date) into a path.

    :raises ConfigError: if the template is broken or names something unknown.
    """
    if "{{" not in template and "{%" not in template:
        return template
    try:
        return _compiled(template).render(ds=day.isoformat(), ds_nodash=day.strftime("%Y%m%d"), day=day)
    except _ForbiddenError:
        raise ConfigError(
            "the template of the path does more than to fill in a day.", where=f"path {template[:200]!r}", todo=_TODO
        ) from None
    except Exception as error:
        # A template computes: it may divide by zero as well as name something unknown.
        raise ConfigError(
            f"the template of the path can't be filled ({type(error).__name__}).",
            where=f"path {template[:200]!r}",
            todo=_TODO,
        ) from None


def check_template(template: str) -> None:
    """Fill a template for some day; simple ones are known to be whole, since compiling takes milliseconds.

    :raises ValueError: saying what a template may use.
    """
    if _SIMPLE.fullmatch(template):
        return
    try:
        render(template, date(2026, 11, 22))
    except ConfigError:
        raise ValueError("can't be filled: a path may use {{ ds }}, {{ ds_nodash }} and {{ day }}") from None


@lru_cache(maxsize=1024)
def _compiled(template: str) -> Template:
    """Compiling takes milliseconds, and a triggerer fills hundreds of paths at each look."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    _refuse_work(environment, template)
    return environment.from_string(template)


def _refuse_work(environment: Environment, template: str) -> None:
    """Refuse a template that could take long, or make a long text: ``{{ 9 ** 9 ** 9 }}`` is computed by its compiler.

    Nothing is multiplied, repeated, padded or looped over; so what comes out is about as long as the template.

    :raises _ForbiddenError: if it does anything else than to fill in a day.
    """
    from jinja2 import nodes

    plain = (
        nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.Const, nodes.Keyword,
        nodes.Getitem, nodes.Slice, nodes.Add, nodes.Sub, nodes.Neg, nodes.Concat, nodes.CondExpr, nodes.Compare,
        nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    )  # fmt: skip

    def check(node: nodes.Node) -> None:
        if isinstance(node, nodes.Filter):
            allowed = node.name in _FILTERS and node.node is not None and not (node.args or node.kwargs)
        elif isinstance(node, nodes.Call):
            allowed = _is_date_call(node)
        elif isinstance(node, nodes.Getattr):
            allowed = _is_date(node.node) or (isinstance(node.node, nodes.Call) and node.attr in _OF_A_WEEK)
        elif isinstance(node, nodes.Name):
            allowed = node.name in _NAMES
        else:
            allowed = isinstance(node, plain)
        if not allowed:
            raise _ForbiddenError
        for child in node.iter_child_nodes():
            check(child)

    if len(template) > _MOST_CHARACTERS:
        raise _ForbiddenError
    check(environment.parse(template))


def _is_date(node: nodes.Node) -> bool:
    """Whether an expression is ``day``, or a day made of it by ``replace``."""
    from jinja2 import nodes

    if isinstance(node, nodes.Call):
        return _is_date_call(node, ("replace",))
    return isinstance(node, nodes.Name) and node.name == "day"


def _is_date_call(node: nodes.Call, names: tuple[Literal["replace"]] | None = None) -> bool:
    from jinja2 import nodes

    called = node.node
    if not isinstance(called, nodes.Getattr) or not _is_date(called.node) or node.dyn_args or node.dyn_kwargs:
        return False
    if called.attr == "strftime" and names is None:
        given = [one.value for one in node.args if isinstance(one, nodes.Const) and isinstance(one.value, str)]
        alone = len(given) == len(node.args) == 1 and not node.kwargs
        return alone and bool(_DATE_FORMAT.fullmatch(given[0]))
    return called.attr in (names or _OF_A_DATE)
