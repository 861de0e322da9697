"""Starting and stopping: where it listens, what it remembers, and that it stands on its own."""

from __future__ import annotations

import ast
import signal
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest

from airflow_provider_tiktok_offline.errors import ConfigError, TikTokOfflineError
from airflow_provider_tiktok_offline.simulator.control_client import Control
from airflow_provider_tiktok_offline.simulator.defaults import ACCESS_TOKEN
from airflow_provider_tiktok_offline.simulator.server import Simulator
from tests.servers.simulator import simulator as simulator_process
from tests.simulator.conftest import Api, make_event

PACKAGE = Path(__file__).parents[2] / "airflow_provider_tiktok_offline"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])  # noqa: S104
def test_it_listens_on_loopback_only(host: str) -> None:
    """Any other address is refused before a socket is opened."""
    with pytest.raises(ConfigError, match="loopback"):
        Simulator(host=host)


def test_a_taken_port_is_a_clear_error() -> None:
    """It names the port and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Port {port}.*--port"):
            Simulator(port=port)


def test_nobody_there_is_a_clear_error() -> None:
    """The control client says how to start one."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(TikTokOfflineError, match="tiktok-offline simulator"):
        Control(f"http://127.0.0.1:{port}").summary()


def test_it_stops_when_interrupted() -> None:
    """SIGINT ends the process, without a traceback and with exit code 0."""
    with simulator_process() as running:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(timeout=10) == 0


def test_a_state_file_outlives_the_process(tmp_path: Path) -> None:
    """Events, dedupe and tokens are still known to the next simulator, even if the first was killed."""
    path = tmp_path / "simulator.sqlite"
    with simulator_process(state=path) as running:
        api = Api(running.url)
        api.send([make_event(1)])
        running.control.revoke(ACCESS_TOKEN)
        running.process.kill()
        running.process.wait()
    with simulator_process(state=path) as running:
        api = Api(running.url)
        assert api.send([make_event(1)])["code"] == 40105
        running.control.restore(ACCESS_TOKEN)
        assert api.send([make_event(1), make_event(2)])["code"] == 0
        assert running.event_ids() == {"v1-1": 1, "v1-2": 1}
        assert running.times_received() == {"v1-1": 2, "v1-2": 1}


def test_a_sink_counts_and_looks_at_nothing() -> None:
    """For benchmarks: code 0 for anything, and event ids are counted."""
    with Simulator(sink=True) as sink:
        api = Api(sink.url)
        assert api.send([{"event_id": 1}, {"event_id": 2}], token=None)["code"] == 0
        summary = sink.control.summary()
        assert (summary.events_received, summary.events_held) == (2, 0)


def test_reset_forgets_everything(api: Api, simulator: Simulator) -> None:
    """Events, faults, clock and accounts are as at the start."""
    api.send([make_event()])
    simulator.control.advance_clock(3600)
    simulator.control.revoke(ACCESS_TOKEN)
    simulator.control.reset()
    summary = simulator.control.summary()
    assert (summary.events_held, summary.requests, summary.distinct_received) == (0, 0, 0)
    assert api.send([make_event()])["code"] == 0


def test_read_back_pages_reach_the_last_event(api: Api, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a page of events is read in several."""
    monkeypatch.setattr("airflow_provider_tiktok_offline.simulator.control.PAGE", 7)
    api.send([make_event(n) for n in range(20)])
    assert len(list(simulator.control.events())) == 20
    assert len({each.event_id for each in simulator.control.received()}) == 20


def test_an_open_connection_does_not_hold_up_the_end() -> None:
    """A client that keeps its connection can't keep the simulator alive."""
    with Simulator() as running, httpx.Client(base_url=running.url, trust_env=False) as client:
        client.get("/_simulator/summary")


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_it_shares_nothing_with_what_it_judges() -> None:
    """Of the package the simulator imports its clock and errors and nothing else."""
    own = "airflow_provider_tiktok_offline"
    allowed = (f"{own}.clock", f"{own}.errors", f"{own}.simulator")
    for path in (PACKAGE / "simulator").glob("*.py"):
        foreign = {name for name in _imports(path) if name.startswith(own) and not name.startswith(allowed)}
        assert not foreign, path.name


def test_a_state_file_of_another_version_is_a_clear_error(tmp_path: Path) -> None:
    """It says which file to delete, and changes nothing in it."""
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE tokens (token TEXT PRIMARY KEY, scope TEXT NOT NULL)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"old\.sqlite.*Delete it"):
        Simulator(state=path)
    assert path.read_bytes() == before
