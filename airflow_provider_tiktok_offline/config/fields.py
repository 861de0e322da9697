"""The kinds of values that settings have: ids, regions, currencies, event names."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from airflow_provider_tiktok_offline.config.path_templates import check_template
from airflow_provider_tiktok_offline.config.presets import preset_named, presets
from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.contract.columns import (
    CURRENCIES,
    PROGRAMME_COLUMNS,
    REGIONS,
    STANDARD_EVENTS,
)
from airflow_provider_tiktok_offline.conversions.file.decoding import encoding_name
from airflow_provider_tiktok_offline.conversions.file.header import DELIMITERS
from airflow_provider_tiktok_offline.conversions.rules.timestamp_notation import parse_format

#: Type of the error that a section raises about one of its keys, with ``key`` in its context.
MISFIT = "misfit"


class Strict(BaseModel):
    """A section of the configuration: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def misfit(key: str, message: str) -> PydanticCustomError:
    """An error about ``key`` (dotted) that shows only beside other keys."""
    return PydanticCustomError(MISFIT, "{message}", {"key": key, "message": message})


def _id_of_digits(value: object) -> object:
    if isinstance(value, int):
        raise ValueError(f'must be a string of digits: write it in quotes, as "{value}"')
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,32}", value):
        raise ValueError("must be a string of digits only")
    return value


def _currency(value: str) -> str:
    if value not in CURRENCIES:
        raise ValueError(f"{value!r} is no currency that TikTok supports (ISO 4217, three capitals)")
    return value


def _region(value: str) -> str:
    if value not in REGIONS:
        raise ValueError(f"{value!r} is no region with phone numbers (ISO 3166 alpha-2, two capitals)")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is no IANA time zone") from None
    return value


def _event_name(value: str) -> str:
    if value not in STANDARD_EVENTS:
        raise ValueError(f"{value!r} is no standard event of TikTok; they are {', '.join(sorted(STANDARD_EVENTS))}")
    return value


def _column(value: str) -> str:
    if value not in PROGRAMME_COLUMNS:
        raise ValueError(f"{value!r} is no column of the programme; the columns are {', '.join(PROGRAMME_COLUMNS)}")
    return value


def _rule(value: str) -> str:
    if value not in RULES:
        raise ValueError(f"{value!r} is no rule; docs/file-format.md lists them")
    return value


def _preset(value: str) -> str:
    if preset_named(value) is None:
        names = [name for preset in presets().values() for name in (preset.name, *preset.also)]
        raise ValueError(f"{value!r} is no preset; there are {', '.join(names)}")
    return value


def _delimiter(value: str) -> str:
    delimiter = {word: mark for mark, word in DELIMITERS.items()}.get(value, value)
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter.isalnum() or delimiter in '"\r\n':
        words = ", ".join(DELIMITERS.values())
        raise ValueError(f"{value!r} is no delimiter: write {words}, or one ASCII character that is no letter or digit")
    return delimiter


def _timestamp_notation(value: str) -> str:
    parse_format(value)
    return value


def _uri(value: str) -> str:
    if re.match(r"(?:/|(?:file|s3|gs)://)", value):
        return value
    raise ValueError("must be an absolute path, or begin with file://, s3:// or gs://")


def _path_template(value: str) -> str:
    check_template(value)
    return value


def _closed_dates(value: object) -> object:
    if isinstance(value, str):
        if re.match(r"/|[a-z0-9]+://", value):
            return value
    elif isinstance(value, list | tuple):
        return tuple(_day(one, number) for number, one in enumerate(value, 1))
    raise ValueError("must be a list of days, as [2026-12-25], or the absolute path or the URI of an .ics file")


def _day(value: object, number: int) -> date:
    """One of a list of days: YAML makes a date of it, an environment variable text."""
    try:
        return value if type(value) is date else date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"day {number} of the list must be a date, as 2026-12-25") from None


DigitId = Annotated[str, BeforeValidator(_id_of_digits)]
Currency = Annotated[str, AfterValidator(_currency), Field(json_schema_extra={"enum": sorted(CURRENCIES)})]
Region = Annotated[str, AfterValidator(_region), Field(json_schema_extra={"enum": sorted(REGIONS)})]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
EventName = Annotated[str, AfterValidator(_event_name), Field(json_schema_extra={"enum": sorted(STANDARD_EVENTS)})]
Column = Annotated[str, AfterValidator(_column), Field(json_schema_extra={"enum": list(PROGRAMME_COLUMNS)})]
PresetName = Annotated[str, AfterValidator(_preset)]
Delimiter = Annotated[str, AfterValidator(_delimiter)]
Encoding = Annotated[str, AfterValidator(encoding_name)]
TimestampNotation = Annotated[str, AfterValidator(_timestamp_notation)]
RuleName = Annotated[str, AfterValidator(_rule)]
PathTemplate = Annotated[str, AfterValidator(_path_template), Field(min_length=1)]
#: TLS, but on this machine; nobody's name or password, and no fragment.
_WEB = r"^(?:https://[^\s@#]+|http://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?(?:/[^\s@#]*)?)$"
WebAddress = Annotated[str, Field(pattern=_WEB)]
ClosedDates = Annotated[tuple[date, ...] | str, BeforeValidator(_closed_dates)]
StoreUri = Annotated[str, AfterValidator(_uri)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
