"""What is too weak for an SFTP login, how an old server is let in by name, and what a mispasted key is told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.mac import get_mac_algs

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError, HostKeyError, StorageError
from airflow_provider_tiktok_offline.storage.backends.ssh_algorithms import LISTS
from airflow_provider_tiktok_offline.storage.backends.ssh_options import ssh_options, takes_any_server
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
from tests.servers.sshd import Sshd, StaticConnections, sshd


def _files(server: Sshd, **extra: Any) -> AbstractContextManager[RemoteFiles]:
    connection = server.connection(extra={"key_file": str(server.client_key), **extra})
    return open_files(server.uri(server.data), StaticConnections(connection))


@contextmanager
def _old_server(settings: str) -> Iterator[Sshd]:
    with sshd(settings=settings) as server:
        yield server


@pytest.mark.parametrize(
    ("settings", "setting", "name"),
    [
        ("Ciphers aes128-cbc,3des-cbc", "ciphers", "aes128-cbc"),
        ("MACs hmac-sha1,hmac-sha1-96", "macs", "hmac-sha1"),
        ("KexAlgorithms diffie-hellman-group14-sha1", "kex_algorithms", "diffie-hellman-group14-sha1"),
    ],
)
def test_an_old_server_is_let_in_by_name_only(settings: str, setting: str, name: str) -> None:
    """The refusal names what the server offers and the setting that allows it; with it the login works."""
    # Without MACs of their own, AES-GCM and ChaCha would hide what a server's MACs are.
    with _old_server(f"{settings}\n{'Ciphers aes128-ctr' if setting == 'macs' else ''}") as server:
        with pytest.raises(StorageError, match="too weak") as refused, _files(server, host_key=server.host_key):
            pass
        assert name in refused.value.what
        assert f'{{"{setting}": "+{name}"}}' in (refused.value.todo or "")
        assert not refused.value.retryable
        with _files(server, host_key=server.host_key, **{setting: f"+{name}"}) as files:
            assert files.list(server.uri(server.data)) == []
        with _files(server, host_key=server.host_key, **{setting: [name]}) as files:
            assert files.list(server.uri(server.data)) == []


@pytest.mark.parametrize("trust", ["pinned", "known_hosts", "any"])
def test_a_short_server_key_ends_the_connection_before_the_login(trust: str, tmp_path: Path) -> None:
    """1024 bits are refused however the key came to be trusted, unless min_rsa_bits asks for it."""
    with sshd(key_bits=1024) as server:
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
        extra = {"pinned": {"host_key": server.host_key}, "known_hosts": {"known_hosts": str(known)}}.get(
            trust, {"known_hosts": "none"}
        )
        with pytest.raises((HostKeyError, ConfigError), match="1024 bits") as refused, _files(server, **extra):
            pass
        assert '{"min_rsa_bits": 1024}' in (refused.value.todo or "")
        assert server.logins() == 0
        with _files(server, **extra, min_rsa_bits=1024) as files:
            assert files.list(server.uri(server.data)) == []


def test_a_signature_over_sha1_is_refused(tmp_path: Path) -> None:
    """A server that signs with ssh-rsa alone is told apart from a wrong one, and let in by name."""
    with sshd(key_bits=2048, settings="HostKeyAlgorithms ssh-rsa") as server:
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
        for extra in ({"host_key": server.host_key}, {"known_hosts": str(known)}, {"known_hosts": "none"}):
            with pytest.raises(StorageError, match="too weak: ssh-rsa") as refused, _files(server, **extra):
                pass
            assert not isinstance(refused.value, HostKeyError)
            with _files(server, **extra, host_key_algorithms="+ssh-rsa") as files:
                assert files.list(server.uri(server.data)) == []


def test_nothing_offered_is_weak() -> None:
    """No list holds a name with SHA-1, MD5, CBC, RC4 or DSS, and every name is one that asyncssh knows."""
    for one in LISTS:
        for name in one.defaults:
            assert not any(weak in name for weak in ("sha1", "md5", "cbc", "arcfour", "dss", "group1-", "ssh-rsa"))
            assert name in one.known


@pytest.mark.parametrize("given", ["hmac-sha9", "+", "", ["hmac-sha2-256", "x"], 5])
def test_a_name_that_is_unknown_is_refused(given: object) -> None:
    """The error lists the names that there are."""
    connection = Connection(conn_id="s", conn_type="sftp", host="h", extra={"macs": given})
    with pytest.raises(ConfigError, match="macs") as caught:
        ssh_options(connection)
    assert get_mac_algs()[0].decode() in (caught.value.todo or "")


@pytest.mark.parametrize("given", ["many", 512, 0, -2048, 10**9, 2048.5, True])
def test_the_least_length_is_a_number_within_bounds(given: object) -> None:
    """Less than 1024 bits can't be asked for."""
    with pytest.raises(ConfigError, match="min_rsa_bits"):
        ssh_options(Connection(conn_id="s", conn_type="sftp", host="h", extra={"min_rsa_bits": given}))


@pytest.mark.parametrize("field", ["private_key", "key_file"])
def test_a_short_client_key_is_refused(field: str, tmp_path: Path) -> None:
    """The client's own key is held to the same length."""
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", str(path)], check=True)
    value = str(path) if field == "key_file" else path.read_text()
    extra = {field: value, "known_hosts": "none"}
    with pytest.raises(ConfigError, match=f"{field} is an RSA key of 1024 bits"):
        ssh_options(Connection(conn_id="s", conn_type="sftp", host="h", extra=extra))
    assert ssh_options(Connection(conn_id="s", conn_type="sftp", host="h", extra={**extra, "min_rsa_bits": "1024"}))


_KEY = asyncssh.generate_private_key("ssh-ed25519")
_PEM = _KEY.export_private_key().decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_PEM.replace("\n", "\\n"), r"the two characters \\ and n"),
        (_PEM.replace("\n", " "), "a key in one line"),
        (_PEM.replace("\n", ""), "a key in one line"),
        ("/home/airflow/.ssh/id_ed25519", "is a path, not a key"),
        ("~/.ssh/id_ed25519", "is a path, not a key"),
        (_KEY.export_public_key().decode(), "is a public key"),
        (_KEY.export_public_key("pkcs8-pem").decode(), "is a public key"),
        (_PEM.partition("-----END")[0], "its last line is missing"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "PuTTY's format"),
        ("correct horse battery staple", "is no private key"),
        ("schlüssel – ключ", "is no private key"),
        (_PEM.replace(_PEM[60:70], "##########"), "it is damaged"),
        (_KEY.export_private_key(passphrase="secret", rounds=1).decode(), "its passphrase is missing"),
    ],
    ids=(
        "escaped-ends",
        "blanks",
        "one-line",
        "path",
        "path-below-home",
        "public",
        "public-pem",
        "cut-off",
        "putty",
        "words",
        "other-scripts",
        "damaged",
        "passphrase",
    ),
)
@pytest.mark.parametrize("field", ["private_key", "key_file"])
def test_a_mispasted_key_is_told_what_it_is(text: str, said: str, field: str, tmp_path: Path) -> None:
    """Literal line breaks, one line, a path, the public key: each has its own message, and none shows the key."""
    value = text
    if field == "key_file":
        (tmp_path / "key").write_text(text)
        value = str(tmp_path / "key")
        said = "is no private key" if "a path" in said else said
    with pytest.raises(ConfigError, match=said) as caught:
        ssh_options(Connection(conn_id="s", conn_type="sftp", host="h", extra={field: value}))
    assert caught.value.todo
    assert not any(line in str(caught.value) for line in _PEM.splitlines()[1:-1])
    assert caught.value.__suppress_context__


def test_a_key_given_as_a_path_is_told_so() -> None:
    """key_file holds a path; the key itself is never taken for one, nor shown as one."""
    with pytest.raises(ConfigError, match="key_file holds a key") as caught:
        ssh_options(Connection(conn_id="s", conn_type="sftp", host="h", extra={"key_file": _PEM}))
    assert _PEM.splitlines()[1] not in str(caught.value)


def test_keys_with_the_line_breaks_of_windows_are_read() -> None:
    """A form may send CR LF."""
    extra = {"private_key": _PEM.replace("\n", "\r\n"), "known_hosts": "none"}
    assert ssh_options(Connection(conn_id="s", conn_type="sftp", host="h", extra=extra))["client_keys"]


@pytest.mark.parametrize(
    ("extra", "setting"),
    [
        ({}, None),
        ({"known_hosts": "none"}, "known_hosts"),
        ({"known_hosts": "None"}, "known_hosts"),
        ({"known_hosts": None}, None),
        ({"known_hosts": "/etc/ssh/known"}, None),
        ({"no_host_key_check": True}, "no_host_key_check"),
        ({"no_host_key_check": "true"}, "no_host_key_check"),
        ({"no_host_key_check": False}, None),
        ({"ignore_hostkey_verification": "True"}, "ignore_hostkey_verification"),
        ({"no_host_key_check": False, "known_hosts": "none"}, "known_hosts"),
    ],
)
def test_the_setting_that_trusts_any_server_is_known(extra: dict[str, Any], setting: str | None) -> None:
    """Doctor names it in its warning."""
    assert takes_any_server(Connection(conn_id="s", conn_type="sftp", host="h", extra=extra)) == setting
