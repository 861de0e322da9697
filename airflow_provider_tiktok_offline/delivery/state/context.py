"""What every step of a delivery is given: settings, credentials, the time, and who is at work."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.clock import Clock, system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.connections import Connections
from airflow_provider_tiktok_offline.conversions.contract.lookback import oldest_event_time
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import Deliveries
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger
    from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: ``progress(step, done, total)``: bytes while reading, events while sending; total None where unknown.
Progress = Callable[[str, int, int | None], None]


def unmasked(secret: str) -> None:
    """Does nothing: no log masks secrets here."""


def silent(step: str, done: int, total: int | None) -> None:
    """Does nothing: nobody watches the progress."""


@dataclass(kw_only=True)
class DeliveryContext:
    """One run's view of one advertiser.

    Attributes:
        config: the advertiser's settings.
        connections: where credentials are looked up.
        holder: who works on the delivery: ``dag_id/run_id`` under Airflow, ``cli/<host>/<user>`` in a terminal. The
            same holder re-enters its own delivery; another waits until the heartbeat has expired.
        clock: the source of the time.
        progress: called with the progress of a step.
        mask: called with every secret that is not a connection's password, so that logs hide it.
        api_url: another base URL of TikTok's API than the connection's.
        stopping: set from any thread to end an upload between two batches, with its receipts complete.
        set_aside: whether this is about those of the run's files that a person is asked about, while the others go on.
    """

    config: AdvertiserConfig
    connections: Connections
    holder: str
    clock: Clock = field(default_factory=system_clock)
    progress: Progress = silent
    mask: Callable[[str], None] = unmasked
    api_url: str | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    set_aside: bool = False

    @property
    def live(self) -> bool:
        """Whether events count: dry runs and test events never touch the ledger."""
        return self.config.mode == "live"

    @cached_property
    def objects(self) -> ObjectStore:
        """State: the ledger, the deliveries, their reports."""
        from airflow_provider_tiktok_offline.storage.objects import open_objects

        return open_objects(self.config.state_uri, self.connections)

    @cached_property
    def staging(self) -> ObjectStore:
        """Prepared events between two steps."""
        from airflow_provider_tiktok_offline.storage.objects import open_objects

        return open_objects(self.config.staging, self.connections)

    @cached_property
    def deliveries(self) -> Deliveries:
        """The states of the advertiser's deliveries."""
        from airflow_provider_tiktok_offline.ledger.deliveries import Deliveries

        return Deliveries(self.objects, clock=self.clock, lease_seconds=self.config.ledger.lease_seconds)

    @cached_property
    def ledger(self) -> Ledger:
        """The event set's ledger.

        :raises LedgerMissingError: if it was never made.
        """
        return self._open_ledger(look=True)

    def open_ledger_unseen(self) -> None:
        """Open the ledger for a step that looks at table or claims itself before it acts; one that is open stays so."""
        if "ledger" not in self.__dict__:
            self.ledger = self._open_ledger(look=False)

    def _open_ledger(self, *, look: bool) -> Ledger:
        from airflow_provider_tiktok_offline.ledger.ledger import Ledger, LedgerOptions

        return Ledger.open(
            self.objects,
            self.config.event_set_id,
            identity=self.config.identity_settings(),
            clock=self.clock,
            secret=self.ledger_secret,
            options=LedgerOptions(
                deliveries=self.deliveries,
                retry_window=timedelta(hours=self.config.upload.retry_hours),
                look=look,
            ),
        )

    @cached_property
    def ledger_secret(self) -> bytes | None:
        """The ledger's secret where a connection's password holds it, as hex; None where it lies beside the ledger.

        :raises ConfigError: if the connection holds none, or one that is no 32 bytes in hex.
        """
        if self.config.ledger.secret_conn_id is None:
            return None
        connection = self.connections.get(self.config.ledger.secret_conn_id)
        try:
            secret = bytes.fromhex(connection.password or "")
        except ValueError:
            secret = b""
        if len(secret) != 32:
            raise ConfigError(
                "the ledger's secret must be 32 bytes, written as 64 hex digits.",
                where=f"connection {connection.conn_id}, password",
                todo="Make one once: python3 -c 'import secrets; print(secrets.token_hex(32))'.",
            )
        return secret

    @property
    def lookback(self) -> timedelta | None:
        """How old a transaction may be when it is sent; None for any age."""
        return None if self.config.lookback_days is None else timedelta(days=self.config.lookback_days)

    def oldest_event_time(self, now: datetime) -> int:
        """The oldest event time that may still be sent, in epoch seconds."""
        return oldest_event_time(now, self.lookback)

    def delivery_id(self, digest: str) -> str:
        """The id of this advertiser's delivery of the file with that digest.

        A dry run or a test run is a delivery of its own, so that it can be repeated and never stands in the way
        of a live one.
        """
        from airflow_provider_tiktok_offline.ledger.deliveries import delivery_id

        owner = self.config.name if self.live else f"{self.config.name}|{self.config.mode}|{self.holder}"
        return delivery_id(owner, digest)

    @property
    def settings_fingerprint(self) -> str:
        """What tells whether two deliveries had the same settings."""
        return hashlib.sha256(repr(self.config.model_dump(mode="json")).encode()).hexdigest()[:16]

    @property
    def run_key(self) -> str:
        """The holder as a path segment that names nobody."""
        return _segment(self.holder)

    @property
    def share_key(self) -> str:
        """Of the files of the run that this is about, as a path segment: those set aside have one of their own."""
        return share_key(self, set_aside=self.set_aside)

    def folder(self, delivery_id: str) -> str:
        """Where the delivery's reports lie, below ``state_uri``."""
        return f"advertisers/{self.config.name}/deliveries/{delivery_id}"

    def uri(self, path: str) -> str:
        """The full URI of an object below ``state_uri``."""
        return f"{self.config.state_uri.rstrip('/')}/{path}"


def share_key(ctx: DeliveryContext, *, set_aside: bool) -> str:
    """The path segment of the files of a run that are set aside, or of all others."""
    return _segment(f"{ctx.holder}, set aside") if set_aside else ctx.run_key


def _segment(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
