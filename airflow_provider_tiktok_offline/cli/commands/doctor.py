"""``doctor``: is everything there that a delivery needs?"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.grants import findings_document, show_findings
from airflow_provider_tiktok_offline.cli.options import ApiUrl, ConfigPath, Json, examples
from airflow_provider_tiktok_offline.cli.running import UNUSABLE, complain, output, print_json

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.tiktok.check import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog=examples(
            "tiktok-offline doctor --config advertisers.yaml",
            "tiktok-offline doctor --config advertisers.yaml --advertiser my_shop --prove-role",
        )
    )(doctor)


def doctor(
    config: ConfigPath,
    advertiser: Annotated[
        str | None, typer.Option("--advertiser", "-a", help="One entry only; without it, all of them.")
    ] = None,
    prove_role: Annotated[
        bool, typer.Option("--prove-role", help="Write the event set's own name back, which needs the right role.")
    ] = False,
    api_url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """Look at token, role, event set, source, host key, ledger, stores, clock and pool of every advertiser."""
    from airflow_provider_tiktok_offline.cli.contexts import delivery_context
    from airflow_provider_tiktok_offline.cli.pool_check import pool_findings
    from airflow_provider_tiktok_offline.config import load_config
    from airflow_provider_tiktok_offline.delivery.operations.doctor import doctor as look
    from airflow_provider_tiktok_offline.delivery.operations.status import note_doctor
    from airflow_provider_tiktok_offline.errors import TikTokOfflineError

    loaded = load_config(config)
    entries = [loaded.advertiser(advertiser)] if advertiser else list(loaded.advertisers.values())
    failed = 0
    if advertiser is None:
        for fault in loaded.broken:
            complain(str(fault))
        failed += len(loaded.broken)
    found: dict[str, list[Finding]] = {}
    for entry in entries:
        if not as_json:
            output().print(entry.name, style="bold")
        context = delivery_context(entry, api_url=api_url)
        findings = [*look(context, prove_role=prove_role), *pool_findings(entry)]
        with suppress(TikTokOfflineError):  # where the state can't be written, a finding has said so
            note_doctor(context, findings)
        found[entry.name] = findings
        if not as_json:
            show_findings(findings)
        failed += sum(finding.status == "failed" for finding in findings)
    if as_json:
        print_json({"faults": failed, "advertisers": {name: findings_document(one) for name, one in found.items()}})
    else:
        output().print(f"{len(entries)} advertisers looked at, {failed} faults")
    if failed:
        raise typer.Exit(UNUSABLE)
