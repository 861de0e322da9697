"""Files in which every row is broken in one way, beside the clean file of the same size.

``python -m benchmarks.broken``; ``--small`` for a look. Every fault is another text in every row where it can be, since
equal cells are read once.
"""

from __future__ import annotations

import csv
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.prepare import AS_OF, prepare

Row = dict[str, str]


def _each(digits: str, between: str) -> str:
    return f"{digits[:3]}{between}{digits[3:6]}{between}{digits[6:]}"


def _phone(change: Callable[[str, random.Random], str]) -> Callable[[Row, random.Random], None]:
    """A fault in the phones of a row that has nothing else to be known by."""

    def broken(row: Row, dice: random.Random) -> None:
        digits = f"213{dice.randrange(10**7):07d}"
        row["email_1"], row["phone_1"] = "", change(digits, dice)

    return broken


def _cell(name: str, change: Callable[[str], str]) -> Callable[[Row, random.Random], None]:
    def broken(row: Row, _dice: random.Random) -> None:
        row[name] = change(row[name])

    return broken


def _email(change: Callable[[str], str]) -> Callable[[Row, random.Random], None]:
    def broken(row: Row, _dice: random.Random) -> None:
        row["email_1"], row["phone_1"] = change(row["email_1"]), ""

    return broken


KINDS: dict[str, Callable[[Row, random.Random], None]] = {
    "e-mail without @": _email(lambda cell: cell.replace("@", "(at)")),
    "e-mail with blanks": _email(lambda cell: cell.replace("@", " @ ")),
    "e-mail, no domain": _email(lambda cell: cell.partition("@")[0] + "@b\u00fccher"),
    "phone 213,555,0123": _phone(lambda digits, _: _each(digits, ",") + ",,,"),
    "phone 213_555_0123": _phone(lambda digits, _: "9" + _each(digits, "_")),
    "phone 213#555#0123": _phone(lambda digits, _: _each(digits, "#") + "#9"),
    "phone 213:555:0123": _phone(lambda digits, _: "9" + _each(digits, ":")),
    "phone 213*555*0123": _phone(lambda digits, _: "9" + _each(digits, "*")),
    "phone, too many digits": _phone(lambda digits, dice: f"999999{digits}{dice.randrange(100)}"),
    "phone of 19 digits": _phone(lambda digits, dice: f"9{dice.randrange(10**8):08d}{digits}"),
    "phone, + and zeros": _phone(lambda digits, _: f"+0{digits}"),
    "phone, 00 and nothing": _phone(lambda digits, _: f"000{digits}"),
    "phone with letters": _phone(lambda digits, _: f"call {digits}"),
    "phone as a date": _phone(lambda digits, _: f"2026-{digits[3:5]}-{digits[5:7]} {digits[7:9]}:{digits[:2]}:00Z"),
    "phone, damaged": _phone(lambda digits, _: f"{digits[0]}.{digits[1:]}E+09"),
    "category unknown": _cell("transaction_category", lambda cell: f"{cell}s"),
    "date impossible": _cell("transaction_timestamp", lambda cell: f"2026-02-30{cell[10:]}"),
    "date as text": _cell("transaction_timestamp", lambda cell: f"on {cell}"),
    "amount with symbol": _cell("transaction_amount", lambda cell: f"${cell}"),
    "amount with comma": _cell("transaction_amount", lambda cell: f'"{cell.replace(".", ",")}"'),
}


def _write_broken(clean: Path, path: Path, kind: str) -> None:
    dice = random.Random(1)
    with clean.open(newline="") as source, path.open("w", newline="") as written:
        rows = csv.DictReader(source)
        out = csv.DictWriter(written, rows.fieldnames or [], lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        out.writeheader()
        for row in rows:
            KINDS[kind](row, dice)
            out.writerow(row)


def _ragged(clean: Path, path: Path) -> None:
    with clean.open() as source, path.open("w") as written:
        written.write(source.readline())
        written.writelines(line.replace(".", ",,", 1) for line in source)


def _seconds(folder: Path, file: str) -> float:
    started = time.process_time()
    prepare(folder, file)
    return time.process_time() - started


def main() -> None:
    """Measure and print."""
    from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

    rows, rounds = (20_000, 1) if "--small" in sys.argv else (200_000, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sample(folder / "clean.csv", rows, as_of=AS_OF, seed=1, form=SampleForm(identifiers="both"))
        prepare(folder, "clean.csv")
        worst = 0.0
        for kind in [*KINDS, "fields too many"]:
            if kind in KINDS:
                _write_broken(folder / "clean.csv", folder / "broken.csv", kind)
            else:
                _ragged(folder / "clean.csv", folder / "broken.csv")
            ratios = [_seconds(folder, "broken.csv") / _seconds(folder, "clean.csv") for _ in range(rounds)]
            worst = max(worst, statistics.median(ratios))
            print(f"{kind:24} {statistics.median(ratios):5.2f}", flush=True)
        print(f"slowest of {rows:,} rows, processor time: {worst:.2f} times the clean file (at most 2.0)")


if __name__ == "__main__":
    main()
