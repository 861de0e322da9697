"""The token store: keeps a grant whose tokens expire where every worker can read and replace it.

Workers can't write Airflow's connections, so a grant with a refresh token needs a store of its own. Anybody who can
read the store can send as the advertiser: protect its bucket or directory like the connection.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from airflow_provider_tiktok_offline.errors import CredentialsError
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.oauth import App, Grant, refresh

#: A token is refreshed when it would expire within this time, so that an upload does not outlive it.
_MARGIN = timedelta(hours=1)


class TokenStore(Protocol):
    """Holds one grant."""

    def load(self) -> tuple[Grant, str] | None:
        """The grant and its version; None if no grant was saved yet."""

    def save(self, grant: Grant, version: str | None) -> bool:
        """Replace the loaded version (None: there must be none); False if another worker was faster."""


class ObjectTokenStore:
    """A grant as one object of a store, readable by its owner alone.

    :param objects: the store.
    :param path: the object's path.
    """

    def __init__(self, objects: ObjectStore, path: str) -> None:
        self._objects = objects
        self._path = path

    def load(self) -> tuple[Grant, str] | None:
        stored = self._objects.get(self._path)
        if stored is None:
            return None
        content, version = stored
        return documents.decode_typed(content, Grant, f"{self._objects.uri}/{self._path}"), version

    def save(self, grant: Grant, version: str | None) -> bool:
        content = grant.to_json()
        if version is None:
            return self._objects.create(self._path, content)
        return self._objects.replace(self._path, content, version)


def fresh_access_token(store: TokenStore, client: TikTokClient, app: App) -> str:
    """The store's access token, refreshed and saved if it is about to expire.

    If several workers refresh at once, all of them use the grant that was saved.

    :param client: a client without a token.
    :raises CredentialsError: if no grant was saved yet, or TikTok refuses to refresh it.
    """
    grant, version = _load(store)
    if grant.expires_at is None or grant.expires_at - client.clock.now() > _MARGIN:
        return grant.access_token
    try:
        fresh = refresh(client, app, grant)
    except CredentialsError:
        # Another worker may have used the refresh token a moment ago. Then its grant is in the store by now.
        newest, newest_version = _load(store)
        if newest_version == version:
            raise
        return newest.access_token
    if store.save(fresh, version):
        return fresh.access_token
    return _load(store)[0].access_token


def _load(store: TokenStore) -> tuple[Grant, str]:
    stored = store.load()
    if stored is None:
        raise CredentialsError(
            "no grant was saved in the token store yet.", todo="Save one: tiktok-offline auth login --token-store."
        )
    return stored
