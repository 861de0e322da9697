"""Airflow sensors: `ConversionFileSensor`."""
