"""The name of the machine that a process belongs to, for ``[core] hostname_callable``: here all share one."""

from __future__ import annotations

import os


def name() -> str:
    """The machine's name."""
    return os.environ["MACHINE"]
