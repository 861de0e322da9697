"""E-mails and phones to their normal form and digest, beside the loop that one would write.

``python -m benchmarks.identifiers [--small]``: each column is read by the package and, a twentieth of it, by a loop
over ``phonenumbers`` or plain Python with ``hashlib``; medians of the ratios of rows a second within a round. Every
value is distinct, so nothing is gained by remembering.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import phonenumbers
import polars as pl

from airflow_provider_tiktok_offline.conversions.identifiers import normal_forms

_ROUNDS = 5
_SHARE_OF_LOOP = 20


def columns(rows: int) -> dict[str, tuple[pl.Series, str | None]]:
    """Name -> a column of distinct cells, and the region that its phones are dialled from."""
    dice = np.random.default_rng(7)
    subscriber = pl.Series("cell", dice.permutation(8_000_000)[:rows] + 2_000_000).cast(pl.String)
    area = pl.Series("cell", dice.choice([212, 213, 305, 415, 512, 617, 702, 808], rows)).cast(pl.String)
    us = (area + subscriber).alias("cell")
    written = pl.select(
        cell=pl.format("({}) {}-{}", us.str.slice(0, 3), us.str.slice(3, 3), us.str.slice(6, 4))
    ).to_series()
    each = {"DE": "0151" + subscriber, "FR": "06" + subscriber.str.tail(7) + "0", "GB": "0" + us, "US": us}
    mixed = pl.concat([cells.gather_every(len(each), place) for place, cells in enumerate(each.values())])
    return {
        "phone, ten digits, region US": (us, "US"),
        "phone, E.164": (("+1" + us).alias("cell"), None),
        "phone, (213) 555-0123, region US": (written, "US"),
        "phone, trunk zero, region GB": (("0" + us).alias("cell"), "GB"),
        "phone, national numbers of four countries, region DE": (mixed.alias("cell"), "DE"),
        "phone, impossible, region US": (("210" + subscriber + "99").alias("cell"), "US"),
        "e-mail": (("Ann." + us + "@Example.com").alias("cell"), None),
    }


def package(cells: pl.Series, region: str | None, kind: str) -> int:
    """Normal form and digest by the package's expressions; gives back how many there are."""
    cell = pl.col("cell")
    reading = normal_forms.email(cell) if kind == "e-mail" else normal_forms.phone(cell, region)
    frame = cells.to_frame().select(reading.alias("reading"))
    return (
        len(frame)
        - frame.select(normal_forms.sha256(pl.col("reading").struct.field("normal"))).to_series().null_count()
    )


def loop(cells: list[str], region: str | None, kind: str) -> int:
    """The same, a cell at a time."""
    done = 0
    for cell in cells:
        normal = cell.strip().lower() if kind == "e-mail" else _e164(cell, region)
        if normal:
            hashlib.sha256(normal.encode()).digest()
            done += 1
    return done


def _e164(cell: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(cell, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _rate(run: Callable[[], int], rows: int) -> float:
    started = time.perf_counter()
    run()
    return rows / (time.perf_counter() - started)


def main(rows: int) -> None:
    """Print the table of docs/benchmarks.md."""
    print("| column | package, rows/s | loop, rows/s | times faster |\n|---|---|---|---|")
    for name, (cells, region) in columns(rows).items():
        kind = name.partition(",")[0]
        few = cells.head(rows // _SHARE_OF_LOOP)
        assert package(few, region, kind) == loop(few.to_list(), region, kind), name
        fast, slow = [], []
        for _ in range(_ROUNDS):
            fast.append(_rate(lambda: package(cells, region, kind), rows))  # noqa: B023
            slow.append(_rate(lambda: loop(few.to_list(), region, kind), len(few)))  # noqa: B023
        ratio = statistics.median(one / other for one, other in zip(fast, slow, strict=True))
        print(f"| {name} | {statistics.median(fast):,.0f} | {statistics.median(slow):,.0f} | {ratio:,.0f} |")


if __name__ == "__main__":
    main(100_000 if "--small" in sys.argv[1:] else 1_000_000)
