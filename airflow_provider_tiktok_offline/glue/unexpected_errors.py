"""Errors that nobody foresaw: said with type and place, never with the library's own text, which may hold a value."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_tiktok_offline.errors import TikTokOfflineError, UnexpectedError

_PACKAGE = Path(__file__).parents[1]
_MOST_FRAMES = 8


@contextmanager
def unexpected_errors() -> Iterator[None]:
    """Let the package's and Airflow's own errors through, and tell any other without its text.

    :raises UnexpectedError: instead of any other error.
    """
    try:
        yield
    except (TikTokOfflineError, AirflowException):
        raise
    except Exception as error:
        raise unexpected(error) from None
    except BaseException as error:
        # A panic in a native library is no Exception; an interrupt or a kill is passed on.
        if type(error).__name__ != "PanicException":
            raise
        raise unexpected(error) from None


def unexpected(error: BaseException) -> UnexpectedError:
    """What is said of an error instead of its text.

    :param error: as it was caught.
    """
    frames = [
        f"{_file(frame.f_code.co_filename)}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    return UnexpectedError(
        f"unexpected {kind}; its text is not shown, since it may hold a value.",
        where=" > ".join(frames[-_MOST_FRAMES:]),
        todo="It is tried again. If it comes back, report it with this line.",
    )


def _file(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(_PACKAGE)) if path.is_relative_to(_PACKAGE) else path.name
