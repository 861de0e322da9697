"""GnuPG with a key ring in a directory of its own: another implementation must read what is encrypted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class GnuPG:
    """A key ring of its own with one key: it certifies, its two sub-keys encrypt, one of them for three days only.

    Attributes:
        primary, subkeys: fingerprints.
        public, private: the key, armoured.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self._environment = {**os.environ, "GNUPGHOME": str(home)}
        self.run("--quick-generate-key", "Feed <feed@example.com>", "rsa2048", "cert", "2y")
        self.primary = self._fingerprints()[0]
        self.subkeys: list[str] = []
        for life in ("1y", "3d"):
            self.run("--quick-add-key", self.primary, "cv25519", "encr", life)
            (new,) = [one for one in self._fingerprints() if one not in (self.primary, *self.subkeys)]
            self.subkeys.append(new)
        self.public = self.run("--armor", "--export", self.primary)
        self.private = self.run("--armor", "--export-secret-keys", self.primary)

    def run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """One call of gpg; what it prints."""
        command = ["gpg", "--batch", "--passphrase", "", "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, env=self._environment, input=stdin, capture_output=True, check=True).stdout

    def _fingerprints(self) -> list[str]:
        listing = self.run("--list-keys", "--with-colons", "--with-subkey-fingerprint").decode()
        return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr")]

    def revoke(self) -> None:
        """Revoke the key, with the certificate that GnuPG laid by when it made the key."""
        laid_by = Path(self._environment["GNUPGHOME"]) / "openpgp-revocs.d" / f"{self.primary}.rev"
        # A colon keeps the certificate from being imported by mistake.
        certificate = laid_by.read_text().replace(":-----BEGIN", "-----BEGIN")
        self.run("--import", stdin=certificate.encode())
        self.public = self.run("--armor", "--export", self.primary)

    def recipients_of(self, message: bytes) -> str:
        """The packets of a message, which name the keys it is encrypted to."""
        return self.run("--list-packets", stdin=message).decode()

    def stop(self) -> None:
        """End the agent that serves the ring."""
        subprocess.run(["gpgconf", "--kill", "all"], env=self._environment, check=False)


@contextmanager
def gnupg_ring(home: Path) -> Iterator[GnuPG]:
    """Make a ring; its agent is ended afterwards."""
    if shutil.which("gpg") is None:
        raise RuntimeError("GnuPG is needed: install the package gnupg")
    ring = GnuPG(home)
    try:
        yield ring
    finally:
        ring.stop()
