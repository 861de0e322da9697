"""Any object below ``state_uri`` may come back changed: each step goes on, or ends in an error of the package."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.delivery.events.delivery_events import open_events
from airflow_provider_tiktok_offline.delivery.events.feed_setup import open_feed_state
from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.delivery.operations import status
from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import OutcomeUnknownError
from airflow_provider_tiktok_offline.ledger import inspection
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.delivery.world import NOW, World, rows
from tests.fuzz.damage import DELIVERIES, damaged, damaged_json, fuzz, held
from tests.liveramp.office import Office
from tests.liveramp.rows import row
from tests.servers.simulator import RunningSimulator
from tests.servers.sshd import Sshd

Action = Callable[[], object]


@dataclass
class Kept:
    """A state as it was at one moment: path -> content of each object, and a copy to put back."""

    state: Path
    copy: Path

    def __post_init__(self) -> None:
        shutil.copytree(self.state, self.copy)
        files = sorted(path for path in self.copy.rglob("*") if path.is_file())
        self.objects = {str(path.relative_to(self.copy)): path.read_bytes() for path in files}

    def any_damage(self) -> st.SearchStrategy[tuple[str, bytes]]:
        """One object, and what it holds now."""

        def damage(path: str) -> st.SearchStrategy[tuple[str, bytes]]:
            content = self.objects[path]
            # A log entry of a table is several documents, one a line.
            document = content.startswith(b"{") and content.endswith(b"}") and b"\n{" not in content
            return st.tuples(st.just(path), damaged_json(content) if document else damaged(content))

        return st.sampled_from(sorted(self.objects)).flatmap(damage)

    def put_back(self, path: str, content: bytes) -> None:
        """The whole state, but for that object."""
        shutil.rmtree(self.state)
        shutil.copytree(self.copy, self.state)
        (self.state / path).write_bytes(content)


def _each(actions: Sequence[Action]) -> None:
    for action in actions:
        held(action)


def _looks(ctx: DeliveryContext) -> list[Action]:
    """What commands, the page and the maintenance ask of a state."""
    return [
        lambda: status.refresh(ctx),
        lambda: inspection.status(ctx.ledger),
        lambda: ctx.deliveries.list(ctx.config.name),
        lambda: maintain(ctx),
    ]


def _upload_all(ctx: DeliveryContext, delivery_id: str) -> None:
    for part in dedupe(ctx, delivery_id).parts:
        upload(ctx, delivery_id, part)


@pytest.mark.parametrize("examples", DELIVERIES)
def test_state_of_the_direct_route(examples: int, running_simulator: RunningSimulator, tmp_path: Path) -> None:
    """Manifest, parts, plan, claims, receipts, witness, tables, records, status, notes of a run, half-way an upload."""
    running_simulator.control.reset()
    running_simulator.control.set_clock(NOW.timestamp() - running_simulator.control.summary().now)
    world = World(tmp_path, running_simulator)
    world.init_ledger()
    world.deliver(world.drop(rows(1, 4), name="a.csv"), world.context("daily/run-0"))
    ctx = world.context(upload={"requests_per_second": 1000, "max_attempts": 1, "batch_events": 5})
    stamp = world.drop(rows(3, 12))
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    running_simulator.control.add(Fault(kind="drop", taken=True, skip=1))
    with suppress(OutcomeUnknownError):
        _upload_all(ctx, delivery_id)
    kept = Kept(tmp_path / "state", tmp_path / "kept")

    def live_on(damage: tuple[str, bytes]) -> None:
        kept.put_back(*damage)
        ctx = world.context()
        parts = StagedParts(ctx.staging, delivery_id)
        _each(
            [
                *_looks(ctx),
                lambda: PreparedEvents.open(parts).read(0),
                lambda: read_report(ctx, delivery_id),
                lambda: normalize_hash(ctx, delivery_id),
                lambda: _upload_all(ctx, delivery_id),
                lambda: summarize_all(ctx),
                lambda: validate(world.context("daily/run-2"), stamp),
            ]
        )

    fuzz(kept.any_damage(), live_on, examples)


@pytest.mark.parametrize("examples", DELIVERIES)
def test_state_of_the_liveramp_route(examples: int, server: Sshd, tmp_path: Path) -> None:
    """Contract, days, names, queue and verdicts, with a file delivered, one that waits and one that is due."""
    office = Office(tmp_path, server)
    office.open()
    office.run("daily/run-0", [office.drop("a.psv", [row(number) for number in range(30)])])
    office.clock.advance(timedelta(days=1))
    office.run("daily/run-1", [office.drop("b.psv", [row(number) for number in range(30, 40)])])
    ctx = office.context("daily/run-2")
    stamp = office.drop("c.psv", [row(number) for number in range(35, 75)])
    delivery_id = validate(ctx, stamp).delivery_id
    dedupe(ctx, delivery_id)
    kept = Kept(tmp_path / "state", tmp_path / "kept")
    arrived = {path.name: path.read_bytes() for path in office.outbox.iterdir()}

    def live_on(damage: tuple[str, bytes]) -> None:
        kept.put_back(*damage)
        for path in office.outbox.iterdir():
            path.unlink()
        for name, content in arrived.items():
            (office.outbox / name).write_bytes(content)
        ctx = office.context("daily/run-2")
        _each(
            [
                *_looks(ctx),
                lambda: open_feed_state(ctx).days(),
                lambda: open_feed_state(ctx).queued(),
                lambda: open_events(ctx, delivery_id).read(0),
                lambda: dedupe(ctx, delivery_id),
                lambda: deliver(ctx, delivery_id),
                lambda: summarize_all(ctx),
            ]
        )

    fuzz(kept.any_damage(), live_on, examples)
