"""The OAuth grant by which an ad account's admin lets an app send its conversions (reference, 6.1).

Most tokens are long-lived and end only by revocation. Some apps get a token that must be refreshed, see
:mod:`airflow_provider_tiktok_offline.tiktok.token_store`.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import parse_qs, urlencode

import msgspec

from airflow_provider_tiktok_offline import typed_json
from airflow_provider_tiktok_offline.errors import AnswerFacts, CredentialsError, GrantError, UnexpectedAnswerError
from airflow_provider_tiktok_offline.tiktok.answer_schemas import GrantAnswer, ReachedAdvertisersAnswer, TokenAnswer
from airflow_provider_tiktok_offline.tiktok.api_address import PRODUCTION_URL
from airflow_provider_tiktok_offline.tiktok.client import Answer, TikTokClient
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


def app_of(extra: Mapping[str, object]) -> App | None:
    """The developer app that a connection's extra names as ``app_id`` and ``app_secret``; None if it names none."""
    if not extra.get("app_id") or not extra.get("app_secret"):
        return None
    return App(str(extra["app_id"]), str(extra["app_secret"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The result of an authorisation. ``repr`` hides its tokens.

    Attributes:
        access_token: the token of every call.
        advertiser_ids: the ad accounts it reaches.
        scope: ids of the permissions that were granted.
        refresh_token: only for apps whose tokens expire.
        expires_at: when the access token expires; None for a long-lived one.
    """

    access_token: str = field(repr=False)
    advertiser_ids: tuple[str, ...] = ()
    scope: tuple[int, ...] = ()
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def to_json(self) -> bytes:
        """All fields, with secrets, for a token store."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> Grant:
        """The inverse of :meth:`to_json`."""
        return typed_json.decode(content, cls)


class UnreadGrantError(UnexpectedAnswerError):
    """A token was granted, in an answer that is otherwise not understood. The code is used up, so the token is kept.

    :param grant: the token, and whatever else of the answer is understood.
    """

    def __init__(self, grant: Grant, request_id: str | None) -> None:
        super().__init__(
            "a token was granted, and the rest of TikTok's answer has another shape than is documented.",
            answer=AnswerFacts(code=0, request_id=request_id),
            todo="Whether it expires is not known: look at it with tiktok-offline auth check.",
        )
        self.grant = grant


#: Permissions that this package needs, by TikTok's ids.
SEND_EVENTS, WRITE_EVENT_SETS, READ_EVENT_SETS, READ_REPORTS = (
    7224195155857866754, 7050363942434095105, 7224195155857833986, 44,
)  # fmt: skip
SCOPES: Mapping[int, str] = MappingProxyType(
    {
        SEND_EVENTS: "send events",
        WRITE_EVENT_SETS: "create, update and delete offline event sets",
        READ_EVENT_SETS: "read offline event sets",
        READ_REPORTS: "read reports",
    }
)


#: Extra field of a connection: the ids of the permissions that were granted at sign-in.
SCOPES_FIELD = "scopes"


def missing_scopes(granted: Collection[int]) -> list[str]:
    """The permissions that a grant lacks, in words; empty if TikTok did not say what was granted."""
    return [f"{label} ({scope})" for scope, label in SCOPES.items() if granted and scope not in granted]


def scopes_of(extra: Mapping[str, object]) -> frozenset[int]:
    """The permissions that a connection's extra notes; empty if it notes none."""
    return frozenset(int(one) for one in str(extra.get(SCOPES_FIELD, "")).split() if one.isdecimal())


@dataclass(frozen=True, slots=True)
class Advertiser:
    """An ad account that a grant reaches."""

    advertiser_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """One attempt to get a grant.

    Attributes:
        url: the ad account's admin opens it in a browser.
        redirect_uri: TikTok sends the browser there afterwards; it must be registered with the app, character by
            character.
        state: comes back with the redirect, and proves that the redirect belongs to this attempt.
    """

    url: str
    redirect_uri: str
    state: str = field(repr=False)


def authorization(app_id: str, redirect_uri: str, *, base_url: str = PRODUCTION_URL) -> Authorization:
    """Begin a grant, with a fresh ``state``."""
    state = secrets.token_urlsafe(32)
    query = urlencode({"app_id": app_id, "state": state, "redirect_uri": redirect_uri})
    return Authorization(f"{base_url.rstrip('/')}/portal/auth?{query}", redirect_uri, state)


def belongs_to(redirected_url: str, state: str) -> bool:
    """Whether an address, or its query, carries the ``state`` of an authorisation."""
    states = _query_of(redirected_url).get("state", [])
    return len(states) == 1 and hmac.compare_digest(states[0].encode(), state.encode())


def _query_of(redirected_url: str) -> dict[str, list[str]]:
    text = redirected_url.strip().partition("#")[0]
    return parse_qs(text.partition("?")[2] or text)


def auth_code_of(redirected_url: str, state: str) -> str:
    """The code in the address to which TikTok redirected a browser, possibly on another machine.

    :param redirected_url: the whole address, or its query.
    :raises GrantError: if the address holds no code, or belongs to another attempt.
    """
    query = _query_of(redirected_url)
    codes = query.get("auth_code") or query.get("code") or []
    if not belongs_to(redirected_url, state):
        raise GrantError(
            "the redirect does not belong to this authorisation (its state is missing or different).",
            todo="Nothing was exchanged. Start again, and use the newest address.",
        )
    if len(codes) != 1 or not re.fullmatch(r"[\x21-\x7e]{1,1024}", codes[0]):
        raise GrantError(
            "the redirect holds no auth_code: the authorisation was refused or not finished.",
            todo="Start again; the ad account's admin has to confirm.",
        )
    return codes[0]


def exchange(client: TikTokClient, app: App, auth_code: str) -> Grant:
    """Exchange a code for a token. Not retried: a code works once, and for an hour at most.

    :raises CredentialsError: if the code is used up or too old.
    :raises UnreadGrantError: if a token came in an answer of another shape; the error holds it.
    :raises ApiError: if TikTok gave no token for another reason.
    """
    payload = {"app_id": app.app_id, "secret": app.secret, "auth_code": auth_code}
    answer = client.post("/oauth2/access_token/", payload)
    try:
        return _grant(answer, client)
    except UnexpectedAnswerError:
        read = answer.read_as(TokenAnswer)
        refresh_token = answer.data.get("refresh_token")
        kept = Grant(
            access_token=read.access_token, refresh_token=refresh_token if isinstance(refresh_token, str) else None
        )
        raise UnreadGrantError(kept, answer.request_id) from None


def refresh(client: TikTokClient, app: App, grant: Grant) -> Grant:
    """A new token for a grant whose tokens expire. (The path comes from secondary sources.)

    :raises CredentialsError: if the grant has no refresh token, or TikTok refuses it.
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
    fresh = _grant(client.post("/oauth2/refresh_token/", payload), client)
    return Grant(
        access_token=fresh.access_token,
        advertiser_ids=fresh.advertiser_ids or grant.advertiser_ids,
        scope=fresh.scope or grant.scope,
        refresh_token=fresh.refresh_token or grant.refresh_token,
        expires_at=fresh.expires_at,
    )


def list_advertisers(client: TikTokClient, app: App) -> list[Advertiser]:
    """The ad accounts that the client's token reaches.

    :raises ApiError: if TikTok answers with an error; only the codes of a bad token mean a bad token.
    """
    query = {"app_id": app.app_id, "secret": app.secret}
    answer = with_retries(client.clock, client.get, "/oauth2/advertiser/get/", query)
    return [
        Advertiser(str(each.advertiser_id), each.advertiser_name or "")
        for each in answer.read_as(ReachedAdvertisersAnswer).advertisers
    ]


def revoke(client: TikTokClient, app: App, access_token: str) -> None:
    """Revoke a token for good, for every ad account that it reaches.

    :raises ApiError: if TikTok did not confirm it.
    """
    client.post("/oauth2/revoke_token/", {"app_id": app.app_id, "secret": app.secret, "access_token": access_token})


def _grant(answer: Answer, client: TikTokClient) -> Grant:
    read = answer.read_as(GrantAnswer)
    expires_in = read.expires_in if read.expires_in is not None else read.access_token_expire_in
    return Grant(
        access_token=read.access_token,
        advertiser_ids=tuple(map(str, read.advertiser_ids or ())),
        scope=tuple(map(int, read.scope or ())),
        refresh_token=read.refresh_token or None,
        expires_at=client.clock.now() + timedelta(seconds=expires_in) if expires_in else None,
    )
