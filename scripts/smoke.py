"""Put a conversion file on the deployment's SFTP server and follow its run to the end, through Airflow's REST API.

``python scripts/smoke.py`` tries the deployment of docker-compose.yaml with the passwords and keys of ``.env``; for
another one name its addresses (``--help``). Ends with 0 if the run succeeded and every event was accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh

from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

#: States after which a run does not change any more.
_ENDED = ("success", "failed")


@dataclass
class Airflow:
    """Airflow's REST API.

    Attributes:
        url: the api-server, without a slash at the end.
        user, password: of somebody who may trigger runs.
        timeout: seconds for one answer.
    """

    url: str
    user: str
    password: str = field(repr=False)
    timeout: float = 60
    _token: str | None = field(default=None, init=False, repr=False)

    def get(self, path: str) -> Any:
        """What lies at a path below ``/api/v2``."""
        return self._ask("GET", path)

    def page(self, path: str) -> Any:
        """What a plugin's app answers."""
        return self._ask("GET", path, api="")

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Make something."""
        return self._ask("POST", path, body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change something."""
        return self._ask("PATCH", path, body)

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self.patch(f"/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, *, file_day: date, logical_date: datetime | None = None) -> str:
        """Start a run for one day's file; returns its id."""
        moment = None if logical_date is None else logical_date.isoformat()
        body = {"logical_date": moment, "conf": {"file_day": file_day.isoformat()}}
        return str(self.post(f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a run."""
        return str(self.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        found = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")
        return list(found["task_instances"])

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value?deserialize=true"
        return self.get(path)["value"]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, *, api: str = "/api/v2") -> Any:
        if self._token is None:
            login = {"username": self.user, "password": self.password}
            self._token = str(self._send("POST", "/auth/token", login)["access_token"])
        try:
            return self._send(method, f"{api}{path}", body)
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from None
        self._token = None  # it has expired
        return self._ask(method, path, body, api=api)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, content, headers, method=method)  # noqa: S310 - the caller's
        with urllib.request.urlopen(request, timeout=self.timeout) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")


@dataclass(frozen=True, slots=True)
class Inbox:
    """The SFTP server where conversion files appear.

    Attributes:
        host_key: the server's public key, as ``type base64``.
        client_key: the private key, as text.
    """

    host: str
    port: int
    user: str
    host_key: str
    client_key: str = field(repr=False)

    def put(self, local: Path, remote: str) -> None:
        """Upload a file under another name and rename it, so that it is never seen half."""
        asyncio.run(self._put(local, remote))

    async def _put(self, local: Path, remote: str) -> None:
        async with (
            asyncssh.connect(
                self.host,
                self.port,
                username=self.user,
                known_hosts=([asyncssh.import_public_key(self.host_key)], [], []),
                client_keys=[asyncssh.import_private_key(self.client_key)],
                config=[],
            ) as connection,
            connection.start_sftp_client() as sftp,
        ):
            folder, _, name = remote.rpartition("/")
            hidden = f"{folder}/.{name}.part"
            await sftp.put(str(local), hidden)
            await sftp.posix_rename(hidden, remote)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the run ended.

    Attributes:
        state: the run's.
        deliveries: what ``summary`` returned of each file.
        seconds: from the file's arrival to the run's end.
    """

    run_id: str
    state: str
    deliveries: list[dict[str, Any]]
    seconds: float


def smoke(
    airflow: Airflow,
    inbox: Inbox,
    *,
    dag_id: str,
    remote: str,
    day: date,
    rows: int,
    timeout: float,
    say: Callable[[str], None],
) -> Outcome:
    """Deliver a made-up file of good rows.

    :param remote: where the file has to lie on the server.
    :param day: the file's day.
    :param timeout: seconds until the run must have ended.
    :raises TimeoutError: if it has not.
    """
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "sample.csv"
        # Another seed each time: what was sent before would not be sent again.
        write_sample(
            local, rows, as_of=datetime.now(UTC), seed=time.time_ns() % 2**31, form=SampleForm(identifiers="both")
        )
        inbox.put(local, remote)
    arrived = time.monotonic()
    say(f"{rows} rows lie at {remote}")
    airflow.unpause(dag_id)
    run_id = airflow.trigger(dag_id, file_day=day)
    say(f"{dag_id}, {run_id}")
    states: dict[str, str] = {}
    while (state := airflow.run_state(dag_id, run_id)) not in _ENDED:
        for name, now in _changes(airflow, dag_id, run_id, states):
            say(f"{time.monotonic() - arrived:6.1f} s  {name}: {now}")
        if time.monotonic() - arrived > timeout:
            raise TimeoutError(f"the run has not ended after {timeout:.0f} s: {states}")
        time.sleep(1)
    seconds = time.monotonic() - arrived
    for name, now in _changes(airflow, dag_id, run_id, states):
        say(f"{seconds:6.1f} s  {name}: {now}")
    deliveries = airflow.result(dag_id, run_id, "summary")["deliveries"] if state == "success" else []
    return Outcome(run_id, state, deliveries, seconds)


def _changes(airflow: Airflow, dag_id: str, run_id: str, states: dict[str, str]) -> Iterator[tuple[str, str]]:
    for task in airflow.tasks(dag_id, run_id):
        name = task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"
        state = task["state"] or "none"
        if states.get(name) != state:
            states[name] = state
            yield name, state


def read_env(place: Path) -> dict[str, str]:
    """The variables of a ``.env``."""
    if not place.exists():
        raise SystemExit(f"{place} is missing: python3 scripts/make_env.py > .env, or name another one with --env")
    lines = (line for line in place.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}


def main() -> int:
    """Run it from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", type=Path, default=Path(".env"), help="passwords and keys (default: .env)")
    parser.add_argument("--airflow", default="http://127.0.0.1:8080", help="the api-server")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--sftp-host", default="127.0.0.1")
    parser.add_argument("--sftp-port", type=int, default=2222)
    parser.add_argument("--sftp-user", default="retailer")
    parser.add_argument("--dag", default="tiktok_offline__corner_shop")
    parser.add_argument("--remote", default="/outgoing/conversions_%Y%m%d.csv", help="the file, with its day")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--timeout", type=float, default=600, help="seconds until the run must have ended")
    given = parser.parse_args()
    day = (datetime.now(UTC) - timedelta(days=1)).date()
    secrets = read_env(given.env)
    airflow = Airflow(given.airflow.rstrip("/"), given.user, secrets["AIRFLOW_ADMIN_PASSWORD"])
    inbox = Inbox(
        given.sftp_host,
        given.sftp_port,
        given.sftp_user,
        secrets["SFTP_HOST_KEY"],
        secrets["SFTP_CLIENT_PRIVATE_KEY"].replace("\\n", "\n"),
    )
    outcome = smoke(
        airflow,
        inbox,
        dag_id=given.dag,
        remote=day.strftime(given.remote),
        day=day,
        rows=given.rows,
        timeout=given.timeout,
        say=_say,
    )
    accepted = sum(delivery["events"].get("accepted", 0) for delivery in outcome.deliveries)
    _say(f"{outcome.state}: {accepted} of {given.rows} events accepted in {outcome.seconds:.0f} s")
    return 0 if outcome.state == "success" and accepted == given.rows else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
