"""``python scripts/audit.py PIP_AUDIT [FILE ...]``: known vulnerabilities of the locked set, by PyPI's advisories.

It needs a network. pip-audit counts a package that it could not ask about as one without fault; here nothing is said to
be free of faults that nobody asked about. Exit codes: 0 none is known, 1 some are, 3 not everything was checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

UNKNOWN = 3
_SECONDS = 900


def findings(document: Mapping[str, Any]) -> tuple[list[str], list[str], int]:
    """What pip-audit's JSON says: vulnerabilities in words, packages that nobody asked about, and how many were."""
    asked = [one for one in document["dependencies"] if "skip_reason" not in one]
    skipped = [str(one["name"]) for one in document["dependencies"] if "skip_reason" in one]
    known = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version'}"
        for one in asked
        for fault in one["vulns"]
    ]
    return known, skipped, len(asked)


def audit(pip_audit: str, lock: Path) -> tuple[int, str]:
    """Exit code and sentence for one lock file."""
    command = [pip_audit, "--requirement", str(lock), "--require-hashes", "--disable-pip", "--no-deps"]
    try:
        done = subprocess.run(
            [*command, "--format", "json", "--progress-spinner", "off"],
            capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        known, skipped, asked = findings(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return UNKNOWN, f"{lock}: not checked. This needs a network: PyPI's advisories could not be asked."
    text = [f"{lock}: {asked} packages checked, {len(known)} known vulnerabilities."] if asked else []
    text += known
    if skipped:
        text.append(
            f"{lock}: {len(skipped)} packages not checked ({', '.join(skipped[:5])}{', ...' if skipped[5:] else ''}). "
            "This needs a network: PyPI's advisories could not be asked about them."
        )
    return 1 if known else UNKNOWN if skipped else 0, "\n".join(text)


def main(arguments: Sequence[str]) -> int:
    """Audit the lock files, by default all of requirements/."""
    pip_audit, *files = arguments
    locks = [Path(file) for file in files] or sorted(Path("requirements").glob("*.txt"))
    codes = []
    for lock in locks:
        code, text = audit(pip_audit, lock)
        sys.stdout.write(f"{text}\n")
        codes.append(code)
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
