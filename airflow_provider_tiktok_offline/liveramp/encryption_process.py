"""Encrypt standard input to standard output for one OpenPGP certificate, given in base64 as the only argument.

It is run as a file, isolated from the directory and the environment of the process that starts it, and so imports
nothing of the package.
"""

from __future__ import annotations

import base64
import sys

#: Exit codes: what went wrong, without the library's words.
NO_LIBRARY, NO_CERTIFICATE, NOT_ENCRYPTED = 3, 4, 5


def main() -> int:
    """Run until the input ends."""
    try:
        import pysequoia
    except ImportError:
        return NO_LIBRARY
    try:
        certificate = pysequoia.Cert.from_bytes(base64.b64decode(sys.argv[1]))
    except Exception:
        return NO_CERTIFICATE
    try:
        pysequoia.encrypt_file("/dev/stdin", "/dev/stdout", [certificate], armor=False)
    except Exception:
        return NOT_ENCRYPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
