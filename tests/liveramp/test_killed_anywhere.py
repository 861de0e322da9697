"""A run of the liveramp route that dies before any of its writes: each row is delivered once, whoever goes on."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.storage.backends.s3_files import S3Files
from tests.liveramp.office import Office
from tests.liveramp.rows import row
from tests.servers.dying import Life, Step, before, live_out, mortal
from tests.servers.s3 import S3Server, s3_server
from tests.servers.sshd import Sshd

#: More than a run has writes.
_ENOUGH = 120
_DELIVER = 2


@pytest.fixture(scope="module")
def s3_store() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


class Bucket(Office):
    """The advertiser's feed goes to a bucket."""

    def __init__(self, folder: Path, server: Sshd, store: S3Server) -> None:
        self.store = store
        self.bucket = f"feed-{uuid.uuid4().hex[:12]}"
        store.make_bucket(self.bucket)
        destination = {"destination": f"s3://aws_feed@{self.bucket}/drop/"}
        super().__init__(folder, server, liveramp=destination, connection=store.connection("aws_feed"))

    def delivered(self) -> dict[str, list[str]]:
        """The rows of every file in the bucket, by key."""
        contents = {key: self.store.read(self.bucket, key).decode() for key in self.store.keys(self.bucket)}
        return {key: content.splitlines()[1:] for key, content in contents.items()}


def _rows(numbers: range) -> list[tuple[str, ...]]:
    return [row(number) for number in numbers]


def _each_row_once(office: Office, numbers: range) -> None:
    found = [line for lines in office.delivered().values() for line in lines]
    assert sorted(found) == sorted("|".join(cells) for cells in _rows(numbers))


def _steps(stamp: dict[str, Any]) -> list[Step]:
    """The tasks of a run, each as one that can be tried again."""
    digest = hashlib.sha256(Path(stamp["uri"]).read_bytes()).hexdigest()
    return [
        lambda ctx: validate(ctx, stamp),
        lambda ctx: dedupe(ctx, ctx.delivery_id(digest)),
        lambda ctx: deliver(ctx, ctx.delivery_id(digest)),
        summarize_all,
    ]


def _run_until_death(office: Office, holder: str, stamp: dict[str, Any], life: Life, mortal_from: int) -> list[Step]:
    """A run that ends with a life; the steps that are left, beginning with the one that died.

    :param mortal_from: the first step whose writes count.
    """
    steps = _steps(stamp)
    for step in steps[:mortal_from]:
        step(office.context(holder))
    with pytest.MonkeyPatch.context() as patch:
        ctx = mortal(office.context(holder), life, patch)
        # The put of the file is a write as well; on SFTP it is several, and its beginning stays.
        patch.setattr(S3Files, "_put", before(life, S3Files._put))
        return live_out(steps[mortal_from:], ctx)


def _die_everywhere(
    make: Callable[[Path], Office],
    folder: Path,
    *,
    tried_again: bool,
    mortal_from: int = 0,
    every: int = 1,
    queued: bool = False,
) -> None:
    """A run for each write before which it dies; then who goes on delivers what is missing, and nothing else.

    :param every: take every n-th write only.
    :param queued: a file of the day before waits to go out with the run's.
    """
    for writes in range(1, _ENOUGH, every):
        own = folder / str(writes)
        own.mkdir()
        office = make(own)
        office.open()
        if queued:
            office.run("daily/0", [office.drop("y.psv", _rows(range(40)))])
            office.run("manual/0", [office.drop("z.psv", _rows(range(30, 80)))])
            office.clock.advance(timedelta(days=1))
        stamp = office.drop("a.psv", _rows(range(70, 120)))
        life = Life(writes)
        left = _run_until_death(office, "daily/1", stamp, life, mortal_from)
        try:
            if tried_again:
                for step in left:
                    step(office.context("daily/1"))
            office.clock.advance(timedelta(days=1))
            office.run("daily/2", [office.drop("b.psv", _rows(range(160)))])
            _each_row_once(office, range(160))
        except Exception as error:
            error.add_note(f"died before write {writes}")
            raise
        if not life.over:
            assert writes > 10
            return
    raise AssertionError(f"a run has more than {_ENOUGH} writes")


def test_killed_while_it_delivers_to_a_bucket_its_retry_goes_on(
    server: Sshd, s3_store: S3Server, tmp_path: Path
) -> None:
    """Dead before a write of deliver: tried again, the rows are delivered once, and the delivery is closed."""
    _die_everywhere(
        lambda own: Bucket(own, server, s3_store), tmp_path, tried_again=True, mortal_from=_DELIVER, every=5
    )


def test_killed_while_it_delivers_over_sftp_and_never_tried_again_the_next_run_goes_on(
    server: Sshd, tmp_path: Path
) -> None:
    """Dead before a write of deliver, for good: tomorrow's file repeats the rows, and they are delivered once."""
    _die_everywhere(lambda own: Office(own, server), tmp_path, tried_again=False, mortal_from=_DELIVER, every=7)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tried_again", [True, False])
@pytest.mark.parametrize(("where", "queued"), [("bucket", False), ("sftp", False), ("sftp", True)])
def test_killed_before_any_write_of_a_run(
    server: Sshd, s3_store: S3Server, tmp_path: Path, where: str, queued: bool, tried_again: bool
) -> None:
    """The same from validate to the summary, at both kinds of destinations, whoever goes on, also for what waits."""
    makers = {"bucket": lambda own: Bucket(own, server, s3_store), "sftp": lambda own: Office(own, server)}
    _die_everywhere(makers[where], tmp_path, tried_again=tried_again, queued=queued)
