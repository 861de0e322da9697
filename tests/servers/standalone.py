"""A whole Airflow: scheduler, DAG processor, triggerer, API server and workers, by ``airflow standalone``."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.servers.airflow import AirflowHome
from tests.servers.airflow_api import AirflowApi
from tests.servers.waiting import wait_until


@contextlib.contextmanager
def standalone(airflow: AirflowHome, environment: Mapping[str, str]) -> Iterator[AirflowApi]:
    """Start it on free ports, wait until every part is healthy, and stop all of it at the end.

    :param airflow: its home, with the DAGs in place.
    :param environment: more variables, as connections.
    """
    port, workers, triggers = free_ports(3)
    url = f"http://127.0.0.1:{port}"
    own = {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        # On a busy machine an answer takes longer than the five seconds that a worker would wait for it.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(workers),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(triggers),
        # It starts its parts by name.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    log = airflow.home / "standalone.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "standalone"],
            env=airflow.process_environment({**own, **environment}),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    api = AirflowApi(url)
    try:
        wait_until(lambda: process.poll() is not None or api.healthy(), "a healthy Airflow", seconds=600)
        assert process.poll() is None, log.read_text()[-6000:]
        api.login()
        yield api
    except BaseException:
        sys.stderr.write(log.read_text()[-6000:])
        raise
    finally:
        # Its parent alone would leave scheduler and API server behind.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
