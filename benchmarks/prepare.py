"""Preparing and validating a file, beside the best bare pass and beside a pandas script.

``python -m benchmarks.prepare [--small] [--passes] [--check]``: each contender in a fresh process, in turn, over
several rounds; medians of the ratios within a round. The bare pass reads every column as text with Polars, hashes two,
drops their plaintext and writes lz4 Parquet, without a rule: the cheapest way that we know to make digests of a file.
It is run on both kinds of file: *csv* is the sample with both identifiers, *psv* the same rows in a pipe file in which
every other phone is written as country code and digits.

*till-cp1252* is a till's export (semicolons, decimal commas, umlauts, its own notation of time) in cp1252, *till-utf-8*
the same file in UTF-8. The pandas script gets a tenth of the rows, as it takes so long; rows a second are compared.

Modules are compiled before the first round, as an installer leaves them; else each process compiles the package's.

``--passes`` leaves out all but the bare pass, ``validate`` and ``prepare``. ``--check`` ends with 1 if a ratio or a
peak is beyond its limit; without it the figures are only printed, since they depend on what else the machine does.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.common import own_peak_mb

AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)
_CLEAN, _PIPED, _TENTH, _BROKEN, _LONG = "clean.csv", "piped.psv", "tenth.csv", "broken.csv", "long.csv"
_TILL = "till-{}.csv"
_ENCODINGS = ("utf-8", "cp1252")
#: MB of memory at the highest: at the usual number of rows, and at ten times as many.
_MOST_MB, _MOST_MB_LONG = 550, 580

Spent = dict[str, float]


class Ratio(NamedTuple):
    """What is compared by processor time, and with what.

    Attributes:
        limit: what it must not be above, or below where more is better.
        scale: how many times as many rows ``to`` has.
    """

    label: str
    name: str
    to: str
    limit: float
    aim: float | None = None
    scale: float = 1.0
    more_is_better: bool = False

    def beyond(self, found: float) -> bool:
        """Whether a figure is on the wrong side of the limit."""
        return found < self.limit if self.more_is_better else found > self.limit

    def bounds(self) -> str:
        """The limit and the aim in words."""
        limit = f"at {'least' if self.more_is_better else 'most'} {self.limit}"
        return limit if self.aim is None else f"{limit}, aim {self.aim}"


_RATIOS = (
    Ratio("prepare / bare, csv", "prepare-csv", "bare-csv", 1.6, 1.2),
    Ratio("prepare / bare, psv", "prepare-psv", "bare-psv", 1.9, 1.5),
    Ratio("validate / bare, csv", "validate-csv", "bare-csv", 1.1, 0.8),
    Ratio("validate / bare, psv", "validate-psv", "bare-psv", 1.1, 0.8),
    Ratio("pandas / prepare", "pandas", "prepare-csv", 12.0, 20.0, 10.0, more_is_better=True),
    # Twice the clean file's time before it got faster (2.53 bare passes): a faster clean file is no fault of this one.
    Ratio("broken / bare", "broken", "bare-csv", 5.06),
    Ratio("cp1252 / UTF-8", "till-cp1252", "till-utf-8", 1.3),
)


def bare(folder: Path, file: str) -> None:
    """Read, hash two columns, drop their plaintext, write; no rule."""
    import polars as pl
    import polars_hash as plh

    hashed = [plh.col(name).chash.sha2_256().alias(name) for name in ("email_1", "phone_1")]
    mark = "|" if file.endswith(".psv") else ","
    text = pl.scan_csv(folder / file, infer_schema=False, separator=mark)
    text.with_columns(hashed).sink_parquet(folder / "bare.parquet", compression="lz4", statistics=False)


def validate(folder: Path, file: str) -> None:
    """Every rule, no output."""
    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
    from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
    from airflow_provider_tiktok_offline.conversions.preparation.prepare import validate as run

    run(LocalFile(folder / file), ConversionSettings(phone_region="US", currency="USD"), as_of=AS_OF)


def prepare(folder: Path, file: str) -> None:
    """Every rule, normal forms, three digests, parts."""
    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
    from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare as run

    settings = ConversionSettings(phone_region="US", currency="USD")
    run(LocalFile(folder / file), settings, as_of=AS_OF, output=DirectoryParts(folder / "parts"))


def till(folder: Path, file: str) -> None:
    """The same of a till's export."""
    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, FileFormat
    from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare as run

    encoding = next(name for name in _ENCODINGS if name in file)
    written = FileFormat(
        delimiter=";", encoding=encoding, decimal=",", thousands=".", timestamp_formats=("dd.MM.yyyy HH:mm:ss",)
    )
    columns = {"Kunde": "email_1", "Zeit": "transaction_timestamp", "Betrag": "transaction_amount",
               "Handy": "phone_1", "Bon": "order_id", "Größe": "product_name"}  # fmt: skip
    settings = ConversionSettings(
        phone_region="US", currency="EUR", format=written, columns=columns,
        constants={"transaction_category": "Purchase"},
    )  # fmt: skip
    run(LocalFile(folder / file), settings, as_of=AS_OF, output=DirectoryParts(folder / "parts"))


def pandas_script(folder: Path, file: str) -> None:
    """The script of benchmarks/pandas_script.py."""
    import pandas as pd

    from benchmarks import pandas_script as script

    script.prepare(folder / file, folder / "pandas.parquet", pd.Timestamp(AS_OF))


_CONTENDERS = {"bare": bare, "validate": validate, "prepare": prepare, "till": till, "pandas": pandas_script}


def write_files(folder: Path, rows: int, long_rows: int) -> None:
    """A clean file, a tenth of it, a pipe file of the same rows, one in which every row is broken, and a long one."""
    from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

    for name, count in ((_CLEAN, rows), (_TENTH, rows // 10), (_LONG, long_rows)):
        if count:
            write_sample(folder / name, count, as_of=AS_OF, seed=1, form=SampleForm(identifiers="both"))
    broken_file, piped_file = folder / _BROKEN, folder / _PIPED
    with (folder / _CLEAN).open() as clean, broken_file.open("w") as broken, piped_file.open("w") as piped:
        header = clean.readline()
        broken.write(header)
        piped.write(header.replace(",", "|"))
        phone = header.split(",").index("phone_1")
        for number, line in enumerate(clean):
            broken.write(line.replace("@", "(at)").replace(",2026-", ", 2026/", 1).replace(".", ",,", 1))
            cells = line.split(",")
            if number % 2 == 0:
                cells[phone] = f"1{cells[phone]}"
            piped.write("|".join(cells))


def write_tills(folder: Path, rows: int) -> None:
    """A till's export in each encoding: the rows of the clean file as a German till would write them."""
    import csv

    with (folder / _CLEAN).open() as clean:
        streams = [(folder / _TILL.format(name)).open("w", encoding=name, newline="\r\n") for name in _ENCODINGS]
        for number, row in enumerate(csv.DictReader(clean)):
            if number == rows:
                break
            time = row["transaction_timestamp"]
            cells = (
                row["email_1"],
                f"{time[8:10]}.{time[5:7]}.{time[:4]} {time[11:19]}",
                row["transaction_amount"].replace(".", ","),
                row["phone_1"],
                row["order_id"],
                "Größe 38, für Mädchen",
            )
            for stream in streams:
                if not number:
                    stream.write("Kunde;Zeit;Betrag;Handy;Bon;Größe\n")
                stream.write(";".join(cells) + "\n")
        for stream in streams:
            stream.close()


def _run(name: str, folder: Path, file: str) -> Spent:
    """Run one contender, its modules compiled before as an installer leaves them."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.prepare", "--run", name, str(folder), file],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: Spent = json.loads(ended.stdout)
    return found


def _round(folder: Path, *, passes_only: bool) -> dict[str, Spent]:
    """Every contender once, those that are compared one behind the other."""
    found = {
        f"{name}-{kind}": _run(name, folder, file)
        for kind, file in (("csv", _CLEAN), ("psv", _PIPED))
        for name in ("bare", "validate", "prepare")
    }
    if not passes_only:
        found["pandas"] = _run("pandas", folder, _TENTH)
        found["broken"] = _run("prepare", folder, _BROKEN)
        found |= {f"till-{encoding}": _run("till", folder, _TILL.format(encoding)) for encoding in _ENCODINGS}
    return found


def main() -> int:
    """Measure and print; ``--run`` is one contender, in its own process."""
    if "--run" in sys.argv:
        name, folder_name, file = sys.argv[-3:]
        contender = _CONTENDERS[name]
        started, processor = time.perf_counter(), time.process_time()
        contender(Path(folder_name), file)
        spent = {"seconds": time.perf_counter() - started, "processor": time.process_time() - processor}
        print(json.dumps({**spent, "peak_mb": own_peak_mb()}))
        return 0
    small, passes_only = "--small" in sys.argv, "--passes" in sys.argv
    rows, long_rows, rounds = (100_000, 0, 1) if small else (2_000_000, 0 if passes_only else 20_000_000, 5)
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        write_files(folder, rows, long_rows)
        if not passes_only:
            write_tills(folder, rows)
        print(f"{rows:,} rows, {(folder / _CLEAN).stat().st_size / 1e6:.0f} MB; medians of {rounds} round(s)")
        for name in ("bare", "prepare"):
            _run(name, folder, _TENTH)
        found = [_round(folder, passes_only=passes_only) for _ in range(rounds)]
        beyond = _print(found, rows)
        if long_rows:
            beyond += _print_long(found, _run("prepare", folder, _LONG), rows, long_rows)
    if beyond:
        print("beyond its limit: " + "; ".join(beyond))
    return 1 if beyond and "--check" in sys.argv else 0


def _print(found: list[dict[str, Spent]], rows: int) -> list[str]:
    """Print times and ratios; returns what is beyond its limit."""
    beyond = []
    for name in found[0]:
        count = rows // 10 if name == "pandas" else rows
        seconds, processor = (statistics.median(one[name][what] for one in found) for what in ("seconds", "processor"))
        peak = max(one[name]["peak_mb"] for one in found)
        print(
            f"{name:13} {seconds:7.2f} s  processor {processor:7.2f} s  {count / seconds:12,.0f} rows/s  "
            f"peak {peak:5.0f} MB"
        )
        if name.startswith("prepare") and peak > _MOST_MB:
            beyond.append(f"{name}, peak memory")
    for ratio in _RATIOS:
        if ratio.name not in found[0]:
            continue
        by_clock, by_processor = (
            statistics.median(ratio.scale * one[ratio.name][what] / one[ratio.to][what] for one in found)
            for what in ("seconds", "processor")
        )
        print(f"{ratio.label:21} {by_processor:6.2f}  by clock {by_clock:6.2f}  ({ratio.bounds()})")
        if ratio.beyond(by_processor):
            beyond.append(ratio.label)
    return beyond


def _print_long(found: list[dict[str, Spent]], long: Spent, rows: int, long_rows: int) -> list[str]:
    name, times, beyond = "prepare-csv", long_rows / rows, []
    seconds, processor = (statistics.median(one[name][what] for one in found) for what in ("seconds", "processor"))
    print(f"{long_rows:,} rows: peak {long['peak_mb']:.0f} MB (at most {_MOST_MB_LONG})")
    a_row = long["processor"] / processor / times
    print(f"time per row {a_row:.2f} times, by clock {long['seconds'] / seconds / times:.2f} (at most 1.1)")
    if long["peak_mb"] > _MOST_MB_LONG:
        beyond.append("peak memory of the long file")
    if a_row > 1.1:
        beyond.append("time per row of the long file")
    return beyond


if __name__ == "__main__":
    sys.exit(main())
