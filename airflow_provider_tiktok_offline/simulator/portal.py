"""``GET /portal/auth``: the consent page, on which an advertiser's admin grants permissions to an app."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from airflow_provider_tiktok_offline.simulator.callers import Scope
from airflow_provider_tiktok_offline.simulator.oauth import make_auth_code
from airflow_provider_tiktok_offline.simulator.store import Store

#: What an app asks for, by the words of the page.
SCOPES = {
    int(Scope.SEND_EVENTS): "Send events",
    int(Scope.WRITE_EVENT_SETS): "Create, change and delete offline event sets",
    int(Scope.READ_EVENT_SETS): "Read offline event sets",
    int(Scope.REPORT): "Read reports",
}
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Authorize an app (simulated)</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; background: #f1f1f2; margin: 0; }}
main {{ max-width: 28rem; margin: 10vh auto; background: #fff; padding: 2rem; border-radius: 8px; }}
button {{ font: inherit; padding: .5rem 2rem; border: 0; border-radius: 4px; background: #fe2c55; color: #fff; }}
</style></head>
<body><main>
<h1>{title}</h1>
{body}
</main></body>
</html>
"""


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status_code=status)


def _back(redirect_uri: str, auth_code: str, state: str | None) -> str:
    parts = urlsplit(redirect_uri)
    query = [*parse_qsl(parts.query), ("auth_code", auth_code), ("code", auth_code)]
    if state is not None:
        query.append(("state", state))
    return urlunsplit(parts._replace(query=urlencode(query)))


async def authorize(request: Request, store: Store, now: float) -> Response:
    """Show the page, or redirect to the app once the admin has confirmed (``confirm``, or ``auto_confirm`` in a test).

    The admin may grant less than what the app asks for: ``scope`` names what is granted, each id once.
    """
    query = request.query_params
    app_id, redirect_uri = query.get("app_id", ""), query.get("redirect_uri", "")
    if store.row("SELECT 1 FROM apps WHERE app_id = ?", app_id) is None:
        return _page("App not found", "<p>There is no app with this app_id.</p>", 400)
    target = urlsplit(redirect_uri)
    if target.scheme not in ("http", "https") or not target.netloc:
        return _page("Wrong redirect", "<p>redirect_uri must be a whole http or https address.</p>", 400)
    if query.get("confirm") == "1" or query.get("auto_confirm") == "1":
        everything = query.get("auto_confirm") == "1" and "scope" not in query
        scopes = [scope for scope in SCOPES if everything or str(scope) in query.getlist("scope")]
        code = make_auth_code(store, app_id, scopes, now)
        return RedirectResponse(_back(redirect_uri, code, query.get("state")), 302)
    names = [row["name"] for row in store.rows("SELECT name FROM advertisers ORDER BY rowid")]
    fields = {"app_id": app_id, "redirect_uri": redirect_uri, "confirm": "1"}
    if "state" in query:
        fields["state"] = query["state"]
    inputs = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())
    inputs += "".join(
        f'<p><label><input type="checkbox" name="scope" value="{scope}" checked> {label}</label></p>'
        for scope, label in SCOPES.items()
    )
    listed = "".join(f"<li>{escape(name)}</li>" for name in names)
    return _page(
        "Authorize an app",
        f"<p>App {escape(app_id)} asks to act for these ad accounts:</p><ul>{listed}</ul>"
        f'<form method="get" action="/portal/auth">{inputs}<button type="submit">Confirm</button></form>',
    )
