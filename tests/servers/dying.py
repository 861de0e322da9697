"""A state store whose user dies at its n-th write: what every later try must cope with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import BinaryIO, ParamSpec, TypeVar

import pytest

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

_P = ParamSpec("_P")
_T = TypeVar("_T")
Step = Callable[[DeliveryContext], object]


class DiedError(BaseException):
    """The step is dead: no handler of faults may catch this."""


class Life:
    """Ends before the n-th write; after that nothing can be read or written any more.

    :param writes: the number of the write that is not done any more.
    :param end: what ends it.
    """

    def __init__(self, writes: int, end: Callable[[], None] | None = None) -> None:
        self._left = writes
        self._end = end
        self.over = False

    def tick(self) -> None:
        """A write is about to be done."""
        self.check()
        self._left -= 1
        if self._left == 0:
            self.over = True
            if self._end is not None:
                self._end()
            self.check()

    def check(self) -> None:
        """Do nothing for the dead.

        :raises DiedError: if it is over.
        """
        if self.over:
            raise DiedError


class DyingStore(ObjectStore):
    """A store that one life writes to."""

    def __init__(self, inner: ObjectStore, life: Life) -> None:
        self.inner = inner
        self.uri = inner.uri
        self._life = life

    @property
    def storage_options(self) -> dict[str, str]:
        return self.inner.storage_options

    def get(self, path: str) -> tuple[bytes, str] | None:
        self._life.check()
        return self.inner.get(path)

    def put(self, path: str, content: bytes) -> None:
        self._life.tick()
        self.inner.put(path, content)

    def create(self, path: str, content: bytes) -> bool:
        self._life.tick()
        return self.inner.create(path, content)

    def replace(self, path: str, content: bytes, version: str) -> bool:
        self._life.tick()
        return self.inner.replace(path, content, version)

    def delete(self, path: str) -> None:
        self._life.tick()
        self.inner.delete(path)

    def list(self, prefix: str) -> list[str]:
        self._life.check()
        return self.inner.list(prefix)

    def sizes(self, prefix: str) -> dict[str, int]:
        self._life.check()
        return self.inner.sizes(prefix)

    def written(self, prefix: str) -> dict[str, datetime]:
        self._life.check()
        return self.inner.written(prefix)

    def open_read(self, path: str) -> BinaryIO:
        self._life.check()
        return self.inner.open_read(path)

    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        @contextmanager
        def writing() -> Iterator[BinaryIO]:
            with self.inner.open_write(path) as stream:
                yield stream
                self._life.tick()

        return writing()

    def delta_uri(self, path: str) -> str:
        return self.inner.delta_uri(path)


def mortal_table(life: Life, patch: pytest.MonkeyPatch) -> None:
    """Commits to the keys table count as writes, too."""
    for name in ("append", "advance"):
        patch.setattr(WitnessedTable, name, before(life, getattr(WitnessedTable, name)))


def mortal(ctx: DeliveryContext, life: Life, patch: pytest.MonkeyPatch) -> DeliveryContext:
    """A run's context whose writes to state, staging and ledger count.

    :param patch: undone when the life is over.
    """
    patch.setitem(ctx.__dict__, "objects", DyingStore(ctx.objects, life))
    patch.setitem(ctx.__dict__, "staging", DyingStore(ctx.staging, life))
    mortal_table(life, patch)
    return ctx


def live_out(steps: Sequence[Step], ctx: DeliveryContext) -> list[Step]:
    """Do one step after the other; what is left when the life ends, beginning with the step that died."""
    for done, step in enumerate(steps):
        try:
            step(ctx)
        except DiedError:
            return list(steps[done:])
    return []


def before(life: Life, done: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function, as a write that counts."""

    def counted(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        life.tick()
        return done(*args, **kwargs)

    return counted
