"""The plugin: every process of Airflow loads it, so it imports nothing that is heavy."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

from airflow_provider_tiktok_offline import __version__

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

PREFIX = "/tiktok-offline-status"
#: Its entry in the menu, its tab on a DAG, and the global name of its component.
NAME = "TikTok offline conversions"


@functools.cache
def _app() -> FastAPI:
    from airflow_provider_tiktok_offline.plugin.routes import make_app

    return make_app()


class _Status:
    """The app, made at its first request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _app()(scope, receive, send)


def _page(route: str, destination: str) -> dict[str, str]:
    """A place of the page in Airflow's UI. The script's address has no host, and the deployment's path before it."""
    path = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    return {
        "name": NAME,
        "bundle_url": f"{path}{PREFIX}/page.js?v={__version__}",
        "destination": destination,
        "url_route": route,
        "category": "browse",
    }


class TikTokOfflineStatus(AirflowPlugin):
    """``/tiktok-offline-status`` in Airflow's API server, and the page that shows it."""

    name = "tiktok_offline_status"
    fastapi_apps = [{"name": "TikTok offline status", "app": _Status(), "url_prefix": PREFIX}]  # noqa: RUF012
    react_apps = [_page("tiktok-offline", "nav"), _page("tiktok-offline-advertiser", "dag")]  # noqa: RUF012
