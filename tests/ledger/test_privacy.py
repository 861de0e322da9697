"""Nothing in the ledger is an identifier, a digest of one, or a number that could be counted through."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl

from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.ledger.corrections import adopt
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.ledger.world import EVENT_SET, IDENTITY, LOOKBACK, World

_EMAIL, _PHONE, _ORDER = "erika.mustermann@example.com", "+4915112345678", "ORDER-4711"
_CONTENT = b"1772431200|49.99"


def _traces() -> dict[str, bytes]:
    """Everything that a customer or transaction could be found by, as it could stand in a file."""
    plain = {"email": _EMAIL.encode(), "phone": _PHONE.encode(), "order": _ORDER.encode(), "content": _CONTENT}
    event_id = _event_id().encode()
    traces = {**plain, "event id": event_id, "event id's digits": event_id[3:]}
    for name, value in {**plain, "event id": event_id}.items():
        for algorithm in ("sha256", "sha1", "md5"):
            digest = hashlib.new(algorithm, value).digest()
            traces[f"{algorithm} of {name}"] = digest[:8]
            traces[f"{algorithm} of {name}, hex"] = digest.hex()[:16].encode()
    return traces


def _event_id() -> str:
    text = "\x1f".join(["Purchase", "store-1", _ORDER, ""])
    return "v1-" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _frame(ledger: Ledger) -> pl.DataFrame:
    return pl.DataFrame(
        {"event_key": ledger.keys(pl.Series([_event_id()])), "content": [_CONTENT], "event_time": [1772431200]}
    )


def test_no_byte_of_the_ledger_leads_to_a_customer(tmp_path: Path) -> None:
    """Tables, plans, receipts, claims, documents and logs hold no identifier, no digest, no event id."""
    root = tmp_path / "state"
    world = World(open_objects(str(root)))
    ledger = world.ledger()
    for name, outcome in (("monday", "accepted"), ("tuesday", "refused"), ("wednesday", "in doubt")):
        delivery = world.enter(name)
        now = world.clock.now()
        plan = ledger.dedupe(delivery, [(0, _frame(ledger))], route="tiktok", now=now, lookback=LOOKBACK)
        for part in plan.parts:
            with ledger.receipts(delivery, part, "run") as receipts:
                keys = plan.part(part)["event_key"]
                receipts.attempted(keys)
                if outcome == "accepted":
                    receipts.accepted(keys, "request-1")
        ledger.settle(delivery)
        world.deliveries.save(world.deliveries.get(delivery), status="closed")
    adopt(ledger, "d-old", [_frame(ledger)], route="tiktok", reason="go-live", actor="cli/test")
    ledger.records.append({"delivery_id": "d-1", "counts": {"accepted": 1}})
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) > 15
    found = [
        f"{name} in {path.relative_to(root)}"
        for path in files
        for name, trace in _traces().items()
        if trace in path.read_bytes() or trace in _decoded(path)
    ]
    assert found == []


def _decoded(path: Path) -> bytes:
    """A Parquet file's values, which may lie compressed in it."""
    if path.suffix != ".parquet" or path.parent.name == "_delta_log":
        return b""
    frame = pl.read_parquet(path)
    return b"\n".join(
        value if isinstance(value, bytes) else str(value).encode() for row in frame.iter_rows() for value in row
    )


def test_one_event_has_another_key_in_every_ledger(tmp_path: Path) -> None:
    """Without the secret a key can't be recomputed, so two ledgers can't be joined by it."""
    world = World(open_objects(str(tmp_path / "state")))
    other = Ledger.init(world.objects, EVENT_SET[:-1] + "2", identity=IDENTITY, clock=world.clock)
    assert _frame(world.ledger())["event_key"][0] != _frame(other)["event_key"][0]
    mine = world.ledger().contents(_frame(world.ledger()))
    assert mine[0] != other.contents(_frame(other))[0]
