"""``config from-file``: a proposed configuration for a retailer's own export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.commands.sample import must_be_new
from airflow_provider_tiktok_offline.cli.options import AsOf, examples, moment
from airflow_provider_tiktok_offline.cli.running import UNUSABLE, complain, output, print_lines

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.onboarding.entry_text import Account
    from airflow_provider_tiktok_offline.onboarding.proposal import Proposal


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "from-file",
        epilog=examples(
            "tiktok-offline config from-file export.csv",
            "tiktok-offline config from-file export.csv -o advertisers.yaml --currency EUR --phone-region DE",
        ),
    )(from_file)


def from_file(
    file: Annotated[Path, typer.Argument(help="The export that the till or shop already writes.")],
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the entry here instead of printing it.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    name: Annotated[str, typer.Option(help="Name of the entry.")] = "my_shop",
    advertiser_id: Annotated[str | None, typer.Option(help="Id of the ad account.")] = None,
    event_set_id: Annotated[str | None, typer.Option(help="Id of the offline event set.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code of the amounts.")] = None,
    phone_region: Annotated[str | None, typer.Option(help="Country of phones without a country code.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA name for times without an offset.")] = None,
    as_of: AsOf = None,
) -> None:
    """Propose a configuration for an export: its columns and formats, and what only a person knows.

    The file's first part is looked at; no value of it is shown or kept.
    """
    from airflow_provider_tiktok_offline.onboarding.entry_text import Account, entry_text
    from airflow_provider_tiktok_offline.onboarding.export_sample import read_sample
    from airflow_provider_tiktok_offline.onboarding.proposal import propose

    if to is not None:
        must_be_new(to, overwrite)
    proposal = propose(read_sample(file))
    account = Account(
        name=name,
        advertiser_id=advertiser_id,
        event_set_id=event_set_id,
        currency=currency,
        phone_region=phone_region,
        time_zone=time_zone,
    )
    text = entry_text(proposal, account)
    if to is None:
        print_lines(text.splitlines())
    else:
        to.write_text(text, encoding="utf-8")
        output().print(f"{to} written. Answer what its first lines ask, then: tiktok-offline config check {to}")
    for fault in proposal.faults:
        complain(f"{file}: {fault}.")
    if proposal.faults:
        raise typer.Exit(UNUSABLE)
    _show(file, proposal, account, as_of)


def _show(file: Path, proposal: Proposal, account: Account, as_of: str | None) -> None:
    """What the proposal would do to the file: rows by class, and invented events of the same shape."""
    from airflow_provider_tiktok_offline.clock import system_clock
    from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
    from airflow_provider_tiktok_offline.conversions.preparation.prepare import validate
    from airflow_provider_tiktok_offline.conversions.report.report import render
    from airflow_provider_tiktok_offline.onboarding.invented_events import invented_events

    now = moment(as_of) or system_clock().now()
    settings = proposal.settings(
        currency=account.currency, phone_region=account.phone_region, time_zone=account.time_zone or "UTC"
    )
    console = output(markup=True)
    console.print("\nWhat it would do to this file (transactions of any age are counted here):")
    render(validate(LocalFile(file), settings, as_of=now), console)
    currency = account.currency or proposal.currency
    output().print("\nThree invented events of the same shape:")
    print_lines(invented_events(proposal, currency=currency, as_of=now))
