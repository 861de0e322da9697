"""Optional OpenPGP for the feed file, with LiveRamp's public key (LiveRamp, "Encrypting Files for Uploading").

Sequoia encrypts in a helper process: its Python binding holds the interpreter's lock while it works, so this process
could not feed a stream to it.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.errors import ConfigError, TikTokOfflineError
from airflow_provider_tiktok_offline.liveramp import encryption_process

if TYPE_CHECKING:
    from pysequoia import Cert
    from pysequoia.packet import Packet

_READ_BYTES = 256 * 1024
#: Set in the first byte of each OpenPGP packet (RFC 9580, 4.2).
_PACKET = 0x80
#: All that the helper gets of this process's environment; packages may lie in the user's home.
_ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TMPDIR")
#: What to do, by the helper's exit code.
_TODO = {
    encryption_process.NO_LIBRARY: "Install airflow-provider-tiktok-offline[pgp] for the Python that runs the tasks.",
    encryption_process.NO_CERTIFICATE: "Check liveramp.pgp_key: the key can't be read.",
    encryption_process.NOT_ENCRYPTED: "Check liveramp.pgp_key, and that the worker has memory left.",
    None: "Check liveramp.pgp_key and the installation of pysequoia. Nothing was delivered.",
}


@dataclass(frozen=True, slots=True)
class Recipient:
    """The key that a feed file is encrypted to.

    Attributes:
        fingerprint: of the primary key, hex.
        key: fingerprint of the sub-key that is used (or of the primary key, if it encrypts itself).
        certificate: the public key with that one encryption key only, binary.
    """

    fingerprint: str
    key: str
    certificate: bytes


def load_recipient(text: bytes, *, fingerprint: str | None, now: datetime, where: str) -> Recipient:
    """Read a public key and choose the key to encrypt to.

    :param text: one or several public keys, armoured or binary.
    :param fingerprint: of the primary key or of a sub-key, or a sub-key's id of 16 digits; that key must be the one
        used. Without it the file must hold one key, and its newest usable sub-key is taken.
    :param now: expiry is looked at for this moment.
    :param where: the file, for messages.
    :raises ConfigError: if no such key is there, or it has expired or is revoked.
    """
    try:
        import pysequoia
    except ImportError:
        raise ConfigError(
            "encrypting needs pysequoia.", where=where, todo="Install airflow-provider-tiktok-offline[pgp]."
        ) from None
    try:
        certificates = pysequoia.Cert.split_bytes(text)
    except Exception:
        raise ConfigError("holds no OpenPGP public key.", where=where) from None
    wanted = "".join(character for character in (fingerprint or "") if character.isalnum()).lower().removeprefix("0x")
    candidates = [(certificate, _keys(certificate)) for certificate in certificates]
    if wanted:
        candidates = [(cert, keys) for cert, keys in candidates if any(_is(key.fingerprint, wanted) for key in keys)]
        if not candidates:
            raise ConfigError(
                "holds no key of the configured fingerprint.",
                where=where,
                todo="LiveRamp changed its key in March 2024: get the present one and compare pgp_fingerprint.",
            )
    if len(candidates) != 1:
        raise ConfigError(
            f"holds {len(candidates)} keys.", where=where, todo="Name the one in liveramp.pgp_fingerprint."
        )
    certificate, keys = candidates[0]
    if certificate.has_secret_keys:
        raise ConfigError("is a private key; LiveRamp's public key is needed.", where=where)
    expires = certificate.expiration
    if certificate.is_revoked or (expires is not None and expires <= now):
        state = "is revoked" if certificate.is_revoked else f"has expired on {expires:%Y-%m-%d}"
        raise ConfigError(f"the key {state}.", where=where, todo="Get LiveRamp's present public key.")
    by_subkey = wanted if wanted and not _is(certificate.fingerprint, wanted) else None
    usable = [key for key in keys if key.usable(now) and (by_subkey is None or _is(key.fingerprint, by_subkey))]
    if not usable:
        raise ConfigError(
            "the key has no sub-key that can encrypt now: expired, revoked, or made for something else.",
            where=where,
            todo="Get LiveRamp's present public key.",
        )
    chosen = max(usable, key=lambda key: key.created)
    return Recipient(certificate.fingerprint, chosen.fingerprint, _only(keys, chosen))


def encrypted(chunks: Iterable[bytes], recipient: Recipient) -> Iterator[bytes]:
    """The stream encrypted, binary.

    :raises TikTokOfflineError: if the helper process fails; faults of ``chunks`` come through as they are.
    """
    process = _helper(recipient)
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the helper process has no pipes")
    source, sink, faults = process.stdout, process.stdin, list[BaseException]()
    left_unread = threading.Event()

    def feed() -> None:
        try:
            with sink:
                try:
                    for chunk in chunks:
                        sink.write(chunk)
                except BrokenPipeError:
                    left_unread.set()
                except BaseException as error:
                    # Ended before its input is closed, so that it can't finish a short message.
                    faults.append(error)
                    process.kill()
        except BrokenPipeError:
            left_unread.set()

    feeder = threading.Thread(target=feed, name="pgp-feed", daemon=True)
    feeder.start()
    try:
        begun = False
        while data := source.read(_READ_BYTES):
            if not begun and not data[0] & _PACKET:
                # Whatever the helper ran, it was not what encrypts: nothing of it may leave.
                raise TikTokOfflineError("encrypting the feed file gave no OpenPGP message.", todo=_TODO[None])
            begun = True
            yield data
        feeder.join()
        if faults:
            raise faults[0]
        ended = process.wait()
        if ended != 0 or not begun or left_unread.is_set():
            raise TikTokOfflineError("encrypting the feed file failed.", todo=_TODO.get(ended, _TODO[None]))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        source.close()
        feeder.join()


def _helper(recipient: Recipient) -> subprocess.Popen[bytes]:
    """Start it with nothing of this process: a module in its directory, or a variable, could take the plaintext."""
    command = [sys.executable, "-P", "-E", encryption_process.__file__]
    command.append(base64.b64encode(recipient.certificate).decode())
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    )


@dataclass(slots=True)
class _Key:
    """The primary key or a sub-key with the packets that belong to it, and what its newest signature says."""

    fingerprint: str
    created: datetime
    packets: list[Packet]
    revoked: bool = False
    encrypts: bool = False
    expires: datetime | None = None
    signed: datetime | None = None

    def usable(self, now: datetime) -> bool:
        return self.encrypts and not self.revoked and (self.expires is None or self.expires > now)


def _keys(certificate: Cert) -> list[_Key]:
    """The primary key first, then its sub-keys."""
    from pysequoia import packet

    keys: list[_Key] = []
    for one in packet.PacketPile.from_bytes(bytes(certificate)):
        if one.tag in (packet.Tag.PublicKey, packet.Tag.PublicSubkey):
            keys.append(_Key(one.fingerprint, one.key_created, []))
        keys[-1].packets.append(one)
        if one.tag != packet.Tag.Signature:
            continue
        key = keys[-1]
        if one.signature_type == packet.SignatureType.SubkeyRevocation:
            key.revoked = True
        elif one.key_flags is not None and (key.signed is None or one.signature_created >= key.signed):
            key.signed = one.signature_created
            key.encrypts = one.key_flags.transport_encryption or one.key_flags.storage_encryption
            lasts = one.key_validity_period
            key.expires = None if lasts is None else key.created + lasts
    return keys


def _only(keys: list[_Key], chosen: _Key) -> bytes:
    """The primary key with the chosen one."""
    import pysequoia

    kept = [packet for key in keys if key is keys[0] or key is chosen for packet in key.packets]
    return bytes(pysequoia.Cert.from_packets(kept))


def _is(fingerprint: str, wanted: str) -> bool:
    return fingerprint == wanted or (len(wanted) == 16 and fingerprint.endswith(wanted))
