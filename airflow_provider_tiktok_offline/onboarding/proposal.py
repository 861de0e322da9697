"""A proposed entry of advertisers.yaml for an export, with the reason for each line and what only a person knows."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Literal

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.config.presets import Preset, recognised
from airflow_provider_tiktok_offline.conversions.contract.columns import CURRENCIES
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, FileFormat
from airflow_provider_tiktok_offline.onboarding import cell_shapes
from airflow_provider_tiktok_offline.onboarding.column_words import CONSENT, CURRENCY, DATE, STATUS, TIME, target_of
from airflow_provider_tiktok_offline.onboarding.export_sample import ExportSample

Confidence = Literal["sure", "likely", "check"]

#: How many columns of a kind the programme has.
_MORE = {"email_1": ("email_1", "email_2", "email_3", "email_4"), "phone_1": ("phone_1", "phone_2")}
_LOOKS_LIKE_EMAIL, _LOOKS_LIKE_PHONE = 0.6, 0.8
#: Columns of an export that are proposed only by their names.
_OPTIONAL = ("order_id", "store_code", "product_id", "product_name", "quantity", "product_price")
_DAY_FIRST_MARKS = frozenset({",", ";"})


#: What an entry needs beyond the settings that decide what a row becomes.
_PLACEHOLDERS = {
    "name": "proposal",
    "advertiser_id": "1",
    "event_set_id": "1",
    "state_uri": "/unused",
    "source": {"path": "/unused.csv"},
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """One column of the file, and what it is proposed for.

    Attributes:
        name: the file's name of it.
        target: the programme's column.
        confidence: how far it can be relied on.
        reason: why, without a value of the file.
    """

    name: str
    target: str
    confidence: Confidence
    reason: str


@dataclass(slots=True)
class Proposal:
    """What a file shows of its configuration.

    Attributes:
        sample: the part of the file that was looked at.
        preset: the documented export that it is; None for another one.
        columns: the mapping.
        joined: the date and the time column of the timestamp, where they are apart.
        time: how times are written; None where no column of times was found.
        amount: how amounts are written; None where no column of amounts was found.
        notations: ``format.timestamp_formats``.
        currency: the code, where the file shows one; None where only a person knows.
        currency_column, status_column, consent_column: columns that need a decision.
        rows, orders: rows of the sample with an order number, and how many different numbers they have.
        faults: what keeps the file from being delivered at all.
    """

    sample: ExportSample
    preset: Preset | None = None
    columns: list[Mapped] = field(default_factory=list)
    joined: tuple[str, str] | None = None
    time: cell_shapes.TimeShape | None = None
    amount: cell_shapes.AmountShape | None = None
    notations: tuple[str, ...] = ()
    currency: str | None = None
    currency_column: str | None = None
    status_column: str | None = None
    consent_column: str | None = None
    rows: int = 0
    orders: int = 0
    faults: list[str] = field(default_factory=list)

    def name_of(self, target: str) -> str | None:
        """The file's column that is proposed for a column of the programme."""
        return next((one.name for one in self.columns if one.target == target), None)

    @property
    def lines_of_one_order(self) -> bool:
        """Whether several rows carry one order number."""
        return self.orders < self.rows

    def file_format(self) -> FileFormat:
        """How the file is written."""
        amount = self.amount
        return FileFormat(
            delimiter=self.sample.delimiter,
            encoding=self.sample.encoding,
            skip_lines=self.sample.skip_lines,
            decimal=amount.decimal if amount else None,
            thousands=amount.thousands if amount else None,
            strip_symbols=bool(amount and amount.symbols),
            timestamp_formats=self.notations,
            joined={"transaction_timestamp": self.joined} if self.joined else {},
        )

    def settings(self, *, currency: str | None, phone_region: str | None, time_zone: str) -> ConversionSettings:
        """The proposal as a pass over the file takes it."""
        if self.preset is not None:
            entry = {
                **_PLACEHOLDERS,
                "format": {"preset": self.preset.name, "encoding": self.sample.encoding},
                "currency": currency or self.currency,
                "phone_region": phone_region,
                "time_zone": time_zone,
            }
            return replace(AdvertiserConfig.model_validate(entry).conversion_settings(), lookback_days=None)
        return ConversionSettings(
            format=self.file_format(),
            columns={one.name: one.target for one in self.columns if one.name != one.target},
            constants={} if self.name_of("transaction_category") else {"transaction_category": "Purchase"},
            extensions={"currency": self.currency_column} if self.currency_column else {},
            currency=currency or self.currency,
            phone_region=phone_region,
            time_zone=time_zone,
            lookback_days=None,
        )


def propose(sample: ExportSample) -> Proposal:
    """Look at the columns by their names, then by their content."""
    proposal = Proposal(sample, preset=recognised(sample.header))
    if proposal.preset is not None:
        _from_preset(proposal, proposal.preset)
        return proposal
    repeated = [name for name, count in Counter(sample.header).items() if count > 1 and name]
    if repeated:
        proposal.faults.append(f"{len(repeated)} column names stand in the header more than once")
    targets = {name: target_of(name) for name in sample.header if name and name not in repeated}
    _identifiers(proposal, targets)
    _times(proposal, targets)
    _amounts(proposal, targets)
    _optional(proposal, targets)
    for target, attribute in ((CURRENCY, "currency_column"), (STATUS, "status_column"), (CONSENT, "consent_column")):
        named = [name for name, found in targets.items() if found and found[0] == target]
        if named:
            setattr(proposal, attribute, named[0])
    _currency(proposal)
    _orders(proposal)
    return proposal


def _from_preset(proposal: Proposal, preset: Preset) -> None:
    """Take the columns of a documented export that the file has."""
    proposal.columns = [
        Mapped(name, target, "sure", "by the export's documentation")
        for name, target in preset.entry.get("columns", {}).items()
        if isinstance(target, str) and name in proposal.sample.header
    ]
    if preset.identifiers and not {one.target for one in proposal.columns} & {"email_1", "phone_1"}:
        proposal.faults.append(" ".join(preset.identifiers.split()))
    proposal.currency_column = preset.entry.get("extensions", {}).get("currency")
    _currency(proposal)


Targets = dict[str, tuple[str, bool] | None]


def _named(targets: Targets, target: str) -> list[tuple[str, bool]]:
    """Columns whose name says that they are for a target, those that say it as a whole first, in file order."""
    found = [(name, known[1]) for name, known in targets.items() if known and known[0] == target]
    return sorted(found, key=lambda one: not one[1])


def _identifiers(proposal: Proposal, targets: Targets) -> None:
    sample = proposal.sample
    for target, looks_like, enough in (
        ("email_1", cell_shapes.email_share, _LOOKS_LIKE_EMAIL),
        ("phone_1", cell_shapes.phone_share, _LOOKS_LIKE_PHONE),
    ):
        free = iter(_MORE[target])
        word = "e-mail addresses" if target == "email_1" else "phone numbers"
        taken = {one.name for one in proposal.columns}
        by_name = {name for name, _ in _named(targets, target)}
        for name in sample.header:
            if name in taken or not name:
                continue
            cells = sample.column(name)
            share = looks_like(cells)
            sure = cell_shapes.phone_share(cells, sure=True) if target == "phone_1" else share
            named = name in by_name
            if not (named and (share >= 0.3 or not cells)) and not (sure >= enough and targets.get(name) is None):
                continue
            place = next(free, None)
            if place is None:
                break
            confidence: Confidence = "sure" if named and share >= enough else "likely" if cells else "check"
            by_cells = f"{100 * share:.0f} % of its cells look like {word}"
            reason = by_cells if cells else "by its name; its cells are blank"
            proposal.columns.append(Mapped(name, place, confidence, reason))
    if not any(one.target in ("email_1", "phone_1") for one in proposal.columns):
        proposal.faults.append("no column of e-mail addresses or phone numbers was found: nobody could be matched")


def _times(proposal: Proposal, targets: Targets) -> None:
    sample = proposal.sample
    day_first = _writes_day_first(proposal)
    dates = [name for name, _ in _named(targets, DATE)]
    clocks = [name for name, _ in _named(targets, TIME)]
    shapes = [
        (name, whole, shape)
        # A column that is named after the time of day may hold the date as well.
        for name, whole in [*_named(targets, "transaction_timestamp"), *((name, False) for name in (*dates, *clocks))]
        if (shape := cell_shapes.time_shape(sample.column(name), day_first=day_first)) is not None
    ]
    with_clock = [one for one in shapes if one[2].has_clock]
    if with_clock:
        name, whole, shape = with_clock[0]
        _take_time(proposal, name, shape, "sure" if whole and shape.share > 0.98 else "likely")
        return
    for date, _, shape in shapes:
        for clock in clocks:
            notation = cell_shapes.clock_notation(sample.column(clock))
            if notation is not None:
                proposal.joined = (date, clock)
                proposal.time = shape
                proposal.notations = (f"{shape.notation or 'yyyy-MM-dd'} {notation}",)
                return
    if shapes:
        name, _, shape = shapes[0]
        _take_time(proposal, name, shape, "check")
        return
    unnamed = [name for name, known in targets.items() if known is None]
    for name in unnamed:
        found = cell_shapes.time_shape(sample.column(name), day_first=day_first)
        if found is not None and found.share > 0.95 and found.has_clock:
            _take_time(proposal, name, found, "check")
            return
    proposal.faults.append("no column of times was found")


def _take_time(proposal: Proposal, name: str, shape: cell_shapes.TimeShape, confidence: Confidence) -> None:
    written = "the programme's own form" if shape.notation is None else shape.notation
    reason = f"{100 * shape.share:.0f} % of its cells are times as {written}"
    proposal.time = shape
    proposal.notations = () if shape.notation is None else (shape.notation,)
    proposal.columns.append(
        Mapped(name, "transaction_timestamp", "check" if shape.day_or_month else confidence, reason)
    )


def _writes_day_first(proposal: Proposal) -> bool:
    """Where both orders fit: a file with semicolons or decimal commas comes from where the day stands first."""
    return proposal.sample.delimiter == ";"


def _amounts(proposal: Proposal, targets: Targets) -> None:
    sample = proposal.sample
    for name, whole in _named(targets, "transaction_amount"):
        shape = cell_shapes.amount_shape(sample.column(name))
        if shape is not None:
            proposal.amount = shape
            confidence: Confidence = "sure" if whole and shape.share > 0.98 and shape.evidence else "likely"
            reason = f"{100 * shape.share:.0f} % of its cells are amounts"
            proposal.columns.append(Mapped(name, "transaction_amount", confidence, reason))
            return
    proposal.faults.append("no column of amounts was found")


def _optional(proposal: Proposal, targets: Targets) -> None:
    taken = {one.name for one in proposal.columns} | set(proposal.joined or ())
    for target in (*_OPTIONAL, "transaction_category"):
        named = [(name, whole) for name, whole in _named(targets, target) if name not in taken]
        if named:
            name, whole = named[0]
            proposal.columns.append(Mapped(name, target, "likely" if whole else "check", "by its name"))


def _currency(proposal: Proposal) -> None:
    if proposal.currency_column is None:
        return
    codes = {cell.upper() for cell in proposal.sample.column(proposal.currency_column)}
    if codes and codes <= set(CURRENCIES):
        proposal.currency = next(iter(codes)) if len(codes) == 1 else None
    else:
        proposal.currency_column = None


def _orders(proposal: Proposal) -> None:
    name = proposal.name_of("order_id")
    if name is None:
        return
    numbers = proposal.sample.column(name)
    proposal.rows, proposal.orders = len(numbers), len(set(numbers))


def shown(name: str) -> str:
    """A column name as YAML takes it."""
    plain = re.fullmatch(r"[^\W\d_][\w ./()-]*", name) and name == name.strip() and not name.endswith(":")
    words = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
    if plain and name.lower() not in words and ": " not in name and " #" not in name:
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'
