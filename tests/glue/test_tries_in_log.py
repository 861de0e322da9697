"""What a task's log says of an error that may pass."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from airflow_provider_tiktok_offline.errors import ServiceUnavailableError, StoppedError, TikTokOfflineError
from airflow_provider_tiktok_offline.glue.delivery_task import task_errors

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def said(error: TikTokOfflineError, try_number: int, caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and sentence of each line, of a task with one retry."""
    ti = SimpleNamespace(try_number=try_number, max_tries=1)
    caplog.clear()
    with caplog.at_level(logging.INFO), pytest.raises(type(error)), task_errors(cast("Context", {"ti": ti})):
        raise error
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_task_that_is_tried_again_says_which_try_it_was(caplog: pytest.LogCaptureFixture) -> None:
    """A warning while Airflow tries again, an error with what to do after the last try."""
    down = ServiceUnavailableError("The server does not answer.")
    [(level, sentence)] = said(down, 1, caplog)
    assert (level, sentence) == ("WARNING", f"{down} That was try 1 of 2; Airflow tries again.")
    [(level, sentence)] = said(down, 2, caplog)
    assert (level, sentence) == ("ERROR", f"{down} That was the last try: clear this task once the cause is gone.")


def test_a_task_that_is_stopped_from_outside_promises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever marks or clears it decides whether there is another try."""
    assert said(StoppedError("the upload was stopped."), 1, caplog) == []
