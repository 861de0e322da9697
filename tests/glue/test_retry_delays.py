"""How long Airflow waits for what an error asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_tiktok_offline.errors import CircuitOpenError, DeliveryHeldError, ThrottledError
from airflow_provider_tiktok_offline.glue.retry_policy import DELIVERY_RETRY_POLICY


@pytest.mark.skipif(DELIVERY_RETRY_POLICY is None, reason="this Airflow has no retry policies")
@pytest.mark.parametrize("kind", [ThrottledError, DeliveryHeldError, CircuitOpenError])
@pytest.mark.parametrize("asked", [3601.0, 365 * 86400.0, 1e300, float("inf")])
def test_nothing_is_waited_for_longer_than_an_hour(kind: type[ThrottledError], asked: float) -> None:
    """Whatever a server's Retry-After or another worker's clock says."""
    assert DELIVERY_RETRY_POLICY is not None
    decision = DELIVERY_RETRY_POLICY.evaluate(kind("later", retry_after=asked), 1, 3)
    assert decision.retry_delay is not None
    assert timedelta(0) < decision.retry_delay <= timedelta(hours=1, seconds=1)
