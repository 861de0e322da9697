"""Several files in one run: a guard or a fault of one file holds back that file alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain
from airflow_provider_tiktok_offline.delivery.source.find_file import find
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.held_back import FileByFile, held_back
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import (
    DeliveryHeldError,
    FileChangedError,
    FileMissingError,
    GateExceededError,
    GuardError,
    InputFileError,
    StorageDeniedError,
    StorageUnavailableError,
    TikTokOfflineError,
    UnexpectedError,
)
from tests.delivery.world import NOW, World, rows
from tests.servers.old_objects import age_objects

Stamp = Mapping[str, Any]

FAULTS: tuple[type[TikTokOfflineError], ...] = (
    InputFileError, FileMissingError, FileChangedError, GateExceededError, GuardError, StorageDeniedError,
    StorageUnavailableError, DeliveryHeldError, UnexpectedError,
)  # fmt: skip


def run_step(
    ctx: DeliveryContext, step: str, work: Callable[[str], object], uris: Sequence[str], *, last_try: bool = True
) -> None:
    """A step for each of these files, as an operator runs it."""
    files = FileByFile(ctx, step, last_try=last_try)
    for uri in uris:
        with files.one(uri):
            work(uri)
    files.finish()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_one_file_lets_the_others_go_on(world: World, fault: type[TikTokOfflineError]) -> None:
    """Whatever kind of fault it is; the run keeps which file it was, where and why."""
    ctx = world.context()
    done: list[str] = []

    def work(uri: str) -> None:
        if uri == "/b":
            raise fault("broken", where=uri)
        done.append(uri)

    run_step(ctx, "validate", work, ["/a", "/b", "/c"])
    assert done == ["/a", "/c"]
    [held] = held_back(ctx)
    assert (held.uri, held.step, held.error) == ("/b", "validate", fault.__name__)
    assert held_back(world.context("daily/another")) == []
    run_step(ctx, "validate", lambda _: None, ["/b"])
    assert held_back(ctx) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_every_file_fails_the_step(world: World, fault: type[TikTokOfflineError]) -> None:
    """One file, or all of them: nothing is left to go on with."""
    ctx = world.context()

    def work(uri: str) -> None:
        raise fault("broken", where=uri)

    for uris in (["/a"], ["/a", "/b"]):
        with pytest.raises(fault, match="/a"):
            run_step(ctx, "validate", work, uris)
    assert held_back(ctx) == []


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.retryable])
def test_what_may_pass_is_tried_again_first(world: World, fault: type[TikTokOfflineError]) -> None:
    """The step fails until its last try."""

    def work(uri: str) -> None:
        if uri == "/b":
            raise fault("busy", where=uri)

    with pytest.raises(fault):
        run_step(world.context(), "dedupe", work, ["/a", "/b"], last_try=False)


def test_broken_rejected_and_guarded_files_stay_behind_one_by_one(world: World) -> None:
    """Of five files two are fine: they are sent whole, and each of the others says what is wrong with it."""
    world.init_ledger()
    ctx = world.context(guards={"max_events": 20})
    bad = [row.replace("2026-11-20T", "2026-13-20T") for row in rows(200, 9)]
    stamps = {
        str(stamp["uri"]): stamp
        for stamp in (
            world.drop(rows(1, 10), name="a.csv"),
            world.drop(["x"], name="b.csv", header="nothing,known"),
            world.drop(bad + rows(100, 1), name="c.csv"),
            world.drop(rows(300, 30), name="d.csv"),
            world.drop(rows(400, 10), name="e.csv"),
        )
    }
    opened: dict[str, str] = {}

    def check(uri: str) -> None:
        opened[uri] = validate(ctx, stamps[uri]).delivery_id

    run_step(ctx, "validate", check, list(stamps))
    run_step(ctx, "normalize_hash", lambda uri: normalize_hash(ctx, opened[uri]), list(opened))
    planned: dict[str, tuple[int, ...]] = {}

    def plan(uri: str) -> None:
        planned[uri] = dedupe(ctx, opened[uri]).parts

    run_step(ctx, "dedupe", plan, list(opened))
    for uri, parts in planned.items():
        for part in parts:
            upload(ctx, opened[uri], part)
    assert [summarize(ctx, opened[uri]).events for uri in planned] == [{"accepted": 10}] * 2
    assert len(world.simulator.event_ids()) == 20
    assert [(one.uri[-5:], one.step, one.error) for one in held_back(ctx)] == [
        ("b.csv", "validate", "InputFileError"),
        ("c.csv", "validate", "GateExceededError"),
        ("d.csv", "dedupe", "GuardError"),
    ]


def test_notes_of_long_ago_are_removed(world: World) -> None:
    """With the other notes of files and runs."""
    world.init_ledger()
    ctx = world.context()
    run_step(ctx, "validate", lambda uri: _fail_on(uri, "/b"), ["/a", "/b"])
    world.clock.advance(timedelta(days=91))
    age_objects(ctx.objects)
    maintain(ctx)
    assert held_back(ctx) == []


def _fail_on(uri: str, broken: str) -> None:
    if uri == broken:
        raise GuardError("breached", where=uri)


@pytest.mark.parametrize(("age", "found"), [(timedelta(minutes=5), []), (timedelta(hours=2), ["a.csv"])])
def test_an_upload_that_was_given_up_does_not_hold_the_others(world: World, age: timedelta, found: list[str]) -> None:
    """A file whose marker never comes is waited for an hour; then the complete ones are taken."""
    folder = world.folder / "drop"
    source = {"path": str(folder / "*.csv"), "files": "all", "done_marker": ".done", "settle_seconds": 0}
    for name in ("a.csv", "b.csv", "a.csv.done"):
        world.drop(rows(1, 1), name=name)
        os.utime(folder / name, (NOW.timestamp() - age.total_seconds(),) * 2)
    look = find(world.context(source=source), NOW.date())
    assert [str(stamp["uri"]).rpartition("/")[2] for stamp in look.files] == found
    assert len(look.pending) == 1
