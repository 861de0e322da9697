"""The client of the control API, for tests, the demo and scripts."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.simulator import defaults
from airflow_provider_tiktok_offline.simulator.ads import NewAds
from airflow_provider_tiktok_offline.simulator.control import (
    PREFIX,
    ClockChange,
    HeldEvent,
    LoggedRequest,
    NewAdvertiser,
    Received,
    Summary,
    TestedEvent,
    TokenChange,
)
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.simulator.incidents import Incident
from airflow_provider_tiktok_offline.simulator.lateness import Lateness
from airflow_provider_tiktok_offline.simulator.rates import Rates

_Line = TypeVar("_Line", HeldEvent, Received, TestedEvent, LoggedRequest)
_Numbered = TypeVar("_Numbered", HeldEvent, TestedEvent, LoggedRequest)


class Control:
    """A running simulator's control API.

    :param url: the simulator's address, as ``http://127.0.0.1:8931``.
    :param timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str, *, timeout: float = 60) -> None:
        self._url = url.rstrip("/") + PREFIX
        self._timeout = timeout
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def summary(self) -> Summary:
        """Counts of what was taken so far."""
        return msgspec.json.decode(self._call("/summary"), type=Summary)

    def events(self) -> Iterator[HeldEvent]:
        """Every event held, in order of arrival."""
        yield from self._by_seq("/events", HeldEvent)

    def received(self) -> Iterator[Received]:
        """How often each event came, before dedupe."""
        after = ("", "", "")
        while page := self._lines("/received", Received, after=msgspec.json.encode(after).decode()):
            yield from page
            after = (page[-1].event_set_id, page[-1].event, page[-1].event_id)

    def tested(self) -> Iterator[TestedEvent]:
        """Every event in the Test Events tab."""
        yield from self._by_seq("/tested", TestedEvent)

    def requests(self) -> Iterator[LoggedRequest]:
        """Every request to the API, oldest first."""
        yield from self._by_seq("/requests", LoggedRequest)

    def add(self, *faults: Fault) -> None:
        """Script faults, behind those already waiting."""
        self._call("/faults/add", list(faults))

    def faults(self) -> list[Fault]:
        """The faults that can still happen."""
        return msgspec.json.decode(self._call("/faults"), type=list[Fault])

    def clear_faults(self) -> None:
        self._call("/faults/clear", {})

    def set_clock(self, offset_seconds: float) -> None:
        """Let the simulator's clock run so far ahead of the machine's."""
        self._call("/clock", ClockChange(offset_seconds=offset_seconds))

    def advance_clock(self, seconds: float) -> None:
        self._call("/clock", ClockChange(advance_seconds=seconds))

    def revoke(self, token: str) -> None:
        self._call("/token", TokenChange(token=token, revoked=True))

    def restore(self, token: str) -> None:
        """Undo a revocation, which TikTok can't."""
        self._call("/token", TokenChange(token=token, revoked=False))

    def grant(
        self, token: str, advertiser_id: str, role: str = "ADMIN", *, scopes: Sequence[int] = defaults.SCOPES
    ) -> None:
        """Give a token (made if new) a role, ``ADMIN``, ``OPERATOR`` or ``ANALYST``, on an advertiser.

        :param scopes: the permissions of a new token.
        """
        change = TokenChange(token=token, advertiser_id=advertiser_id, role=role, scopes=tuple(scopes))
        self._call("/token", change)

    def add_advertiser(self, new: NewAdvertiser) -> None:
        """Make an advertiser with an event set, or change one."""
        self._call("/advertisers", new)

    def add_ads(self, new: NewAds) -> None:
        """Make ads."""
        self._call("/ads", new)

    def set_rates(self, rates: Rates) -> None:
        """Change the limits of management calls, until the next reset."""
        self._call("/rates", rates)

    def report_incident(self, incident: Incident) -> None:
        """Open or change an incident in the status feed."""
        self._call("/incidents", incident)

    def set_lateness(self, lateness: Lateness) -> None:
        """Change which events are attributed late, until the next reset."""
        self._call("/lateness", lateness)

    def reset(self) -> None:
        """Back to a fresh simulator."""
        self._call("/reset", {})

    def _by_seq(self, path: str, kind: type[_Numbered]) -> Iterator[_Numbered]:
        after = 0
        while page := self._lines(path, kind, after=str(after)):
            yield from page
            after = page[-1].seq

    def _lines(self, path: str, kind: type[_Line], **query: str) -> list[_Line]:
        return msgspec.json.Decoder(kind).decode_lines(self._call(f"{path}?{urlencode(query)}"))

    def _call(self, path: str, body: object = None) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - the address is the caller's own simulator
            self._url + path, data=None if body is None else msgspec.json.encode(body)
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                content: bytes = answer.read()
        except urllib.error.HTTPError as error:
            raise TikTokOfflineError(f"The simulator refused {path}: {error.read().decode()}") from None
        except urllib.error.URLError as error:
            raise TikTokOfflineError(
                f"No simulator answers at {self._url}: {error.reason}.", todo="Start one: tiktok-offline simulator."
            ) from None
        return content
