"""What Airflow reads about this package. Importing it loads nothing else."""

from __future__ import annotations

from typing import Any

__all__ = ["get_provider_info"]

_PACKAGE = "airflow_provider_tiktok_offline"
_TIKTOK = "TikTok Events API"
_FILES = "Conversion files"
_LIVERAMP = "LiveRamp"
_DOCS = {
    _TIKTOK: "https://business-api.tiktok.com/portal/docs",
    _FILES: "https://docs.liveramp.com/connect/en/tiktok-conversions-api-program-for-offline-conversions.html",
    _LIVERAMP: "https://docs.liveramp.com/",
}
_NOTIFIERS = (
    "DeliverySucceededNotifier",
    "DeliveryFailedNotifier",
    "GateBreachedNotifier",
    "DriftNotifier",
    "StaleFeedNotifier",
    "TikTokReportNotifier",
)


def get_provider_info() -> dict[str, Any]:
    """Airflow's entry point ``apache_airflow_provider``."""
    return {
        "package-name": "airflow-provider-tiktok-offline",
        "name": "TikTok offline conversions",
        "description": "Measure with TikTok ads what customers do in shops: offline conversions, direct to TikTok's "
        "Events API or by way of LiveRamp.",
        "integrations": [
            {"integration-name": name, "external-doc-url": url, "tags": ["service"]} for name, url in _DOCS.items()
        ],
        "operators": [
            _modules(
                _FILES,
                *(
                    f"operators.{name}"
                    for name in ("conversions", "prepare", "shards", "approval", "summary", "maintenance")
                ),
            ),
            _modules(_TIKTOK, "operators.tiktok", "operators.reports"),
            _modules(_LIVERAMP, "operators.liveramp"),
        ],
        "notifications": [
            *(f"{_PACKAGE}.notifications.delivery.{name}" for name in _NOTIFIERS),
            f"{_PACKAGE}.notifications.liveramp.LiveRampConfirmationNotifier",
        ],
        "sensors": [_modules(_FILES, "sensors.conversion_file")],
        "triggers": [_modules(_FILES, "triggers.conversion_file")],
        "hooks": [_modules(_TIKTOK, "hooks.tiktok"), _modules(_FILES, "hooks.sftp")],
        "extra-links": [f"{_PACKAGE}.links.FileReportLink", f"{_PACKAGE}.links.EventsManagerLink"],
        "config": {"tiktok_offline": _page_options()},
        "connection-types": [_connection_type()],
    }


def _page_options() -> dict[str, object]:
    """The section ``[tiktok_offline]`` of Airflow's configuration."""
    return {
        "description": "The page in Airflow that shows what became of the files.",
        "options": {
            "values_for": {
                "description": "Who sees sums of money on the page: editors (who may edit the DAG), readers, nobody, "
                "or user names with commas between them.",
                "version_added": "0.2.0",
                "type": "string",
                "example": "ana, ben",
                "default": "editors",
            }
        },
    }


def _connection_type() -> dict[str, object]:
    """The connection type ``tiktok`` and its fields."""
    return {
        "connection-type": "tiktok",
        "hook-class-name": f"{_PACKAGE}.hooks.tiktok.TikTokHook",
        "hook-name": "TikTok Business API",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "port", "login"],
            "relabeling": {"password": "Access token", "host": "Base URL"},
            "placeholders": {"host": "https://business-api.tiktok.com"},
        },
        "conn-fields": {
            "app_id": {
                "label": "App id",
                "description": "Of the app in TikTok API for Business; with it the connection's Test names "
                "the advertisers that the token reaches.",
                "schema": {"type": ["string", "null"], "pattern": "^[0-9]*$"},
            },
            "app_secret": {
                "label": "App secret",
                "description": "Of the same app.",
                "schema": {"type": ["string", "null"], "format": "password"},
            },
            "advertiser_id": {
                "label": "Advertiser id",
                "description": "An ad account; with it the connection's Test looks at its event sets.",
                "schema": {"type": ["string", "null"], "pattern": "^[0-9]*$"},
            },
        },
    }


def _modules(integration: str, *modules: str) -> dict[str, object]:
    return {"integration-name": integration, "python-modules": [f"{_PACKAGE}.{module}" for module in modules]}
