"""Airflow triggers: `ConversionFileTrigger`, for deferral and for asset watchers."""
