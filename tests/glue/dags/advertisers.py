"""A DAG for each advertiser that the test has written into the configuration beside this file."""

from __future__ import annotations

from airflow_provider_tiktok_offline.dag_factory import build_dags

build_dags(globals(), "advertisers.yaml")
