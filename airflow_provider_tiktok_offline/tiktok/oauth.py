"""The grant: how an ad account's admin lets an app send its conversions, and what the app gets for it.

Reference, section 6.1. The usual token is long-lived and dies only by revocation; some apps get one that must be
refreshed, see :mod:`airflow_provider_tiktok_offline.tiktok.token_store`.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from airflow_provider_tiktok_offline.errors import CredentialsError, GrantError
from airflow_provider_tiktok_offline.tiktok.client import PRODUCTION_URL, TikTokClient
from airflow_provider_tiktok_offline.tiktok.retries import with_retries


@dataclass(frozen=True, slots=True)
class App:
    """A developer app. ``repr`` hides its secret.

    Attributes:
        app_id: its id.
        secret: its secret.
    """

    app_id: str
    secret: str = field(repr=False)


def app_of(extra: Mapping[str, Any]) -> App | None:
    """The developer app that a connection's extra names as ``app_id`` and ``app_secret``; None if it names none."""
    if not extra.get("app_id") or not extra.get("app_secret"):
        return None
    return App(str(extra["app_id"]), str(extra["app_secret"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an authorisation gave. ``repr`` hides its tokens.

    Attributes:
        access_token: what every call carries.
        advertiser_ids: the ad accounts it reaches.
        scope: numbers of the permissions that were granted.
        refresh_token: only for apps whose tokens expire.
        expires_at: when the access token expires; None for a long-lived one.
    """

    access_token: str = field(repr=False)
    advertiser_ids: tuple[str, ...] = ()
    scope: tuple[int, ...] = ()
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything, secrets too, for a token store."""
        return asdict(self) | {"expires_at": None if self.expires_at is None else self.expires_at.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Grant:
        """What :meth:`to_dict` gave."""
        expires_at = values["expires_at"]
        return cls(
            access_token=values["access_token"],
            advertiser_ids=tuple(values["advertiser_ids"]),
            scope=tuple(values["scope"]),
            refresh_token=values["refresh_token"],
            expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        )


@dataclass(frozen=True, slots=True)
class Advertiser:
    """An ad account that a grant reaches."""

    advertiser_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """One try to get a grant.

    Attributes:
        url: what the ad account's admin opens in a browser.
        redirect_uri: where TikTok sends the browser afterwards; registered with the app, to the letter.
        state: comes back with the redirect, and proves that it belongs to this try.
    """

    url: str
    redirect_uri: str
    state: str = field(repr=False)


def authorization(app_id: str, redirect_uri: str, *, base_url: str = PRODUCTION_URL) -> Authorization:
    """Begin a grant, with a fresh ``state``."""
    state = secrets.token_urlsafe(32)
    query = urlencode({"app_id": app_id, "state": state, "redirect_uri": redirect_uri})
    return Authorization(f"{base_url.rstrip('/')}/portal/auth?{query}", redirect_uri, state)


def auth_code_of(redirected_url: str, state: str) -> str:
    """The code in the address that TikTok sent a browser to, which may be somebody else's: the *paste* way.

    :param redirected_url: the whole address, or what follows its ``?``.
    :raises GrantError: if it holds no code, or belongs to another try.
    """
    text = redirected_url.strip().partition("#")[0]
    query = parse_qs(text.partition("?")[2] or text)
    found, codes = query.get("state", []), query.get("auth_code") or query.get("code") or []
    if len(found) != 1 or not hmac.compare_digest(found[0].encode(), state.encode()):
        raise GrantError(
            "the redirect does not belong to this authorisation (state is missing or another one).",
            todo="Nothing was exchanged. Start again, and use the newest address.",
        )
    if len(codes) != 1 or not re.fullmatch(r"[\x21-\x7e]{1,1024}", codes[0]):
        raise GrantError(
            "the redirect holds no auth_code: the authorisation was refused or not finished.",
            todo="Start again; the ad account's admin has to confirm.",
        )
    return codes[0]


def exchange(client: TikTokClient, app: App, auth_code: str) -> Grant:
    """Turn a code into a token. A code works once and for minutes, so there is no second try.

    :raises CredentialsError: if the code is used up or too old.
    :raises ApiError: if TikTok gave no token for another reason.
    """
    payload = {"app_id": app.app_id, "secret": app.secret, "auth_code": auth_code}
    return _grant(client.post("/oauth2/access_token/", payload).data, client)


def refresh(client: TikTokClient, app: App, grant: Grant) -> Grant:
    """A new token for a grant whose tokens expire. (The path is of secondary sources; a long-lived grant has no need.)

    :raises CredentialsError: if it has no refresh token, or TikTok refuses it.
    """
    if grant.refresh_token is None:
        raise CredentialsError(
            "the grant has no refresh token.", todo="Get a new access token: tiktok-offline auth login."
        )
    payload = {
        "app_id": app.app_id,
        "secret": app.secret,
        "grant_type": "refresh_token",
        "refresh_token": grant.refresh_token,
    }
    fresh = _grant(client.post("/oauth2/refresh_token/", payload).data, client)
    return Grant(
        access_token=fresh.access_token,
        advertiser_ids=fresh.advertiser_ids or grant.advertiser_ids,
        scope=fresh.scope or grant.scope,
        refresh_token=fresh.refresh_token or grant.refresh_token,
        expires_at=fresh.expires_at,
    )


def list_advertisers(client: TikTokClient, app: App) -> list[Advertiser]:
    """The ad accounts that the client's token reaches.

    :raises ApiError: if TikTok does not say; only the codes of a bad token mean a bad token.
    """
    query = {"app_id": app.app_id, "secret": app.secret}
    answer = with_retries(client.clock, client.get, "/oauth2/advertiser/get/", query)
    return [
        Advertiser(str(each.get("advertiser_id", "")), str(each.get("advertiser_name", "")))
        for each in answer.data.get("list") or []
    ]


def revoke(client: TikTokClient, app: App, access_token: str) -> None:
    """End a token, for every ad account that hangs on it, for good.

    :raises ApiError: if TikTok did not confirm it.
    """
    client.post("/oauth2/revoke_token/", {"app_id": app.app_id, "secret": app.secret, "access_token": access_token})


def _grant(data: Mapping[str, Any], client: TikTokClient) -> Grant:
    token = data.get("access_token")
    if not isinstance(token, str) or not token:
        raise CredentialsError("TikTok's answer holds no access token.", todo="Start the grant again.")
    expires_in = data.get("expires_in", data.get("access_token_expire_in"))
    refresh_token = data.get("refresh_token")
    return Grant(
        access_token=token,
        advertiser_ids=tuple(str(each) for each in data.get("advertiser_ids") or ()),
        scope=tuple(each for each in data.get("scope") or () if isinstance(each, int)),
        refresh_token=refresh_token if isinstance(refresh_token, str) and refresh_token else None,
        expires_at=client.clock.now() + timedelta(seconds=expires_in)
        if isinstance(expires_in, int | float) and expires_in > 0
        else None,
    )
