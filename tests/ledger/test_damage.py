"""A ledger that was damaged by hand is refused with a clear error, and nothing goes out by it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from airflow_provider_tiktok_offline.errors import LedgerDamagedError, LedgerMissingError
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.ledger.world import EVENT_SET, World

_ROOT = f"event_sets/{EVENT_SET}"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with 25 commits: there is a checkpoint, and entries before and after it."""
    root = tmp_path_factory.mktemp("template")
    world = World(open_objects(str(root)))
    for number in range(25):
        world.deliver(f"file{number}", [number])
    return root


@pytest.fixture
def used(template: Path, tmp_path: Path) -> World:
    """A copy of it to damage."""
    shutil.copytree(template, tmp_path / "used")
    return World(open_objects(str(tmp_path / "used")))


def _logs(world: World) -> list[str]:
    return [p for p in world.objects.list(f"{_ROOT}/g0001/keys/_delta_log") if p.endswith(".json")]


def _refused(world: World, match: str) -> None:
    with pytest.raises(LedgerDamagedError, match=match) as caught:
        world.ledger()
    assert "Nothing was sent" in str(caught.value) or "nothing was sent" in str(caught.value)
    assert not caught.value.retryable


def test_any_missing_log_entry_is_noticed(used: World) -> None:
    """Whichever entry of the log is gone, the first, the last or one before a checkpoint: refused."""
    entries = _logs(used)
    assert len(entries) == 26
    for path in (entries[0], entries[7], entries[20], entries[23], entries[-1]):
        found = used.objects.get(path)
        assert found is not None
        used.objects.delete(path)
        _refused(used, "log|version|can't be read")
        used.objects.put(path, found[0])
    used.ledger()


def test_last_log_entry_of_a_young_table_is_noticed(world: World) -> None:
    """Without its last entry the table would load one version back, and send again what that had recorded."""
    world.deliver("monday", range(3))
    world.objects.delete(_logs(world)[-1])
    _refused(world, "version 0, but version 1 was committed")


def test_truncated_log_entry_is_noticed(used: World) -> None:
    """A log entry that was cut off is no entry."""
    path = _logs(used)[-1]
    found = used.objects.get(path)
    assert found is not None
    used.objects.put(path, found[0][: len(found[0]) // 2])
    _refused(used, "can't be read|version")


def test_truncated_or_missing_parquet_is_noticed(used: World) -> None:
    """A data file that was cut off or removed is seen before anything is read from it."""
    path = next(p for p in used.objects.list(f"{_ROOT}/g0001/keys") if p.endswith(".parquet") and "_delta" not in p)
    found = used.objects.get(path)
    assert found is not None
    used.objects.put(path, found[0][:-20])
    _refused(used, "cut off")
    used.objects.delete(path)
    _refused(used, "missing")


def test_corrupt_checkpoint_is_noticed(used: World) -> None:
    """A checkpoint full of zeros does not pass for an empty table."""
    path = next(p for p in used.objects.list(f"{_ROOT}/g0001/keys/_delta_log") if "checkpoint.parquet" in p)
    found = used.objects.get(path)
    assert found is not None
    used.objects.put(path, b"\0" * len(found[0]))
    _refused(used, "can't be read")


@pytest.mark.parametrize("name", ["keys.witness.json", "claims.json"])
def test_missing_document_is_noticed(world: World, name: str) -> None:
    """Witness and claims are part of the ledger: one that is gone is no empty one."""
    world.deliver("monday", range(3))
    world.objects.delete(f"{_ROOT}/g0001/{name}")
    _refused(world, "missing")


def test_damaged_document_is_noticed(world: World) -> None:
    """A document that is no JSON is named."""
    world.objects.put(f"{_ROOT}/g0001/claims.json", b'{"claims": {')
    _refused(world, "damaged")


def test_missing_secret_is_noticed(world: World) -> None:
    """Without the secret no event would be recognised."""
    world.objects.delete(f"{_ROOT}/secret")
    _refused(world, "secret is missing")


def test_changed_secret_is_noticed(world: World) -> None:
    """Another secret makes other keys: refused."""
    world.objects.put(f"{_ROOT}/secret", b"x" * 32)
    _refused(world, "secret is not the one")


def test_missing_own_document_is_a_missing_ledger_that_init_does_not_paper_over(world: World) -> None:
    """Init refuses to start anew beside tables that have recorded something."""
    world.deliver("monday", range(3))
    world.objects.delete(f"{_ROOT}/meta.json")
    with pytest.raises(LedgerMissingError):
        world.ledger()
    with pytest.raises(LedgerDamagedError, match="something was sent"):
        World(world.objects)


def test_truncated_plan_is_noticed(world: World, tmp_path: Path) -> None:
    """A part of a plan that was cut off is not half a plan."""
    delivery = world.enter("monday")
    plan = world.plan(delivery, range(50))
    path = next(p for p in world.objects.list(f"{_ROOT}/g0001/plans") if p.endswith(".parquet"))
    found = world.objects.get(path)
    assert found is not None
    world.objects.put(path, found[0][:-9])
    with pytest.raises(LedgerDamagedError, match="plan"):
        plan.part(0)


def test_truncated_receipt_is_noticed(world: World) -> None:
    """A receipt that was cut off stops the settlement."""
    delivery = world.enter("monday")
    world.plan(delivery, range(50))
    world.send(delivery, range(50))
    path = world.objects.list(f"{_ROOT}/g0001/receipts")[-1]
    found = world.objects.get(path)
    assert found is not None
    world.objects.put(path, found[0][:-16])
    with pytest.raises(LedgerDamagedError, match="cut off"):
        world.ledger().settle(delivery)


def test_truncated_claim_is_noticed(world: World) -> None:
    """A list of claimed events that was cut off does not set events free."""
    world.plan(world.enter("monday", "run-1"), range(50))
    path = world.objects.list(f"{_ROOT}/g0001/claims")[0]
    found = world.objects.get(path)
    assert found is not None
    world.objects.put(path, found[0][:-16])
    with pytest.raises(LedgerDamagedError, match="cut off"):
        world.plan(world.enter("tuesday", "run-2"), range(50))


def test_missing_plan_is_noticed(world: World) -> None:
    """A delivery that was never deduped has nothing to send by."""
    with pytest.raises(LedgerDamagedError, match="dedupe"):
        world.ledger().plan(world.enter("monday"))


def test_a_flipped_byte_sends_nothing_again(world: World) -> None:
    """Wherever in a file of keys it is: it is noticed, or it changes nothing that decides about sending."""
    world.deliver("file", range(20))
    (path,) = Path(world.objects.uri).rglob("keys/day=*/*.parquet")
    whole = path.read_bytes()
    noticed = 0
    for place in range(4, len(whole) - 8, 1 + len(whole) // 40):
        broken = bytearray(whole)
        broken[place] ^= 0x10
        path.write_bytes(bytes(broken))
        try:
            verdicts = world.verdicts(range(20))
        except LedgerDamagedError:
            noticed += 1
            continue
        assert verdicts.keys() <= {"already_sent", "changed_after_sent"}, (place, verdicts)
    assert noticed > 3
    path.write_bytes(whole)
    assert world.verdicts(range(20)) == {"already_sent": 20}


def test_an_empty_witness_is_a_damaged_ledger(used: World) -> None:
    """Reading and committing tell it in the same way."""
    delivery = used.enter("next")
    used.plan(delivery, range(100, 103))
    used.objects.put(f"{used.ledger().root}/keys.witness.json", b"{}")
    with pytest.raises(LedgerDamagedError):
        used.verdicts(range(3))
    with pytest.raises(LedgerDamagedError):
        used.ledger()


def test_a_table_from_before_the_sums_is_read_and_gets_them(used: World) -> None:
    """The first commit of this version notes the sums of every file."""
    path = f"{used.ledger().root}/keys.witness.json"
    stored = used.objects.get(path)
    assert stored is not None
    old = {key: value for key, value in json.loads(stored[0]).items() if key != "sums"}
    used.objects.put(path, json.dumps(old).encode())
    assert used.verdicts(range(3)) == {"already_sent": 3}
    used.deliver("next", range(100, 103))
    stored = used.objects.get(path)
    assert stored is not None
    assert len(json.loads(stored[0])["sums"]) == len(used.ledger().table.snapshot().files)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_no_damage(world: World, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]) -> None:
    """A task that is ended while it reads its plan does not say that the ledger is damaged."""
    delivery = world.enter("monday")
    world.plan(delivery, range(3))
    plan = world.ledger().plan(delivery)

    def interrupted(*_: object) -> NoReturn:
        raise fault

    monkeypatch.setattr(type(world.objects), "open_read", interrupted)
    with pytest.raises(fault):
        plan.part(0)
