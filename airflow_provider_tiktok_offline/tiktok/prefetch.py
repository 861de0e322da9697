"""Making the next window's bodies while the present one is on its way."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_Value = TypeVar("_Value")


class _End:
    """No value is left."""


_END: Final = _End()


def ahead(values: Iterable[_Value]) -> Generator[_Value, None, None]:
    """The same values, each made in the background while the one before is in use: one more is in memory.

    An error while a value is made is raised where that value would have come.
    """
    iterator = iter(values)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        coming = pool.submit(next, iterator, _END)
        while not isinstance(value := coming.result(), _End):
            coming = pool.submit(next, iterator, _END)
            yield value
