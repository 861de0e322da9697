"""The text of a library's error stays at the boundary: real errors of each library, told in the package's own words."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import asyncssh
import httpx
import obstore.exceptions
import polars as pl
import pytest
from botocore.exceptions import ClientError

from airflow_provider_tiktok_offline.cli.running import DEBUG_VARIABLE, guarded
from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError, TikTokOfflineError
from airflow_provider_tiktok_offline.ledger.table_faults import table_faults
from airflow_provider_tiktok_offline.liveramp.encryption import load_recipient
from airflow_provider_tiktok_offline.storage.backends.cloud_faults import CODES, cloud_fault
from airflow_provider_tiktok_offline.storage.backends.s3_access import s3_faults
from airflow_provider_tiktok_offline.storage.backends.ssh_faults import ssh_fault
from airflow_provider_tiktok_offline.storage.backends.ssh_options import ssh_options

SECRET = "erika.mustermann@example.com"


def told(error: BaseException) -> str:
    """All that a log, a chained traceback or a look at the error would show."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


def raised(work: Callable[[], object]) -> TikTokOfflineError:
    with pytest.raises(TikTokOfflineError) as caught:
        work()
    return caught.value


def kinds(root: type[BaseException]) -> Iterator[type[BaseException]]:
    """The errors below one, of the library itself."""
    for kind in root.__subclasses__():
        if kind.__module__.partition(".")[0] == root.__module__.partition(".")[0]:
            yield kind
            yield from kinds(kind)


def _name(kind: type[BaseException]) -> str:
    return kind.__name__


def made(kind: type[BaseException]) -> BaseException:
    """An error of that kind whose text is the secret, whatever its own constructor asks for."""
    error = kind.__new__(kind, SECRET)
    Exception.__init__(error, SECRET)
    for name, value in (("code", 4), ("reason", SECRET), ("lang", "")):
        setattr(error, name, value)
    return error


@pytest.mark.parametrize("kind", sorted(set(kinds(asyncssh.Error)), key=str), ids=_name)
def test_asyncssh(kind: type[Exception]) -> None:
    """Every error that asyncssh has."""
    error = made(kind)
    assert isinstance(error, Exception)
    assert SECRET in f"{error}{error.args}"
    assert SECRET not in told(ssh_fault(error, "sftp://s@/in"))


@pytest.mark.parametrize(
    "kind", sorted(set(kinds(obstore.exceptions.BaseError)), key=str), ids=lambda kind: kind.__name__
)
def test_obstore(kind: type[BaseException]) -> None:
    """Every error that obstore has."""
    assert SECRET in str(kind(SECRET))
    assert SECRET not in told(cloud_fault(kind(SECRET), "s3://bucket/x"))


@pytest.mark.parametrize("code", [*CODES, "NoSuchKey", "PreconditionFailed", "SlowDown", SECRET, "Anything"])
def test_botocore(code: str) -> None:
    """Every code that S3 may answer with, and one that is made up by the server."""

    def answer() -> None:
        with s3_faults("s3://bucket/x"):
            raise ClientError({"Error": {"Code": code, "Message": SECRET}}, SECRET)

    assert SECRET not in told(raised(answer))


def test_polars_and_deltalake(tmp_path: Path) -> None:
    """A value that can't be converted; a log that is no JSON."""
    from deltalake import DeltaTable

    def convert() -> None:
        pl.Series([SECRET]).cast(pl.Int64)

    with pytest.raises(pl.exceptions.PolarsError, match="erika"):
        convert()
    log = tmp_path / "_delta_log"
    log.mkdir()
    (log / f"{0:020}.json").write_text(f'{{"metaData": "{SECRET}"}}\n')
    for work in (convert, lambda: DeltaTable(str(tmp_path))):

        def read(work: Callable[[], object] = work) -> None:
            with table_faults("state/keys", remote=False):
                work()

        assert SECRET not in told(raised(read))


@pytest.mark.parametrize(
    "text",
    [f"a: [{SECRET}", f"{SECRET}: : x", f'a: "{SECRET}\nb: ]', f"advertisers: &{SECRET}", f"advertisers: !!{SECRET} x"],
)
def test_yaml(tmp_path: Path, text: str) -> None:
    """PyYAML's errors quote the line."""
    file = tmp_path / "advertisers.yaml"
    file.write_text(text)
    said = ""
    try:
        said = "".join(map(str, load_config(file).broken))
    except ConfigError as error:
        said = told(error)
    assert said
    assert SECRET not in said


def test_pysequoia_and_cryptography() -> None:
    """Keys that are none."""
    armoured = f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{SECRET}\n-----END PGP PUBLIC KEY BLOCK-----\n"
    for text in (SECRET, armoured):
        read = partial(load_recipient, text.encode(), fingerprint=None, now=datetime.now(UTC), where="key.asc")
        assert SECRET not in told(raised(read))
    for kind in ("OPENSSH", "RSA", "EC", "ENCRYPTED"):
        pem = f"-----BEGIN {kind} PRIVATE KEY-----\n{SECRET}\n-----END {kind} PRIVATE KEY-----\n"
        extra = {"private_key": pem, "private_key_passphrase": SECRET}
        connection = Connection(conn_id="s", conn_type="sftp", host="h", extra=extra)
        assert SECRET not in told(raised(partial(ssh_options, connection)))


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize("kind", [ValueError, httpx.HTTPError, pl.exceptions.ComputeError, asyncssh.DisconnectError])
def test_the_command_line_shows_places_and_no_text(
    kind: type[Exception], debug: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --debug the file and line where an unforeseen error came from; never what it says."""
    monkeypatch.setenv(DEBUG_VARIABLE, debug)

    def command() -> None:
        try:
            raise KeyError(SECRET)
        except KeyError:
            raise made(kind)  # noqa: B904 - chained, as a library does

    with pytest.raises(SystemExit):
        guarded(command)
    said = "".join(capsys.readouterr())
    assert SECRET not in said
    assert kind.__name__ in said
    assert ("test_library_texts.py" in said.replace("\n", "")) == bool(debug)
