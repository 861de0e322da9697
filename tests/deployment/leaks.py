"""What a deployment has written or shows anywhere, searched for customers' data and credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from tests.deployment.native import Deployment, left_running

_EMAIL = re.compile(rb"[\w.+-]+@(?:shop\.example|example\.\w+)")
_PHONE = re.compile(rb"(?<!\d)\d{10,12}(?!\d)")


def check_nothing_leaks(deployment: Deployment, dropped: Iterable[Path], *, bucket: str) -> None:
    """No e-mail and no phone of any file lies anywhere but where the user put it, and no credential anywhere.

    :param dropped: the files, outside the deployment's folder.
    :param bucket: where the package keeps its state.
    """
    emails, digits = set(), set()
    for path in dropped:
        content = path.read_bytes()
        emails |= {found.lower() for found in _EMAIL.findall(content)}
        digits |= {re.sub(rb"\D", b"", cell)[-10:] for cell in re.findall(rb"[+(]\d[\d ().-]{8,}\d", content)}
    assert len(emails) > 100
    assert len(digits) > 100
    credentials = _credentials(deployment)
    for place, content in _contents(deployment, bucket):
        assert [name for name, secret in credentials.items() if secret in content] == [], place
        assert not emails & {found.lower() for found in _EMAIL.findall(content)}, place
        assert not digits & {found[-10:] for found in _PHONE.findall(content)}, place


def _credentials(deployment: Deployment) -> dict[str, bytes]:
    """What opens TikTok's API, the object store and the SFTP servers, as it would stand in a text."""
    key = deployment.server.client_key.read_text().splitlines()
    return {
        "access token": (deployment.connections.get("tiktok_default").password or "").encode(),
        "secret key": deployment.store.secret_key.encode(),
        "private key": key[len(key) // 2].encode(),
    }


def _contents(deployment: Deployment, bucket: str) -> Iterator[tuple[str, bytes]]:
    """Everything written or shown: disks with logs, database, queue, command lines, the state bucket."""
    for folder, _, names in os.walk(deployment.folder):
        for path in (Path(folder) / name for name in names):
            if path.is_file():
                yield str(path), path.read_bytes()
    yield "sshd's log", deployment.server.log.read_bytes()
    yield "PostgreSQL", deployment.database.dump()
    yield "Redis", deployment.broker.contents()
    for process, command in left_running(deployment.folder).items():
        yield f"the command line of process {process}", command.encode()
    for key in deployment.store.keys(bucket):
        content = deployment.store.read(bucket, key)
        yield key, content
        if key.endswith(".parquet"):
            frame = pl.read_parquet(content)
            values = (value for column in frame.iter_columns() for value in column.to_list())
            yield key, b"\n".join(v.encode() if isinstance(v, str) else bytes(v) for v in values if _is_text(v))


def _is_text(value: object) -> bool:
    return isinstance(value, str | bytes)
