"""What an object store refuses is said alike for files, state and tables; each is reached with the same fields."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from airflow_provider_tiktok_offline.clock import SystemClock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.operations.doctor import _server_check
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    StorageDeniedError,
    StorageError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.servers.s3 import S3Server, s3_server
from tests.servers.sshd import StaticConnections

Use = Callable[[str, Connection | None], object]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tls_folder=tmp_path_factory.mktemp("tls")) as running:
        for bucket in ("state", "ignores-conditions", "refuses-conditions"):
            running.make_bucket(bucket)
        yield running


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials but those that a test gives."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


def _uri(bucket: str, connection: Connection | None) -> str:
    return f"s3://{bucket}/in/" if connection is None else f"s3://{connection.conn_id}@{bucket}/in/"


def _connections(connection: Connection | None) -> StaticConnections:
    return StaticConnections(*([connection] if connection else []))


def _files(bucket: str, connection: Connection | None) -> object:
    uri = _uri(bucket, connection)
    with open_files(uri, _connections(connection)) as files:
        files.write(f"{uri}a.csv", [b"1"], replace=True)
        return files.list(uri)


def _objects(bucket: str, connection: Connection | None) -> object:
    objects = open_objects(_uri(bucket, connection), _connections(connection))
    objects.put("a.json", b"1")
    return objects.get("a.json")


def _tables(bucket: str, connection: Connection | None) -> object:
    objects = open_objects(_uri(bucket, connection), _connections(connection))
    table = WitnessedTable(objects, "tables/keys", SystemClock())
    table.create(pl.Schema({"event_key": pl.Binary, "day": pl.Date}))
    row = pl.DataFrame({"event_key": [b"1" * 16], "day": [date(2026, 11, 20)]})
    table.append(row, table.snapshot(), app_id="test", transaction=table.commits())
    return table.collect(table.scan(table.snapshot().files, ["event_key"]))


WAYS = pytest.mark.parametrize("use", [_files, _objects, _tables])


@WAYS
def test_a_certificate_that_nobody_vouches_for(store: S3Server, use: Use) -> None:
    """It is refused with what to do, and taken where verify names its authority, or takes any."""
    once = {"retries": {"max_attempts": 0}}
    with pytest.raises(StorageError, match="TLS certificate is not trusted") as refused:
        use("state", store.connection(endpoint_url=store.tls_endpoint, config_kwargs=once))
    assert "verify" in (refused.value.todo or "")
    assert not refused.value.retryable
    environ = dict(os.environ)
    use("state", store.connection(endpoint_url=store.tls_endpoint, verify=str(store.authority)))
    use("state", store.connection(endpoint_url=store.tls_endpoint, verify="false"))
    assert os.environ == environ


@WAYS
@pytest.mark.parametrize("region", ["eu-west-1", "eu-south-1"])
def test_a_wrong_region(store: S3Server, use: Use, region: str) -> None:
    """The setting is named; the right region passes."""
    connection = store.connection(region_name=region)
    if region == "eu-south-1" and use is _files:
        return  # the bucket is none that moto has
    with pytest.raises(TikTokOfflineError) as refused:
        use("lies-elsewhere", connection)
    wrong = region == "eu-west-1"
    assert ("another region" in refused.value.what) == wrong
    assert ("region_name" in (refused.value.todo or "")) == wrong
    assert "text of the server" not in str(refused.value)


@WAYS
def test_denied_access(store: S3Server, use: Use) -> None:
    """A permanent fault that names the page with the rights."""
    with pytest.raises(StorageDeniedError, match="denied access") as refused:
        use("denies-all", store.connection())
    assert "docs/deployment.md" in (refused.value.todo or "")
    assert "text of the server" not in "".join(traceback.format_exception(refused.value))


@WAYS
def test_no_credentials(store: S3Server, use: Use) -> None:
    """A permanent fault that names every place where credentials may stand."""
    with pytest.raises(StorageDeniedError, match="no credentials") as refused:
        use("state", None)
    assert "~/.aws" in (refused.value.todo or "")


@WAYS
def test_a_bucket_that_is_not_there(store: S3Server, use: Use) -> None:
    """The URI is to be corrected."""
    with pytest.raises(StorageDeniedError, match="no such bucket"):
        use("never-made", store.connection())


@pytest.mark.parametrize(
    ("way", "use"),
    [("environment", _tables), ("~/.aws", _objects), ("role", _tables)]
    + [(way, use) for way in ("profile", "role of the machine") for use in (_files, _objects)],
)
def test_the_same_credentials_reach_all(
    store: S3Server, use: Use, way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of the connection, a profile, a role, the environment, the machine."""
    store.write("state", f"by/{way}", b"")
    (tmp_path / ".aws").mkdir()
    config = f"region = {store.region}\nendpoint_url = {store.endpoint}\n"
    keys = f"aws_access_key_id = {store.access_key}\naws_secret_access_key = {store.secret_key}\n"
    own = Connection(conn_id="own", conn_type="aws", extra={"endpoint_url": store.endpoint})
    connection: Connection | None = None
    if way == "environment":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.secret_key)
        monkeypatch.setenv("AWS_REGION", store.region)
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
    elif way == "profile":
        (tmp_path / ".aws/config").write_text(f"[profile shop]\n{config}{keys}")
        connection = Connection(conn_id="p", conn_type="aws", extra={"profile_name": "shop"})
    else:
        (tmp_path / ".aws/config").write_text(f"[default]\n{config}")
        (tmp_path / ".aws/credentials").write_text(f"[default]\n{keys}")
        if way.startswith("role"):
            extra = {**own.extra, "role_arn": "arn:aws:iam::123456789012:role/feed"}
            plain = store.connection() if way == "role" else own
            connection = Connection(
                conn_id="r", conn_type="aws", login=plain.login, password=plain.password, extra={**plain.extra, **extra}
            )
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", store.endpoint)
    assert use("state", connection) is not None


@pytest.mark.parametrize("use", [_files, _objects])
def test_an_unknown_profile_is_an_error_of_the_configuration(store: S3Server, use: Use) -> None:
    """Named in the connection, with where it belongs."""
    connection = Connection(conn_id="p", conn_type="aws", extra={"profile_name": "nobody"})
    with pytest.raises(ConfigError, match="profile") as caught:
        use("state", connection)
    assert "nobody" not in str(caught.value)


@pytest.mark.parametrize("use", [_files, _objects])
@pytest.mark.parametrize(
    "extra",
    [
        {"verify": "/none/such.pem"},
        {"assume_role_method": "assume_role_with_saml"},
        {"endpoint_url": "no url"},
    ],
)
def test_a_field_that_can_not_be_used_is_named(use: Use, extra: dict[str, str]) -> None:
    """It is an error of the configuration."""
    connection = Connection(
        conn_id="p", conn_type="aws", login="a", password="hidden", extra={"region_name": "eu-west-1", **extra}
    )
    with pytest.raises(ConfigError) as caught:
        use("state", connection)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("bucket", ["ignores-conditions", "refuses-conditions"])
def test_no_ledger_in_a_store_without_conditional_writes(store: S3Server, bucket: str) -> None:
    """Whether it refuses conditions or takes them and does not look: said before anything is made."""
    objects = open_objects(f"s3://s3_state@{bucket}/x", StaticConnections(store.connection()))
    identity = AdvertiserConfig.model_validate(_ENTRY).identity_settings()
    with pytest.raises(StorageError, match="no conditional writes"):
        Ledger.init(objects, "7000", identity=identity, clock=SystemClock())
    assert store.keys(bucket) == []


@pytest.mark.parametrize("verify", [False, "false", None, "/etc/authority.pem"])
def test_doctor_warns_where_any_certificate_will_do(store: S3Server, verify: object) -> None:
    """And only there."""
    found = list(_server_check(store.connection(verify=verify)))
    assert [one.status for one in found] == (["warning"] if str(verify).lower() == "false" else [])


_ENTRY = {
    "name": "shop",
    "advertiser_id": "7000",
    "event_set_id": "7000",
    "state_uri": "/s",
    "source": {"path": "/in/x.csv"},
}
