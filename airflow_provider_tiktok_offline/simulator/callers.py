"""Who calls the simulator, and what the caller may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import msgspec

from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal
from airflow_provider_tiktok_offline.simulator.parameters import Parameters, text
from airflow_provider_tiktok_offline.simulator.store import Store

_WRITERS = ("ADMIN", "OPERATOR")


class Scope(IntEnum):
    """The permissions that an app asks for, by TikTok's ids."""

    REPORT = 44
    WRITE_EVENT_SETS = 7050363942434095105
    READ_EVENT_SETS = 7224195155857833986
    SEND_EVENTS = 7224195155857866754


class Caller:
    """The caller that the ``Access-Token`` header names.

    :raises Refusal: if the header is missing, or its token unknown or revoked.
    """

    def __init__(self, store: Store, token: str | None) -> None:
        if not token:
            raise Refusal(Code.EMPTY_ACCESS_TOKEN, "Access token is empty.")
        known = store.row("SELECT app_id, scopes, revoked FROM tokens WHERE token = ?", token)
        if known is None or known["revoked"]:
            raise Refusal(Code.INVALID_ACCESS_TOKEN, "Access token is incorrect or has been revoked.")
        self._store = store
        self._token = token
        self._scopes = msgspec.json.decode(known["scopes"], type=list[int])
        #: The developer app; empty for a token that Events Manager made.
        self.app_id: str = known["app_id"]

    def must_manage(self, scope: Scope | None = None) -> None:
        """Refuse a token that may only send events, or whose grant lacks a scope."""
        if not self.app_id:
            raise Refusal(Code.PERMISSION_ERROR, "No permission to operate this endpoint.")
        if scope is not None:
            self.must_have(scope)

    def must_have(self, scope: Scope) -> None:
        """Refuse a token whose grant lacks a scope."""
        if scope not in self._scopes:
            raise Refusal(Code.SCOPE_NOT_AUTHORIZED, f"The scope {int(scope)} is not authorized.")

    def roles(self) -> dict[str, str]:
        """The role on each advertiser that the token reaches."""
        rows = self._store.rows("SELECT advertiser_id, role FROM grants WHERE token = ? ORDER BY rowid", self._token)
        return {row["advertiser_id"]: row["role"] for row in rows}

    def must_reach(self, advertiser_id: str) -> None:
        """Refuse a token that does not reach an advertiser."""
        if advertiser_id not in self.roles():
            raise Refusal(Code.PERMISSION_ERROR, f"No permission to operate advertiser {advertiser_id}.")

    def must_write(self, advertiser_id: str, what: str) -> None:
        """Refuse a caller that is neither admin nor operator of an advertiser."""
        if self.roles().get(advertiser_id) not in _WRITERS:
            raise Refusal(
                Code.PERMISSION_ERROR,
                f"No permission to operate {what}. You must be admin or operator of this advertiser account.",
            )


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a known caller.

    Attributes:
        values: its query or its JSON body.
        now: seconds since 1970 by the simulator's clock.
    """

    store: Store
    caller: Caller
    values: Parameters
    now: float


def app_of(store: Store, values: Parameters) -> str:
    """The developer app that a call without a token names.

    :raises Refusal: if its secret is wrong.
    """
    app_id, secret = text(values, "app_id"), text(values, "secret")
    known = store.row("SELECT secret FROM apps WHERE app_id = ?", app_id)
    if known is None or known["secret"] != secret:
        raise Refusal(Code.INVALID_PARTNER, "App ID or secret is incorrect.")
    return app_id
