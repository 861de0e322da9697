"""Calls that end in time, whatever the server does.

The time-outs of boto3 count from byte to byte: a server that sends one now and then is waited for without end. So each
call runs in a thread of its own, and is given up when its time is over. A thread that was given up holds its connection
until the process ends; it keeps no process alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

_T = TypeVar("_T")

#: Seconds of a call that carries little: a look, a page of a listing. boto3's own retries are within it.
CALL_SECONDS = 600.0
#: Of one that carries a part of 16 MiB: 5 kB a second is slow, less is hanging.
PART_SECONDS = 3600.0
#: Of a copy within the store, however large.
COPY_SECONDS = 6 * 3600.0
_LONGER = {"put_object": PART_SECONDS, "upload_part": PART_SECONDS, "copy": COPY_SECONDS}
#: These send nothing.
_LOCAL = frozenset({"close", "get_paginator", "generate_presigned_url", "meta", "exceptions"})


def within(seconds: float, work: Callable[[], _T]) -> _T:
    """What the work returns or raises.

    :raises TimeoutError: if it takes longer than so many seconds.
    """
    results: list[_T] = []
    failure: BaseException | None = None

    def run() -> None:
        nonlocal failure
        try:
            results.append(work())
        except BaseException as error:
            failure = error

    thread = threading.Thread(target=run, name="bounded-call", daemon=True)
    thread.start()
    thread.join(seconds)
    if failure is not None:
        raise failure
    if not results:
        raise TimeoutError
    return results[0]


def each_within(seconds: float, items: Iterable[_T]) -> Iterator[_T]:
    """The items, each of which comes in time.

    :raises TimeoutError: if one does not.
    """
    iterator = iter(items)
    nothing = object()
    while (item := within(seconds, partial(next, iterator, nothing))) is not nothing:
        yield item


class BoundedClient:
    """boto3's client, whose calls end in time with a :class:`TimeoutError`, which is an :class:`OSError`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name in _LOCAL:
            return found

        def bounded(*arguments: Any, **named: Any) -> Any:
            return within(_LONGER.get(name, CALL_SECONDS), partial(found, *arguments, **named))

        return bounded
