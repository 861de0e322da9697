"""The services of a compose file as processes on loopback: the same commands, the same environment.

Each service has a machine of its own, as far as a process can: its own home, working, temporary and Airflow directory
and its own copy of the DAGs folder. What the services share is what they reach over the network, and the tasks' logs.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
from scripts.make_env import fresh_environment
from scripts.smoke import Airflow, Inbox
from tests.deployment.compose import COMPOSE_FILE, ROOT, Service, read_services
from tests.deployment.postgres import Postgres, postgres
from tests.deployment.processes import Process, free_port, listens
from tests.deployment.redis_server import Redis, redis
from tests.servers.s3 import S3Server
from tests.servers.simulator import RunningSimulator, simulator
from tests.servers.sshd import Sshd, sshd
from tests.servers.waiting import wait_until

#: Marks every process of a deployment in its environment.
MARK = "NATIVE_DEPLOYMENT"
WORKERS = ("worker-1", "worker-2")
#: Over the compose file's: faults are noticed in seconds, and nothing listens beyond loopback.
_QUICK = {
    "AIRFLOW__API__HOST": "127.0.0.1",
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "tests.deployment.machine.name",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": "3",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AWS_EC2_METADATA_DISABLED": "true",
}
#: Where no worker dies, a task that is slow on a busy machine is not taken for dead.
CALM = {
    "AIRFLOW__CORE__PARALLELISM": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "120",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "60",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "300",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
}
#: Airflow's log servers listen on every interface; here the logs lie on this machine anyway.
_NATIVE_OPTIONS = {"worker": ("--skip-serve-logs",), "triggerer": ("--skip-serve-logs",)}


@dataclass
class Deployment:
    """Running services; Airflow's from :meth:`start` on.

    Attributes:
        folder: everything of theirs that is no database lies below.
        secrets: the variables of the ``.env``.
        machines: service -> its process; the workers as ``worker-1`` and ``worker-2``.
        environment: what each of Airflow's services is given, as the compose file has it.
    """

    folder: Path
    secrets: Mapping[str, str] = field(repr=False)
    services: Mapping[str, Service]
    database: Postgres
    broker: Redis
    server: Sshd
    store: S3Server
    store_switch: Path
    api: RunningSimulator
    airflow: Airflow
    environment: dict[str, str] = field(repr=False)
    machines: dict[str, Process] = field(default_factory=dict)

    @property
    def workers(self) -> tuple[str, ...]:
        """Of Celery; none where the scheduler runs the tasks itself."""
        return WORKERS if "worker" in self.services else ()

    @property
    def connections(self) -> EnvironmentConnections:
        """What the services look up under ``AIRFLOW_CONN_*``."""
        return EnvironmentConnections(environ=self.environment)

    @property
    def inbox(self) -> Inbox:
        """The SFTP server as whoever drops a file sees it."""
        server = self.server
        return Inbox(server.host, server.port, server.user, server.host_key, server.client_key.read_text())

    def start(self, dags: Path, *, extra: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Start Airflow and wait until it is whole.

        :param dags: the DAGs folder that each machine gets a copy of.
        :param extra: service -> variables of its own.
        """
        setup = self._machine("setup", "setup", dags)
        setup.start()
        wait_until(lambda: not setup.alive, "the set-up ends", seconds=180)
        if setup.returncode != 0:
            raise RuntimeError(f"the set-up failed: {setup.tail()}")
        for service in ("api-server", "scheduler", "dag-processor", "triggerer"):
            self._machine(service, service, dags).start(**(extra or {}).get(service, {}))
        for worker in self.workers:
            self._machine(worker, "worker", dags).start(**(extra or {}).get(worker, {}))
        self.wait_until_whole()

    def wait_until_whole(self, seconds: float = 180) -> None:
        """Wait until every service has said that it is alive."""
        wait_until(self._whole, "Airflow is whole", seconds=seconds, every=0.5)

    def start_what_ended(self) -> list[str]:
        """Start each of Airflow's services that has ended by itself, as Docker does; their names."""
        lasting = [machine for name, machine in self.machines.items() if name != "setup"]
        return [machine.name for machine in lasting if machine.start_again()]

    def kill(self) -> None:
        """Kill all of Airflow's services."""
        for machine in self.machines.values():
            machine.kill()

    def worker_of(self, pid: int) -> str | None:
        """The worker that a process belongs to."""
        return next((name for name in self.workers if pid in self.machines[name].pids()), None)

    def refuse_writes(self) -> None:
        """From now on the object store answers writes with 503 SlowDown."""
        self.store_switch.touch()

    def take_writes(self) -> None:
        """The object store takes writes again."""
        self.store_switch.unlink(missing_ok=True)

    def _whole(self) -> bool:
        for machine in self.machines.values():
            if machine.name != "setup" and not machine.alive:
                raise RuntimeError(f"{machine.name} ended with {machine.returncode}: {machine.tail()}")
        try:
            health = self.airflow.get("/monitor/health")
        except OSError:
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health[part]["status"] == "healthy" for part in parts) and all(
            b"ready." in self.machines[worker].log.read_bytes() for worker in self.workers
        )

    def _machine(self, name: str, service: str, dags: Path) -> Process:
        """A service on a machine of its own."""
        folder = self.folder / name
        own = {kind: folder / kind for kind in ("home", "work", "tmp", "airflow")}
        for place in own.values():
            place.mkdir(parents=True)
        copy = own["airflow"] / "dags"
        shutil.copytree(dags, copy)
        programs = Path(sys.executable).parent
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "HOME": str(own["home"]),
            "TMPDIR": str(own["tmp"]),
            "AIRFLOW_HOME": str(own["airflow"]),
            # A volume that all share, in the compose file.
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.folder / "logs"),
            "MACHINE": name,
            MARK: str(self.folder),
            **self.services[service].environment,
            **self.environment,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(own["home"] / "passwords.json"),
        }
        command = self.services[service].command
        if command[0] != "bash":
            command = (str(programs / "airflow"), *command, *_NATIVE_OPTIONS.get(service, ()))
        if service == "worker":
            command = (*command, "--celery-hostname", name)
        placed = [word.replace("/opt/provider", str(ROOT)).replace("/opt/airflow/dags", str(copy)) for word in command]
        self.machines[name] = Process(name, placed, own["work"], environment)
        return self.machines[name]


@contextmanager
def deployment(folder: Path, *, sink: bool = False, file: Path = COMPOSE_FILE) -> Iterator[Deployment]:
    """Start everything but Airflow, whose services :meth:`Deployment.start` starts; stop all of it at the end.

    :param folder: empty.
    :param sink: the simulator takes events without looking at them, for benchmarks.
    :param file: the compose file. Redis and the object store run beside one that has none, and nobody asks them.
    :raises ProgramMissingError: if a system package is missing.
    """
    secrets = fresh_environment()
    with ExitStack() as stack:
        server = stack.enter_context(sshd())
        secrets |= {
            "SFTP_HOST_KEY": server.host_key,
            "SFTP_CLIENT_PRIVATE_KEY": server.client_key.read_text().replace("\n", "\\n"),
        }
        services = read_services(secrets, file)
        database = stack.enter_context(postgres(secrets["POSTGRES_PASSWORD"]))
        (folder / "redis").mkdir()
        broker = stack.enter_context(redis(read_services(secrets)["redis"].command, folder / "redis"))
        api = stack.enter_context(simulator(sink=sink))
        switch = folder / "refuse-writes"
        store = stack.enter_context(_object_store(secrets, switch))
        web = free_port()
        addresses = {
            "@postgres:5432/": f"@127.0.0.1:{database.port}/",
            "//redis:6379/": f"//127.0.0.1:{broker.port}/",
            "//api-server:8080/": f"//127.0.0.1:{web}/",
            "http://object-store:9000": store.endpoint,
            "http://simulator:8082": api.url,
            "/opt/airflow/state": str(folder / "state"),
            '"host": "sftp", "port": 2222, "login": "retailer"': (
                f'"host": "127.0.0.1", "port": {server.port}, "login": "{server.user}"'
            ),
        }
        runs_tasks = services.get("worker", services["scheduler"])
        environment = {name: _replaced(value, addresses) for name, value in runs_tasks.environment.items()}
        running = Deployment(
            folder=folder,
            secrets=secrets,
            services=services,
            database=database,
            broker=broker,
            server=server,
            store=store,
            store_switch=switch,
            api=api,
            airflow=Airflow(f"http://127.0.0.1:{web}", "admin", secrets["AIRFLOW_ADMIN_PASSWORD"]),
            environment={**environment, **_QUICK, "AIRFLOW__API__PORT": str(web)},
        )
        stack.callback(running.kill)
        yield running


@contextmanager
def _object_store(secrets: Mapping[str, str], switch: Path) -> Iterator[S3Server]:
    """An S3 server that refuses writes while the switch exists."""
    port = free_port()
    server = S3Server(
        endpoint=f"http://127.0.0.1:{port}",
        access_key=secrets["OBJECT_STORE_ACCESS_KEY"],
        secret_key=secrets["OBJECT_STORE_SECRET_KEY"],
        region="us-east-1",
    )
    place = switch.with_name("object-store")
    place.mkdir()
    command = [sys.executable, "-m", "tests.servers.s3_process", str(port), str(switch)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true"}
    process = Process("object-store", command, place, environment)
    process.start()
    try:
        wait_until(lambda: listens(port), "the object store listens", seconds=60)
        yield server
    finally:
        process.stop()


def _replaced(text: str, addresses: Mapping[str, str]) -> str:
    for theirs, ours in addresses.items():
        text = text.replace(theirs, ours)
    return text


def left_running(folder: Path) -> dict[int, str]:
    """The processes of a deployment that are still there: process id -> command line.

    They are known by the mark in their environment; Celery and the api-server write their title over theirs, so also by
    the directory that they work in.
    """
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(MARK) == str(folder) or Path(process.cwd()).is_relative_to(folder):
                found[process.pid] = " ".join(process.cmdline())
    return found
