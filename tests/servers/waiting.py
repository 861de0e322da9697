"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = 600, every: float = 0.25) -> None:
    """Ask again and again until a condition holds.

    :param what: what is waited for, for the error's text.
    :param every: seconds between two looks.
    :raises TimeoutError: if it does not hold within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {seconds:g} s")
        time.sleep(every)
