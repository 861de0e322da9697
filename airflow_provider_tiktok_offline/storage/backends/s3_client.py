"""An S3 client from an ``aws`` connection, or from the machine's own role.

==============================================  =================================================================
field of the connection                         meaning
==============================================  =================================================================
login, password                                 access key id and secret (or ``aws_access_key_id``,
                                                ``aws_secret_access_key`` in the extra)
``aws_session_token``                           of temporary credentials
``region_name``                                 the bucket's region
``endpoint_url`` (also in service_config.s3)    another server than Amazon's
``role_arn``, ``assume_role_kwargs``            a role to assume, renewed before it expires
``profile_name``                                a profile of the machine's AWS configuration
``verify``                                      a CA bundle
``config_kwargs``                               settings of botocore's ``Config``, over this package's
==============================================  =================================================================
"""

from __future__ import annotations

from typing import Any, TypeAlias

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError

#: boto3 makes clients and sessions at run time: they have no types.
S3Client: TypeAlias = Any

_CONFIG: dict[str, object] = {
    "retries": {"mode": "standard", "max_attempts": 4},
    "connect_timeout": 15,
    "read_timeout": 60,
    "max_pool_connections": 8,
}


def s3_client(connection: Connection | None) -> S3Client:
    """The client; nothing is sent yet.

    :raises ConfigError: if boto3 is not installed or the connection names an unknown profile.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import ProfileNotFound
    except ImportError:
        raise ConfigError("files on S3 need boto3.", todo="Install airflow-provider-tiktok-offline[s3].") from None
    own = dict(connection.extra.get("config_kwargs") or {}) if connection is not None else {}
    config = Config(**{**_CONFIG, **own})
    if connection is None:
        return boto3.client("s3", config=config)
    extra = connection.extra
    service = (extra.get("service_config") or {}).get("s3") or {}
    endpoint = service.get("endpoint_url") or extra.get("endpoint_url") or extra.get("host")
    try:
        session = boto3.session.Session(
            aws_access_key_id=connection.login or extra.get("aws_access_key_id"),
            aws_secret_access_key=connection.password or extra.get("aws_secret_access_key"),
            aws_session_token=extra.get("aws_session_token") or extra.get("session_token"),
            region_name=extra.get("region_name"),
            profile_name=extra.get("profile_name"),
        )
    except ProfileNotFound:
        raise ConfigError("the AWS profile is not configured on this machine.", where=connection.conn_id) from None
    if extra.get("role_arn"):
        session = _assuming(session, str(extra["role_arn"]), dict(extra.get("assume_role_kwargs") or {}))
    options: dict[str, object] = {"config": config, "endpoint_url": endpoint}
    if extra.get("verify") is not None:
        options["verify"] = extra["verify"]
    return session.client("s3", **options)


def _assuming(session: S3Client, role_arn: str, kwargs: dict[str, object]) -> S3Client:
    """A session of the role, whose credentials renew themselves: an upload may take longer than an hour."""
    import boto3
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.session import get_session

    core = session._session
    fetcher = AssumeRoleCredentialFetcher(core.create_client, session.get_credentials(), role_arn, extra_args=kwargs)
    inner = get_session()
    inner._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return boto3.session.Session(botocore_session=inner, region_name=session.region_name)
