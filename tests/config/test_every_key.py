"""Whatever stands at a key of one entry: it is a fault of that key, or none, and the other entries are loaded."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import yaml

from airflow_provider_tiktok_offline.config.loading import load_config
from tests.config import hostile

KEYS = hostile.every_key()
#: No fault is longer than so many characters, whatever the value.
LONGEST = 1_500


@pytest.mark.timeout(60)
@pytest.mark.parametrize("key", KEYS, ids=[".".join(map(str, key)) for key in KEYS])
def test_a_hostile_value_is_named_and_stays_its_own(key: hostile.Path, tmp_path: Path) -> None:
    """With file, line, entry and key, on one line, in a time that no scheduler notices."""
    broken = {f"broken_{number}": value for number, value in enumerate(hostile.VALUES)}
    entries = [hostile.entry("whole"), *(hostile.entry(name, key, value) for name, value in broken.items())]
    file = tmp_path / "advertisers.yaml"
    file.write_text(yaml.safe_dump({"advertisers": entries}, sort_keys=False))
    loaded = load_config(file)
    assert loaded.get("whole") is not None
    for name, value in broken.items():
        faults = [fault for fault in loaded.broken if fault.entry == name]
        if loaded.get(name) is None:
            assert [fault for fault in faults if fault.key.partition(".")[0] == key[0]], (value, faults)
        for fault in faults:
            assert (fault.file, bool(fault.line)) == (str(file), True), (value, fault)
            assert len(str(fault)) < LONGEST, (value, fault)
            assert not [one for one in str(fault) if unicodedata.category(one) in ("Cc", "Cf")], (value, fault)


def test_every_part_of_the_model_is_reached() -> None:
    """The walk goes into sections, lists and tables."""
    assert len(KEYS) > 190
    assert {path[0] for path in KEYS} >= {"source", "guards", "upload", "ledger", "format", "liveramp", "notifications"}
    assert {("source", "path"), ("tags", 0), ("stores", "usual", "currency")} <= set(KEYS)
