"""How S3 is reached: from an ``aws`` connection, or as the machine does. Files and state read the same fields.

==============================================  =================================================================
field of the connection                         meaning
==============================================  =================================================================
login, password                                 access key id and secret (or ``aws_access_key_id``,
                                                ``aws_secret_access_key`` in the extra)
``aws_session_token``                           of temporary credentials
``region_name``                                 the bucket's region
``endpoint_url`` (also in service_config.s3)    another server than Amazon's; https, but for loopback
``allow_http``                                  ``true`` takes an endpoint without TLS
``role_arn``, ``assume_role_kwargs``            a role to assume, renewed before it expires
``profile_name``                                a profile of the machine's AWS configuration
``verify``                                      the file of the authorities to trust, or ``false``: any certificate
``config_kwargs``                               settings of botocore's ``Config``, for files
==============================================  =================================================================

What the connection leaves open, and everything where there is none, comes from AWS's usual places: ``AWS_`` variables,
``~/.aws``, the container's or the machine's role. An endpoint without TLS there needs ``allow_http``, or the variable
``AWS_ALLOW_HTTP``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    FileMissingError,
    StorageError,
    StorageUnavailableError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.storage.backends.cloud_faults import CODES, CloudFault
from airflow_provider_tiktok_offline.storage.backends.plain_http import refuse_machine_http, refuse_plain_http

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from obstore.store import S3Credential

#: boto3 makes clients and sessions at run time: they have no types.
S3Client: TypeAlias = Any
S3Session: TypeAlias = Any

_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~/-]*)?")
#: How long obstore may use credentials before it asks again; botocore renews them 15 minutes before they expire.
_ASKED_AGAIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Access:
    """The fields of a connection, read; ``repr`` shows no secret.

    Attributes:
        where: the connection, for messages.
        endpoint: URL of another server than Amazon's.
        verify: False takes any certificate, a path names the authorities to trust, None the usual ones.
    """

    where: str
    connection: Connection | None
    endpoint: str | None = None
    verify: bool | str | None = None

    @property
    def keys(self) -> dict[str, str]:
        """The keys that the connection holds, by obstore's names."""
        if self.connection is None:
            return {}
        extra = self.connection.extra
        found = {
            "access_key_id": self.connection.login or extra.get("aws_access_key_id"),
            "secret_access_key": self.connection.password or extra.get("aws_secret_access_key"),
            "session_token": extra.get("aws_session_token") or extra.get("session_token"),
        }
        return {name: str(value) for name, value in found.items() if value}

    def setting(self, name: str) -> Any:
        """A field of the connection's extra."""
        return None if self.connection is None else self.connection.extra.get(name)

    def session(self) -> S3Session:
        """boto3's session, of the role where one is to be assumed; nothing is sent yet.

        :raises ConfigError: if boto3 is not installed, or the AWS configuration can't be used.
        """
        try:
            import boto3
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise ConfigError(
                "S3 needs boto3 here.", where=self.where, todo="Install airflow-provider-tiktok-offline[s3]."
            ) from None
        keys = self.keys
        try:
            session = boto3.session.Session(
                aws_access_key_id=keys.get("access_key_id"),
                aws_secret_access_key=keys.get("secret_access_key"),
                aws_session_token=keys.get("session_token"),
                region_name=self.setting("region_name"),
                profile_name=self.setting("profile_name"),
            )
            if self.setting("role_arn"):
                return self._assuming(session)
        except (BotoCoreError, ValueError) as error:
            raise _configuration(error, self.where) from None
        return session

    def _assuming(self, session: S3Session) -> S3Session:
        """A session of the role, whose credentials renew themselves: an upload may take longer than an hour."""
        import boto3
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
        from botocore.exceptions import NoCredentialsError
        from botocore.session import get_session

        core, source = session._session, session.get_credentials()

        def sts(*args: object, **options: object) -> S3Client:
            client = core.create_client(*args, **options)
            refuse_machine_http(client.meta.endpoint_url, self.connection, self.where)
            return client

        more = dict(self.setting("assume_role_kwargs") or {})
        fetcher = AssumeRoleCredentialFetcher(sts, source, str(self.setting("role_arn")), extra_args=more)

        def fetch() -> dict[str, object]:
            if source is None:
                raise NoCredentialsError
            return dict(fetcher.fetch_credentials())

        inner = get_session()
        inner._credentials = DeferredRefreshableCredentials(fetch, "assume-role")
        return boto3.session.Session(botocore_session=inner, region_name=session.region_name)

    def client(self, session: S3Session, **options: object) -> S3Client:
        """boto3's client of that session.

        :raises ConfigError: if the AWS configuration can't be used.
        """
        from botocore.exceptions import BotoCoreError

        if self.verify is not None:
            options["verify"] = self.verify
        try:
            client = session.client("s3", endpoint_url=self.endpoint, **options)
        except (BotoCoreError, ValueError) as error:
            raise _configuration(error, self.where) from None
        if self.endpoint is None:
            refuse_machine_http(client.meta.endpoint_url, self.connection, self.where)
        return client


def s3_access(connection: Connection | None) -> S3Access:
    """What a connection says of S3.

    :raises ConfigError: for a field that can't be used.
    """
    if connection is None:
        return S3Access(where="the machine's AWS credentials", connection=None)
    extra = connection.extra
    where = f"connection {connection.conn_id}"
    if str(extra.get("assume_role_method") or "assume_role") != "assume_role":
        raise ConfigError(
            "assume_role_method is not supported, but for assume_role",
            where=where,
            todo="Give the workers' own role the rights and leave the connection out, or name a profile.",
        )
    service = (extra.get("service_config") or {}).get("s3") or {}
    endpoint = service.get("endpoint_url") or extra.get("endpoint_url") or extra.get("host")
    if endpoint and not _URL.fullmatch(str(endpoint)):
        raise ConfigError(
            "endpoint_url is no URL of a server.", where=where, todo="Write it as https://host or https://host:port."
        )
    if endpoint:
        refuse_plain_http(str(endpoint), connection, field="endpoint_url")
    return S3Access(
        where=where,
        connection=connection,
        endpoint=str(endpoint) if endpoint else None,
        verify=_verify(service.get("verify", extra.get("verify")), where),
    )


def _verify(given: object, where: str) -> bool | str | None:
    text = str(given).lower()
    if given is None or text == "true":
        return None
    if text == "false":
        return False
    path = Path(str(given)).expanduser()
    if not path.is_file():
        raise ConfigError(
            "the file that verify names does not exist.", where=where, todo="Put it on every worker, or correct it."
        )
    return str(path)


class SessionCredentials:
    """The credentials of a boto3 session as other libraries take them, renewed before they expire.

    :raises StorageDeniedError: if there are none, or the role can't be assumed.
    """

    def __init__(self, session: S3Session, where: str) -> None:
        self._where = where
        with s3_faults(where):
            self._credentials = session.get_credentials()
        if self._credentials is None:
            raise CloudFault.NO_CREDENTIALS.at(where)
        self.keys()

    def keys(self) -> dict[str, str]:
        """Those of this moment, by obstore's names."""
        with s3_faults(self._where):
            now = self._credentials.get_frozen_credentials()
        found = {"access_key_id": now.access_key, "secret_access_key": now.secret_key, "session_token": now.token}
        return {name: str(value) for name, value in found.items() if value}

    def __call__(self) -> S3Credential:
        keys = self.keys()
        return {
            "access_key_id": keys["access_key_id"],
            "secret_access_key": keys["secret_access_key"],
            "token": keys.get("session_token"),
            "expires_at": datetime.now(UTC) + _ASKED_AGAIN,
        }


class ConditionError(StorageError):
    """A condition of the request does not hold: the object exists already, or has changed."""


@contextmanager
def s3_faults(where: str) -> Iterator[None]:
    """botocore's errors as the package's own; no message of the server is passed on."""
    from boto3.exceptions import Boto3Error
    from botocore import exceptions as botocore

    try:
        yield
    except botocore.ClientError as error:
        raise _answer(error, where) from None
    except botocore.SSLError:
        raise CloudFault.TLS.at(where) from None
    except (botocore.NoCredentialsError, botocore.PartialCredentialsError):
        raise CloudFault.NO_CREDENTIALS.at(where) from None
    except (botocore.SSOError, botocore.CredentialRetrievalError, botocore.TokenRetrievalError):
        raise CloudFault.EXPIRED.at(where) from None
    except (botocore.BotoCoreError, Boto3Error, OSError) as error:
        raise StorageUnavailableError(f"the bucket can't be reached ({type(error).__name__}).", where=where) from None


_MISSING = {"404", "NoSuchKey", "NotFound"}
_CONDITION = {"412", "PreconditionFailed"}
#: Amazon's longest error code has 40 characters; what is longer is none.
_LONGEST_CODE = 48
_LATER = {"409", "ConditionalRequestConflict", "OperationAborted", "SlowDown", "RequestTimeout"}


def _answer(error: ClientError, where: str) -> TikTokOfflineError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING:
        return FileMissingError("no such object.", rule="missing", where=where)
    if code in _CONDITION:
        return ConditionError("the object exists already or has changed.", where=where)
    if code in CODES:
        return CODES[code].at(where)
    known = f" ({code})" if code.isascii() and code.isalnum() and len(code) <= _LONGEST_CODE else ""
    if status >= 500 or status == 429 or code in _LATER:
        return StorageUnavailableError(f"the bucket asked to come back later{known}.", where=where)
    return StorageError(f"the bucket refused{known}.", where=where)


def _configuration(error: Exception, where: str) -> ConfigError:
    kind = type(error).__name__
    if kind == "ProfileNotFound":
        return ConfigError(
            "the AWS profile is not configured on this machine.",
            where=where,
            todo="Put it into ~/.aws/config on every worker, or correct profile_name or AWS_PROFILE.",
        )
    return ConfigError(
        f"the AWS configuration can't be used ({kind}).",
        where=where,
        todo="Look at endpoint_url, region_name, the AWS_ variables and ~/.aws.",
    )
