"""``ledger adopt``, ``reopen``, ``resolve`` and the like: what a person may change, each with a reason that is kept."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from airflow_provider_tiktok_offline.cli.contexts import alone, delivery_context
from airflow_provider_tiktok_offline.cli.options import (
    Advertiser,
    ConfigPath,
    Day,
    Reason,
    advertiser_config,
    examples,
    file_day,
    file_uri,
    moment,
)
from airflow_provider_tiktok_offline.cli.progress import step_progress
from airflow_provider_tiktok_offline.cli.running import output
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.delivery.state.step_results import AdoptResult
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState

_ENTRY = "--config advertisers.yaml --advertiser my_shop"
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Conversion files: paths or URIs.")]
Which = Annotated[
    str, typer.Argument(metavar="FILE|DELIVERY", help="A file that was delivered, or the id of its delivery.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command, example in (
        ("adopt", adopt, f'adopt sales_*.csv {_ENTRY} --reason "sent by the agency"'),
        ("reopen", reopen, f'reopen sales_20261121.csv {_ENTRY} --reason "LiveRamp rejected the file"'),
        ("resolve", resolve, f'resolve {_ENTRY} --resend --reason "TikTok says they did not arrive"'),
        ("break-lease", break_lease, f'break-lease sales_20261121.csv {_ENTRY} --reason "its worker is gone"'),
        ("mark-erroneous", mark_erroneous, f'mark-erroneous sales_20261121.csv {_ENTRY} --reason "test data"'),
        ("rebuild", rebuild, f'rebuild archive/sales_*.csv {_ENTRY} --reason "bucket was lost"'),
        ("acknowledge", acknowledge, f'acknowledge {_ENTRY} --send-from 2026-12-01 --reason "new register ids"'),
        ("switch-route", switch_route, f'switch-route --to tiktok {_ENTRY} --reason "direct from now on"'),
    ):
        app.command(name, epilog=examples(f"tiktok-offline ledger {example}"))(command)


def adopt(files: Files, config: ConfigPath, reason: Reason, advertiser: Advertiser = None, day: Day = None) -> None:
    """Record files as delivered without sending them: what is in them is not sent by a later file either."""
    from airflow_provider_tiktok_offline.delivery.operations.adopt import adopt_file

    with _live(config, advertiser) as context:
        for file in files:
            _tell(
                adopt_file(
                    context, context.ledger, file_uri(file), reason=reason, day=file_day(day, file, context.config)
                )
            )


def reopen(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|DELIVERY|DAY", help="A delivered file, its delivery's id, or the UTC day it went."
        ),
    ],
    config: ConfigPath,
    reason: Reason,
    advertiser: Advertiser = None,
) -> None:
    """Let a delivery go out again that the other side rejected: its transactions count as not sent.

    A file that waits (`send_after_days`) is withdrawn: it is sent only if it is delivered again.
    """
    from airflow_provider_tiktok_offline.delivery.operations.reopen import reopen_delivery

    with _live(config, advertiser) as context:
        done: dict[str, int] = {}
        for state in _deliveries(context, what):
            if state.id not in done:
                done |= reopen_delivery(context, state.id, reason=reason)
        for delivery_id, events in done.items():
            output().print(f"{delivery_id}: {events:,} events may be sent again")


def resolve(
    config: ConfigPath,
    reason: Reason,
    advertiser: Advertiser = None,
    assume_sent: Annotated[bool, typer.Option("--assume-sent", help="They count as sent.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="They may be sent again, and then count twice.")] = False,
    delivery: Annotated[str | None, typer.Option("--delivery", help="Only those of this delivery.")] = None,
) -> None:
    """Decide about events that left without a definite answer and are too old to be tried again."""
    from airflow_provider_tiktok_offline.ledger import corrections

    if assume_sent == resend:
        raise ConfigError("one of --assume-sent and --resend is needed.", where="ledger resolve")
    assume: Literal["sent", "resend"] = "sent" if assume_sent else "resend"
    with _live(config, advertiser) as context:
        events = corrections.resolve(context.ledger, assume, reason=reason, actor=context.holder, delivery_id=delivery)
    output().print(f"{events:,} events {'count as sent' if assume_sent else 'may be sent again'}")


def mark_erroneous(what: Which, config: ConfigPath, reason: Reason, advertiser: Advertiser = None) -> None:
    """Say that a delivery should not have been made; what TikTok took can't be recalled and stays sent."""
    from airflow_provider_tiktok_offline.ledger import corrections

    with _live(config, advertiser) as context:
        for state in _deliveries(context, what):
            corrections.mark_erroneous(context.ledger, state.id, reason=reason, actor=context.holder)
            output().print(f"{state.id} {state.file_name} is marked")


def break_lease(what: Which, config: ConfigPath, reason: Reason, advertiser: Advertiser = None) -> None:
    """Take a delivery from a run that is known to be dead, without waiting for its heartbeat to expire."""
    from airflow_provider_tiktok_offline.ledger import corrections

    with _live(config, advertiser) as context:
        for state in _deliveries(context, what):
            corrections.break_lease(context.ledger, state.id, reason=reason, actor=context.holder)
            output().print(f"{state.id} {state.file_name} is free for the next run")


def rebuild(files: Files, config: ConfigPath, reason: Reason, advertiser: Advertiser = None) -> None:
    """Make a lost or damaged ledger again from the files that were kept; nothing is sent until it is finished."""
    from airflow_provider_tiktok_offline.delivery.operations.adopt import rebuild_ledger

    with _live(config, advertiser) as context:
        rebuild_ledger(context, [file_uri(file) for file in files], reason=reason, on_adopted=_tell)
        output().print(f"The ledger of event set {context.config.event_set_id} is made again")


def acknowledge(
    config: ConfigPath,
    send_from: Annotated[
        str, typer.Option("--send-from", metavar="ISO8601", help="Transactions before it count as sent.")
    ],
    reason: Reason,
    advertiser: Advertiser = None,
) -> None:
    """Accept that event ids are made by other settings from now on, with a cut-over."""
    from airflow_provider_tiktok_offline.ledger import corrections
    from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace

    cut_over = moment(send_from)
    if cut_over is None:
        raise ConfigError("is missing.", where="--send-from")
    with _live(config, advertiser) as context:
        corrections.acknowledge_identity(
            LedgerPlace(context.objects, context.config.event_set_id, context.clock),
            settings=context.config.identity_settings(),
            send_from=cut_over,
            reason=reason,
            actor=context.holder,
        )
    output().print(f"Transactions from {cut_over:%Y-%m-%d %H:%M} UTC on are sent under the new settings")


def switch_route(
    to: Annotated[Literal["tiktok", "liveramp"], typer.Option("--to", help="The new live route.")],
    config: ConfigPath,
    reason: Reason,
    advertiser: Advertiser = None,
) -> None:
    """Make another route the event set's live one; what the former has delivered is not sent again."""
    from airflow_provider_tiktok_offline.ledger import corrections

    with _live(config, advertiser) as context:
        corrections.switch_route(context.ledger, to, reason=reason, actor=context.holder)
    output().print(f"Event set {context.config.event_set_id} is delivered by route {to}")


@contextmanager
def _live(config: Path, advertiser: str | None) -> Iterator[DeliveryContext]:
    """The advertiser as a live run sees it: corrections are about what was really sent."""
    settings = advertiser_config(config, advertiser).model_copy(update={"mode": "live"})
    with alone(settings), step_progress() as progress:
        yield delivery_context(settings, progress=progress)


def _deliveries(context: DeliveryContext, what: str) -> list[DeliveryState]:
    """The live deliveries that a file, an id or a day names.

    :raises ConfigError: if there is none.
    """
    import re

    known = [state for state in context.deliveries.list(context.config.name) if state.counts]
    if re.fullmatch(r"d-[0-9a-f]{24}", what):
        named = [state for state in known if state.id == what]
    elif re.fullmatch(r"\d{4}-\d{2}-\d{2}", what):
        named = [state for state in known if state.updated_at.date().isoformat() == what and state.status == "closed"]
    else:
        name = what.rpartition("/")[2]
        named = [state for state in known if state.uri == file_uri(what)] or [
            state for state in known if state.file_name == name
        ]
    if not named:
        raise ConfigError(
            "there is no such delivery.", where=what, todo="List them: tiktok-offline ledger files --config ..."
        )
    return named


def _tell(result: AdoptResult) -> None:
    output().print(
        f"{result.file}: {result.new:,} of {result.events:,} events are new to the ledger"
        + (f"; {result.rejected:,} rejected rows are not in it" if result.rejected else "")
    )
