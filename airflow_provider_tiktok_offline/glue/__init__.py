"""What the package's Airflow tasks share: connections, days, lineage, metrics, retries and report pages."""
