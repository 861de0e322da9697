"""What becomes of a grant: shown, kept in a token store, added to Airflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.cli.running import messages, output
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.tiktok.check import Finding
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
    from airflow_provider_tiktok_offline.tiktok.grant_connection import GrantConnection
    from airflow_provider_tiktok_offline.tiktok.oauth import App, Grant


def show_findings(findings: Iterable[Finding]) -> None:
    """One line a finding: how it stands, what was found, what to do."""
    from rich.text import Text

    colours = {"ok": "green", "warning": "yellow", "failed": "red"}
    console = output()
    for finding in findings:
        console.print(Text.assemble((f"{finding.status:8}", colours[finding.status]), str(finding)))


def show_advertisers(client: TikTokClient, developer_app: App) -> None:
    """The ad accounts that a token reaches."""
    from airflow_provider_tiktok_offline.tiktok.oauth import list_advertisers

    advertisers = list_advertisers(client, developer_app)
    console = output()
    console.print(f"The token reaches {len(advertisers)} ad account(s):")
    for one in advertisers:
        console.print(f"  {one.advertiser_id}  {one.name}")


def show_connection(connection: GrantConnection, *, show_secrets: bool) -> None:
    """The Airflow connection of a grant, in each form that Airflow takes."""
    console = output()
    console.print("The connection as JSON, as URI, and as a command:", style="bold")
    for text in (
        connection.to_json(show_secrets=show_secrets),
        connection.to_uri(show_secrets=show_secrets),
        connection.to_command(show_secrets=show_secrets),
    ):
        console.print(text)
    if not show_secrets:
        messages().print("Token and secret are hidden; --show-secrets prints them, --add adds the connection.")


def keep(uri: str, grant: Grant) -> None:
    """Put a grant whose tokens expire where the workers find it.

    :raises ConfigError: if the URI names no object.
    """
    from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
    from airflow_provider_tiktok_offline.storage.objects import open_objects
    from airflow_provider_tiktok_offline.storage.uris import parse
    from airflow_provider_tiktok_offline.tiktok.token_store import ObjectTokenStore

    place = parse(uri)
    if not place.name or place.path.endswith("/"):
        raise ConfigError("must name an object, as s3://conn_id@bucket/tokens/my_app.", where="--token-store")
    store = ObjectTokenStore(open_objects(str(place.directory), EnvironmentConnections()), place.name)
    stored = store.load()
    store.save(grant, stored[1] if stored else None)
    output().print(f"The grant is kept in {uri}")


def add_to_airflow(content: str) -> None:
    """Add a connection to the Airflow on this machine.

    It goes through a file that only this user can read: a command's arguments are seen by everybody on the machine.

    :raises ConfigError: if there is no Airflow, or it refused.
    """
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    airflow = shutil.which("airflow", path=beside)
    if airflow is None:
        raise ConfigError("there is no airflow command here.", todo="Run it where Airflow is installed.")
    with tempfile.TemporaryDirectory(prefix="tiktok-offline-") as folder:
        file = Path(folder) / "connection.json"
        file.touch(mode=0o600)
        file.write_text(content, encoding="utf-8")
        command = [airflow, "connections", "import", "--overwrite", str(file)]
        done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise ConfigError(
            f"airflow connections import ended with {done.returncode}.",
            todo="Print the connection with --show-secrets and add it by hand.",
        )
