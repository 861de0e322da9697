"""The keys of an SFTP connection: the server's, the client's, and what is wrong with one that can't be read."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import asyncssh

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError

#: Bits below which an RSA key is refused.
MIN_RSA_BITS = 2048
_LEAST_ALLOWED = 1024
_LONGEST_PATH = 1024


class ShortHostKeyError(asyncssh.HostKeyNotVerifiable):
    """The server's RSA key is shorter than what is taken.

    Attributes:
        bits: its length.
        least: the shortest that is taken.
    """

    def __init__(self, bits: int, least: int) -> None:
        super().__init__("RSA key too short")
        self.bits = bits
        self.least = least


class LengthCheckingClient(asyncssh.SSHClient):
    """Ends the connection before the login if the server's RSA key is too short, however it came to be trusted."""

    def __init__(self, least: int) -> None:
        self._least = least

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> None:  # noqa: ARG002 - asyncssh names it
        key = self._connection.get_server_host_key()
        bits = None if key is None else rsa_bits(key)
        if bits is not None and bits < self._least:
            raise ShortHostKeyError(bits, self._least)


def min_rsa_bits(connection: Connection) -> int:
    """The shortest RSA key that is taken, from the extra's ``min_rsa_bits``.

    :raises ConfigError: if it is no number from 1024 on.
    """
    given = connection.extra.get("min_rsa_bits", MIN_RSA_BITS)
    text = str(given)
    if not (text.isascii() and text.isdecimal() and _LEAST_ALLOWED <= int(text[:9]) <= 16384):
        raise ConfigError("min_rsa_bits must be a number from 1024 to 16384.", where=connection.conn_id)
    return int(text)


def rsa_bits(key: asyncssh.SSHKey) -> int | None:
    """How long an RSA key is, in bits; None for a key of another kind."""
    if key.get_algorithm() != "ssh-rsa":
        return None
    data = key.public_data
    for _ in range(2):  # the name and the exponent; the modulus follows
        data = data[4 + int.from_bytes(data[:4], "big") :]
    return int.from_bytes(data[4:], "big").bit_length()


def pinned_key(connection: Connection, text: str) -> asyncssh.SSHKey:
    """The server's public key from the extra's ``host_key``.

    :raises ConfigError: if it is none, or too short.
    """
    parts = text.split()
    try:
        if len(parts) < 2:
            blob = base64.b64decode(parts[0], validate=True)
            kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii")
            parts = [kind, parts[0]]
        key = asyncssh.import_public_key(" ".join(parts[:2]))
    except (IndexError, ValueError, binascii.Error, asyncssh.KeyImportError):
        raise ConfigError(
            "host_key is no public key.",
            where=connection.conn_id,
            todo="Give it as 'ssh-ed25519 AAAA…': the last two fields of a line of ssh-keyscan.",
        ) from None
    _check_length(connection, key, "host_key")
    return key


def client_keys(connection: Connection) -> list[asyncssh.SSHKey] | None:
    """The key to log in with, from ``private_key`` or ``key_file``; None if there is neither.

    :raises ConfigError: if it can't be used; the message says what was given instead, and never shows it.
    """
    text = connection.extra.get("private_key")
    file = connection.extra.get("key_file")
    if text and file:
        raise ConfigError("give private_key or key_file, not both.", where=connection.conn_id)
    if not text and not file:
        return None
    phrase = connection.extra.get("private_key_passphrase") or connection.extra.get("passphrase")
    where, setting = connection.conn_id, "private_key"
    if file:
        setting = "key_file"
        _refuse_key_as_path(connection, str(file))
        where = f"{connection.conn_id}, {file}"
        try:
            text = Path(str(file)).expanduser().read_bytes().decode("latin-1")
        except OSError:
            raise ConfigError("the key_file can't be read.", where=where) from None
    try:
        key = asyncssh.import_private_key(str(text).encode("latin-1", "replace"), phrase)
    except asyncssh.KeyEncryptionError:
        raise ConfigError("the passphrase does not open the private key.", where=where) from None
    except (ValueError, asyncssh.KeyImportError):
        what, todo = _why_unreadable(str(text), setting, has_phrase=bool(phrase))
        raise ConfigError(what, where=where, todo=todo) from None
    _check_length(connection, key, setting)
    return [key]


def _check_length(connection: Connection, key: asyncssh.SSHKey, setting: str) -> None:
    bits, least = rsa_bits(key), min_rsa_bits(connection)
    if bits is not None and bits < least:
        raise ConfigError(
            f"{setting} is an RSA key of {bits} bits; {least} are needed.",
            where=connection.conn_id,
            todo=f'Have a longer key made. Until then {{"min_rsa_bits": {bits}}} in the connection\'s extra takes it.',
        )


def _refuse_key_as_path(connection: Connection, text: str) -> None:
    if "-----BEGIN" in text or "\n" in text or len(text) > _LONGEST_PATH:
        raise ConfigError(
            "key_file holds a key, not the path of a file.",
            where=connection.conn_id,
            todo="Give the key itself as private_key.",
        )


def _why_unreadable(text: str, setting: str, *, has_phrase: bool) -> tuple[str, str]:
    """What was given instead of a private key, and what to do."""
    bare = text.strip()
    if "-----BEGIN" in bare and "\\n" in bare:
        return (
            f"{setting} holds the two characters \\ and n where its line breaks belong.",
            r"In the JSON of the extra a line break is written \n once, not \\n; in a form or file, as a real one.",
        )
    if ("-----BEGIN" in bare and "PUBLIC KEY" in bare) or bare.startswith(("ssh-", "ecdsa-", "sk-")):
        return f"{setting} is a public key.", "Give the private one: the file of the same name without .pub."
    if "-----BEGIN" in bare and not {"\n", "\r"} & set(bare):
        return (
            f"{setting} is a key in one line: its line breaks were lost.",
            r"Paste it with its line breaks; in the JSON of the extra, each is written \n.",
        )
    if "-----BEGIN" in bare and "-----END" not in bare:
        return f"{setting} is a part of a key: its last line is missing.", "Paste the whole of it."
    if bare.startswith("PuTTY-User-Key-File"):
        return (
            f"{setting} is in PuTTY's format.",
            "Convert it: puttygen key.ppk -O private-openssh -o key, or Export OpenSSH key in PuTTYgen's menu.",
        )
    if setting == "private_key" and len(bare) <= _LONGEST_PATH and bare.startswith(("/", "~", "./", "../")):
        return "private_key is a path, not a key.", "Give the path as key_file."
    if "-----BEGIN" not in bare:
        return f"{setting} is no private key.", "It begins with '-----BEGIN' and ends with '-----END … KEY-----'."
    hint = "the passphrase does not open it" if has_phrase else "its passphrase is missing"
    return (
        f"{setting} can't be read: it is damaged, or {hint}.",
        "Check it with ssh-keygen -y -f FILE, and give private_key_passphrase if it has one.",
    )
