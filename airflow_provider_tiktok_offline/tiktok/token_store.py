"""Tokens that expire: kept where every worker can read and replace them.

Workers can't write Airflow's connections, so a grant with a refresh token needs a store of its own. Whoever can read
the store can send as the advertiser: it belongs into a bucket or directory with the same care as the connection.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Protocol

from airflow_provider_tiktok_offline.errors import CredentialsError
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.oauth import App, Grant, refresh

#: A token is refreshed when it would expire within this time, so that an upload does not outlive it.
_MARGIN = timedelta(hours=1)


class TokenStore(Protocol):
    """Where one grant lies."""

    def load(self) -> tuple[Grant, str] | None:
        """The grant and its version; None if none was ever saved."""

    def save(self, grant: Grant, version: str | None) -> bool:
        """Replace the version that was loaded (None: there must be none); False if somebody was faster."""


class ObjectTokenStore:
    """A grant as one object of a store, readable by its owner alone.

    :param objects: the store.
    :param path: the object's path.
    """

    def __init__(self, objects: ObjectStore, path: str) -> None:
        self._objects = objects
        self._path = path

    def load(self) -> tuple[Grant, str] | None:
        found = self._objects.get(self._path)
        if found is None:
            return None
        content, version = found
        return Grant.from_dict(json.loads(content)), version

    def save(self, grant: Grant, version: str | None) -> bool:
        content = json.dumps(grant.to_dict()).encode()
        if version is None:
            return self._objects.create(self._path, content)
        return self._objects.replace(self._path, content, version)


def fresh_access_token(store: TokenStore, client: TikTokClient, app: App) -> str:
    """The store's access token, refreshed and saved if it is about to expire.

    When several workers refresh at once, all end up with the one that was saved.

    :param client: a client without a token.
    :raises CredentialsError: if nothing was saved yet, or TikTok refuses to refresh.
    """
    found = _load(store)
    grant, version = found
    if grant.expires_at is None or grant.expires_at - client.clock.now() > _MARGIN:
        return grant.access_token
    try:
        fresh = refresh(client, app, grant)
    except CredentialsError:
        # Another worker may have used up the refresh token a moment ago: then its grant is there by now.
        newest, newest_version = _load(store)
        if newest_version == version:
            raise
        return newest.access_token
    if store.save(fresh, version):
        return fresh.access_token
    return _load(store)[0].access_token


def _load(store: TokenStore) -> tuple[Grant, str]:
    found = store.load()
    if found is None:
        raise CredentialsError(
            "no grant was saved in the token store yet.", todo="Save one: tiktok-offline auth login --token-store."
        )
    return found
