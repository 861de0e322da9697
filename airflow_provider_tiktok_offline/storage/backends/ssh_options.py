"""An SFTP connection's settings, read as Airflow's sftp provider reads them, for asyncssh.

=========================================  ==============================================================
extra field                                meaning
=========================================  ==============================================================
``host_key``                               the server's public key, ``type base64`` or bare base64: pinned
``known_hosts``                            a known_hosts file instead of ``~/.ssh/known_hosts``
``no_host_key_check``                      ``true`` switches the check off; refused together with host_key
``private_key`` or ``key_file``            the client's key, as text or as a path
``private_key_passphrase``, ``passphrase`` what the key is encrypted with
``conn_timeout``                           seconds to wait for the connection (15)
``keepalive_interval``                     seconds between signs of life (15); three missing ones end it
=========================================  ==============================================================

The host key is always verified unless a switch says otherwise: an unknown server is refused.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any, TypeAlias

import asyncssh

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError

#: AES-GCM first: with the processor's help it is several times as fast as the others.
CIPHERS = (
    "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com",
    "aes128-ctr", "aes256-ctr", "aes192-ctr",
)  # fmt: skip
#: All that may be offered for the server's key. With a pinned key its own kind comes first and the others stay, so that
#: a server of another kind is seen as the wrong server instead of closing the connection without a word.
_HOST_KEY_ALGORITHMS = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa",
)  # fmt: skip
_NO_KEYS: tuple[list[str], list[str], list[str]] = ([], [], [])
#: Keyword arguments for ``asyncssh.connect``.
SshOptions: TypeAlias = dict[str, Any]


def ssh_options(connection: Connection) -> SshOptions:
    """Keyword arguments for ``asyncssh.connect``.

    :raises ConfigError: if a setting can't be used; the message names it and never shows it.
    """
    if not connection.host:
        raise ConfigError("the connection has no host.", where=connection.conn_id)
    options: SshOptions = {
        "host": connection.host,
        "port": connection.port or 22,
        "known_hosts": _known_hosts(connection),
        "encryption_algs": list(CIPHERS),
        "compression_algs": None,
        "connect_timeout": _seconds(connection, "conn_timeout", 15),
        "login_timeout": 30,
        "keepalive_interval": _seconds(connection, "keepalive_interval", 15),
        "keepalive_count_max": 3,
    }
    if isinstance(options["known_hosts"], tuple) and options["known_hosts"][0]:
        first = {name.decode() for name in options["known_hosts"][0][0].sig_algorithms}
        options["server_host_key_algs"] = sorted(_HOST_KEY_ALGORITHMS, key=lambda name: name not in first)
    if connection.login:
        options["username"] = connection.login
    if connection.password:
        options["password"] = connection.password
    keys = _client_keys(connection)
    if keys is not None:
        options["client_keys"] = keys
        options["agent_path"] = None
    elif connection.password:
        options["client_keys"] = None
        options["agent_path"] = None
    return options


def _known_hosts(connection: Connection) -> object:
    host_key = connection.extra.get("host_key")
    switch = connection.extra.get("no_host_key_check", connection.extra.get("ignore_hostkey_verification"))
    unchecked = str(switch).lower() == "true"
    if host_key and unchecked:
        raise ConfigError("host_key and no_host_key_check contradict each other.", where=connection.conn_id)
    if unchecked:
        return None
    if host_key:
        return ([_public_key(connection, str(host_key))], [], [])
    named = connection.extra.get("known_hosts")
    if named is not None:
        if str(named).lower() == "none":
            return None
        path = Path(str(named)).expanduser()
        if not path.is_file():
            raise ConfigError("the known_hosts file does not exist.", where=f"{connection.conn_id}, {path}")
    else:
        path = Path("~/.ssh/known_hosts").expanduser()
        if not path.is_file():
            return _NO_KEYS
    try:
        return asyncssh.read_known_hosts(str(path))
    except (OSError, ValueError):
        raise ConfigError("the known_hosts file can't be read.", where=f"{connection.conn_id}, {path}") from None


def _public_key(connection: Connection, text: str) -> asyncssh.SSHKey:
    parts = text.split()
    try:
        if len(parts) < 2:
            blob = base64.b64decode(parts[0], validate=True)
            kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii")
            parts = [kind, parts[0]]
        return asyncssh.import_public_key(" ".join(parts[:2]))
    except (IndexError, ValueError, binascii.Error, asyncssh.KeyImportError):
        raise ConfigError(
            "host_key is no public key.",
            where=connection.conn_id,
            todo="Give it as 'ssh-ed25519 AAAA…': the last two fields of a line of ssh-keyscan.",
        ) from None


def _client_keys(connection: Connection) -> list[asyncssh.SSHKey] | None:
    text = connection.extra.get("private_key")
    file = connection.extra.get("key_file")
    if text and file:
        raise ConfigError("give private_key or key_file, not both.", where=connection.conn_id)
    if not text and not file:
        return None
    phrase = connection.extra.get("private_key_passphrase") or connection.extra.get("passphrase")
    try:
        if text:
            return [asyncssh.import_private_key(str(text), phrase)]
        return [asyncssh.read_private_key(str(Path(str(file)).expanduser()), phrase)]
    except OSError:
        raise ConfigError("the key_file can't be read.", where=f"{connection.conn_id}, {file}") from None
    except asyncssh.KeyEncryptionError:
        raise ConfigError("the passphrase does not open the private key.", where=connection.conn_id) from None
    except asyncssh.KeyImportError:
        raise ConfigError(
            "the private key can't be read, or its passphrase is missing.", where=connection.conn_id
        ) from None


def _seconds(connection: Connection, name: str, default: float) -> float:
    value = connection.extra.get(name)
    if value is None:
        return default
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} must be a number of seconds.", where=connection.conn_id) from None
