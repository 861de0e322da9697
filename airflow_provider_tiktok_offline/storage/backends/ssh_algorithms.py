"""Which algorithms are offered to an SFTP server, and what an old server needs beyond them.

A connection's extra changes a list by name, written as OpenSSH writes it: names separated by commas replace the
list, and a ``+`` in front appends them to it. ``{"macs": "+hmac-sha1"}`` lets a server in that knows nothing newer.

=======================  ==================================================  =======================================
extra field              what                                                not offered unless named
=======================  ==================================================  =======================================
``ciphers``              encryption                                          CBC modes, arcfour, 3DES
``macs``                 integrity of each packet                            SHA-1, MD5, shortened ones
``kex_algorithms``       key exchange                                        SHA-1, groups 1 and 14 with SHA-1
``host_key_algorithms``  the server's signature                              ``ssh-rsa`` (SHA-1), ``ssh-dss``
=======================  ==================================================  =======================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_public_key_algs

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError

#: Kinds of server keys whose signature is over a SHA-1 digest.
SHA1_SIGNATURES = ("ssh-rsa", "ssh-dss")


@dataclass(frozen=True, slots=True)
class AlgorithmList:
    """One of the four lists.

    Attributes:
        setting: the field of the connection's extra.
        option: the keyword of ``asyncssh.connect``.
        defaults: what is offered, in this order.
        known: every name that asyncssh has.
    """

    setting: str
    option: str
    defaults: tuple[str, ...]
    known: tuple[str, ...]


def _names(algorithms: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(name.decode("ascii") for name in algorithms)


LISTS = (
    AlgorithmList(
        "ciphers",
        "encryption_algs",
        # AES-GCM first: with the processor's help it is several times as fast as the others.
        ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com",
         "aes128-ctr", "aes256-ctr", "aes192-ctr"),
        _names(get_encryption_algs()),
    ),
    AlgorithmList(
        "macs",
        "mac_algs",
        ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "umac-128-etm@openssh.com",
         "hmac-sha2-256", "hmac-sha2-512", "umac-128@openssh.com"),
        _names(get_mac_algs()),
    ),
    AlgorithmList(
        "kex_algorithms",
        "kex_algs",
        ("curve25519-sha256", "curve25519-sha256@libssh.org",
         "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
         "diffie-hellman-group-exchange-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
         "diffie-hellman-group14-sha256"),
        _names(get_kex_algs()),
    ),
    AlgorithmList(
        "host_key_algorithms",
        "server_host_key_algs",
        ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
         "rsa-sha2-512", "rsa-sha2-256"),
        _names(get_public_key_algs()),
    ),
)  # fmt: skip


def offered(connection: Connection) -> dict[str, list[str]]:
    """Keyword of ``asyncssh.connect`` -> names, for the four lists.

    :raises ConfigError: for a name that asyncssh does not know, or an empty list.
    """
    return {one.option: _offered(connection, one) for one in LISTS}


def _offered(connection: Connection, one: AlgorithmList) -> list[str]:
    given = connection.extra.get(one.setting)
    if given is None:
        return list(one.defaults)
    text = ",".join(str(name) for name in given) if isinstance(given, (list, tuple)) else str(given)
    added = text.strip().startswith("+")
    names = [name.strip() for name in text.strip().removeprefix("+").split(",") if name.strip()]
    unknown = [name for name in names if name not in one.known]
    if unknown or not names:
        raise ConfigError(
            f"{one.setting} names an algorithm that is not known." if unknown else f"{one.setting} is empty.",
            where=connection.conn_id,
            todo=f"Known are {', '.join(one.known)}. Separate names by commas; '+' in front adds to the defaults.",
        )
    return list(dict.fromkeys((*one.defaults, *names) if added else names))
