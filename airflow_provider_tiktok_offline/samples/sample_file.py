"""Realistic conversion files without real people, with faults whose places are known.

Addresses end in domains reserved for examples (RFC 2606), phones lie in the 555 exchange, which is given to nobody.
The same arguments make the same bytes.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.contract.columns import (
    DELIMITER_OF_TYPE,
    PROGRAMME_COLUMNS,
    REQUIRED_COLUMNS,
)
from airflow_provider_tiktok_offline.conversions.contract.settings import Profile
from airflow_provider_tiktok_offline.samples import invented_rows, seeded_faults
from airflow_provider_tiktok_offline.samples.invented_rows import SAMPLE_COLUMNS as SAMPLE_COLUMNS
from airflow_provider_tiktok_offline.samples.invented_rows import SampleForm as SampleForm

__all__ = ["SAMPLE_COLUMNS", "Sample", "write_sample"]

_CHUNK_ROWS = 250_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What was written.

    Attributes:
        rows: data rows, bad ones included.
        size: bytes before compression.
        faults: one line a bad row: ``line`` (physical, the header is line 1), ``rule``, ``column`` (null for the row
            as such). ``rule`` is a rule's name, or the reason of an exclusion.
    """

    rows: int
    size: int
    faults: pl.DataFrame

    def classes(self, profile: Profile) -> dict[str, int]:
        """How many rows are valid, rejected, duplicate and excluded under a profile's own severities.

        A bad identifier costs a row only its cell: every bad row that has one also has a good one.
        """
        counts = dict.fromkeys(("valid", "rejected", "duplicate", "excluded"), 0)
        for rule, rows in self.faults.group_by("rule").len().rows():
            if rule not in RULES:
                counts["excluded"] += rows
            elif rule == "duplicate":
                counts["duplicate"] += rows
            elif RULES[rule].severity[profile] == "error":
                counts["rejected"] += rows
        counts["valid"] = self.rows - sum(counts.values())
        return counts


def write_sample(
    target: str | Path | BinaryIO,
    rows: int,
    *,
    as_of: datetime,
    bad_ratio: float = 0.0,
    seed: int = 0,
    form: SampleForm | None = None,
) -> Sample:
    """Write a conversion file of invented transactions in the United States.

    :param target: path (``.gz`` behind it compresses), or an open binary stream.
    :param rows: data rows.
    :param as_of: transactions lie in the days before this moment.
    :param bad_ratio: share of rows with a fault, one a row, all kinds in equal numbers.
    :param seed: another seed, other transactions.
    :param form: how the file looks.
    :return: counts and the place of every fault.
    :raises ValueError: a column is not the programme's, or a required one is missing.
    """
    form = form or SampleForm()
    columns = form.columns
    unknown = set(columns) - set(PROGRAMME_COLUMNS)
    missing = set(REQUIRED_COLUMNS) - set(columns)
    if unknown or missing:
        raise ValueError(f"not the programme's columns: {sorted(unknown)}; required and missing: {sorted(missing)}")
    if not 0 <= bad_ratio <= 1:
        raise ValueError(f"bad_ratio is a share between 0 and 1, not {bad_ratio}")
    mark = form.delimiter or _delimiter_of(target)
    rules = seeded_faults.rules_for(columns)
    header = (mark.join(columns) + "\n").encode()
    size, line, faults = len(header), 2, []
    with _opened(target) as stream:
        stream.write(header)
        for number, first in enumerate(range(0, rows, _CHUNK_ROWS)):
            random = np.random.default_rng([seed, number])
            frame = invented_rows.rows(
                random,
                min(_CHUNK_ROWS, rows - first),
                first=first,
                seed=seed,
                as_of=as_of,
                form=form,
            )
            chunk = seeded_faults.spoil(random, frame, rules, bad_ratio, as_of=as_of, delimiter=mark)
            content = chunk.to_bytes()
            stream.write(content)
            size += len(content)
            faults.append(chunk.faults.with_columns(pl.col("line") + line))
            line += chunk.lines
    return Sample(rows, size, pl.concat(faults) if faults else pl.DataFrame(schema=seeded_faults.FAULTS))


def _delimiter_of(target: str | Path | BinaryIO) -> str:
    if not isinstance(target, str | Path):
        return ","
    return DELIMITER_OF_TYPE.get(Path(str(target).removesuffix(".gz")).suffix, "|")


@contextmanager
def _opened(target: str | Path | BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(target, str | Path):
        yield target
        return
    with Path(target).open("wb") as file:
        if Path(target).suffix != ".gz":
            yield file
            return
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=3, mtime=0) as packed:
            yield cast(BinaryIO, packed)
