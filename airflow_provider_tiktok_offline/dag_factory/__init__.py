"""One YAML file, one DAG an advertiser; :func:`build_dags` is what a DAG file calls."""

from airflow_provider_tiktok_offline.dag_factory.factory import BrokenAdvertisersError, build_dag, build_dags

__all__ = ["BrokenAdvertisersError", "build_dag", "build_dags"]
