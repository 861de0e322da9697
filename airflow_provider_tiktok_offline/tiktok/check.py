"""Checks what a grant reaches and what it lacks: for ``auth check``, the doctor and the connection form's *Test*."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from airflow_provider_tiktok_offline.errors import ApiError, CallerError, CredentialsError
from airflow_provider_tiktok_offline.tiktok.ads import event_set_use
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.codes import BAD_TOKEN_CODES, SCOPE_NOT_AUTHORIZED
from airflow_provider_tiktok_offline.tiktok.event_sets import EventSet, list_event_sets, update_event_set
from airflow_provider_tiktok_offline.tiktok.oauth import (
    READ_EVENT_SETS,
    READ_REPORTS,
    SCOPES,
    SEND_EVENTS,
    WRITE_EVENT_SETS,
    Advertiser,
    App,
    list_advertisers,
    missing_scopes,
)
from airflow_provider_tiktok_offline.tiktok.reports import ReportQuery, offline_report

Status = Literal["ok", "warning", "failed"]

_ROLE = "The grant's user must be Admin or Operator of the ad account."


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: ``access token``, ``advertiser``, ``event set``, ``auto-tracking``, ``ads``, ``role``,
            ``reports`` or ``scopes``.
        status: the result.
        text: the result in words.
        todo: what to do, if something has to be done.
    """

    subject: str
    status: Status
    text: str
    todo: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (f"{self.subject}: {self.text}", self.todo) if part)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """All findings.

    Attributes:
        findings: in the order of the checks.
        advertisers: the ad accounts that the grant reaches, where the app was given.
        event_set: the event set, if it was read.
    """

    findings: tuple[Finding, ...]
    advertisers: tuple[Advertiser, ...] = ()
    event_set: EventSet | None = None

    @property
    def ok(self) -> bool:
        """Whether no check failed. Only sending shows whether the token may send."""
        return not any(finding.status == "failed" for finding in self.findings)

    def __str__(self) -> str:
        return " ".join(str(finding) for finding in self.findings)


def check(
    client: TikTokClient,
    *,
    advertiser_id: str | None = None,
    event_set_id: str | None = None,
    app: App | None = None,
    prove_role: bool = False,
    report_day: date | None = None,
) -> CheckResult:
    """Check what the client's token reaches.

    :param advertiser_id: the ad account that the token should reach.
    :param event_set_id: its event set.
    :param app: the developer app; with it the ad accounts are listed.
    :param prove_role: write the event set's own name and switch back into it, which only an Admin or Operator may.
        Reading does not show the role.
    :param report_day: a day whose offline report is read, for an advertiser that reads reports.
    """
    checking = _Checking(client)
    if app is not None:
        checking.look_at_advertisers(app, advertiser_id)
    if advertiser_id is not None and not checking.token_is_bad:
        checking.look_at_event_set(advertiser_id, event_set_id)
        if checking.event_set is not None:
            checking.look_at_ads(checking.event_set)
        if prove_role and checking.event_set is not None:
            checking.look_at_role(checking.event_set)
        if report_day is not None and checking.event_set is not None:
            checking.look_at_reports(advertiser_id, report_day)
        checking.conclude_scopes()
    if not checking.findings:
        checking.add(
            "access token", "warning", "not looked at.", "Name an advertiser and event set, or the app's id and secret."
        )
    return CheckResult(tuple(checking.findings), tuple(checking.advertisers), checking.event_set)


def grant_as_noted(scopes: Collection[int], found: Sequence[Finding]) -> Iterator[Finding]:
    """What sign-in noted that was not granted: a call that only reads can't show that events may not be sent.

    :param scopes: ids of the permissions that were granted; empty if that is not known.
    :param found: what was found by calls; a permission that is named there is not named again.
    """
    named = " ".join(finding.text for finding in found)
    lacking = [words for words in missing_scopes(scopes) if words.rpartition(" ")[2] not in named]
    if lacking:
        yield Finding(
            "scopes",
            "failed" if f"({SEND_EVENTS})" in " ".join(lacking) else "warning",
            f"at sign-in the grant lacked the permission to {'; '.join(lacking)}.",
            "Start the grant again and confirm it with all permissions: tiktok-offline auth login. If the token was"
            " replaced since, take scopes out of the connection's extra.",
        )


class _Checking:
    def __init__(self, client: TikTokClient) -> None:
        self._client = client
        self.findings: list[Finding] = []
        self.advertisers: list[Advertiser] = []
        self.event_set: EventSet | None = None
        self.token_is_bad = False
        self._granted: list[int] = []

    def add(self, subject: str, status: Status, text: str, todo: str = "") -> None:
        self.findings.append(Finding(subject, status, text, todo))

    def look_at_advertisers(self, app: App, advertiser_id: str | None) -> None:
        try:
            self.advertisers = list_advertisers(self._client, app)
        except ApiError as error:
            self._explain(error, "advertiser", "the ad accounts can't be listed")
            return
        self.add("access token", "ok", f"reaches {len(self.advertisers)} ad account(s).")
        if advertiser_id is None:
            return
        if advertiser_id in (each.advertiser_id for each in self.advertisers):
            self.add("advertiser", "ok", f"{advertiser_id} is reached.")
        else:
            self.add(
                "advertiser",
                "failed",
                f"{advertiser_id} is not reached.",
                "Its admin has to confirm the grant: tiktok-offline auth login --paste.",
            )

    def look_at_event_set(self, advertiser_id: str, event_set_id: str | None) -> None:
        wanted = [] if event_set_id is None else [event_set_id]
        try:
            listed = list_event_sets(self._client, advertiser_id, event_set_ids=wanted)
        except ApiError as error:
            self._explain(
                error, "event set", f"the event sets of advertiser {advertiser_id} can't be read", READ_EVENT_SETS
            )
            return
        self._granted.append(READ_EVENT_SETS)
        if not any(finding.subject == "access token" for finding in self.findings):
            self.add("access token", "ok", f"reads the event sets of advertiser {advertiser_id}.")
        if event_set_id is None:
            self.add("event set", "ok", f"advertiser {advertiser_id} has {len(listed)}.")
            return
        self.event_set = next((each for each in listed if each.event_set_id == event_set_id), None)
        if self.event_set is None:
            self.add(
                "event set",
                "failed",
                f"advertiser {advertiser_id} has no offline event set {event_set_id}.",
                "List them: tiktok-offline event-sets list.",
            )
            return
        self.add("event set", "ok", f"{event_set_id} is {self.event_set.name!r}.")
        if self.event_set.auto_tracking:
            self.add("auto-tracking", "ok", "on.")
        else:
            self.add(
                "auto-tracking", "warning", "off: ads made later track the event set only if they name it.",
                "Switch it on: tiktok-offline event-sets auto-tracking.",
            )  # fmt: skip

    def look_at_ads(self, event_set: EventSet) -> None:
        try:
            use = event_set_use(self._client, event_set.advertiser_id, event_set.event_set_id)
        except ApiError as error:
            code = "" if error.code is None else f" (code {error.code})"
            self.add("ads", "warning", f"the ads can't be read{code}: it is unknown whether one tracks the event set.")
            return
        if not use.active:
            self.add("ads", "ok", "no ad is active.")
            return
        text = f"{use.tracking} of {use.active} active ads track this event set."
        if use.tracking:
            self.add("ads", "ok", text)
            return
        self.add(
            "ads", "failed", f"{text} TikTok attributes nothing to them.",
            "Add the event set to the ads in Ads Manager, under Tracking. Auto-tracking reaches only ads that are made"
            " after it was switched on.",
        )  # fmt: skip

    def look_at_role(self, event_set: EventSet) -> None:
        try:
            update_event_set(
                self._client,
                event_set.advertiser_id,
                event_set.event_set_id,
                name=event_set.name,
                auto_tracking=event_set.auto_tracking,
            )
        except CallerError as error:
            if error.code == SCOPE_NOT_AUTHORIZED:
                self._explain(error, "role", "the role can't be checked", WRITE_EVENT_SETS)
            else:
                self.add("role", "failed", f"the grant may not write to the event set (code {error.code}).", _ROLE)
        except ApiError as error:
            self._explain(error, "role", "the role can't be checked")
        else:
            self._granted.append(WRITE_EVENT_SETS)
            self.add("role", "ok", "Admin or Operator.")

    def look_at_reports(self, advertiser_id: str, day: date) -> None:
        try:
            list(offline_report(self._client, advertiser_id, ReportQuery(start=day, end=day, level="advertiser")))
        except ApiError as error:
            self._explain(error, "reports", "the offline report can't be read", READ_REPORTS)
        else:
            self._granted.append(READ_REPORTS)
            self.add("reports", "ok", "the offline report can be read.")

    def conclude_scopes(self) -> None:
        """Say which permissions have shown; that to send events shows with the first upload."""
        if self._granted and not any(finding.subject == "scopes" for finding in self.findings):
            self.add("scopes", "ok", f"the grant may {', '.join(SCOPES[scope] for scope in self._granted)}.")

    def _explain(self, error: ApiError, subject: str, text: str, scope: int | None = None) -> None:
        if isinstance(error, CredentialsError) and error.code in (None, *BAD_TOKEN_CODES):
            self.token_is_bad = True
            self.add("access token", "failed", f"{error.what}", error.todo or "")
        elif error.retryable:
            self.add(subject, "failed", f"{text}: TikTok did not answer ({type(error).__name__}).", "Try again later.")
        elif error.code == SCOPE_NOT_AUTHORIZED and scope is not None:
            self.add(
                "scopes",
                "warning",
                f"{text}: the grant lacks the permission to {SCOPES[scope]} ({scope}).",
                "Start the grant again and confirm it with this permission: tiktok-offline auth login.",
            )
        elif error.code == 40001:
            self.add(
                subject,
                "warning",
                f"{text} (code 40001). A token made in Events Manager may only send: that alone does not make it bad.",
                f"{_ROLE} The first upload shows whether it may send.",
            )
        else:
            self.add(subject, "failed", f"{text}: {error.what}", error.todo or "")
