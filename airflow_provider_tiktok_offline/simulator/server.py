"""Starts and stops the simulator, in a thread of this process or as a process of its own."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import uvicorn

from airflow_provider_tiktok_offline.clock import Clock, system_clock
from airflow_provider_tiktok_offline.errors import ConfigError, TikTokOfflineError
from airflow_provider_tiktok_offline.simulator import defaults
from airflow_provider_tiktok_offline.simulator.control import ControlRoutes
from airflow_provider_tiktok_offline.simulator.control_client import Control
from airflow_provider_tiktok_offline.simulator.gateway import Gateway, application
from airflow_provider_tiktok_offline.simulator.store import Store

HOST = "127.0.0.1"
PORT = 8931


@dataclass(frozen=True, slots=True)
class Listening:
    """A simulator that answers.

    Attributes:
        url: its address, without a slash at the end.
    """

    url: str

    def describe(self) -> list[tuple[str, str]]:
        """What a person needs to use it, as label and value."""
        return [
            ("API URL", self.url),
            ("App id", defaults.APP_ID),
            ("App secret", defaults.APP_SECRET),
            ("Access token", defaults.ACCESS_TOKEN),
            (f"Advertiser ({defaults.ADVERTISER_NAME})", defaults.ADVERTISER_ID),
            ("Its offline event set", defaults.EVENT_SET_ID),
            (f"Advertiser ({defaults.SECOND_ADVERTISER_NAME})", defaults.SECOND_ADVERTISER_ID),
            ("Its offline event set", defaults.SECOND_EVENT_SET_ID),
            ("Consent page", f"{self.url}/portal/auth?app_id={defaults.APP_ID}&state=...&redirect_uri=..."),
            ("Read back", f"{self.url}/_simulator/summary"),
        ]


def _listen(host: str, port: int) -> socket.socket:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(
            f"The simulator listens on the loopback interface only, not on {host!r}.", todo=f"Use {HOST}."
        )
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"Port {port} on {host} can't be used: {error.strerror}.", todo="Choose another with --port."
        ) from None
    listener.listen(512)
    return listener


class _Server(uvicorn.Server):
    """Uvicorn that says when it answers and can cut a connection."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def cut(self, client: tuple[str, int]) -> None:
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if transport.get_extra_info("peername")[:2] == client:
                transport.abort()


def _server(store: Store, clock: Clock, sink: bool, ready: Callable[[], None]) -> _Server:
    gateway = Gateway(store, clock, sink=sink)
    config = uvicorn.Config(
        application(gateway, ControlRoutes(gateway).routes()),
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        backlog=512,
    )
    server = _Server(config, ready)
    gateway.cut = server.cut
    return server


class Simulator:
    """The simulator in a thread of this process, as a context manager.

    :param host: an address of the loopback interface.
    :param port: 0 for any free one.
    :param state: a file in which it remembers beyond its own life, or None.
    :param sink: take events without looking at them, for benchmarks.
    :param clock: its time; moved further by :meth:`Control.set_clock`.
    """

    def __init__(
        self,
        host: str = HOST,
        port: int = 0,
        *,
        state: Path | None = None,
        sink: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._socket = _listen(host, port)
        try:
            self._store = Store(state)
        except ConfigError:
            self._socket.close()
            raise
        self._started = threading.Event()
        self._server = _server(self._store, clock or system_clock(), sink, self._started.set)
        self._thread = threading.Thread(target=self._run, name="tiktok-simulator", daemon=True)
        self.url = _url(self._socket)
        self.control = Control(self.url)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._started.set()

    def __enter__(self) -> Simulator:
        self._thread.start()
        self._started.wait()
        if not self._server.started:
            raise TikTokOfflineError("The simulator did not start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._store.close()


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    port: int = PORT,
    *,
    host: str = HOST,
    state: Path | None = None,
    sink: bool = False,
    announce: Callable[[Listening], None],
) -> None:
    """Run the simulator in the foreground until SIGINT or SIGTERM.

    :param announce: called once it answers.
    :raises ConfigError: if the address is not on the loopback interface, or taken.
    """
    store = Store(state)
    listener = _listen(host, port)
    try:
        server = _server(store, system_clock(), sink, lambda: announce(Listening(_url(listener))))
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
        store.close()
