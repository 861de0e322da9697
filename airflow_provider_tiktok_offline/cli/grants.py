"""What becomes of a grant: shown, kept in a token store, added to Airflow."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.cli.running import complain, messages, output
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


def findings_document(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """The findings, as JSON has them."""
    return [asdict(finding) for finding in findings]


def show_advertisers(client: TikTokClient, developer_app: App) -> None:
    """The ad accounts that a token reaches."""
    from airflow_provider_tiktok_offline.tiktok.oauth import list_advertisers

    advertisers = list_advertisers(client, developer_app)
    console = output()
    console.print(f"The token reaches {len(advertisers)} ad account(s):")
    for one in advertisers:
        console.print(f"  {one.advertiser_id}  {one.name}")


class TokenStoreAt:
    """The token store at a URI, looked at before an admin is asked.

    :raises ConfigError: if the URI names no object.
    :raises StorageError: if the store can't be read.
    """

    def __init__(self, uri: str) -> None:
        from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
        from airflow_provider_tiktok_offline.storage.objects import open_objects
        from airflow_provider_tiktok_offline.storage.uris import parse
        from airflow_provider_tiktok_offline.tiktok.token_store import ObjectTokenStore

        place = parse(uri)
        if not place.name or place.path.endswith("/"):
            raise ConfigError("must name an object, as s3://conn_id@bucket/tokens/my_app.", where="--token-store")
        self.uri = uri
        self._store = ObjectTokenStore(open_objects(str(place.directory), EnvironmentConnections()), place.name)
        self._store.load()

    def save(self, grant: Grant) -> None:
        """Put a grant whose tokens expire where the workers find it."""
        stored = self._store.load()
        self._store.save(grant, stored[1] if stored else None)


def keep(
    grant: Grant, connection: GrantConnection, store: TokenStoreAt | None, *, add: bool, show_secrets: bool
) -> None:
    """Keep a grant that was just given, whatever fails: the admin would have to confirm again.

    It goes where it was asked to go; what can't be done is said, and a file that only this user can read has it then.

    :param store: where a grant whose tokens expire is kept besides.
    :param add: add the connection to the Airflow on this machine.
    :param show_secrets: print the connection in clear instead.
    """
    if store is not None:
        try:
            store.save(grant)
            output().print(f"The grant is kept in {store.uri}")
        except (Exception, KeyboardInterrupt) as error:
            complain(f"the grant could not be put into the token store ({type(error).__name__}).")
            _keep_in_file(f"{connection.conn_id}.grant.json", grant.to_json().decode())
    if add:
        try:
            _add_to_airflow(connection.to_import_file())
            output().print(f"Connection {connection.conn_id} is in Airflow.")
            return
        except (ConfigError, OSError, KeyboardInterrupt) as error:
            complain(f"the connection could not be added to Airflow ({type(error).__name__}).")
    if show_secrets:
        _show_connection(connection)
        return
    file = _keep_in_file(f"{connection.conn_id}.connection.json", connection.to_import_file())
    if file is not None:
        output().print(
            f"Add it to Airflow, then delete the file:\n  airflow connections import {shlex.quote(str(file))}"
        )


def _show_connection(connection: GrantConnection) -> None:
    """The Airflow connection of a grant in clear, in each form that Airflow takes."""
    console = output()
    console.print("The connection as JSON, as URI, and as a command:", style="bold")
    for text in (
        connection.to_json(show_secrets=True),
        connection.to_uri(show_secrets=True),
        connection.to_command(show_secrets=True),
    ):
        console.print(text)


def _folders() -> Iterator[Path]:
    """Here, the home, the place for temporary files: each if there is one."""
    for find in (Path.cwd, Path.home, lambda: Path(tempfile.gettempdir())):
        with suppress(OSError, RuntimeError):
            yield find()


def _keep_in_file(name: str, content: str) -> Path | None:
    """Write a new file for this user alone, here or in the home; where no file can be written, print it."""
    for folder in _folders():
        for number in ("", *(f"-{number}" for number in range(2, 100))):
            stem, _, ending = name.partition(".")
            file = folder / f"{stem}{number}.{ending}"
            try:
                descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                    stream.write(content)
            except FileExistsError:
                continue
            except OSError:
                # Half a file, of a disk that is full, helps nobody.
                with suppress(OSError):
                    file.unlink()
                break
            output().print(f"Token and secret are in {file}, which only you can read.")
            return file
    messages().print("No file can be written, so here it is, once:")
    messages().print(content)
    return None


def airflow_command() -> str:
    """The airflow command of this machine.

    :raises ConfigError: if there is none.
    """
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    airflow = shutil.which("airflow", path=beside)
    if airflow is None:
        raise ConfigError("there is no airflow command here.", todo="Run it where Airflow is installed.")
    return airflow


def _add_to_airflow(content: str) -> None:
    """Add a connection to the Airflow on this machine.

    It goes through a file that only this user can read: a command's arguments are seen by everybody on the machine.

    :raises ConfigError: if there is no Airflow, or it refused.
    """
    with tempfile.TemporaryDirectory(prefix="tiktok-offline-") as folder:
        file = Path(folder) / "connection.json"
        file.touch(mode=0o600)
        file.write_text(content, encoding="utf-8")
        command = [airflow_command(), "connections", "import", "--overwrite", str(file)]
        done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise ConfigError(f"airflow connections import ended with {done.returncode}.")
