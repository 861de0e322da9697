"""Airflow hooks: `TikTokHook` and `ConversionFileSFTPHook`."""
