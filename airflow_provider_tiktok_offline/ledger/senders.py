"""Which try of a step may send a part's events: the newest one.

Two tries of one run hold the same delivery and the same claims. So each try that is about to send enters itself as the
part's sender, and asks before its requests leave whether it still is.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerBusyError
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: A request leaves at most so long after its try was last seen to be the newest.
FRESH_SECONDS = 1.0
#: How long a new sender waits for the one before it to notice, and to record the answers it still gets.
_HANDOVER_SECONDS = 2 * FRESH_SECONDS
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sender:
    """The newest sender of a part, as stored.

    Attributes:
        token: its own.
        host, pid: the process that sends.
        ended: it sends nothing more, and its receipts are complete. The first releases wrote it here; now an object of
            its own says it.
    """

    token: str
    host: str
    pid: int
    ended: bool


class Sender:
    """One try's right to send the events of one part.

    :param path: the part's document in the store.
    """

    def __init__(self, objects: ObjectStore, path: str, clock: Clock) -> None:
        self._objects = objects
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._own: _Sender | None = None
        self._seen: tuple[float, datetime] | None = None

    def take(self) -> bool:
        """Become the part's sender. Returns when the one before it sends nothing more, or can't be waited for.

        :returns: whether there was one before it.
        """
        own = _Sender(token=secrets.token_hex(8), host=socket.gethostname(), pid=os.getpid(), ended=False)
        former = self._enter(own)
        self._own = own
        if former is None:
            return False
        end = self._clock.monotonic() + _HANDOVER_SECONDS
        while (
            not (former.ended or _is_dead(former))
            and self._clock.monotonic() < end
            and self._objects.get(_ended(self._path, former)) is None
        ):
            self._clock.sleep(_POLL_SECONDS)
        return True

    def check(self) -> None:
        """Make sure that no later try has become the sender. Cheap; does nothing before :meth:`take`.

        :raises LedgerBusyError: if one has: nothing more may be sent.
        """
        if self._own is None or not self._is_stale():
            return
        with self._lock:
            if self._is_stale():
                self.ask()

    def ask(self) -> None:
        """As :meth:`check`, and the store is asked in any case."""
        if self._own is None:
            return
        asked_at = self._clock.monotonic(), self._clock.now()
        stored = self._stored()
        if stored is None or stored.token != self._own.token:
            raise LedgerBusyError(
                "a later try of this step sends the events now",
                where=f"{self._objects.uri}/{self._path}",
                todo="This try sent nothing more. Wait for the later one.",
            )
        self._seen = asked_at

    def end(self) -> None:
        """Say that this try sends nothing more, and that its receipts are complete."""
        if self._own is None:
            return
        own, self._own = self._own, None
        self._objects.put(_ended(self._path, own), b"")

    def _enter(self, own: _Sender) -> _Sender | None:
        """Write down who sends; returns who did before."""
        content = documents.encode(asdict(own))
        for _ in documents.attempts(self._clock, f"{self._objects.uri}/{self._path}"):
            asked_at = self._clock.monotonic(), self._clock.now()
            former = None
            # The first try of a part asks for nothing: nearly all are.
            entered = self._objects.create(self._path, content)
            stored = None if entered else documents.read(self._objects, self._path)
            if stored is not None:
                former = documents.typed(stored[0], _Sender, f"{self._objects.uri}/{self._path}")
                if former.token == own.token:
                    # It was written, and the answer was lost.
                    former, entered = None, True
                else:
                    entered = self._objects.replace(self._path, content, stored[1])
            if entered:
                self._seen = asked_at
                return former
        raise AssertionError("attempts() ends by raising")

    def _is_stale(self) -> bool:
        """Whether it was too long ago that the store was asked; also if the process was stopped in between."""
        if self._seen is None:
            return True
        monotonic, now = self._seen
        # The stop watch stands still while a machine sleeps; the wall clock may be set back.
        return (
            self._clock.monotonic() - monotonic > FRESH_SECONDS
            or abs(self._clock.now() - now) > timedelta(seconds=FRESH_SECONDS)
        )  # fmt: skip

    def _stored(self) -> _Sender | None:
        return documents.read_typed(self._objects, self._path, _Sender)


def _ended(path: str, sender: _Sender) -> str:
    """Where a sender that was replaced says that it has ended."""
    return f"{path}.{sender.token}.ended"


def _is_dead(sender: _Sender) -> bool:
    """Whether the sender's process is known to be gone."""
    if sender.host != socket.gethostname():
        return False
    try:
        os.kill(sender.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
