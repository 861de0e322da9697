"""The sensor against a real S3 server over HTTP, in a worker and in the triggerer alike."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, TaskDeferred

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from tests.glue.conftest import DAY, Run
from tests.glue.delivered import mark_delivered
from tests.glue.sensing import deferred, sense
from tests.servers.s3 import S3Server, s3_server

NAME = "sales_20261121.csv"
WAYS = pytest.mark.parametrize("way", [sense, deferred], ids=["worker", "triggerer"])


@dataclass
class Bucket:
    """A bucket of its own and the advertiser whose files appear in it."""

    server: S3Server
    name: str
    state: Path

    def settings(self, **changes: Any) -> AdvertiserConfig:
        """The advertiser; keys of ``source`` by their names, and ``mode_`` is the advertiser's mode."""
        source = {
            "path": f"s3://s3_shop@{self.name}/out/sales_{{{{ ds_nodash }}}}.csv",
            "poke_seconds": 1,
            "settle_seconds": 0,
        }
        return AdvertiserConfig.model_validate(
            {
                "name": "shop",
                "advertiser_id": "7000000000000000101",
                "event_set_id": "7000000000000000201",
                "mode": changes.pop("mode_", "dry_run"),
                "state_uri": str(self.state),
                "source": source | changes,
            }
        )

    def put(self, name: str, content: bytes = b"email_1\n") -> None:
        self.server.write(self.name, f"out/{name}", content)


@pytest.fixture(scope="module", name="s3")
def _s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(name="bucket")
def _bucket(s3: S3Server, tmp_path: Path, add_connection: Callable[[Connection], None]) -> Bucket:
    add_connection(s3.connection("s3_shop"))
    name = f"shop-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
    s3.make_bucket(name)
    return Bucket(s3, name, tmp_path / "state")


def names(found: dict[str, Any]) -> list[str]:
    return [stamp["uri"].rpartition("/")[2] for stamp in found["files"]]


def test_both_modes_return_the_file_with_its_stamp(bucket: Bucket) -> None:
    """URI with the connection's id, size, time in UTC and etag, from either mode."""
    bucket.put(NAME, b"x" * 123)
    found = sense(bucket)
    [stamp] = found["files"]
    assert stamp["uri"] == f"s3://s3_shop@{bucket.name}/out/{NAME}"
    assert stamp["size"] == 123
    assert stamp["mtime"].endswith("+00:00")
    assert stamp["version"]
    assert (found["day"], found["already_delivered"]) == (DAY, False)
    assert deferred(bucket) == found


@WAYS
def test_a_late_file_ends_the_wait(bucket: Bucket, way: Callable[..., Any]) -> None:
    """A file that appears while it is waited for is handed over; keys below it and beside it are not."""
    bucket.put(f"{NAME}/part-0")
    bucket.put(f".{NAME}")
    late = threading.Timer(0.6, bucket.put, [NAME])
    late.start()
    found = way(bucket, poke_interval=0.2)
    late.join()
    assert names(found) == [NAME]


@WAYS
def test_an_object_that_is_replaced_is_waited_for(bucket: Bucket, way: Callable[..., Any]) -> None:
    """Within ``settle_seconds``, only an object that two looks saw alike is complete."""
    done = threading.Event()

    def replace_often() -> None:
        for size in range(1, 9):
            bucket.put(NAME, b"y" * size)
            done.wait(0.15)

    bucket.put(NAME, b"y")
    writer = threading.Thread(target=replace_often)
    writer.start()
    found = way(bucket, settle_seconds=3600, poke_interval=0.5)
    writer.join()
    assert found["files"][0]["size"] == 8


@WAYS
def test_markers(bucket: Bucket, way: Callable[..., Any]) -> None:
    """A done-marker and a checksum file, each in its turn, say that the object is complete."""
    content = b"email_1\nx\n"
    bucket.put(NAME, content)
    digest = hashlib.sha256(content).hexdigest()
    for key, marker, text in (("done_marker", ".done", b""), ("checksum_file", ".sha256", digest.encode())):
        sensor = ConversionFileSensor(task_id="wait", settings=bucket.settings(**{key: marker}))
        assert not sensor.poke(Run().context())
        bucket.put(NAME + marker, text)
        assert names(way(bucket, **{key: marker})) == [NAME]
    assert way(bucket, checksum_file=".sha256")["files"][0]["checksum"] == f"sha256:{digest}"


@WAYS
def test_several_files_a_day(bucket: Bucket, way: Callable[..., Any]) -> None:
    """``all`` takes every complete one, a number waits for as many, a list for its names."""
    path = f"s3://s3_shop@{bucket.name}/out/sales_*.csv"
    bucket.put("sales_a.csv")
    bucket.put("other.txt")
    late = threading.Timer(0.6, bucket.put, ["sales_b.csv"])
    late.start()
    assert names(way(bucket, path=path, files=2, poke_interval=0.2)) == ["sales_a.csv", "sales_b.csv"]
    late.join()
    assert names(way(bucket, path=path, files="all")) == ["sales_a.csv", "sales_b.csv"]
    assert names(way(bucket, path=path, files=["sales_b.csv"])) == ["sales_b.csv"]


@WAYS
def test_what_was_delivered(bucket: Bucket, way: Callable[..., Any]) -> None:
    """A closed file ends the wait with nothing to do; in a pattern it is passed over for the late one."""
    path = f"s3://s3_shop@{bucket.name}/out/sales_*.csv"
    bucket.put(NAME)
    mark_delivered(bucket.settings(mode_="live"), way(bucket, mode_="live"))
    found = way(bucket, mode_="live")
    assert (found["files"], found["already_delivered"]) == ([], True)
    bucket.put("sales_20261119.csv")
    assert names(way(bucket, mode_="live", path=path, files="all")) == ["sales_20261119.csv"]


def test_a_missing_file_times_out(bucket: Bucket) -> None:
    """An empty folder is no error until the time is over; the deferred task gets the same end from Airflow."""
    with pytest.raises(AirflowSensorTimeout):
        sense(bucket, timeout=0.1, poke_interval=0.05)
    sensor = ConversionFileSensor(task_id="wait", settings=bucket.settings(), deferrable=True)
    with pytest.raises(TaskDeferred):
        sensor.execute(Run().context())
    with pytest.raises(AirflowSensorTimeout):
        sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, Run().context())


@WAYS
def test_a_bucket_that_is_not_there_fails_at_once(bucket: Bucket, way: Callable[..., Any]) -> None:
    """A wrong name is a mistake in the settings, and no wait helps."""
    with pytest.raises(AirflowFailException, match="nowhere"):
        way(bucket, path="s3://s3_shop@nowhere-to-be-found/out/sales.csv")
