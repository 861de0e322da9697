"""OpenPGP, round trip with GnuPG."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from airflow_provider_tiktok_offline.errors import ConfigError, FileChangedError, TikTokOfflineError
from airflow_provider_tiktok_offline.liveramp import encryption_process
from airflow_provider_tiktok_offline.liveramp.encryption import encrypted, load_recipient
from tests.servers.gnupg import GnuPG, gnupg_ring

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def gnupg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GnuPG]:
    with gnupg_ring(tmp_path_factory.mktemp("pgp") / "home") as ring:
        yield ring


def test_gnupg_reads_what_was_encrypted(gnupg: GnuPG) -> None:
    """A stream of many chunks comes back byte for byte, encrypted to the newest sub-key alone."""
    recipient = load_recipient(gnupg.public, fingerprint=gnupg.primary, now=NOW, where="key.asc")
    chunks = [os.urandom(700_001) for _ in range(12)]
    message = b"".join(encrypted(iter(chunks), recipient))
    assert gnupg.run("--decrypt", stdin=message) == b"".join(chunks)
    packets = gnupg.recipients_of(message)
    assert packets.count(":pubkey enc packet:") == 1
    assert recipient.key[-16:].upper() in packets


def test_the_configured_sub_key_is_used(gnupg: GnuPG) -> None:
    """A sub-key's fingerprint, or its id, chooses it, in any way of writing."""
    wanted = gnupg.subkeys[0]
    for written in (wanted, wanted.lower(), wanted[-16:], " ".join(wanted[i : i + 4] for i in range(0, 40, 4))):
        recipient = load_recipient(gnupg.public, fingerprint=written, now=NOW, where="key.asc")
        assert recipient.key == wanted.lower()
        message = b"".join(encrypted([b"x"], recipient))
        assert wanted[-16:] in gnupg.recipients_of(message)


def test_an_expired_sub_key_is_passed_over(gnupg: GnuPG) -> None:
    """After its expiry another usable sub-key is taken; asked for by name it is refused."""
    later = NOW + timedelta(days=10)
    short = next(key for key in gnupg.subkeys if not load_ok(gnupg, key, later))
    chosen = load_recipient(gnupg.public, fingerprint=None, now=later, where="key.asc")
    assert chosen.key != short.lower()
    with pytest.raises(ConfigError, match="no sub-key that can encrypt now"):
        load_recipient(gnupg.public, fingerprint=short, now=later, where="key.asc")


def load_ok(gnupg: GnuPG, fingerprint: str, now: datetime) -> bool:
    try:
        load_recipient(gnupg.public, fingerprint=fingerprint, now=now, where="key.asc")
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize(
    ("case", "said"), [("expired", "has expired"), ("other", "no key of the configured"), ("secret", "private key")]
)
def test_keys_that_must_not_be_used(gnupg: GnuPG, case: str, said: str) -> None:
    """Expired, another fingerprint (an old key of LiveRamp's), a private key."""
    text = gnupg.private if case == "secret" else gnupg.public
    now = NOW + timedelta(days=3 * 365) if case == "expired" else NOW
    fingerprint = "0" * 40 if case == "other" else None
    with pytest.raises(ConfigError, match=said):
        load_recipient(text, fingerprint=fingerprint, now=now, where="key.asc")


def test_a_revoked_key_is_refused(tmp_path: Path) -> None:
    """LiveRamp's old key must not be used even if it has not expired."""
    with gnupg_ring(tmp_path / "home") as ring:
        ring.revoke()
        with pytest.raises(ConfigError, match="is revoked"):
            load_recipient(ring.public, fingerprint=None, now=NOW + timedelta(minutes=1), where="key.asc")


def test_what_is_no_key_is_refused() -> None:
    """Any other file."""
    for text in (b"", b"ssh-ed25519 AAAA", b"\x00\x01"):
        with pytest.raises(ConfigError):
            load_recipient(text, fingerprint=None, now=NOW, where="key.asc")


def test_a_broken_source_gives_no_finished_message(gnupg: GnuPG) -> None:
    """The source's own error comes through, and what was written can't be decrypted."""
    recipient = load_recipient(gnupg.public, fingerprint=None, now=NOW, where="key.asc")

    def broken() -> Iterator[bytes]:
        yield os.urandom(3_000_000)
        raise FileChangedError("changed")

    seen: list[bytes] = []
    with pytest.raises(FileChangedError):
        seen.extend(encrypted(broken(), recipient))
    with pytest.raises(subprocess.CalledProcessError):
        gnupg.run("--decrypt", stdin=b"".join(seen))


def test_a_stream_left_early_leaves_no_process(gnupg: GnuPG) -> None:
    """Closing the stream ends the helper."""
    recipient = load_recipient(gnupg.public, fingerprint=None, now=NOW, where="key.asc")
    before = set(psutil.Process().children())
    stream = encrypted(iter([os.urandom(1_000_000)] * 50), recipient)
    next(stream)
    helpers = set(psutil.Process().children()) - before
    assert len(helpers) == 1
    stream.close()  # type: ignore[attr-defined]
    assert set(psutil.Process().children()).isdisjoint(helpers)


@pytest.mark.parametrize("where", ["directory", "PYTHONPATH", "usercustomize"])
def test_no_module_beside_the_worker_is_given_the_plaintext(
    gnupg: GnuPG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A ``pysequoia.py`` in the worker's directory, or on a path that its environment names, is not run."""
    stolen = tmp_path / "stolen"
    thief = f"import sys; open({str(stolen)!r}, 'wb').write(sys.stdin.buffer.read()); sys.exit(0)"
    recipient = load_recipient(gnupg.public, fingerprint=gnupg.primary, now=NOW, where="key.asc")
    (tmp_path / ("usercustomize.py" if where == "usercustomize" else "pysequoia.py")).write_text(thief)
    if where == "directory":
        monkeypatch.chdir(tmp_path)
    else:
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    message = b"".join(encrypted([b"erika@example.com"], recipient))
    assert gnupg.run("--decrypt", stdin=message) == b"erika@example.com"
    assert not stolen.exists()


@pytest.mark.parametrize(
    ("helper", "said"),
    [
        ("", "encrypting the feed file failed"),
        ("import sys; sys.stdin.buffer.read()", "encrypting the feed file failed"),
        ("import sys; sys.stdout.write(sys.stdin.read())", "no OpenPGP message"),
        ("import sys; sys.exit(3)", r"Install airflow-provider-tiktok-offline\[pgp\]"),
        ("raise ValueError('erika@example.com')", "encrypting the feed file failed"),
    ],
)
def test_a_helper_that_does_not_encrypt_is_a_failure(
    gnupg: GnuPG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helper: str, said: str
) -> None:
    """No output, the plaintext itself, or an error: nothing of it is a feed file."""
    (tmp_path / "helper.py").write_text(helper)
    monkeypatch.setattr(encryption_process, "__file__", str(tmp_path / "helper.py"))
    recipient = load_recipient(gnupg.public, fingerprint=gnupg.primary, now=NOW, where="key.asc")
    seen: list[bytes] = []
    with pytest.raises(TikTokOfflineError, match=said) as caught:
        seen.extend(encrypted([b"erika@example.com"], recipient))
    assert not seen
    assert "erika" not in str(caught.value)


@pytest.mark.parametrize(
    "last", ["sys.exit(0)", "sys.stdin.buffer.read(700_000); sys.exit(0)", "os.kill(os.getpid(), 9)"]
)
def test_a_helper_that_ends_before_its_input_is_a_failure(
    gnupg: GnuPG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """What it wrote is the beginning of a message, and it may even say that all went well."""
    start = f"import os, sys; sys.stdout.buffer.write(bytes([0xC1] * 1000)); sys.stdout.buffer.flush(); {last}"
    (tmp_path / "helper.py").write_text(start)
    monkeypatch.setattr(encryption_process, "__file__", str(tmp_path / "helper.py"))
    recipient = load_recipient(gnupg.public, fingerprint=None, now=NOW, where="key.asc")
    seen: list[bytes] = []
    with pytest.raises(TikTokOfflineError, match="encrypting the feed file failed"):
        seen.extend(encrypted([os.urandom(500_000)] * 4, recipient))
    assert b"".join(seen) == bytes([0xC1] * 1000)
