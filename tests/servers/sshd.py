"""A real OpenSSH server on loopback, alone in a temporary directory."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError

_START_SECONDS = 20.0


class SshdMissingError(RuntimeError):
    """OpenSSH's server or key generator is not installed; these tests need the real one."""


@dataclass
class Sshd:
    """A running server.

    Attributes:
        root: the directory in which it was started; files may lie anywhere, ``data`` is empty and meant for them.
        host_key: the server's public key as ``type base64``.
        client_key: path of the private key that it lets in as ``user``.
    """

    host: str
    port: int
    user: str
    root: Path
    data: Path
    host_key: str
    client_key: Path
    log: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def connection(
        self,
        conn_id: str = "sftp_test",
        *,
        port: int | None = None,
        password: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Connection:
        """A connection to it, with the host key pinned and the client key, unless ``extra`` says otherwise."""
        if extra is None:
            extra = {"host_key": self.host_key}
            if password is None:
                extra["key_file"] = str(self.client_key)
        return Connection(
            conn_id=conn_id,
            conn_type="sftp",
            host=self.host,
            port=port or self.port,
            login=self.user,
            password=password,
            extra=extra,
        )

    def uri(self, path: Path | str, conn_id: str = "sftp_test") -> str:
        """The URI of an absolute path on it."""
        return f"sftp://{conn_id}@{path}"

    def logins(self) -> int:
        """How many sessions were let in so far."""
        said = self.log.read_text(errors="replace")
        return said.count("Accepted publickey for ") + said.count("Accepted password for ")

    def drop_connections(self) -> None:
        """Kill every session; the server itself goes on."""
        for child in _children(self.process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


class StaticConnections:
    """Connections from a fixed set, for tests."""

    def __init__(self, *connections: Connection) -> None:
        self._by_id = {connection.conn_id: connection for connection in connections}

    def get(self, conn_id: str) -> Connection:
        try:
            return self._by_id[conn_id]
        except KeyError:
            raise ConfigError("there is no such connection.", where=conn_id) from None


@contextlib.contextmanager
def sshd(
    *, password: str | None = None, subsystem: str = "internal-sftp", key_bits: int | None = None, settings: str = ""
) -> Iterator[Sshd]:
    """Start OpenSSH's sshd with its internal SFTP server on 127.0.0.1, and stop it at the end.

    :param password: also let the current user in by this password. The server then runs in a mount namespace of
        its own with a shadow file of its own, so that nothing of the machine changes; that needs root.
    :param subsystem: the SFTP server and its options.
    :param key_bits: the server's key is an RSA key of so many bits, otherwise an ed25519 key.
    :param settings: further lines of its configuration.
    :raises SshdMissingError: if OpenSSH is not installed (``apt-get install openssh-server``).
    """
    server = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    keygen = shutil.which("ssh-keygen")
    if server is None or keygen is None:
        raise SshdMissingError("sshd and ssh-keygen are needed: install the package openssh-server")
    user = getpass.getuser()
    with tempfile.TemporaryDirectory(prefix="sshd-") as name:
        root = Path(name).resolve()
        data = root / "data"
        data.mkdir()
        for key in ("host_key", "client_key"):
            rsa = key_bits is not None and key == "host_key"
            kind = ["rsa", "-b", str(key_bits)] if rsa else ["ed25519"]
            subprocess.run([keygen, "-q", "-t", *kind, "-N", "", "-C", "", "-f", str(root / key)], check=True)
        shutil.copy(root / "client_key.pub", root / "authorized_keys")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        log = root / "sshd.log"
        for attempt in range(5):
            port = _free_port()
            config = root / "sshd_config"
            config.write_text(
                f"ListenAddress 127.0.0.1:{port}\n"
                f"HostKey {root / 'host_key'}\n"
                f"PidFile {root / 'sshd.pid'}\n"
                f"AuthorizedKeysFile {root / 'authorized_keys'}\n"
                f"Subsystem sftp {subsystem}\n"
                "PermitRootLogin yes\nStrictModes no\nUsePAM no\nPubkeyAuthentication yes\n"
                f"PasswordAuthentication {'no' if password is None else 'yes'}\n"
                "KbdInteractiveAuthentication no\nUseDNS no\nLogLevel VERBOSE\n"
                "MaxStartups 1000\nMaxSessions 100\nPerSourceMaxStartups none\n"
                f"{settings}\n"
            )
            command = [server, "-D", "-f", str(config), "-E", str(log)]
            if password is not None:
                command = _with_password(command, root, user, password)
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            if _answers(port, process):
                break
            if attempt == 4:
                said = process.stderr.read().decode(errors="replace") if process.stderr else ""
                raise RuntimeError(f"sshd did not start: {said}{log.read_text() if log.exists() else ''}")
        try:
            yield Sshd(
                host="127.0.0.1",
                port=port,
                user=user,
                root=root,
                data=data,
                host_key=" ".join((root / "host_key.pub").read_text().split()[:2]),
                client_key=root / "client_key",
                log=log,
                process=process,
            )
        finally:
            children = _children(process.pid)
            process.terminate()
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            process.wait(10)
            if process.stderr is not None:
                process.stderr.close()


def can_hide_shadow() -> bool:
    """Whether a shadow file can be laid over the machine's without anybody else seeing it.

    It takes a root directory that is a mount point, as a machine's and a container's are; a bare chroot's is none.
    """
    return any(line.split()[4] == "/" for line in Path("/proc/self/mountinfo").read_text().splitlines())


def _with_password(command: list[str], root: Path, user: str, password: str) -> list[str]:
    """The command inside a mount namespace whose shadow file gives ``user`` that password."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        raise SshdMissingError("a password login through sshd can only be set up as root with util-linux's unshare")
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password, text=True, capture_output=True, check=True
    ).stdout.strip()
    shadow = root / "shadow"
    shadow.write_text(f"{user}:{hashed}:19000:0:99999:7:::\nsshd:!:19000::::::\n")
    shadow.chmod(0o600)
    script = 'mount --bind "$0" /etc/shadow && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(shadow), *command]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server sends its banner; False if it ended first."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            if probe.recv(4) == b"SSH-":
                return True
        time.sleep(0.01)
    if process.poll() is None:
        process.kill()
    process.wait()
    return False


def _children(pid: int) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return children
