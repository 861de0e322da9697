"""Encrypt standard input to standard output for one OpenPGP certificate, given in base64 as the only argument."""

from __future__ import annotations

import base64
import sys


def main() -> None:
    """Run until the input ends."""
    import pysequoia

    certificate = pysequoia.Cert.from_bytes(base64.b64decode(sys.argv[1]))
    pysequoia.encrypt_file("/dev/stdin", "/dev/stdout", [certificate], armor=False)


if __name__ == "__main__":
    main()
