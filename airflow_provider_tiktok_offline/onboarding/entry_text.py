"""A proposal as a commented entry of advertisers.yaml."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from airflow_provider_tiktok_offline.config.presets import written_like
from airflow_provider_tiktok_offline.conversions.file.header import DELIMITERS
from airflow_provider_tiktok_offline.onboarding.proposal import Mapped, Proposal, shown
from airflow_provider_tiktok_offline.plain_text import one_line

_WORDS = {"sure": "sure", "likely": "likely", "check": "CHECK THIS"}
_PLACEHOLDER_ID = "0000000000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What only a person knows of an advertiser; None where it was not said.

    Attributes:
        name: of the entry.
        advertiser_id, event_set_id: of TikTok.
        currency: ISO 4217 code of the amounts.
        phone_region: ISO 3166 code of phones without a country code.
        time_zone: IANA name of times without an offset.
    """

    name: str = "my_shop"
    advertiser_id: str | None = None
    event_set_id: str | None = None
    currency: str | None = None
    phone_region: str | None = None
    time_zone: str | None = None


def entry_text(proposal: Proposal, account: Account) -> str:
    """The file: a header of questions, the entry, and after each line how far it can be relied on."""
    return "\n".join([*_head(proposal, account), *_entry(proposal, account)]) + "\n"


def open_questions(proposal: Proposal, account: Account) -> list[str]:
    """What the file does not show, one sentence each."""
    questions = []
    if account.advertiser_id is None or account.event_set_id is None:
        questions.append("Which ad account and which offline event set? (advertiser_id, event_set_id)")
    if account.currency is None and proposal.currency is None and proposal.currency_column is None:
        questions.append("In which currency are the amounts? (currency)")
    if account.phone_region is None and proposal.name_of("phone_1"):
        questions.append("Which country do phones without a country code belong to? (phone_region)")
    if account.time_zone is None and proposal.time is not None and not proposal.time.has_offset:
        questions.append("In which time zone are the times? (time_zone)")
    if proposal.time is not None and proposal.time.day_or_month:
        questions.append("Which comes first in a date, the day or the month? The file does not show it.")
    if proposal.preset is not None:
        questions.append("Do you keep a list of people who opted out? (suppression)")
        questions.append("How many days does the conversion rule in Ads Manager look back? (lookback_days)")
        return questions
    if proposal.lines_of_one_order:
        questions.append(
            f"One receipt line or one receipt an event? {proposal.rows:,} lines belong to {proposal.orders:,} orders: "
            f"`basket: row` counts {proposal.rows:,} events, `basket: order` counts {proposal.orders:,}."
        )
        questions.append("Is the amount that of the line or of the whole order? (amount: line | order)")
    if proposal.status_column is not None:
        questions.append(f"Which words of the column {proposal.status_column!r} mean a completed sale? (where)")
    if proposal.consent_column is not None:
        questions.append(f"Does the column {proposal.consent_column!r} say who agreed to this use? (consent)")
    questions.append("Do you keep a list of people who opted out? (suppression)")
    questions.append("How many days does the conversion rule in Ads Manager look back? (lookback_days)")
    return questions


def _head(proposal: Proposal, account: Account) -> Iterator[str]:
    yield f"# Proposed from {one_line(proposal.sample.name)}. Each line says how far it can be relied on."
    for fault in proposal.faults:
        yield f"# FAULT: {fault}."
    yield "# What the file does not show:"
    for question in open_questions(proposal, account):
        yield f"# - {question}"
    yield "advertisers:"


def _entry(proposal: Proposal, account: Account) -> Iterator[str]:
    yield f"  - name: {shown(account.name)}"
    for key, value, where in (
        ("advertiser_id", account.advertiser_id, "Ads Manager shows it after aadvid="),
        ("event_set_id", account.event_set_id, "of the offline event set"),
    ):
        yield f'    {key}: "{value or _PLACEHOLDER_ID}"' + ("" if value else f"  # TO FILL IN: {where}")
    yield "    mode: dry_run  # then test, then live"
    yield "    state_uri: ${TIKTOK_OFFLINE_STATE:-/var/lib/tiktok-offline}"
    yield "    source:"
    yield f"      path: /outgoing/{shown_path(proposal.sample.name)}  # TO FILL IN: {{{{ ds_nodash }}}} is the day"
    yield from _values(proposal, account)
    if proposal.preset is not None:
        yield f"    format: {{preset: {proposal.preset.name}}}  # sure: {proposal.preset.title}"
        yield from (f"    # {line}" for line in textwrap.wrap(f"Amount: {proposal.preset.amount}", 100))
        yield "    # suppression: {uri: /lists/opt-outs.txt}"
        return
    yield from _format(proposal)
    like = None if proposal.amount is None else written_like(proposal.sample.delimiter, proposal.amount.decimal)
    if like is not None:
        yield f"      # {like.title}: the same as format: {{preset: {' or '.join([like.name, *like.also])}}}"
    yield "    columns:"
    for one in proposal.columns:
        if one.name != one.target:
            yield f"      {shown(one.name)}: {one.target}  # {_comment(one)}"
    if proposal.joined:
        date, clock = proposal.joined
        yield f"      transaction_timestamp: [{shown(date)}, {shown(clock)}]  # likely: a date and a time column"
    if proposal.name_of("transaction_category") is None:
        yield "    constants: {transaction_category: Purchase}  # every row is a purchase"
    if proposal.currency_column is not None:
        yield f"    extensions: {{currency: {shown(proposal.currency_column)}}}  # sure: currency codes"
    if proposal.lines_of_one_order:
        yield "    # basket: order  # one event an order instead of one a line"
    if proposal.status_column is not None:
        yield f"    # where: {{{shown(proposal.status_column)}: [paid]}}  # the rows that are completed sales"
    if proposal.consent_column is not None:
        yield f"    # consent: {{column: {shown(proposal.consent_column)}}}"
    yield "    # suppression: {uri: /lists/opt-outs.txt}"


def shown_path(name: str) -> str:
    """A file name without what YAML or a template would take for something else."""
    return "".join(one if one.isalnum() or one in "._-" else "_" for one in name)


def _values(proposal: Proposal, account: Account) -> Iterator[str]:
    currency = account.currency or proposal.currency
    if currency is not None:
        yield f"    currency: {currency}" + ("" if account.currency else "  # sure: every row says so")
    elif proposal.currency_column is None:
        yield "    # currency: EUR  # TO FILL IN"
    if proposal.name_of("phone_1"):
        region = account.phone_region
        yield f"    phone_region: {region}" if region else "    # phone_region: DE  # TO FILL IN"
    if proposal.time is not None and not proposal.time.has_offset:
        zone = account.time_zone
        yield f"    time_zone: {zone}" if zone else "    # time_zone: Europe/Berlin  # TO FILL IN"


def _format(proposal: Proposal) -> Iterator[str]:
    written = proposal.file_format()
    yield "    format:"
    delimiter = DELIMITERS.get(proposal.sample.delimiter)
    yield f"      delimiter: {delimiter or shown(proposal.sample.delimiter)}  # sure: every row has as many fields"
    sure = "sure" if proposal.sample.encoding_is_sure else "likely: it is no UTF-8, and this is usual then"
    yield f"      encoding: {written.encoding}  # {sure}"
    if written.skip_lines:
        yield f"      skip_lines: {written.skip_lines}  # lines above the header"
    if proposal.amount is not None:
        amount = proposal.amount
        word = "sure" if amount.evidence else "CHECK THIS: no cell shows it"
        yield f'      decimal: "{amount.decimal}"  # {word}'
        if amount.thousands:
            yield f'      thousands: "{amount.thousands}"  # {word}'
        if amount.symbols:
            yield "      currency_symbols: strip  # sure: they stand beside the amounts"
    if written.timestamp_formats:
        unclear = proposal.time is not None and proposal.time.day_or_month
        word = "CHECK THIS: day and month may change places" if unclear else "sure"
        notations = ", ".join(f'"{notation}"' for notation in written.timestamp_formats)
        yield f"      timestamp_formats: [{notations}]  # {word}"


def _comment(one: Mapped) -> str:
    return f"{_WORDS[one.confidence]}: {one.reason}"
