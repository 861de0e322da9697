"""Listings of folders and buckets: any name is listed or passed over, any answer of a store is read or an error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.storage.backends.local_files import LocalFiles
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.fuzz.damage import EXAMPLES, damaged, fuzz
from tests.servers.sshd import Sshd, StaticConnections
from tests.tiktok.scripted import Reply, Request, ScriptedServer, in_turn, scripted

_NAMES = st.lists(
    st.binary(min_size=1, max_size=40).map(lambda name: re.sub(rb"[/\0]", b"_", name))
    | st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=30).map(str.encode)
    | st.sampled_from([b"[a].csv", b"*", b"a\nb.csv", b"%2e%2e", b"a?token=b.csv", b"user:pass@host", b"-rf", b" "]),
    min_size=1,
    max_size=5,
    unique=True,
).filter(lambda names: not {b".", b".."} & set(names))
_LISTED = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>exports</Name><Prefix>out/</Prefix>
<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>false</IsTruncated>
<Contents><Key>out/a.csv</Key><LastModified>2026-11-20T09:00:00.000Z</LastModified><ETag>"abc"</ETag><Size>7</Size>
</Contents><Contents><Key>out/b.csv</Key><LastModified>2026-11-21T09:00:00.000Z</LastModified><ETag>"def"</ETag>
<Size>8</Size></Contents></ListBucketResult>"""


@pytest.mark.parametrize("examples", EXAMPLES)
def test_names_in_a_folder(examples: int, server: Sshd, tmp_path: Path) -> None:
    """Every name that is UTF-8 is listed, on a disk and on an SFTP server, and the file behind it can be read."""
    counted = iter(range(10**9))
    with open_files(server.uri(tmp_path), StaticConnections(server.connection())) as remote:

        def list_them(names: list[bytes]) -> None:
            folder = tmp_path / str(next(counted))
            folder.mkdir()
            for name in names:
                Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(name)
            wanted = sorted(text for text in map(_utf8, names) if text is not None and not text.startswith("."))
            for files, place in ((LocalFiles(), str(folder)), (remote, server.uri(folder))):
                found = files.list(place)
                assert sorted(stamp.uri.removeprefix(f"{place}/") for stamp in found) == wanted
            for stamp in LocalFiles().list(str(folder)):
                with LocalFiles().open_read(stamp.uri) as stream:
                    assert stream.read() == stamp.name.encode()

        fuzz(_NAMES, list_them, examples)


@pytest.fixture(scope="module")
def store() -> Iterator[ScriptedServer]:
    with scripted(in_turn(Reply())) as running:
        yield running


@pytest.mark.parametrize("examples", EXAMPLES)
def test_answers_of_an_object_store(examples: int, store: ScriptedServer) -> None:
    """A listing of another shape, cut off, or no listing at all, as a source and as the state."""
    connection = Connection(
        conn_id="store",
        conn_type="aws",
        login="AKIATEST",
        password="secret",
        extra={
            "endpoint_url": store.url,
            "region_name": "eu-west-1",
            "config_kwargs": {"retries": {"total_max_attempts": 1}},
        },
    )
    connections = StaticConnections(connection)
    state = open_objects("s3://store@exports/out", connections)

    def list_it(body: bytes) -> None:
        def answer(_: Request) -> Reply:
            # A listing that says it goes on is cut off after a few pages.
            return Reply(body) if len(store.requests) < 20 else Reply(_LISTED)

        store.requests.clear()
        store.answer = answer
        for stamp in files.list("s3://store@exports/out"):
            assert isinstance(stamp.size, int)

    def list_state(body: bytes) -> None:
        store.requests.clear()
        store.answer = in_turn(Reply(body), Reply(_LISTED))
        state.list("deliveries")

    with open_files("s3://store@exports/out", connections) as files:
        fuzz(damaged(_LISTED), list_it, examples)
    fuzz(damaged(_LISTED), list_state, examples)


def _utf8(name: bytes) -> str | None:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None
