"""Makes ``dag.test()`` send metrics: it runs tasks in this process, without what a task's own process begins with."""

from __future__ import annotations

from airflow import __version__

# Airflow 3.1 reads its configuration when it is imported.
if not __version__.startswith("3.1."):
    from airflow.sdk.observability.metrics import stats_utils
    from airflow.sdk.observability.stats import Stats

    if __version__.startswith("3.2."):
        Stats.initialize(factory=stats_utils.get_stats_factory(Stats))
    else:
        Stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
