"""The first eight bytes of SHA-256 digests as numbers: two people share them once in 10^19."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.number_sets import Numbers
from airflow_provider_tiktok_offline.conversions.text.buffers import buffers
from airflow_provider_tiktok_offline.conversions.text.digests import from_hex

_DIGEST_BYTES = 32
_PREFIX_BYTES = 8
#: Customer numbers are hashed apart from e-mails and phones.
_CUSTOMER = "customer number\x1f"


def of_digests(digests: pl.Series) -> Numbers:
    """The prefixes of digests as bytes, none null."""
    _, _, _, data = buffers(digests)
    first = data.reshape(-1, _DIGEST_BYTES)[:, :_PREFIX_BYTES]
    return np.ascontiguousarray(first).view(">u8").ravel().astype(np.uint64)


def of_hex(digests: pl.Series) -> Numbers:
    """The prefixes of digests in lower-case hex, none null."""
    _, _, _, data = buffers(digests.to_frame("hex").select(from_hex(pl.col("hex").str.head(2 * _PREFIX_BYTES)))["hex"])
    return data.view(">u8").astype(np.uint64)


def of_texts(texts: pl.Series) -> Numbers:
    """The prefixes of the texts' digests, none null."""
    return of_hex(texts.to_frame("text").select(pl.col("text").chash.sha2_256())["text"])  # type: ignore[attr-defined]


def of_numbers(numbers: NDArray[np.int64]) -> Numbers:
    """The prefixes of numbers as phones with ``+``."""
    return of_texts("+" + pl.Series(numbers).cast(pl.String))


def of_digits(numbers: NDArray[np.int64]) -> Numbers:
    """The prefixes of numbers as digits alone."""
    return of_texts(pl.Series(numbers).cast(pl.String))


def of_customers(numbers: pl.Series) -> Numbers:
    """The prefixes of customer numbers, none null."""
    return of_texts(_CUSTOMER + numbers)
