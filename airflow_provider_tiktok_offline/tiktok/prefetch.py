"""Makes the next value of an iterable in the background while the current one is in use."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_Value = TypeVar("_Value")


class _End:
    """No value is left."""


_END: Final = _End()


def prefetched(values: Iterable[_Value]) -> Generator[_Value, None, None]:
    """The same values, each made while the one before is in use: one more is in memory.

    An error that occurs while a value is made is raised in its place.
    """
    iterator = iter(values)
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        upcoming = pool.submit(next, iterator, _END)
        while not isinstance(value := upcoming.result(), _End):
            upcoming = pool.submit(next, iterator, _END)
            yield value
