"""A customer's value is searched for in everything that a delivery leaves behind or says, on both routes."""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import DEFAULT_SEND_FIELDS, OPTIONAL_SEND_FIELDS
from airflow_provider_tiktok_offline.delivery.operations import status
from airflow_provider_tiktok_offline.delivery.operations.doctor import doctor
from airflow_provider_tiktok_offline.delivery.operations.notices import Event, notice
from airflow_provider_tiktok_offline.delivery.operations.status_documents import error_document, history_document
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.step_results import StepResult
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.delivery.world import World
from tests.liveramp.office import Office
from tests.liveramp.rows import COLUMNS, row
from tests.servers.simulator import ACCESS_TOKEN
from tests.servers.sshd import sshd

#: Part of every e-mail address and every phone of the file, in an identifier column or elsewhere.
NAME, NUMBER = "quokka", "7654321"
_FOUND = re.compile(rf"{NAME}|{NUMBER}|{ACCESS_TOKEN}")
_COLUMNS = (
    "email_1", "phone_1", "transaction_category", "transaction_timestamp", "transaction_amount", "order_id",
    "store_code", "product_id", "product_name", "product_category", "first_name", "city",
)  # fmt: skip
_AT = "2026-11-20T12:00:00Z-0000"


def _cells(number: int, **changes: str) -> str:
    cells = {
        "email_1": f"{NAME}{number}@example.com",
        "phone_1": f"+1212{NUMBER}",
        "transaction_category": "CompletePayment",
        "transaction_timestamp": _AT,
        "transaction_amount": "10.00",
        "order_id": f"o{number}",
        "store_code": "s1",
        "product_id": "p1",
        "product_name": "hat",
        "product_category": "hats",
        "first_name": NAME,
        "city": NAME,
    }
    return ",".join((cells | changes)[column] for column in _COLUMNS)


#: Each column holds an address and a phone once, in a row that is sent where it can be.
_ROWS = [
    _cells(1),
    *(_cells(10 + place, **{column: f"{NAME}{place}@example.com"}) for place, column in enumerate(_COLUMNS)),
    *(_cells(30 + place, **{column: f"+1 (212) {NUMBER}"}) for place, column in enumerate(_COLUMNS)),
    *(_cells(50 + place, **{column: f"for {NAME}@example.com, 212{NUMBER}"}) for place, column in enumerate(_COLUMNS)),
    _cells(70, email_1=f"{NAME}@", phone_1=NUMBER),
    f"{NAME}@example.com,+1212{NUMBER}",
    f'"{NAME}@example.com',
]


class Heard:
    """What a delivery has said: results as XCom carries them, errors, and what temporary files held meanwhile."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.temporary = 0

    def call(self, step: Callable[[], object]) -> Any:
        """The result of a step, noted as a task would push it, or None after an error, noted as a task would log it."""
        try:
            result = step()
        except TikTokOfflineError as error:
            self.texts += [str(error), repr(error), json.dumps(error_document(error))]
            return None
        if isinstance(result, StepResult):
            self.texts.append(json.dumps(result.to_dict()))
        return result

    def progress(self, step: str, done: int, total: int | None) -> None:
        """Called while a step works: look into the temporary files, those that have no name any more too."""
        for descriptor in Path("/proc/self/fd").iterdir():
            try:
                target = str(descriptor.readlink())
                if target.startswith(tempfile.gettempdir()):
                    self.texts.append(descriptor.read_bytes().decode("latin-1"))
                    self.temporary += 1
            except OSError:
                continue


def _written(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file's name and content; that of Parquet unpacked."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, f"{path.name} {path.read_bytes().decode('latin-1')}"
            if path.suffix == ".parquet":
                for column in pl.read_parquet(path).iter_columns():
                    yield path, str(column.to_list())


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Path:
    """Temporary files lie where they are found, and every log says what it can."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    caplog.set_level(logging.DEBUG)
    return folder


def _with_progress(ctx: DeliveryContext, heard: Heard) -> DeliveryContext:
    ctx.progress = heard.progress
    return ctx


def _messages(ctx: DeliveryContext, said: list[str]) -> list[str]:
    """What mails, Slack and webhooks get, for each kind of message, with whatever was said before as the reason."""
    notices = [notice(ctx, event, reason=reason) for event in get_args(Event) for reason in (None, *said[:20])]
    assert len(notices) > 20
    return [text for one in notices for text in (one.text, one.html, json.dumps(one.to_dict()))]


def _check(heard: Heard, log: str, *folders: Path) -> None:
    places = [(f"said {place}", text) for place, text in enumerate(heard.texts)]
    places += [("log", log), ("environment", str(dict(os.environ)))]
    places += [(str(path), text) for folder in folders for path, text in _written(folder)]
    found = {place: match[0] for place, text in places if (match := _FOUND.search(text))}
    assert not found


def test_nothing_of_a_customer_is_left_on_the_direct_route(
    world: World, own_temporary_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """State, staged parts, reports, status, logs, XCom, temporary files, what is sent; through refusal and doubt."""
    world.init_ledger()
    stamp = world.drop(_ROWS, header=",".join(_COLUMNS))
    out = world.folder / "out.csv"
    out.write_text(f"{NAME}0@example.com\n")
    settings: dict[str, Any] = {
        "send_fields": sorted(DEFAULT_SEND_FIELDS | OPTIONAL_SEND_FIELDS),
        "report_by_store": True,
        "suppression": {"uri": str(out), "max_age_hours": 10**4},
        "max_rejected_ratio": 0.9,
        "upload": {"requests_per_second": 1000, "max_attempts": 1, "batch_events": 5},
    }
    heard = Heard()
    control = world.simulator.control
    control.add(Fault(kind="drop", taken=True, skip=1))
    control.add(
        Fault(kind="answer", code=40002, message=f"data.0.user.email: {NAME}@example.com +1212{NUMBER}", skip=2)
    )
    for gate in (0.001, 0.9):
        ctx = _with_progress(world.context(**settings | {"max_rejected_ratio": gate}), heard)
        opened = heard.call(lambda ctx=ctx: validate(ctx, stamp))  # type: ignore[misc]
    heard.call(lambda: normalize_hash(ctx, opened.delivery_id))
    staged = [text for _, text in _written(world.folder / "state")]
    for _ in range(3):
        planned = heard.call(lambda: dedupe(ctx, opened.delivery_id))
        for part in planned.parts:
            heard.call(lambda part=part: upload(ctx, opened.delivery_id, part))  # type: ignore[misc]
    heard.call(lambda: summarize_all(ctx))
    heard.texts += staged
    heard.texts += [str(finding) for finding in doctor(ctx)]
    heard.texts.append(json.dumps(history_document(status.refresh(ctx), date(2026, 11, 22))))
    heard.texts += _messages(ctx, heard.texts)
    sent = world.simulator.items()
    assert len(sent) > 15
    heard.texts.append(json.dumps(sent))
    assert len(heard.texts) > 20
    _check(heard, caplog.text, world.folder / "state", own_temporary_folder)


_HEADER = ",".join(_COLUMNS)


@pytest.mark.parametrize(
    "header",
    [
        _HEADER + _cells(1),
        f"{_HEADER},{_cells(1)}",
        _HEADER.replace("product_name", f"{NAME}@example.com"),
        _HEADER.replace("product_name", f"+1212{NUMBER}").replace("city", NAME),
        _cells(1),
        f'"{_HEADER}\n{_cells(1)}',
    ],
    ids=["glued", "in one line", "an address", "a phone and a name", "no header", "an open quote"],
)
def test_no_header_says_what_a_customer_is(
    world: World, own_temporary_folder: Path, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    """Data that stands where names of columns belong: in errors, report, messages, logs and state."""
    world.init_ledger()
    heard, ctx = Heard(), world.context(max_rejected_ratio=0.9)
    opened = heard.call(lambda: validate(ctx, world.drop(_ROWS[:5], header=header)))
    if opened is not None:
        heard.call(lambda: normalize_hash(ctx, opened.delivery_id))
        heard.call(lambda: dedupe(ctx, opened.delivery_id))
    heard.call(lambda: summarize_all(ctx))
    assert heard.texts
    heard.texts += _messages(ctx, heard.texts * 3)
    _check(heard, caplog.text, world.folder / "state", own_temporary_folder)


def test_nothing_of_a_customer_is_left_on_the_liveramp_route(
    tmp_path: Path, own_temporary_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same, and the feed file holds identifiers in the columns for them alone."""
    with sshd() as server:
        folder = tmp_path / "office"
        folder.mkdir()
        office = Office(folder, server)
        office.open()
        rows = [row(number) for number in range(30)]
        for place in range(len(COLUMNS)):
            for text in (f"{NAME}@example.com", f"+1212{NUMBER}", f"for {NAME}@example.com"):
                cells = list(row(100 + len(rows)))
                cells[place] = text
                rows.append(tuple(cells))
        rows.append((f"{NAME}@example.com", "CompletePayment", f"{_AT}", "10.00", f"1212{NUMBER}", "o1"))
        stamp = office.drop("day.psv", rows)
        heard = Heard()
        for gate in (0.001, 0.9):
            ctx = _with_progress(office.context("run", max_rejected_ratio=gate), heard)
            opened = heard.call(lambda ctx=ctx: validate(ctx, stamp))  # type: ignore[misc]
        heard.call(lambda: dedupe(ctx, opened.delivery_id))
        heard.call(lambda: deliver(ctx, opened.delivery_id))
        heard.call(lambda: summarize_all(ctx))
        heard.texts += [str(finding) for finding in doctor(ctx)]
        heard.texts.append(json.dumps(history_document(status.refresh(ctx), date(2026, 11, 22))))
        heard.texts += _messages(ctx, heard.texts)
        [lines] = office.delivered().values()
        heard.texts.append(server.log.read_text())
    identifiers = {COLUMNS.index("email_1"), COLUMNS.index("phone_1")}
    others = [
        "|".join(cell for place, cell in enumerate(line.split("|")) if place not in identifiers) for line in lines
    ]
    assert any(NAME in line for line in lines)
    assert heard.temporary > 0
    heard.texts += others
    _check(heard, caplog.text, folder / "state", own_temporary_folder)
