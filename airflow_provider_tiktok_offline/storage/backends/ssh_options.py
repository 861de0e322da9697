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
``ciphers``, ``macs``, ...                 for old servers: :mod:`~.ssh_algorithms`
``min_rsa_bits``                           shortest RSA key that is taken, the server's or the client's (2048)
=========================================  ==============================================================

The host key is always verified unless a switch says otherwise: an unknown server is refused. ``known_hosts: none`` and
``no_host_key_check`` take any server for the right one, whoever answers: password and files can be read on the way.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import asyncssh

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.backends.ssh_algorithms import SHA1_SIGNATURES, offered
from airflow_provider_tiktok_offline.storage.backends.ssh_keys import (
    LengthCheckingClient,
    client_keys,
    min_rsa_bits,
    pinned_key,
)

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
        **offered(connection),
        "client_factory": partial(LengthCheckingClient, min_rsa_bits(connection)),
        "compression_algs": None,
        "connect_timeout": _seconds(connection, "conn_timeout", 15),
        "login_timeout": 30,
        "keepalive_interval": _seconds(connection, "keepalive_interval", 15),
        "keepalive_count_max": 3,
    }
    pinned = options["known_hosts"]
    if isinstance(pinned, tuple) and pinned[0]:
        # Its own kind first, and the others stay, so that a server of another kind is seen as the wrong server
        # instead of closing the connection without a word.
        first = {name.decode() for name in pinned[0][0].sig_algorithms}
        options["server_host_key_algs"].sort(key=lambda name: name not in first)
    elif pinned is not None and "host_key_algorithms" not in connection.extra:
        # The kinds that the file names for this server, less what signs with SHA-1.
        options["server_host_key_algs"] = f"-{','.join(SHA1_SIGNATURES)}"
    if connection.login:
        options["username"] = connection.login
    if connection.password:
        options["password"] = connection.password
    keys = client_keys(connection)
    if keys is not None:
        options["client_keys"] = keys
        options["agent_path"] = None
    elif connection.password:
        options["client_keys"] = None
        options["agent_path"] = None
    return options


def takes_any_server(connection: Connection) -> str | None:
    """The setting that switches the check of the server's key off, None if it is checked."""
    for name in ("no_host_key_check", "ignore_hostkey_verification"):
        if name in connection.extra:
            return name if str(connection.extra[name]).lower() == "true" else _none_known(connection)
    return _none_known(connection)


def _none_known(connection: Connection) -> str | None:
    named = connection.extra.get("known_hosts")
    return "known_hosts" if str(named or "").lower() == "none" and not connection.extra.get("host_key") else None


def _known_hosts(connection: Connection) -> object:
    host_key = connection.extra.get("host_key")
    unchecked = takes_any_server(connection)
    if host_key and unchecked:
        raise ConfigError(f"host_key and {unchecked} contradict each other.", where=connection.conn_id)
    if unchecked:
        return None
    if host_key:
        return ([pinned_key(connection, str(host_key))], [], [])
    named = connection.extra.get("known_hosts")
    if named is not None:
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


def _seconds(connection: Connection, name: str, default: float) -> float:
    value = connection.extra.get(name)
    if value is None:
        return default
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} must be a number of seconds.", where=connection.conn_id) from None
