"""What Airflow does with a task that failed: the type of the error decides."""

from __future__ import annotations

import hashlib
import pickle
import time
from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.common.compat import sdk

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.dag_factory import build_dag
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    DeliveryHeldError,
    OutcomeUnknownError,
    ThrottledError,
)
from airflow_provider_tiktok_offline.glue.retry_policy import DELIVERY_RETRY_POLICY
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile
from tests.glue.airflow_world import AirflowWorld
from tests.glue.conftest import Inbox
from tests.servers.airflow import AirflowRunner
from tests.servers.waiting import wait_until

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

#: Whether this Airflow can run a task again later without spending a retry (3.4).
RESCHEDULES = hasattr(getattr(sdk, "RetryAction", None), "RESCHEDULE")


def test_an_error_that_stays_fails_at_once(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """A file that is no conversion file is tried once, however many retries are left."""
    path = airflow_world.inbox / "no_columns.csv"
    path.write_text("a,b\n1,2\n")
    run = airflow.run("errors", conf=airflow_world.stamp(path))
    assert run.tasks == {"validate": "failed"}
    assert airflow_world.tries(run.run_id) == {"validate": 1}


@pytest.mark.skipif(DELIVERY_RETRY_POLICY is None, reason="this Airflow has no retry policies")
def test_a_delivery_that_another_run_held_is_taken_over_when_its_lease_is_over(
    airflow_world: AirflowWorld, airflow: AirflowRunner
) -> None:
    """The retry comes when the dead run's lease has expired, not after the task's own hour."""
    path = airflow_world.write("held.csv")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    ctx = airflow_world.context("dead/run")
    state = ctx.deliveries.enter(
        ctx.delivery_id(digest),
        "dead/run",
        DeliveredFile(
            advertiser="corner_shop",
            route="tiktok",
            digest=digest,
            uri=str(path),
            file_name=path.name,
            size=path.stat().st_size,
        ),
        as_of=datetime.now(UTC),
    )
    # The other run is alive until the task's first try has met its lease.
    with Lease(ctx, state):
        airflow.start("errors", conf=airflow_world.stamp(path))
        ended = "up_for_reschedule" if RESCHEDULES else "up_for_retry"
        wait_until(lambda: ended in airflow_world.states("errors"), "the first try has ended")
    died = time.monotonic()
    run = airflow.finish()
    assert run.tasks == {"validate": "success"}
    assert airflow_world.tries(run.run_id) == {"validate": 1 if RESCHEDULES else 2}
    assert time.monotonic() - died < 600


def test_the_factorys_retries_outlast_a_lease(inbox: Inbox) -> None:
    """By default the last retry comes after the lease of a run that died, in Airflow's own reckoning."""
    config: AdvertiserConfig = inbox.settings()
    task = build_dag(config).get_task("prepare")
    # Airflow waits between once and twice this long.
    waits = [task.retry_delay.total_seconds() * 2**retry for retry in range(task.retries or 0)]
    assert sum(waits) > config.ledger.lease_seconds
    assert task.retry_exponential_backoff
    assert not any("retries" in warning for warning in config.warnings())
    assert any("retries" in warning for warning in inbox.settings(retries=1).warnings())


@pytest.mark.skipif(DELIVERY_RETRY_POLICY is None, reason="this Airflow has no retry policies")
@pytest.mark.parametrize(
    ("error", "action"),
    [
        (DeliveryHeldError("held", retry_after=40), "RESCHEDULE" if RESCHEDULES else "RETRY"),
        (ThrottledError("slower", retry_after=7200), "RESCHEDULE" if RESCHEDULES else "RETRY"),
        (OutcomeUnknownError("lost", retry_after=5), "RETRY"),
        (DeliveryHeldError("held"), "DEFAULT"),
        (ConfigError("broken"), "FAIL"),
        (OSError("disk"), "DEFAULT"),
    ],
)
def test_a_wait_that_is_nobodys_fault_costs_no_retry_where_airflow_can(error: Exception, action: str) -> None:
    """A lease and a service's pause, within six hours; what may be lost, or stays, is counted as before."""
    assert DELIVERY_RETRY_POLICY is not None
    decision = DELIVERY_RETRY_POLICY.evaluate(error, 1, 3)
    assert decision.action.name == action
    if action == "RESCHEDULE":
        assert vars(decision)["reschedule_timeout"] == timedelta(hours=6)
    if getattr(error, "retry_after", None):
        assert decision.retry_delay is not None
        assert decision.retry_delay <= timedelta(hours=1, seconds=1)


@pytest.mark.skipif(DELIVERY_RETRY_POLICY is None, reason="this Airflow has no retry policies")
def test_the_retry_policy_can_be_pickled() -> None:
    """A task that is sent to another process takes its policy along."""
    assert type(pickle.loads(pickle.dumps(DELIVERY_RETRY_POLICY))) is type(DELIVERY_RETRY_POLICY)  # noqa: S301
