"""Makes ``dag.test()`` send metrics: it runs tasks in this process, without what a task's own process begins with."""

from __future__ import annotations

from collections.abc import Callable

from airflow import __version__

# Airflow 3.1 reads its configuration when it is imported.
if not __version__.startswith("3.1."):
    from airflow.sdk.observability.metrics import stats_utils
    from airflow.sdk.observability.stats import Stats

    # Both take other arguments in each version.
    initialize: Callable[..., None] = Stats.initialize
    factory: Callable[..., object] = stats_utils.get_stats_factory
    if __version__.startswith("3.2."):
        initialize(factory=factory(Stats))
    else:
        initialize(factory=factory(), export_legacy_names=False)
