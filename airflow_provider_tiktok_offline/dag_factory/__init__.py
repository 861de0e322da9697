"""One YAML file, one DAG an advertiser: :func:`build_dags`, and :func:`raise_broken_advertisers` beside it."""

from airflow_provider_tiktok_offline.dag_factory.factory import (
    BrokenAdvertisersError,
    build_dag,
    build_dags,
    build_report_dag,
    raise_broken_advertisers,
)

__all__ = ["BrokenAdvertisersError", "build_dag", "build_dags", "build_report_dag", "raise_broken_advertisers"]
