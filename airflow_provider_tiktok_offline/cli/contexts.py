"""What the steps of a delivery are given when a person runs them in a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
from airflow_provider_tiktok_offline.errors import ConfigError, DeliveryHeldError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.cli.progress import StepProgress
    from airflow_provider_tiktok_offline.config import AdvertiserConfig
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext


def delivery_context(
    config: AdvertiserConfig, *, progress: StepProgress | None = None, api_url: str | None = None
) -> DeliveryContext:
    """A context with the environment's connections.

    The holder is this user on this machine, so that the same command goes on where a killed one stopped;
    :func:`alone` keeps two of them apart. A dry run or a test run is held by itself alone.
    """
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext, silent

    holder = f"cli/{socket.gethostname()}/{_user()}"
    if config.mode != "live":
        holder += f"/{secrets.token_hex(4)}"
    return DeliveryContext(
        config=config,
        connections=EnvironmentConnections(config.tiktok_conn_id),
        holder=holder,
        progress=progress or silent,
        api_url=api_url,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return f"uid-{os.getuid()}"


@contextmanager
def alone(config: AdvertiserConfig) -> Iterator[None]:
    """Be the only command of this user on this machine that delivers for the advertiser.

    The lock goes with the process, however it ends.

    :raises DeliveryHeldError: if another command does.
    :raises ConfigError: if there is no safe place for the lock.
    """
    folder = Path(tempfile.gettempdir()) / f"tiktok-offline-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ConfigError("belongs to somebody else.", where=str(folder), todo="Set TMPDIR to a directory of your own.")
    name = hashlib.sha256(f"{config.state_uri}\x1f{config.name}".encode()).hexdigest()[:24]
    with (folder / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeliveryHeldError(
                "another tiktok-offline on this machine delivers for this advertiser.",
                where=config.name,
                todo="Wait for it; nothing was sent by this one.",
            ) from None
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)
