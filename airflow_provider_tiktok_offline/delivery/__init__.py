"""The steps of one delivery, one function each; an operator and a CLI command call the same function.

Every step takes a :class:`~airflow_provider_tiktok_offline.delivery.context.DeliveryContext`, may be killed at any
instant and called again, and returns a small dict that JSON can carry: URIs, counts and fingerprints, never rows.
"""
