"""Return codes as data."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from business_api_client.tiktok_business import tiktok_code

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
from airflow_provider_tiktok_offline.tiktok.codes import BAD_TOKEN_CODES, RETURN_CODES, error_type, return_code

#: The codes of the reference page, section 9.
REFERENCE = (
    "0 20001 40000 40001 40002 40003 40006 40051 40007 40016 40050 40061 40062 40063 40100 40132 40133 40101 "
    "40102 40103 40104 40105 40106 40107 40108 40109 40110 40113 40117 40118 40125 40130 40300 40301 40700 41000 "
    "41001 41002 50000 50002 51000 51010 51012 51050 51065 60001 61000 "
    # TikTok's own table of return codes.
    "40014 40112 40115 40116 40119 40124 40200 40201 40202 51305"
)


@pytest.mark.parametrize("code", [int(code) for code in REFERENCE.split()])
def test_every_code_of_the_reference_is_known_by_name(code: int) -> None:
    """No code of the reference is left to a guess by its range."""
    assert code in RETURN_CODES


def test_names_and_numbers_are_those_of_the_official_sdk() -> None:
    """Where TikTok's SDK names a code, the table has the same name for the same number."""
    constants = {
        value: name.removeprefix("ERROR_CODE_").lower()
        for name, value in vars(tiktok_code.NumericErrorCodes).items()
        if name.startswith("ERROR_CODE_")
    }
    assert len(constants) > 100
    named = {code: known.name for code, known in RETURN_CODES.items() if code in constants}
    assert named == {code: constants[code] for code in named}
    assert set(RETURN_CODES) - set(constants) == {40133, 51305}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (20001, PartialOutcomeError),
        (20555, PartialOutcomeError),
        (40000, RejectedRowsError),
        (40002, RejectedRowsError),
        (40062, RejectedRowsError),
        (40061, BatchTooLargeError),
        (40001, CallerError),
        (40007, CallerError),
        (40099, CallerError),
        (40199, CallerError),
        (40016, ThrottledError),
        (40100, ThrottledError),
        (40132, ThrottledError),
        (40133, ThrottledError),
        (61000, ThrottledError),
        (61042, ThrottledError),
        (40105, CredentialsError),
        (40106, CredentialsError),
        (40201, ServiceUnavailableError),
        (40202, OutcomeUnknownError),
        (40301, CallerError),
        (51305, OutcomeUnknownError),
        (50000, OutcomeUnknownError),
        (51042, OutcomeUnknownError),
        (52103, OutcomeUnknownError),
        (53999, OutcomeUnknownError),
        (70001, OutcomeUnknownError),
        (7, OutcomeUnknownError),
        (60001, ServiceUnavailableError),
    ],
)
def test_a_code_is_raised_as_what_it_means(code: int, error: type[ApiError]) -> None:
    """Known codes by the table, others by their range; what is nowhere may have been taken."""
    assert error_type(return_code(code).kind) is error


def test_throttling_is_no_fault_of_the_token() -> None:
    """40100 lies among the codes for tokens and is none."""
    assert return_code(40100).kind == "throttle"
    assert {40102, 40104, 40105} == BAD_TOKEN_CODES


def test_an_unknown_code_never_means_a_bad_token_nor_a_bad_row() -> None:
    """A code that TikTok invents tomorrow can't write rows off."""
    unknown = [code for code in range(20000, 70000) if code not in RETURN_CODES]
    assert {return_code(code).kind for code in unknown} <= {"partial", "caller", "throttle", "fault"}


def test_what_stops_a_run_says_what_to_do() -> None:
    """Each code that ends a run has a sentence for its reader."""
    silent = [
        c.code for c in RETURN_CODES.values() if c.kind in ("caller", "credentials", "size", "row") and not c.todo
    ]
    assert silent == []


def test_the_page_of_return_codes_is_that_of_the_table() -> None:
    """docs/return-codes.md lists every code with its name, its kind and what to do."""
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "return-codes.md").read_text()
    written: str = runpy.run_path(str(docs / "return_codes.py"))["written"](page)
    assert written == page
    assert all(f"| {code} | {known.name} | {known.kind} |" in page for code, known in RETURN_CODES.items())
