"""What libraries raise over a damaged staged object, as the package's own error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.conversions.preparation.part_store import damaged


@contextmanager
def staged_faults(name: str) -> Iterator[None]:
    """Translate what Polars and Arrow raise while they read a staged object.

    :raises InputFileError: if they can't.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, pa.ArrowException, OverflowError):
        raise damaged(name) from None
    except OSError as error:
        # Arrow's own errors have no number; the operating system's are no damage.
        if error.errno is not None:
            raise
        raise damaged(name) from None
    except BaseException as error:
        # A panic in the Rust library is no Exception; an interrupt or a kill is passed on.
        if type(error).__name__ != "PanicException":
            raise
        raise damaged(name) from None
