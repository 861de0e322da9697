"""The JSON API behind the page in Airflow: who sees what, in which order, and at what cost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.plugin.judgement import STATES
from tests.plugin.asking import MARK
from tests.plugin.databases import DATABASES, home_on
from tests.plugin.seeding import SCENES, config_of, dag_id_of, display_name_of, name_of
from tests.servers.airflow import AirflowHome

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("status_page")]

ROOT = "/tiktok-offline-status"
OVERVIEW = f"{ROOT}/api/overview?limit=200"
NUMBER = 24
SCRIPTS = sorted(
    path.stem for path in (Path(__file__).parents[2] / "airflow_provider_tiktok_offline/plugin/browser").glob("*.js")
)
ROUTES = [
    OVERVIEW,
    f"{ROOT}/api/advertisers/{dag_id_of(20)}",
    f"{ROOT}/api/advertisers/{dag_id_of(20)}/days/2026-11-21",
    *(f"{ROOT}/{script}.js" for script in SCRIPTS),
    f"{ROOT}/help/not-attributed",
]

RUNNING = f"{ROOT}/api/advertisers/{dag_id_of(SCENES.index('running'))}"
#: The day of each one's newest file.
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)

INCIDENT = "Events API slow (2026-11-29 09:00 UTC)"

#: User and URL -> what Airflow answered.
Answers = Mapping[tuple[str | None, str], Mapping[str, Any]]


def ask(home: AirflowHome, *requests: tuple[str | None, str]) -> Sequence[Mapping[str, Any]]:
    """What Airflow's API server answers, to whom."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.plugin.asking"],
        env=home.process_environment(),
        input="\n".join(json.dumps({"user": user, "url": url}) for user, url in requests),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [json.loads(line.removeprefix(MARK)) for line in ended.stdout.splitlines() if line.startswith(MARK)]


@pytest.fixture(scope="module", name="home", params=DATABASES)
def _home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowHome]:
    with home_on(request.param, tmp_path_factory.mktemp("status_page")) as home:
        yield home


@pytest.fixture(scope="module", name="answers")
def _answers(home: AirflowHome) -> Answers:
    asked: list[tuple[str | None, str]] = [("before", OVERVIEW), (None, f"seed {NUMBER} 20 '{INCIDENT}'")]
    asked += [(user, url) for user in (None, "nora", "sven", "adam") for url in ROUTES]
    asked += [
        *(("adam", f"{OVERVIEW}&state={state}") for state in ("gate", "failed", "late", "running")),
        *(("adam", url) for url in (RUNNING, f"{RUNNING}/days/{YESTERDAY}")),
        *(("adam", f"{OVERVIEW}&search={text}") for text in ("BERLIN_003", "lyon%2020")),
        ("adam", f"{ROOT}/api/overview?limit=5&offset=5"),
        ("adam", f"{ROOT}/api/overview?limit=201"),
        ("adam", f"{ROOT}/api/advertisers/nothing_0"),
        ("adam", f"{ROOT}/api/advertisers/{dag_id_of(3)}"),
        ("adam", f"{ROOT}/nothing.js"),
        ("adam", f"{ROOT}/help/nothing"),
        (None, "routes"),
        (None, "modules"),
        ("nora", f"{ROUTES[1]}?values_for"),
        ("adam", f"{ROUTES[1]}?values_for"),
    ]
    return dict(zip(asked, ask(home, *asked), strict=True))


def body(answer: Mapping[str, Any]) -> dict[str, Any]:
    assert answer["status"] == 200, answer
    content: dict[str, Any] = json.loads(answer["text"])
    return content


def test_every_route_is_asked_for_here(answers: Answers) -> None:
    """A route that is added is asked for without a login, too."""
    assert set(answers[None, "routes"]["paths"]) == {
        "/{script}.js",
        "/help/{page}",
        "/api/overview",
        "/api/advertisers/{dag_id}",
        "/api/advertisers/{dag_id}/days/{day}",
    }


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_sees_anything_without_a_login(answers: Answers, route: str) -> None:
    """Airflow protects nothing of a plugin's app by itself."""
    assert answers[None, route]["status"] == 401
    assert "tiktok" not in answers[None, route]["text"].lower()
    assert answers["adam", route]["status"] == 200


def test_two_users_see_different_rows(answers: Answers) -> None:
    """Each sees the DAGs that they may read, and no counts of others."""
    seen = {user: body(answers[user, OVERVIEW]) for user in ("nora", "sven", "adam")}
    rows = {user: {row["dag_id"] for row in one["advertisers"]} for user, one in seen.items()}
    assert rows["nora"] == {dag_id_of(number) for number in range(0, NUMBER, 2)}
    assert rows["sven"] == {dag_id_of(number) for number in range(1, NUMBER, 2)}
    assert rows["adam"] == rows["nora"] | rows["sven"]
    assert sum(seen["nora"]["counts"].values()) == seen["nora"]["total"] == NUMBER // 2
    for url in ROUTES[1:3]:
        assert answers["nora", url]["status"] == 200
        assert answers["sven", url]["status"] == 403


def test_an_open_incident_stands_on_the_page_once(answers: Answers) -> None:
    """However many report tasks have found it."""
    assert body(answers["adam", OVERVIEW])["incidents"] == [INCIDENT]
    assert body(answers["nora", OVERVIEW])["incidents"] == [INCIDENT]


def test_every_field_is_documented(answers: Answers) -> None:
    """docs/status-page.md names the fields of each answer, and those of a row."""
    page = (Path(__file__).parents[2] / "docs" / "status-page.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## The JSON API")
    named = set(re.findall(r"`(\w+)`", section))
    overview, one = body(answers["adam", OVERVIEW]), body(answers["adam", ROUTES[1]])
    day = body(answers["adam", f"{RUNNING}/days/{YESTERDAY}"])
    [row] = [row for row in overview["advertisers"] if row["dag_id"] == dag_id_of(20)]
    for fields in (overview, row, row["state"], one, day):
        assert fields.keys() - named == set()


def test_the_api_server_opens_no_store_and_no_server(answers: Answers) -> None:
    """Every answer above came from Airflow's database: nothing that reads the state or a source is even imported."""
    modules = answers[None, "modules"]["modules"]
    package = "airflow_provider_tiktok_offline"
    assert f"{package}.plugin.routes" in modules
    stores = [
        f"{package}.{one}"
        for one in ("storage.backends", "storage.files", "storage.objects", "ledger", "tiktok.client")
    ]
    opened = ("deltalake", "paramiko", "asyncssh", "boto3", "polars", *stores)
    assert [one for one in modules if one.startswith(opened)] == []


def test_sums_of_money_need_a_right_of_their_own(answers: Answers) -> None:
    """By default who may edit the DAG sees them; a setting names others."""
    for url in ROUTES[:2]:
        amount = answers["adam", url]["text"]
        assert '.00"' in amount or "." in amount
        assert '"accepted":{"' in amount or '"values":{"' in amount
        assert not any(name in answers["nora", url]["text"] for name in ('"values":{', '"spend":"', '"value":{"'))
    assert not body(answers["nora", ROUTES[1]])["values_shown"]
    named, other = (answers[user, f"{ROUTES[1]}?values_for"] for user in ("nora", "adam"))
    assert body(named)["values"]
    assert body(other)["values"] is None


def test_the_worst_stands_first_and_each_state_has_its_reason(
    answers: Answers,
) -> None:
    """Each invented scene is told by its own state."""
    rows = body(answers["adam", OVERVIEW])["advertisers"]
    states = {row["advertiser"]: row["state"] for row in rows}
    for number, scene in enumerate(SCENES):
        expected = {"liveramp": "delivered"}.get(scene, scene)
        assert states[name_of(number)]["key"] == expected, scene
        assert states[name_of(number)]["reason"]
    ranks = [STATES[row["state"]["key"]].rank for row in rows]
    assert ranks == sorted(ranks)
    for scene in ("failed", "gate", "approval", "unsettled", "pool", "late", "fault"):
        assert states[name_of(SCENES.index(scene))]["todo"], scene


def test_an_earlier_try_is_not_shown(answers: Answers) -> None:
    """Airflow 3.4 keeps the tries of a task that were followed by another one; what they left is no news."""
    [runs] = body(answers["adam", f"{OVERVIEW}&state=running"])["advertisers"]
    assert runs["advertiser"] == name_of(SCENES.index("running"))
    for url in (RUNNING, f"{RUNNING}/days/{YESTERDAY}"):
        [delivery] = body(answers["adam", url])["deliveries"]
        assert delivery["rows"]["total"] == runs["rows"]["total"]
        assert "earlier try" not in answers["adam", url]["text"]


def test_the_part_that_failed_says_why(answers: Answers) -> None:
    """One of two mapped tasks has failed; the other succeeded, and has no reason to tell."""
    [failed] = body(answers["adam", f"{OVERVIEW}&state=failed"])["advertisers"]
    assert failed["state"]["reason"] == "upload failed: TikTok refused the access token (40105)."


def test_a_late_file_says_since_when_in_utc(answers: Answers) -> None:
    """``no_file_by`` is in the advertiser's time zone, here Tokyo; the page shows the moment by its switch."""
    [late] = body(answers["adam", f"{OVERVIEW}&state=late"])["advertisers"]
    assert late["time_zone"] == "Asia/Tokyo"
    [written] = re.findall(r"by (\d{4}-\d\d-\d\d \d\d:\d\d) UTC", late["state"]["reason"])
    ago = datetime.now(UTC) - datetime.fromisoformat(f"{written}+00:00")
    assert timedelta(minutes=44) < ago < timedelta(minutes=75)


def test_a_row_says_what_its_file_became(answers: Answers) -> None:
    """The awaited file, rendered, with day and zone; the share against the gate; what is left of the window."""
    rows = {row["advertiser"]: row for row in body(answers["adam", OVERVIEW])["advertisers"]}
    waits = rows[name_of(SCENES.index("waiting"))]
    assert waits["expected"].endswith(f"sales_{waits['awaited_day'].replace('-', '')}.csv")
    assert waits["time_zone"] == config_of(SCENES.index("waiting")).time_zone
    assert waits["next_look"] > body(answers["adam", OVERVIEW])["at"]
    asked = rows[name_of(SCENES.index("approval"))]
    assert asked["state"]["reason"].startswith("5,724 events, more than max_events 5000. Somebody has to say")
    assert asked["state"]["todo"].startswith("Asked: ana.")
    assert asked["answer_until"] > body(answers["adam", OVERVIEW])["at"]
    gate = rows[name_of(SCENES.index("gate"))]
    assert gate["rejected_share"] > gate["gate"] == 0.05
    doubt = rows[name_of(SCENES.index("unsettled"))]
    assert doubt["events"]["unconfirmed"] == 140
    assert 29 < doubt["window_hours_left"] < 31
    assert len(doubt["bars"]["rows"]) == len(doubt["bars"]["states"]) == 14
    good = rows[name_of(20)]
    assert good["display_name"] == display_name_of(20)
    assert rows[name_of(3)]["display_name"] is rows[name_of(7)]["display_name"] is None
    assert good["new"] == good["events"]["accepted"] + good["events"]["refused"]
    assert good["difference"] == pytest.approx(good["rows"]["total"] / good["usual_rows"] - 1, abs=1e-3)


def test_the_funnel_adds_up(answers: Answers) -> None:
    """From each step to the next the difference is what its reasons say, in words that can't be misread."""
    shown = body(answers["adam", f"{ROOT}/api/advertisers/{dag_id_of(3)}"])
    steps = shown["deliveries"][0]["funnel"]
    for before, after in pairwise(steps):
        assert before["count"] - after["count"] == sum(reason["count"] for reason in after["lost"]), after["name"]
    assert steps[-1]["label"] == "received by TikTok, not matched yet"
    assert {reason["name"] for reason in steps[-1]["lost"]} == {"40002", "unconfirmed"}
    assert all(reason["text"].startswith("refused by our rules") for reason in steps[1]["lost"][:2])
    assert len(shown["history"]["rows"]["total"]) == 90
    assert shown["history"]["changes"][-1]["what"] == "resolve"


def test_the_overview_is_paged_and_searched(answers: Answers) -> None:
    """What is asked for, and no more than two hundred rows."""
    everything = body(answers["adam", OVERVIEW])["advertisers"]
    page = body(answers["adam", f"{ROOT}/api/overview?limit=5&offset=5"])
    assert [row["dag_id"] for row in page["advertisers"]] == [row["dag_id"] for row in everything[5:10]]
    assert page["total"] == NUMBER
    [only] = body(answers["adam", f"{OVERVIEW}&state=gate"])["advertisers"]
    assert only["state"]["key"] == "gate"
    for text, number in (("BERLIN_003", 3), ("lyon%2020", 20)):
        [found] = body(answers["adam", f"{OVERVIEW}&search={text}"])["advertisers"]
        assert found["advertiser"] == name_of(number)
    assert answers["adam", f"{ROOT}/api/overview?limit=201"]["status"] == 422
    assert answers["adam", f"{ROOT}/api/advertisers/nothing_0"]["status"] == 404
    assert answers["adam", f"{ROOT}/nothing.js"]["status"] == 404
    assert answers["adam", f"{ROOT}/help/nothing"]["status"] == 404


def test_no_query_is_made_for_each_row(answers: Answers) -> None:
    """An empty installation and two dozen advertisers cost the same number of queries."""
    empty = answers["before", OVERVIEW]
    assert body(empty)["advertisers"] == []
    full = answers["adam", OVERVIEW]
    assert len(body(full)["advertisers"]) == NUMBER
    assert full["queries"] <= empty["queries"] <= 11
    assert answers["adam", ROUTES[1]]["queries"] <= 12  # one of them once a process, on some versions of Airflow


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("database", DATABASES)
def test_a_thousand_advertisers_of_ninety_days_answer_within_a_second(database: str, tmp_path: Path) -> None:
    """By the clock and on a core of its own, in the best of five answers; the first imports and compiles."""
    with home_on(database, tmp_path) as home:
        again = [("adam", OVERVIEW), ("adam", ROUTES[1])] * 5
        _, _, *answers = ask(home, (None, "seed 1000 90"), ("adam", OVERVIEW), *again)
    assert body(answers[0])["total"] == 1000
    # Other processes make the clock run ahead: by so much, if all get the same share.
    slowed = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    print(f"{database}, load a core: {slowed:.1f}")  # noqa: T201
    for what, found in (("overview", answers[::2]), ("one advertiser", answers[1::2])):
        for measured in ("seconds", "by_the_clock"):
            took = sorted(one[measured] for one in found)
            print(f"{database}, {what}, {measured}: {took[0]:.3f} to {took[-1]:.3f}")  # noqa: T201
        assert found[-1]["queries"] <= 11
        assert min(one["seconds"] for one in found) < 1
        assert min(one["by_the_clock"] for one in found) < slowed


def test_a_script_names_no_other_host() -> None:
    """Everything that a browser loads comes from this server, below whatever path it has."""
    folder = Path(__file__).parents[2] / "airflow_provider_tiktok_offline/plugin/browser"
    for path in folder.glob("*.js"):
        text = path.read_text()
        assert "http://" not in text.replace("http://www.w3.org", "")
        assert "https://" not in text
        assert len(text.splitlines()) < 400
