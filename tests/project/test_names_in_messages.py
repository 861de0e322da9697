"""No name that somebody else chose has an effect where it is read: in a log, an error, a report, a message."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import logging
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from airflow_provider_tiktok_offline.cli import running
from airflow_provider_tiktok_offline.conversions.report.html_report import html
from airflow_provider_tiktok_offline.conversions.report.messages import Messages
from airflow_provider_tiktok_offline.conversions.report.report import Report, ReportIssue, render
from airflow_provider_tiktok_offline.delivery.operations.notices import Notice
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import DeliveryStatus
from airflow_provider_tiktok_offline.errors import ConfigError, FileMissingError, TikTokOfflineError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.liveramp.confirmation import confirmation
from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord
from airflow_provider_tiktok_offline.operators.approval import questioned
from airflow_provider_tiktok_offline.plain_text import one_line, plain_logger, slack
from tests.conversions.test_html_report import REPORT

PACKAGE = Path(__file__).parents[2] / "airflow_provider_tiktok_offline"
#: What the names below are made of: effects on a terminal, a log, a mail, Slack, a page, a reader.
EFFECTS = (
    "\x1b[2K", "\x1b]8;;http://evil.example\x07", "\x9b31m", "\r\nBcc: all@example.com", "\n2026-11-22 ERROR forged",
    "\u202egnp.exe", "\u2066", "\u200b", "\u2028", "\x85", "\x00", "\x08", "\ufeff", "\udcff", "\U000e0041",
    "<!channel>", "<@U123>", "<script>alert(1)</script>", "[red]", "[link=http://evil.example]", "%s", "{0}", "{{ 1 }}",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(EFFECTS) | st.text(max_size=4), min_size=1, max_size=4).map("".join)


def effects(text: str) -> list[str]:
    """The characters of a text that do something instead of being seen."""
    return [one for one in text if unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp", "Cs")]


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_a_name_is_shown_on_one_line(name: str) -> None:
    """Nothing without a shape is left; what can be seen stays; twice is once."""
    shown = one_line(name)
    assert effects(shown) == []
    assert one_line(shown) == shown
    seen = "".join(one for one in name if not effects(one))
    position = 0
    for character in seen:
        position = shown.index(character, position) + 1
    if not effects(name):
        assert shown == name


@pytest.mark.parametrize("name", ["Müller – Größe.csv", "Продажи.csv", "売上.csv", "مبيعات.csv", "a\u00a0b", "👍.csv"])
def test_other_scripts_stay_as_they_are(name: str) -> None:
    """Only what has no shape is spelled."""
    assert one_line(name) == name


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_errors(name: str) -> None:
    """In every part of an error, and in what it says as a whole."""
    for kind in (ConfigError, FileMissingError, TikTokOfflineError):
        error = kind(f"column {name}.", where=f"sftp://s@/in/{name}", todo=f"Rename {name}")
        assert effects(f"{error}{error.what}{error.where}{error.todo}{error.args}") == []


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_logs(name: str) -> None:
    """Whatever the package logs, as text or as an error of a library, stays on its line."""
    logger = plain_logger("airflow_provider_tiktok_offline.test_names")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        logger.warning("%s: %d rows of %s.", name, 3, ValueError(name))
    finally:
        logger.removeHandler(handler)
    assert effects(stream.getvalue().removesuffix("\n")) == []


def test_every_logger_of_the_package_is_plain() -> None:
    """A module that makes its own logger could let a name through."""
    made = [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "logging.getLogger"
        and ast.unparse(node.args[0]) != "'asyncssh'"
    ]
    assert made == ["plain_text.py"]


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_sentences_of_tasks(name: str) -> None:
    """What operators and sensors write into their own logs."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    stamp = {"uri": f"/in/{name}", "size": 1, "mtime": now.isoformat()}
    found = {"files": [stamp], "already_delivered": False, "day": "2026-11-22"}
    said = [
        *log_sentences.found(found, now),
        log_sentences.waiting(f"/in/{name}", "2026-11-22", [], 60),
        log_sentences.waiting("/in/a.csv", "2026-11-22", [stamp], 60),
        log_sentences.file_name(f"/in/{name}"),
    ]
    assert effects("".join(said)) == []


def _report(name: str) -> Report:
    return dataclasses.replace(
        REPORT,
        file=name,
        columns=(name, "transaction_amount"),
        categories={name: 9_700},
        unknown_categories=(name,),
        stores={name: {"rows": 1, "value": {"EUR": "1.00"}}},
        drift=(f"store {name} is missing",),
        issues=(ReportIssue("email_shape", "warning", name, 12, (3,), f"`{name}` no address"),),
    )


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_reports(name: str) -> None:
    """As JSON, as a page, and in a terminal."""
    report = _report(name)
    words = json.dumps(json.loads(report.to_json()), ensure_ascii=False)
    assert effects(words) == []
    page = html(report)
    assert effects(page.replace("\n", "")) == []
    assert "<script" not in page
    assert "alert(1)</script" not in page
    assert effects(Messages(labels={"email_1": name}).message("email_shape")) == []


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_notices(name: str) -> None:
    """A subject is one header of a mail; nothing wakes a channel of Slack; the body of a mail holds no tag."""
    notice = Notice("failure", f"shop: {name}", (("File", f"/in/{name}"), ("Why", name)))
    assert effects(notice.subject) == []
    assert effects(notice.text.replace("\n", "")) == []
    assert len(notice.text.split("\n")) == 4
    assert effects(json.dumps(notice.to_dict(), ensure_ascii=False)) == []
    assert not {"<", ">"} & set(slack(notice.text))
    assert notice.html.count("<") == 16
    assert effects(notice.html) == []


MARKDOWN = ("[ok](http://evil.example)", "![x](http://evil.example/x.png)", "**", "`", "_", "~~", "| a |", "\\", "&lt;")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from((*EFFECTS, *MARKDOWN)) | st.text(max_size=4), min_size=1, max_size=4).map("".join))
def test_questions(name: str) -> None:
    """Airflow's page reads what a person is asked as Markdown: a name is no link, no image and no tag in it."""
    lines = questioned({"d-1": (f"store {name} is missing",)}, {"d-1": name})
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse("\n".join(lines))
    assert [token.type for token in tokens] == [
        "bullet_list_open", "list_item_open", "paragraph_open", "inline", "paragraph_close", "list_item_close",
        "bullet_list_close",
    ]  # fmt: skip
    (inline,) = (token for token in tokens if token.type == "inline")
    assert {token.type for token in inline.children or []} <= {"text", "text_special"}
    shown = "".join(token.content for token in inline.children or [])
    assert shown.split() == f"{one_line(name)}: store {one_line(name)} is missing".split()


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_the_mail_to_liveramp(name: str) -> None:
    """Its subject is one header, its body holds no tag of a name."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    record = DayRecord(
        day="2026-11-22",
        file_name=name,
        uri=f"sftp://s@/uploads/{name}",
        rows=1,
        deliveries=("d-1",),
        status="delivered",
        holder="dag/run",
        lease_until=now,
        delivered_at=now,
    )
    mail = confirmation(record, feed=name)
    assert effects(mail.subject) == []
    assert effects(mail.text.replace("\n", "")) == []
    assert effects(mail.html) == []
    assert "<script" not in mail.html


@settings(max_examples=30, deadline=None)
@given(NAMES)
def test_status(name: str) -> None:
    """What the page in Airflow and ``status`` show of a file."""
    status = DeliveryStatus(delivery_id="d-1", day="2026-11-22", file=f"/in/{name}", reason=name, gate_reason=name)
    assert effects(f"{status.file}{status.reason}{status.gate_reason}") == []


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("sys.stderr", stream)
    return stream


@pytest.mark.parametrize("name", EFFECTS)
def test_the_command_line(terminal: io.StringIO, name: str) -> None:
    """Results, tables, warnings and errors; a name in brackets is no style."""
    running.output().print(f"{name} written.")
    running.warn(name)
    running.complain(name)
    render(_report(name), running.output(markup=True))
    assert effects(terminal.getvalue().replace("\n", "")) == []
