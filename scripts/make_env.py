"""Print a ``.env`` for docker-compose.yaml with fresh passwords and keys: ``python3 scripts/make_env.py > .env``.

Needs nothing but Python and ``ssh-keygen``.
"""

from __future__ import annotations

import base64
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path


def fresh_environment() -> dict[str, str]:
    """A new value for each variable of ``.env.example``."""
    values = {
        name: secrets.token_urlsafe(24)
        for name in (
            "POSTGRES_PASSWORD",
            "AIRFLOW_ADMIN_PASSWORD",
            "AIRFLOW_JWT_SECRET",
            "AIRFLOW_API_SECRET",
            "OBJECT_STORE_ACCESS_KEY",
            "OBJECT_STORE_SECRET_KEY",
        )
    }
    values["AIRFLOW_FERNET_KEY"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    for name in ("SFTP_HOST", "SFTP_CLIENT"):
        values[f"{name}_PRIVATE_KEY"], values[f"{name}_KEY"] = _key_pair()
    return values


def _key_pair() -> tuple[str, str]:
    """An Ed25519 key pair: the private key with its line ends written as ``\\n``, and the public key."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
        public = " ".join(path.with_suffix(".pub").read_text().split()[:2])
        return path.read_text().replace("\n", "\\n"), public


if __name__ == "__main__":
    # Single quotes: Docker Compose takes what stands between them to the letter.
    sys.stdout.writelines(f"{name}='{value}'\n" for name, value in fresh_environment().items())
