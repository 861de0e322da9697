"""PostgreSQL from Debian's package, on loopback, alone in a temporary directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deployment.processes import Process, free_port, listens, program
from tests.servers.waiting import wait_until

_PACKAGE = "postgresql"
#: Debian keeps the server's programs out of PATH, by version.
_FOLDERS = tuple(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server with the database ``airflow`` of the user ``airflow``.

    Attributes:
        port: on 127.0.0.1.
        password: the user's.
    """

    port: int
    password: str
    process: Process

    @property
    def dsn(self) -> str:
        """How libpq reaches it."""
        return f"postgresql://airflow:{self.password}@127.0.0.1:{self.port}/airflow"

    def dump(self) -> bytes:
        """Everything in the database, as ``pg_dump`` writes it."""
        command = [program("pg_dump", _PACKAGE, *_FOLDERS), "--dbname", self.dsn]
        return subprocess.run(command, check=True, capture_output=True).stdout


@contextmanager
def postgres(password: str) -> Iterator[Postgres]:
    """Start PostgreSQL and stop it at the end. It refuses to run as root: then it runs as the user ``postgres``.

    :raises ProgramMissingError: if it is not installed.
    """
    initdb, server = program("initdb", _PACKAGE, *_FOLDERS), program("postgres", _PACKAGE, *_FOLDERS)
    become = ["runuser", "--user", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        secret = folder / "password"
        secret.write_text(password)
        if become:
            for path in (folder, secret):
                shutil.chown(path, "postgres")
        data = folder / "data"
        options = ["--auth", "scram-sha-256", "--username", "airflow", "--pwfile", str(secret), "--no-sync"]
        initial = [*become, initdb, "--pgdata", str(data), "--encoding", "UTF8", "--locale", "C", *options]
        subprocess.run(initial, check=True, capture_output=True, cwd=folder)
        port = free_port()
        # Nothing here has to outlive a power cut.
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
        command = [*become, server, "-D", str(data)]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        process = Process("postgres", command, folder, {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"})
        process.start()
        try:
            wait_until(lambda: listens(port) or not process.alive, "PostgreSQL listens", seconds=30)
            if not process.alive:
                raise RuntimeError(f"PostgreSQL did not start: {process.tail()}")
            where = f"postgresql://airflow:{password}@127.0.0.1:{port}/postgres"
            make = [program("createdb", _PACKAGE, *_FOLDERS), "--maintenance-db", where, "airflow"]
            subprocess.run(make, check=True, capture_output=True)
            yield Postgres(port, password, process)
        finally:
            process.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
