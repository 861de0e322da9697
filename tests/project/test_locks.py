"""What is installed is what was locked: every pin has its hashes, no file names a host, every install checks them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from scripts.audit import UNKNOWN, audit, findings

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_its_hashes(lock: Path) -> None:
    """One exact version each, and nothing from anywhere but a registry that whoever installs chooses."""
    entries = lock.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9._-]+==[^\s;]+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry[:80]
    assert "://" not in lock.read_text(encoding="utf-8")


def test_every_install_of_a_lock_checks_the_hashes() -> None:
    """In the Makefile; what is built from here needs no build dependency from elsewhere."""
    lines = re.sub(r"\\\n", " ", (ROOT / "Makefile").read_text(encoding="utf-8")).splitlines()
    installs = [line for line in lines if re.search(r"\bpip (install|sync)\b", line)]
    assert len(installs) >= 5
    for line in installs:
        assert "--require-hashes" in line or "--no-deps --no-build-isolation --editable ." in line, line
    used = {name for line in installs for name in re.findall(r"requirements/(\w+\.txt)", line)}
    assert used == {lock.name for lock in LOCKS}


def test_only_what_was_asked_about_counts_as_checked() -> None:
    """pip-audit's own words, where a package's advisories could not be asked for."""
    document = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": []},
            {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": []}]},
            {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (3)"},
        ],
        "fixes": [],
    }
    assert findings(document) == (["b 2: PYSEC-1, mended in 2.1"], ["c"], 2)


def test_no_answer_is_no_clean_bill(tmp_path: Path) -> None:
    """A tool that ends without an answer: its exit code is not taken for one."""
    silent = tmp_path / "silent"
    silent.write_text(f"#!{sys.executable}\nraise SystemExit(0)\n")
    silent.chmod(0o755)
    code, text = audit(str(silent), ROOT / "requirements" / "uv.txt")
    assert code == UNKNOWN
    assert "needs a network" in text


def test_a_set_that_nobody_asked_about_has_no_count_of_faults(tmp_path: Path) -> None:
    """pip-audit without a network: every package is skipped, and its exit code is 0."""
    offline = tmp_path / "offline"
    document = {"dependencies": [{"name": "uv", "skip_reason": "could not be audited: uv (0.9)"}], "fixes": []}
    offline.write_text(f"#!{sys.executable}\nprint({json.dumps(document)!r})\n")
    offline.chmod(0o755)
    code, text = audit(str(offline), ROOT / "requirements" / "uv.txt")
    assert code == UNKNOWN
    assert text.endswith(
        "1 packages not checked (uv). This needs a network: PyPI's advisories could not be asked about them."
    )
    assert "0 known vulnerabilities" not in text
