"""Everything a delivery needs, looked at without delivering: for ``tiktok-offline doctor`` and a daily task."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.config.connection_ids import connection_ids
from airflow_provider_tiktok_offline.delivery.source.closed_days import closed_days
from airflow_provider_tiktok_offline.delivery.source.find_file import folder_uri
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.second_witness import check_second_witness
from airflow_provider_tiktok_offline.errors import ConfigError, LedgerMissingError, TikTokOfflineError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.connections import Connection
    from airflow_provider_tiktok_offline.tiktok.check import Finding, Status

#: A clock that is further off than this judges rows and leases wrongly.
_CLOCK_TOLERANCE = timedelta(seconds=30)


def doctor(ctx: DeliveryContext, *, prove_role: bool = False) -> list[Finding]:
    """Look at one advertiser's connections, grant, event set, source, stores, ledger and clock.

    :param prove_role: write the event set's own name back, which only the right role may.
    :returns: what was found, one line each; none of them holds a secret.
    """
    findings: list[Finding] = []
    for subject, look in (
        ("configuration", _configuration),
        ("connections", _connections),
        ("TikTok", lambda one: _grant(one, prove_role=prove_role)),
        ("source", _source),
        ("closed days", _closed_days),
        ("suppression list", _suppression),
        ("state", _state),
        ("staging", _staging),
        ("ledger", _ledger),
    ):
        findings += _looked_at(subject, look, ctx)
    return findings


def _looked_at(
    subject: str, look: Callable[[DeliveryContext], Iterator[Finding]], ctx: DeliveryContext
) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(look(ctx))
    except TikTokOfflineError as error:
        where = f"{error.where}: " if error.where else ""
        findings.append(_finding(subject, "failed", f"{where}{error.what}", error.todo or ""))
    return findings


def _finding(subject: str, status: Status, text: str, todo: str = "") -> Finding:
    from airflow_provider_tiktok_offline.tiktok.check import Finding

    return Finding(subject, status, text, todo)


def _configuration(ctx: DeliveryContext) -> Iterator[Finding]:
    for text in ctx.config.warnings():
        yield _finding("configuration", "warning", f"{text}.")
    yield _finding("configuration", "ok", f"mode {ctx.config.mode}, route {ctx.config.route}.")


def _connections(ctx: DeliveryContext) -> Iterator[Finding]:
    ids = connection_ids(ctx.config)
    missing = []
    for conn_id, key in ids.items():
        try:
            yield from _server_check(ctx.connections.get(conn_id))
        except ConfigError as error:
            missing.append(_finding("connections", "failed", f"{key}: {conn_id} is missing.", error.todo or ""))
    yield from missing
    if not missing and ids:
        yield _finding("connections", "ok", f"{', '.join(sorted(ids))}.")


def _server_check(connection: Connection) -> Iterator[Finding]:
    """Warn of a connection that any server may answer."""
    if connection.conn_type == "aws" and str(connection.extra.get("verify")).lower() == "false":
        yield _finding(
            "connections",
            "warning",
            f"{connection.conn_id}: verify takes any certificate; who answers in the server's place gets the files.",
            "Give the file of the authority's certificate as verify in the connection's extra.",
        )
    from airflow_provider_tiktok_offline.storage.backends.ssh_options import takes_any_server

    switch = takes_any_server(connection) if connection.conn_type in ("sftp", "ssh") else None
    if switch is not None:
        yield _finding(
            "connections",
            "warning",
            f"{connection.conn_id}: {switch} takes any server for the right one; who answers in its place gets the "
            "password and the files.",
            "Set host_key in the connection's extra: ssh-keyscan, compared with what the server's owner published.",
        )


def _grant(ctx: DeliveryContext, *, prove_role: bool) -> Iterator[Finding]:
    if ctx.config.route != "tiktok":
        return
    from airflow_provider_tiktok_offline.delivery.steps.upload import open_client
    from airflow_provider_tiktok_offline.tiktok.check import check, grant_as_noted
    from airflow_provider_tiktok_offline.tiktok.oauth import App, scopes_of

    extra = ctx.connections.get(ctx.config.tiktok_conn_id).extra
    app = App(extra["app_id"], extra["app_secret"]) if {"app_id", "app_secret"} <= extra.keys() else None
    with open_client(ctx) as client:
        result = check(
            client,
            advertiser_id=ctx.config.advertiser_id,
            event_set_id=ctx.config.event_set_id,
            app=app,
            prove_role=prove_role,
            report_day=None if ctx.config.reports is None else ctx.clock.now().date(),
        )
    yield from result.findings
    yield from grant_as_noted(scopes_of(extra), result.findings)


def _source(ctx: DeliveryContext) -> Iterator[Finding]:
    from airflow_provider_tiktok_offline.storage.files import open_files

    directory = folder_uri(ctx.config.source, ctx.clock.now().date())
    with open_files(directory, ctx.connections) as files:
        count = len(files.list(directory))
    yield _finding("source", "ok", f"{directory} can be listed, {count} files.")


def _closed_days(ctx: DeliveryContext) -> Iterator[Finding]:
    """Read the calendar as a run would, so that a broken one is known before the file comes."""
    if not isinstance(ctx.config.source.closed_dates, str):
        return
    days = closed_days(ctx.config, ctx.connections)
    today = ctx.clock.now().astimezone(ctx.config.zone).date()
    coming = [day for day in (today + timedelta(days=ahead) for ahead in range(366)) if day in days]
    if coming:
        yield _finding("closed days", "ok", f"{len(coming)} in the next 366 days; the next one is {coming[0]}.")
    else:
        yield _finding("closed days", "warning", "the calendar has none in the next 366 days.", "Export it again.")


def _suppression(ctx: DeliveryContext) -> Iterator[Finding]:
    """Read the list as a delivery would, so that a broken one is known before the file comes."""
    people = load_suppression(ctx, accept=False)
    if people is None:
        return
    facts = people.facts
    if facts.unreadable.count or facts.nameless.count:
        yield _finding("suppression list", "warning", f"{facts}.", "Look at these lines: nobody is left out for them.")
    else:
        yield _finding("suppression list", "ok", f"{facts}.")


def _state(ctx: DeliveryContext) -> Iterator[Finding]:
    from airflow_provider_tiktok_offline.storage.files import open_files
    from airflow_provider_tiktok_offline.storage.objects import check_conditional_writes

    probe = f"doctor/{secrets.token_hex(8)}"
    check_conditional_writes(ctx.objects)
    before = ctx.clock.now()
    ctx.objects.put(probe, b"")
    try:
        after = ctx.clock.now()
        yield _finding("state", "ok", f"{ctx.config.state_uri} can be written, and creates an object once only.")
        uri = ctx.uri(probe)
        with open_files(uri, ctx.connections) as files:
            written = files.stat(uri).mtime
    finally:
        ctx.objects.delete(probe)
    off = max(before - written, written - after, timedelta(0))
    if off > _CLOCK_TOLERANCE:
        yield _finding(
            "clock",
            "failed",
            f"this machine and the store differ by {off.total_seconds():.0f} seconds.",
            "Synchronise it (NTP): ages of transactions and leases of deliveries hang on it.",
        )
    else:
        yield _finding("clock", "ok", "agrees with the store's.")


def _staging(ctx: DeliveryContext) -> Iterator[Finding]:
    probe = f"doctor/{secrets.token_hex(8)}"
    ctx.staging.put(probe, b"")
    ctx.staging.delete(probe)
    yield _finding("staging", "ok", f"{ctx.config.staging} can be written.")


def _ledger(ctx: DeliveryContext) -> Iterator[Finding]:
    try:
        ledger = ctx.ledger
    except LedgerMissingError as error:
        status: Status = "failed" if ctx.live else "warning"
        yield _finding("ledger", status, f"{error.what.rstrip('.')}.", error.todo or "")
        return
    newest = max((file.day for file in ledger.table.snapshot().files), default=None)
    until = "it is empty" if newest is None else f"its newest rows are of {newest} (UTC)"
    text = f"of event set {ctx.config.event_set_id} can be read and is whole; {until}"
    if check_second_witness(ctx):
        yield _finding("ledger", "ok", f"{text}, and it is not behind the second witness.")
        return
    yield _finding(
        "ledger",
        "ok",
        f"{text}. A state put back from a backup can't be told from it without ledger.witness_uri.",
        "" if newest is None or not ctx.live else "After a restore, compare that day with the last run in Airflow.",
    )
