"""An import error as long as an entry of ``advertisers.yaml`` is broken; the factory's DAGs lie in another file.

Copy it with ``tiktok_offline_factory.py``. It holds no DAG.
"""

from __future__ import annotations

from airflow_provider_tiktok_offline.dag_factory import raise_broken_advertisers

raise_broken_advertisers(globals(), "advertisers.yaml")
