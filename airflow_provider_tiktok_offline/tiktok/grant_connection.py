"""Writes a grant as an Airflow connection: as JSON, as a URI, as a command."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import TypedDict
from urllib.parse import quote, urlencode

from airflow_provider_tiktok_offline.tiktok.api_address import PRODUCTION_URL
from airflow_provider_tiktok_offline.tiktok.oauth import SCOPES_FIELD, App

HIDDEN = "***"


class _ConnectionFields(TypedDict, total=False):
    conn_type: str
    password: str
    host: str
    extra: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantConnection:
    """The connection that holds a grant: the access token is its password, the app is in its extra.

    Attributes:
        access_token: the token.
        conn_id: the connection's id.
        app: the developer app; None leaves it out.
        base_url: the API's address; left out if it is TikTok's production address.
        scope: ids of the permissions that were granted, for doctor; left out if TikTok did not name them.
    """

    access_token: str = field(repr=False)
    conn_id: str = "tiktok_default"
    app: App | None = None
    base_url: str = PRODUCTION_URL
    scope: tuple[int, ...] = ()

    def to_json(self, *, show_secrets: bool = False) -> str:
        """As ``AIRFLOW_CONN_<ID>`` and ``airflow connections add --conn-json`` accept it."""
        return json.dumps(self._fields(show_secrets))

    def to_uri(self, *, show_secrets: bool = False) -> str:
        """As ``airflow connections get`` shows it."""
        fields = self._fields(show_secrets)
        protocol, _, host = fields.get("host", "").rpartition("://")
        user = f":{quote(fields['password'], safe='')}"
        uri = f"tiktok://{protocol + '://' if protocol else ''}{user}@{quote(host, safe='')}/"
        extra = fields.get("extra")
        return f"{uri}?{urlencode(extra)}" if extra else uri

    def to_command(self, *, show_secrets: bool = False) -> str:
        """A shell command that adds it to Airflow."""
        return shlex.join(
            ["airflow", "connections", "add", self.conn_id, "--conn-json", self.to_json(show_secrets=show_secrets)]
        )

    def to_import_file(self) -> str:
        """The file that ``airflow connections import`` reads, with secrets: a process list shows no file."""
        return json.dumps({self.conn_id: self._fields(True)})

    def _fields(self, show_secrets: bool) -> _ConnectionFields:
        fields: _ConnectionFields = {
            "conn_type": "tiktok",
            "password": self.access_token if show_secrets else HIDDEN,
        }
        if self.base_url.rstrip("/") != PRODUCTION_URL:
            fields["host"] = self.base_url.rstrip("/")
        extra: dict[str, str] = {}
        if self.app is not None:
            extra |= {"app_id": self.app.app_id, "app_secret": self.app.secret if show_secrets else HIDDEN}
        if self.scope:
            extra[SCOPES_FIELD] = " ".join(map(str, sorted(self.scope)))
        if extra:
            fields["extra"] = extra
        return fields
