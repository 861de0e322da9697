"""What an SFTP server offers, read from its first message, which is sent in clear before any login (RFC 4253, 7.1).

A server that finds no common algorithm closes the connection, often without a word, so the reason is looked up here.
"""

from __future__ import annotations

import asyncio
import contextlib

from airflow_provider_tiktok_offline.errors import StorageError
from airflow_provider_tiktok_offline.storage.backends.ssh_algorithms import LISTS, AlgorithmList
from airflow_provider_tiktok_offline.storage.backends.ssh_options import SshOptions

_SECONDS = 10
_LONGEST_PACKET = 35_000
_KEXINIT = 20
_COOKIE = 16
#: Where the list stands among those of the message: key exchange, host key, encryption and MAC of the client.
_POSITIONS = {"kex_algorithms": 0, "host_key_algorithms": 1, "ciphers": 2, "macs": 4}
#: Encryption with an integrity check of its own; the lists of MACs are then not used.
_AEAD = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")


async def find_disagreement(options: SshOptions, where: str) -> StorageError | None:
    """Why the server and these options have no common algorithm; None if they have, or the server does not answer.

    Of the server's words only names that asyncssh knows are repeated.
    """
    with contextlib.suppress(OSError, TimeoutError, ValueError, EOFError, asyncio.LimitOverrunError):
        theirs = await asyncio.wait_for(_lists_of(options["host"], options["port"]), _SECONDS)
        for one in LISTS:
            ours = options[one.option]
            # A pattern stands for the kinds that a known_hosts file names.
            names = one.defaults if isinstance(ours, str) else ours
            if one.setting == "macs" and any(name in _AEAD for name in theirs["ciphers"]):
                continue
            if not set(names) & set(theirs[one.setting]):
                return _disagreement(one, theirs[one.setting], where)
    return None


def _disagreement(one: AlgorithmList, theirs: list[str], where: str) -> StorageError:
    known = [name for name in theirs if name in one.known]
    if not known:
        return StorageError(
            f"the server offers no {one.setting} that are known here.",
            where=where,
            todo="Ask its owner to renew the server.",
        )
    return StorageError(
        f"the server offers only {one.setting} that are refused as too weak: {', '.join(known)}.",
        where=where,
        todo="Ask its owner to renew the server. Until then the connection's extra can allow one: "
        f'{{"{one.setting}": "+{known[0]}"}}.',
    )


async def _lists_of(host: str, port: int) -> dict[str, list[str]]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"SSH-2.0-airflow\r\n")
        await writer.drain()
        while not (await reader.readuntil(b"\n")).startswith(b"SSH-"):
            pass  # a server may say something before
        length = int.from_bytes(await reader.readexactly(4), "big")
        if not _COOKIE < length <= _LONGEST_PACKET:
            raise ValueError
        packet = await reader.readexactly(length)
    finally:
        writer.close()
    if packet[1] != _KEXINIT:
        raise ValueError
    rest = packet[2 + _COOKIE :]
    lists = []
    for _ in range(max(_POSITIONS.values()) + 1):
        size = int.from_bytes(rest[:4], "big")
        lists.append(rest[4 : 4 + size].decode("ascii").split(","))
        rest = rest[4 + size :]
    return {setting: lists[position] for setting, position in _POSITIONS.items()}
