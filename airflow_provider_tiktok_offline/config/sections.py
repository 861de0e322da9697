"""The sections of an advertiser's entry but those about its files; docs/configuration.md is made of *Attributes*."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from pydantic import Field, model_validator

from airflow_provider_tiktok_offline.config.airflow_values import Schedule
from airflow_provider_tiktok_offline.config.fields import (
    EventName,
    Name,
    StoreUri,
    Strict,
    WebAddress,
    misfit,
)


class GuardConfig(Strict):
    """Limits that are checked before anything is sent. A limit without a value is off.

    Attributes:
        max_events: the most events that a delivery may send.
        max_value: the largest sum of amounts that a delivery may send.
        max_amount: the largest amount of one event.
        stores: the store_codes that may occur.
        size_factor: how many times larger or smaller a file may be than the files of the last 28 days.
        on_breach: whether a breached limit stops the run, or waits for a person's approval in Airflow.
        approvers: ids of the users in Airflow who may approve, as its auth manager knows them (the login, or the number
            of FAB's user); without any, everybody who may answer the DAG's required actions.
        approval_hours: how long the run waits for the answer; then the file counts as rejected and the run fails. null
            waits without end, and the files of the days after it wait too.
    """

    max_events: Annotated[int, Field(ge=1, le=1_000_000_000_000)] | None = None
    max_value: Annotated[float, Field(gt=0, le=1e15)] | None = None
    max_amount: Annotated[float, Field(gt=0, le=1e15)] | None = None
    stores: list[str] | None = None
    size_factor: Annotated[float, Field(gt=1, le=1e6)] | None = None
    on_breach: Literal["stop", "approve"] = "stop"
    approvers: tuple[str, ...] = ()
    approval_hours: Annotated[float, Field(gt=0, le=24 * 28)] | None = 72


class UploadConfig(Strict):
    """How prepared events are sent.

    Attributes:
        batch_events: events in a request.
        batch_bytes: bytes in a request, at most.
        requests_per_second: the most requests that the advertiser sends in a second, all its upload tasks together.
        in_flight: the most requests of one task at the same time.
        timeout_seconds: how long a request waits for its answer.
        max_attempts: tries of one batch within one task.
        part_events: events in a part of prepared events: what one mapped task sends.
        retry_hours: for how long an event without an answer is retried. TikTok drops repeated events for 48 hours only.
    """

    batch_events: Annotated[int, Field(ge=1, le=1000)] = 1000
    batch_bytes: Annotated[int, Field(ge=10_000, le=100_000_000)] = 4_000_000
    requests_per_second: Annotated[float, Field(gt=0, le=1_000_000)] = 200
    in_flight: Annotated[int, Field(ge=1, le=64)] = 4
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 6
    part_events: Annotated[int, Field(ge=1000, le=100_000_000)] = 200_000
    retry_hours: Annotated[float, Field(gt=0, le=44)] = 44


class ShardsConfig(Strict):
    """How a large file is spread over several tasks, and so over several workers (docs/scale.md).

    Attributes:
        megabytes: of a shard, at least; a file of less than two such shards is read by one task.
        most: the most tasks that read one file.
    """

    megabytes: Annotated[float, Field(ge=0.001, le=1_000_000)] = 512
    most: Annotated[int, Field(ge=2, le=200)] = 100


class LedgerConfig(Strict):
    """What the ledger keeps, and how long a run holds its delivery.

    Attributes:
        retention_days: how many days event keys are kept; at least lookback_days + 2.
        record_months: how many months the record of a delivery is kept.
        secret_conn_id: connection whose password is the ledger's secret (64 hex digits). Without it the secret is
            stored beside the ledger.
        witness_uri: a place outside ``state_uri``, on other storage, that keeps the ledger's newest version, so that a
            state put back from a backup is noticed. All entries of one event set need the same.
        heartbeat_seconds: how often a run renews its lease of a delivery.
        lease_seconds: after so many seconds without a renewal, another run may take the delivery over.
        staging_hours: staged parts of a run that never ended are deleted after so many hours.
    """

    retention_days: Annotated[int, Field(ge=3, le=36_500)] = 90
    record_months: Annotated[int, Field(ge=1, le=1200)] = 25
    secret_conn_id: str | None = None
    witness_uri: StoreUri | None = None
    heartbeat_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    lease_seconds: Annotated[int, Field(ge=2, le=86_400)] = 300
    staging_hours: Annotated[int, Field(ge=1, le=87_840)] = 72

    @model_validator(mode="after")
    def _lease_outlives_heartbeats(self) -> LedgerConfig:
        if self.lease_seconds < 2 * self.heartbeat_seconds:
            raise misfit("lease_seconds", "must be at least twice heartbeat_seconds")
        return self


class LiveRampConfig(Strict):
    """The feed that LiveRamp reads.

    Attributes:
        conn_id: Airflow connection of the server or bucket to which the file is delivered.
        destination: directory there; with a bucket, ``s3://bucket/prefix`` or ``gs://bucket/prefix``.
        feed: the feed's name; without one, the advertiser's.
        file_name: name of the delivered file, with ``{{ feed }}`` and ``{{ day }}``.
        delimiter: the character between two fields. Without it, the delimiter of the feed's sample file.
        on_rejected: whether rejected rows are left out, or the whole file is refused.
        order_id: what the feed file's ``order_id`` holds: the order's id, or, for a file with a row an item, the
            order's id and the product's, joined by ``-``. A partner may take rows of one ``order_id`` for repetitions.
        below_minimum: what becomes of a file of fewer than 25 rows: it is sent, its rows wait for the next file, or
            the run fails.
        gzip: whether the file is compressed.
        pgp_key: LiveRamp's public key, a path or the armoured text.
        pgp_fingerprint: the fingerprint that the key must have.
        staged: whether the feed file is kept in staging until it is delivered, so that an interrupted upload can be
            resumed.
        temporary_name: whether the file is uploaded under another name and then renamed; the server must allow
            renaming.
        confirm_to: e-mail addresses that get a message after each delivery.
    """

    conn_id: str | None = None
    destination: str
    feed: Name | None = None
    file_name: str = "{{ feed }}_{{ day }}.csv"
    delimiter: Literal["comma", "tab", "pipe"] | None = None
    on_rejected: Literal["leave_out", "refuse"] = "leave_out"
    order_id: Literal["order", "item"] = "order"
    below_minimum: Literal["send", "carry_over", "fail"] = "send"
    gzip: bool = False
    pgp_key: str | None = None
    pgp_fingerprint: str | None = None
    staged: bool = False
    temporary_name: bool = False
    confirm_to: tuple[str, ...] = ()


class ReportsConfig(Strict):
    """What TikTok attributed, read every day into the table ``attribution`` under ``state_uri``.

    Attributes:
        schedule: cron expression or preset of the report's DAG, in the advertiser's time zone.
        days: how many days are read again, today included: figures grow for some days.
        level: beside the advertiser's totals, one line a campaign, ad group or ad; ``advertiser`` for totals alone.
        events: the standard events whose metrics are read.
        incidents: address of TikTok's status feed, read at most every half hour; a run that fails in an open incident
            names it. Without it nothing is read. TikTok's is
            https://business-api.tiktok.com/marketing_api/api/status_page/incident/rss/.
    """

    schedule: Schedule = "30 9 * * *"
    days: Annotated[int, Field(ge=1, le=90)] = 30
    level: Literal["advertiser", "campaign", "adgroup", "ad"] = "campaign"
    events: Annotated[tuple[EventName, ...], Field(min_length=1)] = ("Purchase",)
    incidents: WebAddress | None = None


class NotificationsConfig(Strict):
    """Who is notified of a run's result, by Airflow's own notifiers. No message holds a customer's data.

    Attributes:
        events: what causes a notification: ``success``; ``failure``; ``gate``, too many rows rejected or a guard
            breached; ``approval``, a file waits for a person; ``unconfirmed``, events without an answer are soon not
            sent again by themselves; ``stale``, no file by ``no_file_by`` or within ``source.timeout_seconds``;
            ``drift``, a file with less than usual was sent all the same; ``report``, the report task found that no ad
            tracks the event set, attribution has fallen away, the grant was revoked or narrowed, or TikTok has an open
            incident.
        email: addresses (apache-airflow-providers-smtp).
        smtp_conn_id: connection of the mail server; its extra holds ``from_email``.
        slack_conn_id: connection of a Slack incoming webhook (apache-airflow-providers-slack).
        webhook_conn_id: connection of type http that takes a POST of JSON (apache-airflow-providers-http).
        webhook_endpoint: path below the connection's base URL.
        no_file_by: time of day, in the advertiser's time zone, by which a run must have found its file.
        values: whether messages hold sums of money; without it, shares in percent.
    """

    events: tuple[Literal["success", "failure", "gate", "approval", "unconfirmed", "stale", "drift", "report"], ...] = (
        "failure",
        "gate",
        "approval",
        "unconfirmed",
        "stale",
        "drift",
        "report",
    )
    email: tuple[str, ...] = ()
    smtp_conn_id: str = "smtp_default"
    slack_conn_id: str | None = None
    webhook_conn_id: str | None = None
    webhook_endpoint: str | None = None
    no_file_by: time | None = None
    values: bool = False

    @model_validator(mode="after")
    def _has_a_recipient(self) -> NotificationsConfig:
        if not (self.email or self.slack_conn_id or self.webhook_conn_id):
            raise misfit("email", "is missing: name email, slack_conn_id or webhook_conn_id")
        return self


__all__ = [
    "GuardConfig",
    "LedgerConfig",
    "LiveRampConfig",
    "NotificationsConfig",
    "ReportsConfig",
    "ShardsConfig",
    "UploadConfig",
]
