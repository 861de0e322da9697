"""Paths that hold a file's day: ``/outgoing/sales_{{ ds_nodash }}.csv``."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from jinja2 import Template

#: A path that fills in its day and computes nothing.
_SIMPLE = re.compile(r"(?:[^{]|\{(?![{%#])|\{\{ ?(?:ds|ds_nodash|day) ?\}\})*")


def render(template: str, day: date) -> str:
    """Fill ``{{ ds }}``, ``{{ ds_nodash }}`` and ``{{ day }}`` (a date) into a path.

    :raises ConfigError: if the template is broken or names something unknown.
    """
    if "{{" not in template and "{%" not in template:
        return template
    try:
        return _compiled(template).render(ds=day.isoformat(), ds_nodash=day.strftime("%Y%m%d"), day=day)
    except Exception as error:
        # A template computes: it may divide by zero as well as name something unknown.
        raise ConfigError(
            f"the template of the path can't be filled ({type(error).__name__}).",
            where=f"path {template!r}",
            todo="It may use {{ ds }}, {{ ds_nodash }} and {{ day }}.",
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

    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False).from_string(template)
