"""TikTok offline conversions for Apache Airflow: one conversion file a day, each transaction delivered once."""

__version__ = "0.2.0"
