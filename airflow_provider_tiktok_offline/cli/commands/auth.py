"""``auth``: get, look at and end the grant with which an ad account lets this package send."""

from __future__ import annotations

import os
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.accounts import AdvertiserId, open_account
from airflow_provider_tiktok_offline.cli.environment_connections import TOKEN_VARIABLE
from airflow_provider_tiktok_offline.cli.grants import (
    TokenStoreAt,
    airflow_command,
    findings_document,
    keep,
    show_advertisers,
    show_findings,
)
from airflow_provider_tiktok_offline.cli.options import (
    Advertiser,
    ApiUrl,
    Json,
    OptionalConfigPath,
    advertiser_config,
    examples,
)
from airflow_provider_tiktok_offline.cli.running import UNUSABLE, messages, output, print_json
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.tiktok.oauth import App

app = typer.Typer(help="Get, look at and end the grant of an ad account.", no_args_is_help=True)

SECRET_VARIABLE = "TIKTOK_APP_SECRET"  # noqa: S105 - its name

AppId = Annotated[str, typer.Option("--app-id", envvar="TIKTOK_APP_ID", help="Id of the developer app.")]
OptionalAppId = Annotated[str | None, typer.Option("--app-id", envvar="TIKTOK_APP_ID", help="Id of the developer app.")]


@app.command(
    epilog=examples(
        "export TIKTOK_APP_SECRET=...",
        "tiktok-offline auth login --app-id 7300000000000000001",
        "tiktok-offline auth login --app-id 7300000000000000001 --paste --redirect-uri https://example.com/done",
    )
)
def login(
    app_id: AppId,
    paste: Annotated[
        bool, typer.Option("--paste", help="Somebody else confirms: paste the address their browser ends at.")
    ] = False,
    redirect_uri: Annotated[
        str | None, typer.Option("--redirect-uri", metavar="URL", help="With --paste: the app's registered redirect.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1 for the redirect; 0 for any.")] = 8765,
    browser: Annotated[bool, typer.Option(help="Open the address in a browser here.")] = True,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for the confirmation.")] = 300,
    conn_id: Annotated[str, typer.Option("--conn-id", help="Id of the Airflow connection.")] = "tiktok_default",
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Print token and secret instead of writing them to a file.")
    ] = False,
    add: Annotated[bool, typer.Option("--add", help="Add the connection to the Airflow on this machine.")] = False,
    token_store: Annotated[
        str | None,
        typer.Option("--token-store", metavar="URI", help="Keep a grant whose tokens expire here, for the workers."),
    ] = None,
    api_url: ApiUrl = None,
) -> None:
    """Run the whole grant: ask the ad account's admin, exchange the code, and keep it as an Airflow connection."""
    from airflow_provider_tiktok_offline.tiktok.api_address import PRODUCTION_URL
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
    from airflow_provider_tiktok_offline.tiktok.grant_connection import GrantConnection
    from airflow_provider_tiktok_offline.tiktok.oauth import UnreadGrantError, exchange, missing_scopes

    developer_app = _app(app_id)
    # All that could fail for a reason of this machine fails before an admin is asked.
    store = None if token_store is None else TokenStoreAt(token_store)
    if add:
        airflow_command()
    with TikTokClient(None, base_url=api_url or PRODUCTION_URL) as client:
        code = (
            _pasted_code(app_id, redirect_uri, client.base_url)
            if paste
            else _received_code(app_id, port, wait, client.base_url, browser=browser)
        )
        unread: UnreadGrantError | None = None
        try:
            grant = exchange(client, developer_app, code)
        except UnreadGrantError as error:
            grant, unread = error.grant, error
        base_url = client.base_url
    connection = GrantConnection(
        access_token=grant.access_token, conn_id=conn_id, app=developer_app, base_url=base_url, scope=grant.scope
    )
    keep(grant, connection, store, add=add, show_secrets=show_secrets)
    if unread is not None:
        raise unread
    if missing := missing_scopes(grant.scope):
        messages().print(f"The grant lacks the permission to {'; '.join(missing)}.", style="yellow")
        messages().print("What needs it fails. Start again, and confirm it on TikTok's page.")
    with TikTokClient(grant.access_token, base_url=base_url) as client:
        show_advertisers(client, developer_app)


def _pasted_code(app_id: str, redirect_uri: str | None, base_url: str) -> str:
    """The code in the address that somebody else's browser ended at."""
    from airflow_provider_tiktok_offline.tiktok.oauth import auth_code_of, authorization

    if redirect_uri is None:
        raise ConfigError("--paste needs the redirect that is registered with the app.", todo="Add --redirect-uri.")
    asked = authorization(app_id, redirect_uri, base_url=base_url)
    output().print(f"Send this address to an admin of the ad account:\n{asked.url}")
    return auth_code_of(typer.prompt("Paste the address their browser ended at", err=True), asked.state)


def _received_code(app_id: str, port: int, wait: float, base_url: str, *, browser: bool) -> str:
    """The code that comes with the redirect of a browser on this machine."""
    from airflow_provider_tiktok_offline.tiktok.callback import CallbackServer

    with CallbackServer(port) as callback:
        asked = callback.authorization(app_id, base_url=base_url)
        output().print(f"Open this address and confirm:\n{asked.url}")
        if browser:
            webbrowser.open(asked.url)
        return callback.wait(wait)


@app.command(
    epilog=examples(
        "tiktok-offline auth check --config advertisers.yaml --advertiser my_shop",
        "tiktok-offline auth check --advertiser-id 7000000000000000001 --app-id 7300000000000000001 --prove-role",
    )
)
def check(
    config: OptionalConfigPath = None,
    advertiser: Advertiser = None,
    advertiser_id: AdvertiserId = None,
    app_id: OptionalAppId = None,
    prove_role: Annotated[
        bool, typer.Option("--prove-role", help="Write the event set's own name back, which needs the right role.")
    ] = False,
    api_url: ApiUrl = None,
    as_json: Json = False,
) -> None:
    """Say which ad account and event set the token reaches, and which role is missing."""
    from airflow_provider_tiktok_offline.tiktok.check import check as check_grant

    client, account = open_account(config, advertiser, advertiser_id, api_url)
    event_set_id = advertiser_config(config, advertiser).event_set_id if config is not None else None
    with client:
        result = check_grant(
            client,
            advertiser_id=account,
            event_set_id=event_set_id,
            app=_app(app_id) if app_id else None,
            prove_role=prove_role,
        )
    if as_json:
        print_json({"ok": result.ok, "findings": findings_document(result.findings)})
    else:
        show_findings(result.findings)
    if not result.ok:
        raise typer.Exit(UNUSABLE)


@app.command(epilog=examples("tiktok-offline auth revoke --app-id 7300000000000000001"))
def revoke(
    app_id: AppId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    api_url: ApiUrl = None,
) -> None:
    """End the token in TIKTOK_ACCESS_TOKEN, for every ad account that hangs on it, for good."""
    from airflow_provider_tiktok_offline.tiktok.api_address import PRODUCTION_URL
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
    from airflow_provider_tiktok_offline.tiktok.oauth import revoke as revoke_token

    developer_app = _app(app_id)
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise ConfigError("there is no access token.", todo=f"Set {TOKEN_VARIABLE} to the one to end.")
    base_url = api_url or PRODUCTION_URL
    with TikTokClient(token, base_url=base_url) as client:
        show_advertisers(client, developer_app)
        if not yes and not typer.confirm("End the token for all of them?", err=True):
            raise typer.Exit(UNUSABLE)
        revoke_token(client, developer_app, token)
    output().print("The token is revoked.")


def _app(app_id: str) -> App:
    from airflow_provider_tiktok_offline.tiktok.oauth import App

    secret = os.environ.get(SECRET_VARIABLE) or typer.prompt("App secret", hide_input=True, err=True)
    return App(app_id, secret)
