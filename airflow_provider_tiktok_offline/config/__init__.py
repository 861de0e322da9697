"""``advertisers.yaml`` as one typed model, used by the DAG factory, the CLI and the operators alike."""

from airflow_provider_tiktok_offline.config.loading import BrokenEntry, LoadedConfig, load_config
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig

__all__ = ["AdvertiserConfig", "BrokenEntry", "LoadedConfig", "load_config"]
