"""TikTok's return codes as data, and the error that each one is raised as.

Sources: constants of TikTok's SDK 1.1.3 (``tiktok_code.py``), the reference page (Doc ID 1771101303285761), and
transcriptions of TikTok's table of return codes. How to handle a code was partly inferred from other connectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from airflow_provider_tiktok_offline.errors import (
    ApiError,
    BatchTooLargeError,
    CallerError,
    CredentialsError,
    OutcomeUnknownError,
    PartialOutcomeError,
    RejectedRowsError,
    ServiceUnavailableError,
    ThrottledError,
)

#: What a code means for the request that got it.
Kind = Literal["ok", "partial", "row", "size", "throttle", "unavailable", "fault", "credentials", "caller"]


@dataclass(frozen=True, slots=True)
class ReturnCode:
    """One return code.

    Attributes:
        code: the number in the answer's ``code``.
        name: TikTok's own name for it, in lower case; ``code_N`` for a code without one.
        kind: what it means for the request:

            - ``ok``: accepted
            - ``partial``: neither accepted nor refused as a whole; bisected under the same event ids
            - ``row``: permanent for some event of the batch; bisected until the event stands alone
            - ``size``: the batch is too large; split
            - ``throttle``: not accepted, too many requests; retried later
            - ``unavailable``: not accepted, the service is closed; retried later
            - ``fault``: the service failed while it had the request; retried under the same event ids
            - ``credentials``: permanent, the token is bad or does not reach the ad account
            - ``caller``: permanent, the request or the configuration is wrong
        todo: what the reader should do.
    """

    code: int
    name: str
    kind: Kind
    todo: str = ""


_SIGN_IN = "Get a new access token: tiktok-offline auth login."
_ROLE = "The grant's user must be Admin or Operator of the ad account."
_ASK_TIKTOK = "Ask TikTok's support, with the request id."
_RATE = (
    "Events: lower upload.requests_per_second. Other calls: the developer app's limit of 10 a second or 600 a minute "
    "is reached; it works again within 5 minutes."
)
_REACH = "The token does not reach this ad account: its admin has to confirm the grant. Check advertiser_id too."
_APP = "Check the developer app: its status, its permissions and the scopes that were granted."

_ROWS: tuple[tuple[int, str, Kind, str], ...] = (
    (0, "ok", "ok", ""),
    (20001, "partial_ok", "partial", "Some events of the batch were taken; they are sent again in smaller batches."),
    (40000, "invalid_params", "row", "Look at the field that is named, and at the rows reported as refused."),
    (40001, "permission_error", "caller", _ROLE),
    (40002, "param_error", "row", "Look at the field that is named, and at the rows reported as refused."),
    (40003, "forbidden", "caller", _ROLE),
    (40006, "version_error", "caller", "The API version is not served any more: update this package."),
    (40007, "not_exist", "caller", "Check advertiser_id and event_set_id: tiktok-offline auth check."),
    (40008, "not_impl", "caller", _ASK_TIKTOK),
    (40009, "unsupported_in_sandbox", "caller", "The sandbox does not serve this call."),
    (40010, "unsupported_domain", "caller", "Check the API URL of the connection."),
    (40011, "id_limit_exceed", "caller", _ASK_TIKTOK),
    (40014, "invalid_cluster", "caller", "The sandbox does not serve this call."),
    (40013, "sandbox_adv_not_exist", "caller", "Check advertiser_id; the sandbox has advertisers of its own."),
    (40016, "biz_fc_error", "throttle", ""),
    (
        40050,
        "duplicated_request",
        "partial",
        "Taken for a request that was sent before; sent again in smaller batches.",
    ),
    (40051, "invalid_api_version", "caller", "The API version is not served any more: update this package."),
    (40061, "invalid_batch_size", "size", "Lower upload.batch_events."),
    (40062, "pii_not_hashed", "row", "An identifier reached TikTok without being hashed: report this as a defect."),
    (40063, "invalid_partner_name", "caller", _ASK_TIKTOK),
    (40100, "request_too_frequent", "throttle", _RATE),
    (
        40101,
        "invalid_partner",
        "caller",
        "Check the developer app's id and secret. A code that was used, or is older than an hour, needs a new grant.",
    ),
    (40102, "access_token_expire", "credentials", _SIGN_IN),
    (40103, "refresh_token_expire", "credentials", _SIGN_IN),
    (40104, "empty_access_token", "credentials", _SIGN_IN),
    (40105, "invalid_access_token", "credentials", _SIGN_IN),
    (40106, "invalid_core_user", "credentials", _REACH),
    (40107, "invalid_refresh_token", "credentials", _SIGN_IN),
    (40108, "invalid_grant_type", "credentials", _SIGN_IN),
    (40109, "error_aes_decipher", "credentials", _SIGN_IN),
    (40110, "auth_code_error", "credentials", "The code is used up or too old: start the grant again."),
    (40112, "password_error", "credentials", _SIGN_IN),
    (40113, "app_forbidden", "caller", _APP),
    (40115, "auth_timestamp_expire", "credentials", "Check the clock of this machine, then start the grant again."),
    (40116, "auth_sig_error", "credentials", "Check the developer app's secret, then start the grant again."),
    (40117, "app_method_forbidden", "caller", _APP),
    (40118, "not_in_whitelist", "caller", "TikTok must allow-list the account or the app for this call."),
    (40119, "not_same_identity", "caller", "The developer and the advertiser must belong to one company."),
    (40124, "developer_rejected", "caller", "TikTok has not approved the developer profile: complete it."),
    (40125, "developer_no_permission", "caller", _APP),
    (40130, "scope_not_authorized", "caller", _APP),
    (40132, "request_frequency_limited", "throttle", "TikTok limits how often one value of a field is called with."),
    (40133, "advertiser_frequency_limited", "throttle", "The limit of this ad account: other tools may use it too."),
    (40200, "general_task_error", "caller", _ASK_TIKTOK),
    (40201, "task_not_ready", "unavailable", "TikTok is still working on it: try again later."),
    (40202, "write_conflict", "fault", "Another client wrote at the same moment; the call is retried."),
    (40300, "advertiser_not_exist", "caller", "Check advertiser_id."),
    (40301, "advertiser_role_error", "caller", "Check advertiser_id: TikTok can't match this ad account."),
    (40400, "route_not_found", "caller", "Check the API URL of the connection."),
    (40700, "rpc_validation_error", "row", "Look at the field that is named, and at the rows reported as refused."),
    (41000, "blocked", "caller", "TikTok blocks the country of this machine's address: send from elsewhere."),
    (41001, "interface_offline", "caller", "TikTok has withdrawn this call: update this package."),
    (41002, "fields_offline", "caller", "TikTok has withdrawn a field of this call: update this package."),
    (50000, "sys_error", "fault", ""),
    (50002, "sys_timeout", "fault", ""),
    (51000, "rpc_error", "fault", ""),
    (51010, "internal_time_out", "fault", ""),
    (51012, "pixel_error", "fault", ""),
    (51050, "measurement_stone_error", "fault", ""),
    (51065, "ttop_service_error", "fault", ""),
    (51305, "code_51305", "fault", ""),
    (52000, "db_error", "fault", ""),
    (52103, "rds_timeout_error", "fault", ""),
    (53102, "deserialization_error", "fault", ""),
    (53103, "serialization_error", "fault", ""),
    (60001, "maintenance", "unavailable", "TikTok's API is closed for maintenance: try again later."),
    (61000, "too_many_requests_bl", "throttle", ""),
)

#: Every code of the reference.
RETURN_CODES: Mapping[int, ReturnCode] = MappingProxyType({row[0]: ReturnCode(*row) for row in _ROWS})

#: Unlisted codes, by range; what is in no range may have been accepted. An unlisted 4xxxx stops the run and records
#: nothing: it proves neither a bad token nor a bad row.
RANGES: tuple[tuple[range, Kind, str], ...] = (
    (range(20000, 30000), "partial", ""),
    (range(40000, 50000), "caller", _ASK_TIKTOK),
    (range(61000, 62000), "throttle", ""),
)

#: The grant lacks a permission that the call needs.
SCOPE_NOT_AUTHORIZED = 40130

#: The codes that mean a bad token. 40106 is not among them: such a token may be good for another ad account.
BAD_TOKEN_CODES: frozenset[int] = frozenset({40102, 40104, 40105})

_ERRORS: Mapping[Kind, type[ApiError]] = MappingProxyType(
    {
        "partial": PartialOutcomeError,
        "row": RejectedRowsError,
        "size": BatchTooLargeError,
        "throttle": ThrottledError,
        "unavailable": ServiceUnavailableError,
        "fault": OutcomeUnknownError,
        "credentials": CredentialsError,
        "caller": CallerError,
    }
)


def return_code(code: int) -> ReturnCode:
    """The meaning of a code; of an unlisted one, by its range."""
    known = RETURN_CODES.get(code)
    if known is not None:
        return known
    for numbers, kind, todo in RANGES:
        if code in numbers:
            return ReturnCode(code, f"code_{code}", kind, todo)
    return ReturnCode(code, f"code_{code}", "fault")


def error_type(kind: Kind) -> type[ApiError]:
    """The error that a code of this kind is raised as."""
    return _ERRORS[kind]
