"""Preparing and validating a file, beside the bare pass and beside a pandas script.

``python -m benchmarks.prepare [--small]``: each contender in a fresh process, in turn, over several rounds; medians of
the ratios within a round. The bare pass reads every column as text with Polars, hashes two and writes Parquet, without
a rule. *till-cp1252* is a till's export (semicolons, decimal commas, umlauts, its own notation of time) in cp1252,
*till-utf8* the same file in UTF-8. The pandas script gets a tenth of the rows, as it takes so long; rows a second are
compared.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)
_CLEAN, _TENTH, _BROKEN, _LONG = "clean.csv", "tenth.csv", "broken.csv", "long.csv"
_TILL = "till-{}.csv"
_ENCODINGS = ("utf-8", "cp1252")


def bare(folder: Path, file: str) -> None:
    """Read, hash two columns, write; no rule."""
    import polars as pl
    import polars_hash as plh

    hashed = [plh.col(name).chash.sha2_256().alias(f"{name}_digest") for name in ("email_1", "phone_1")]
    pl.scan_csv(folder / file, infer_schema=False).with_columns(hashed).sink_parquet(folder / "bare.parquet")


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
    """A clean file, a tenth of it, one in which every row is broken, and a long one."""
    from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

    for name, count in ((_CLEAN, rows), (_TENTH, rows // 10), (_LONG, long_rows)):
        if count:
            write_sample(folder / name, count, as_of=AS_OF, seed=1, form=SampleForm(identifiers="both"))
    with (folder / _CLEAN).open() as clean, (folder / _BROKEN).open("w") as broken:
        broken.write(clean.readline())
        broken.writelines(
            line.replace("@", "(at)").replace(",2026-", ", 2026/", 1).replace(".", ",,", 1) for line in clean
        )


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


def _run(name: str, folder: Path, file: str) -> dict[str, float]:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.prepare", "--run", name, str(folder), file],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def main() -> None:
    """Measure and print; ``--run`` is one contender, in its own process."""
    if "--run" in sys.argv:
        name, folder_name, file = sys.argv[-3:]
        contender = _CONTENDERS[name]
        started, processor = time.perf_counter(), time.process_time()
        contender(Path(folder_name), file)
        spent = {"seconds": time.perf_counter() - started, "processor": time.process_time() - processor}
        print(json.dumps({**spent, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    small = "--small" in sys.argv
    rows, long_rows, rounds = (100_000, 0, 1) if small else (2_000_000, 20_000_000, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, rows, long_rows)
        write_tills(folder, rows)
        print(f"{rows:,} rows, {(folder / _CLEAN).stat().st_size / 1e6:.0f} MB; medians of {rounds} round(s)")
        found = [
            {
                "bare": _run("bare", folder, _CLEAN),
                "validate": _run("validate", folder, _CLEAN),
                "prepare": _run("prepare", folder, _CLEAN),
                "pandas": _run("pandas", folder, _TENTH),
                "broken": _run("prepare", folder, _BROKEN),
                "till-utf8": _run("till", folder, _TILL.format("utf-8")),
                "till-cp1252": _run("till", folder, _TILL.format("cp1252")),
            }
            for _ in range(rounds)
        ]
        _print(found, rows)
        if long_rows:
            _print_long(found, _run("prepare", folder, _LONG), rows, long_rows)


def _print(found: list[dict[str, dict[str, float]]], rows: int) -> None:
    def ratio(name: str, to: str, what: str = "seconds", scale: float = 1.0) -> float:
        return statistics.median(scale * one[name][what] / one[to][what] for one in found)

    for name in found[0]:
        count = rows // 10 if name == "pandas" else rows
        seconds = statistics.median(one[name]["seconds"] for one in found)
        peak = max(one[name]["peak_mb"] for one in found)
        print(f"{name:11} {seconds:7.2f} s  {count / seconds:12,.0f} rows/s  peak {peak:5.0f} MB")
    for label, name, to, scale, limit in (
        ("prepare / bare pass", "prepare", "bare", 1.0, "at most 2.0, aim 1.5"),
        ("validate / bare pass", "validate", "bare", 1.0, "at most 1.0, aim 0.6"),
        ("pandas / prepare", "pandas", "prepare", 10.0, "at least 12, aim 20"),
        ("broken / clean", "broken", "prepare", 1.0, "at most 2.0"),
        ("cp1252 / UTF-8", "till-cp1252", "till-utf8", 1.0, "at most 1.3"),
    ):
        by_clock, by_processor = ratio(name, to, scale=scale), ratio(name, to, "processor", scale)
        print(f"{label:21} {by_clock:6.2f}  by processor time {by_processor:6.2f}  ({limit})")


def _print_long(found: list[dict[str, dict[str, float]]], long: dict[str, float], rows: int, long_rows: int) -> None:
    peak = max(one["prepare"]["peak_mb"] for one in found)
    seconds = statistics.median(one["prepare"]["seconds"] for one in found)
    processor = statistics.median(one["prepare"]["processor"] for one in found)
    times = long_rows / rows
    print(f"{long_rows:,} rows: peak {long['peak_mb']:.0f} MB, {long['peak_mb'] / peak:.2f} times (at most 1.1)")
    print(
        f"time per row {long['seconds'] / seconds / times:.2f} times, "
        f"by processor time {long['processor'] / processor / times:.2f} (at most 1.1)"
    )


if __name__ == "__main__":
    main()
