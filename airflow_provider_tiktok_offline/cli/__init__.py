"""The command ``tiktok-offline``: everything the package does, without a scheduler."""

from __future__ import annotations


def main() -> None:
    """Entry point of the console script."""
    from airflow_provider_tiktok_offline.cli.app import app
    from airflow_provider_tiktok_offline.cli.running import guarded

    guarded(app)
