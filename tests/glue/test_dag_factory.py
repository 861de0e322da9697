"""advertisers.yaml as DAGs, parsed as Airflow's DAG processor does."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from airflow.dag_processing.processor import _serialize_dags
from airflow.sdk.definitions.context import _AIRFLOW_PARSING_CONTEXT_DAG_ID

from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.dag_factory import (
    BrokenAdvertisersError,
    build_dags,
    dag_arguments,
    factory,
    raise_broken_advertisers,
)
from airflow_provider_tiktok_offline.delivery.sequences import STEPS
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask
from airflow_provider_tiktok_offline.operators.prepare import TikTokOfflinePrepareOperator
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from tests.config import hostile
from tests.servers.airflow_versions import DagBag, dag_bag

DAG_FILE = """
from airflow_provider_tiktok_offline.dag_factory import build_dags

build_dags(globals(), "advertisers.yaml")
"""

Parse = Callable[..., tuple[DagBag, dict[str, Any], dict[str, str]]]


def advertiser(name: str, **changes: Any) -> dict[str, Any]:
    """An entry without a fault."""
    return {
        "name": name,
        "advertiser_id": "7000000000000000101",
        "event_set_id": "7000000000000000201",
        "source": {"path": f"/in/{name}_{{{{ ds_nodash }}}}.csv"},
        "state_uri": "/var/lib/tiktok-offline",
        **changes,
    }


@pytest.fixture(name="parse")
def _parse(tmp_path: Path) -> Parse:
    """Parses and serialises a DAG file beside these advertisers; gives bag, serialised DAGs, and errors by file."""

    def parse(*advertisers: dict[str, Any], **defaults: Any) -> tuple[DagBag, dict[str, Any], dict[str, str]]:
        (tmp_path / "advertisers.yaml").write_text(
            yaml.safe_dump({"defaults": defaults, "advertisers": list(advertisers)})
        )
        (tmp_path / "shops.py").write_text(DAG_FILE)
        bag = dag_bag(tmp_path, bundle=tmp_path)
        serialised, errors = _serialize_dags(bag, structlog.get_logger())
        return bag, {one.dag_id: one.data["dag"] for one in serialised}, {**bag.import_errors, **errors}

    return parse


def test_one_dag_an_advertiser(parse: Parse) -> None:
    """Each entry is a DAG of the wait and the route's steps, whose last one always runs."""
    bag, serialised, errors = parse(advertiser("corner_shop"), advertiser("garden_centre"))
    assert not errors
    assert set(serialised) == {"tiktok_offline__corner_shop", "tiktok_offline__garden_centre"}
    tasks = bag.dags["tiktok_offline__corner_shop"].task_dict
    assert list(tasks) == ["wait_for_file", "prepare", "upload", "summary"]
    assert tasks["summary"].trigger_rule == "all_done"
    assert tasks["upload"].is_mapped


def test_the_tasks_are_the_steps_of_the_route(parse: Parse) -> None:
    """In the order of ``delivery.sequences``, after the wait for the file."""
    feed = {"route": "liveramp", "liveramp": {"destination": "sftp://liveramp@/uploads"}}
    bag, _, errors = parse(advertiser("direct"), advertiser("feed", **feed))
    assert not errors
    for name, route in (("direct", "tiktok"), ("feed", "liveramp")):
        order = [task.task_id for task in bag.dags[f"tiktok_offline__{name}"].topological_sort()]
        assert order == ["wait_for_file", *STEPS[route]]


def test_settings_become_the_dags_own(parse: Parse) -> None:
    """Schedule, time zone, retries, owner, tags, pool and the number of runs at once are the advertiser's."""
    bag, serialised, _ = parse(
        advertiser(
            "shop",
            schedule="0 6 * * *",
            time_zone="Europe/Berlin",
            owner="ana",
            tags=["eu"],
            pool="tiktok",
            retries=5,
            max_active_runs=4,
        )
    )
    dag = serialised["tiktok_offline__shop"]
    assert dag["timetable"]["__var"] == {"expression": "0 6 * * *", "timezone": "Europe/Berlin"}
    assert dag["max_active_runs"] == 4
    assert bag.dags["tiktok_offline__shop"].catchup is False
    assert set(dag["tags"]) == {"eu", "tiktok", "offline-conversions", "route:tiktok", "mode:dry_run"}
    tasks = {task["__var"]["task_id"]: task["__var"] for task in dag["tasks"]}
    assert all(task.get("retries", 5) == 5 for task in tasks.values())
    assert tasks["upload"]["partial_kwargs"]["pool"] == "tiktok"
    assert "pool" not in tasks["prepare"]


def test_what_a_dag_is_called_and_says(parse: Parse) -> None:
    """A name for people, a page on what to do when a task fails, and the owner's link."""
    feed = {"route": "liveramp", "liveramp": {"destination": "sftp://liveramp@/uploads"}}
    bag, serialised, errors = parse(
        advertiser("plain"),
        advertiser("named", display_name="Ana's shop", owner="ana", owner_link="mailto:ana@shop.example", **feed),
    )
    assert not errors
    plain, named = (bag.dags[f"tiktok_offline__{name}"] for name in ("plain", "named"))
    assert (plain.dag_display_name, named.dag_display_name) == ("plain: offline conversions", "Ana's shop")
    assert serialised["tiktok_offline__named"]["owner_links"] == {"ana": "mailto:ana@shop.example"}
    for dag in (plain, named):
        rows = re.findall(r"^\| `(\w+)` \|", dag.doc_md or "", re.MULTILINE)
        assert rows == list(dag.task_dict)


def test_a_stale_file_has_a_deadline(parse: Parse, tmp_path: Path) -> None:
    """A quarter of an hour after `no_file_by`, counted from when the run is due; only where a time is named."""
    told = {"email": ["ana@shop.example"], "no_file_by": "09:30"}
    bag, serialised, errors = parse(
        advertiser("timed", schedule="0 6 * * mon-fri", time_zone="Europe/Berlin", notifications=told),
        advertiser("late", schedule="0 22 * * *", notifications=told),
        advertiser("untimed", notifications={"email": ["ana@shop.example"]}),
        advertiser("silent", notifications={**told, "events": ["failure"]}),
        advertiser("unscheduled", schedule=None, notifications=told),
    )
    assert not errors
    deadlines = {name.removeprefix("tiktok_offline__"): dag.deadline for name, dag in bag.dags.items()}
    alerts = {name: (one if isinstance(one, list) else [one])[0] for name, one in deadlines.items() if one}
    assert {name: one.interval for name, one in alerts.items()} == {
        "timed": timedelta(hours=3, minutes=45),
        "late": timedelta(hours=11, minutes=45),
    }
    assert alerts["timed"].callback.path.endswith(".StaleFeedNotifier")
    assert alerts["timed"].callback.kwargs == {"config": str(tmp_path / "advertisers.yaml"), "advertiser": "timed"}
    assert "ana@shop.example" not in json.dumps(serialised, default=str)


def test_the_asset_has_a_name_and_a_group_of_its_own(parse: Parse) -> None:
    """DAGs downstream wait for it by name; its extra says whose it is."""
    bag, _, _ = parse(advertiser("shop", mode="live"))
    [asset] = bag.dags["tiktok_offline__shop"].task_dict["summary"].outlets
    assert (asset.name, asset.group) == ("offline_conversions__shop", "tiktok-offline")
    assert asset.extra == {"advertiser": "shop", "route": "tiktok", "mode": "live"}


def test_what_airflow_stores_of_a_dag_holds_no_setting(parse: Parse) -> None:
    """A setting of the delivery, or an address in it, makes no new version of the DAG."""
    _, plain, _ = parse(advertiser("shop"))
    _, changed, _ = parse(
        advertiser(
            "shop",
            lookback_days=7,
            guards={"max_events": 100},
            phone_region="DE",
            notifications={"email": ["ana@shop.example"]},
        )
    )
    for serialised in (plain, changed):
        text = json.dumps(serialised)
        assert "7000000000000000201" not in text
        assert "ana@shop.example" not in text
    upload = next(
        task["__var"] for task in plain["tiktok_offline__shop"]["tasks"] if task["__var"]["task_id"] == "upload"
    )
    assert upload["partial_kwargs"]["config"] == "advertisers.yaml"
    assert upload["partial_kwargs"]["advertiser"] == "shop"
    tasks = [{**one["tiktok_offline__shop"]} for one in (plain, changed)]
    callbacks = re.compile(r'"has_on_\w+_callback": \w+(, )?')
    assert callbacks.sub("", json.dumps(tasks[0])) == callbacks.sub("", json.dumps(tasks[1]))


def test_a_relative_path_starts_at_the_dag_file(parse: Parse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the worker's process runs, and in whichever folder a bundle of DAGs lies there."""
    bag, _, _ = parse(advertiser("shop", lookback_days=7))
    monkeypatch.chdir("/")
    prepare = bag.dags["tiktok_offline__shop"].task_dict["prepare"]
    assert isinstance(prepare, DeliveryTask)
    assert prepare.config_path() == str(tmp_path / "advertisers.yaml")
    assert prepare.advertiser_config().lookback_days == 7


def test_every_task_has_a_time_limit(parse: Parse) -> None:
    """Of its kind, from the entry or by default; a wait for a file or for a person has limits of its own."""
    own = {"prepare": 1, "report": 0.5}
    bag, _, errors = parse(
        advertiser("shop", reports={}, execution_timeout_hours=own),
        advertiser("fed", route="liveramp", liveramp={"destination": "/feed"}),
    )
    assert errors == {}
    hours = {
        (dag_id, task.task_id): None if task.execution_timeout is None else task.execution_timeout / timedelta(hours=1)
        for dag_id, dag in bag.dags.items()
        for task in dag.tasks
    }
    shop, fed = "tiktok_offline__shop", "tiktok_offline__fed"
    assert hours == {
        (shop, "wait_for_file"): None, (shop, "prepare"): 1,
        (shop, "upload"): 12, (shop, "summary"): 6, ("tiktok_offline_report__shop", "report"): 0.5,
        (fed, "wait_for_file"): None, (fed, "prepare"): 6, (fed, "deliver"): 12,
        (fed, "summary"): 6,
    }  # fmt: skip


def test_no_schedule(parse: Parse) -> None:
    """``schedule: null`` makes a DAG that runs only when asked."""
    _, serialised, _ = parse(advertiser("shop", schedule=None))
    assert "NullTimetable" in json.dumps(serialised["tiktok_offline__shop"]["timetable"])


def test_timetable_does_not_depend_on_the_deployment(parse: Parse, monkeypatch: pytest.MonkeyPatch) -> None:
    """``create_cron_data_intervals`` changes what a cron string means, and must not change a file's day."""
    both = []
    for choice in ("True", "False"):
        monkeypatch.setenv("AIRFLOW__SCHEDULER__CREATE_CRON_DATA_INTERVALS", choice)
        both.append(parse(advertiser("shop"))[1]["tiktok_offline__shop"]["timetable"])
    assert both[0] == both[1]
    assert "DataInterval" in both[0]["__type"]


def test_a_broken_entry_has_no_dag_and_the_others_have_theirs(parse: Parse, caplog: pytest.LogCaptureFixture) -> None:
    """The DAG file itself has no error; its log names file, entry and key of each fault."""
    bad = advertiser("broken", colour="red") | {"advertiser_id": 7}
    _, serialised, errors = parse(advertiser("whole"), bad)
    assert set(serialised) == {"tiktok_offline__whole"}
    assert not errors
    assert "entry broken, key advertiser_id" in caplog.text
    assert "entry broken, key colour" in caplog.text


def test_broken_entries_are_raised_in_a_file_of_their_own(tmp_path: Path) -> None:
    """The error holds every fault, each with file, line, entry and key; without a fault nothing is raised."""
    namespace = {"__file__": str(tmp_path / "broken_advertisers.py")}
    path = tmp_path / "advertisers.yaml"
    path.write_text(yaml.safe_dump({"advertisers": [advertiser("whole"), advertiser("broken", colour="red")]}))
    with pytest.raises(BrokenAdvertisersError, match=r"advertisers\.yaml:\d+, entry broken, key colour") as caught:
        raise_broken_advertisers(namespace, "advertisers.yaml")
    assert [fault.key for fault in caught.value.broken] == ["colour"]
    path.write_text(yaml.safe_dump({"advertisers": [advertiser("whole")]}))
    raise_broken_advertisers(namespace, "advertisers.yaml")


def test_unreadable_configuration_is_the_dag_files_error(parse: Parse, tmp_path: Path) -> None:
    """Without any entry there is nothing to keep."""
    parse(advertiser("shop"))
    (tmp_path / "advertisers.yaml").write_text("advertisers: [")
    bag = dag_bag(tmp_path, bundle=tmp_path)
    assert "advertisers.yaml" in bag.import_errors["shops.py"]
    with pytest.raises(ConfigError):
        build_dags({"__file__": str(tmp_path / "shops.py")}, "nowhere.yaml")


def test_a_directory_of_files(tmp_path: Path) -> None:
    """A team can keep a file an advertiser."""
    folder = tmp_path / "advertisers"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"advertisers": [advertiser(name)]}))
    built = build_dags({"__file__": str(tmp_path / "shops.py")}, "advertisers")
    assert set(built) == {"tiktok_offline__one", "tiktok_offline__two"}


def test_a_task_that_starts_builds_one_dag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Airflow's parsing context only the DAG asked for is made, and a fault elsewhere is not looked at."""
    path = tmp_path / "advertisers.yaml"
    path.write_text(
        yaml.safe_dump({"advertisers": [advertiser("one"), advertiser("two"), advertiser("bad", colour="red")]})
    )
    namespace: dict[str, Any] = {"__file__": str(tmp_path / "shops.py")}
    monkeypatch.setenv(_AIRFLOW_PARSING_CONTEXT_DAG_ID, "tiktok_offline__two")
    build_dags(namespace, "advertisers.yaml")
    assert set(namespace) == {"__file__", "tiktok_offline__two"}
    monkeypatch.setenv(_AIRFLOW_PARSING_CONTEXT_DAG_ID, "somebody_elses")
    assert build_dags({"__file__": str(tmp_path / "shops.py")}, "advertisers.yaml") == {}


def test_parsing_imports_no_engine(tmp_path: Path) -> None:
    """A DAG file must not load Polars: workers fork after parsing, and a forked Polars hangs."""
    import subprocess
    import sys

    path = tmp_path / "advertisers.yaml"
    path.write_text(yaml.safe_dump({"advertisers": [advertiser("one")]}))
    code = (
        "import sys; from airflow_provider_tiktok_offline.dag_factory import build_dags;"
        f"build_dags({{'__file__': {str(tmp_path / 'shops.py')!r}}}, 'advertisers.yaml');"
        "print([name for name in ('polars', 'deltalake', 'obstore', 'asyncssh') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip().splitlines()[-1] == "[]"


def test_example_dags_parse() -> None:
    """The DAGs that users copy are whole."""
    folder = Path(__file__).parents[2] / "dags"
    bag = dag_bag(folder, bundle=folder)
    serialised, errors = _serialize_dags(bag, structlog.get_logger())
    assert not bag.import_errors
    assert not errors
    assert {"tiktok_offline_daily", "tiktok_offline__corner_shop"} <= {one.dag_id for one in serialised}
    for dag in bag.dags.values():
        assert all((task.retries or 0) >= 2 for task in dag.tasks if not task.is_mapped)
        assert dag.max_active_runs == 1
        assert not dag.catchup


def test_a_person_is_asked_where_the_guards_say_so(parse: Parse) -> None:
    """on_breach: approve puts a human-in-the-loop task before the plan, which is a task then; others have none."""
    bag, _, errors = parse(
        advertiser("corner_shop", guards={"max_events": 1000, "on_breach": "approve"}), advertiser("garden_centre")
    )
    assert not errors
    asked = bag.dags["tiktok_offline__corner_shop"]
    order = ["wait_for_file", "prepare", "approve", "dedupe", "upload", "summary"]
    assert [task.task_id for task in asked.topological_sort()] == order
    prepare, plain = asked.get_task("prepare"), bag.dags["tiktok_offline__garden_centre"].get_task("prepare")
    assert isinstance(prepare, TikTokOfflinePrepareOperator)
    assert isinstance(plain, TikTokOfflinePrepareOperator)
    assert (prepare.plan, plain.plan) == (False, True)
    assert re.findall(r"^\| `(\w+)` \|", asked.doc_md or "", re.MULTILINE) == order
    assert not bag.dags["tiktok_offline__garden_centre"].has_task("approve")


def test_only_the_file_in_question_waits_for_the_answer(parse: Parse) -> None:
    """Where a run may have several files, nothing that the others need is behind the question."""
    source = {"path": "/drop/*.csv", "files": "all"}
    guards = {"max_events": 1000, "on_breach": "approve"}
    bag, _, errors = parse(advertiser("shops", source=source, guards=guards))
    assert not errors
    dag = bag.dags["tiktok_offline__shops"]
    others = ["wait_for_file", "prepare", "upload", "summary"]
    asked = ["approve", "dedupe_approved", "upload_approved", "summary_approved"]
    for chain in (others, ["prepare", *asked]):
        for before, after in pairwise(chain):
            assert after in dag.get_task(before).downstream_task_ids
    assert dag.get_task("summary").get_flat_relative_ids(upstream=True).isdisjoint(asked)
    assert set(dag.leaves) == {dag.get_task("summary"), dag.get_task("summary_approved")}
    assert all(f"`{task}`" in (dag.doc_md or "") for task in dag.task_ids)


@pytest.mark.parametrize("asks", [{"guards": {"max_events": 1000, "on_breach": "approve"}}, {"drift": "approve"}])
@pytest.mark.parametrize("files", ["one", "all"])
def test_a_feed_file_waits_for_the_answer(parse: Parse, asks: dict[str, Any], files: str) -> None:
    """On the liveramp route too a person is asked before the plan. The run's files are one feed file, and all wait."""
    feed = {"route": "liveramp", "liveramp": {"destination": "sftp://liveramp@/uploads"}}
    source = {"path": "/drop/*.csv", "files": files}
    bag, serialised, errors = parse(advertiser("feed", source=source, **feed, **asks))
    assert not errors
    dag = bag.dags["tiktok_offline__feed"]
    order = ["wait_for_file", "prepare", "approve", "dedupe", "deliver", "summary"]
    assert [task.task_id for task in dag.topological_sort()] == order
    prepare = dag.get_task("prepare")
    assert isinstance(prepare, TikTokOfflinePrepareOperator)
    assert (prepare.plan, prepare.asks) == (False, False)
    tasks = {task["__var"]["task_id"]: task["__var"] for task in serialised["tiktok_offline__feed"]["tasks"]}
    assert "task_ids='approve'" in str(tasks["deliver"]["deliveries"]) or "'task_id': 'approve'" in str(
        tasks["deliver"]["deliveries"]
    )
    assert re.findall(r"^\| `(\w+)` \|", dag.doc_md or "", re.MULTILINE) == order


def test_collecting_garbage_goes_on_after_a_parse(parse: Parse) -> None:
    """The factory pauses it only while it makes the DAGs."""
    parse(advertiser("shop"))
    assert gc.isenabled()


def test_notifications_become_callbacks(parse: Parse) -> None:
    """Each event has its task, and an advertiser without the section has none."""
    bag, serialised, errors = parse(
        advertiser("told", notifications={"slack_conn_id": "slack_alerts", "events": ["success", "gate", "stale"]}),
        advertiser("silent"),
    )
    assert not errors
    tasks = {task["__var"]["task_id"]: task["__var"] for task in serialised["tiktok_offline__told"]["tasks"]}
    assert tasks["prepare"]["has_on_failure_callback"]
    assert tasks["summary"]["has_on_success_callback"]
    assert "has_on_failure_callback" not in tasks["summary"]
    sensor = bag.dags["tiktok_offline__told"].get_task("wait_for_file")
    assert isinstance(sensor, ConversionFileSensor)
    assert sensor.on_stale_callback is not None
    assert "has_on_" not in json.dumps(serialised["tiktok_offline__silent"])


SECRET_SETTINGS: dict[str, Any] = {
    "notifications": {"email": ["boss@retailer.example"], "events": ["failure"]},
    "suppression": {"uri": "s3://lists@private-bucket/opt-outs.csv"},
    "where": {"brand": ["brand-of-the-group"]},
    "guards": {"max_value": 98765.25},
}


def test_the_serialized_dag_holds_no_settings(parse: Parse) -> None:
    """Whoever reads Airflow's database reads the configuration's path and the entry's name."""
    bag, serialised, errors = parse(advertiser("shop", **SECRET_SETTINGS))
    assert not errors
    text = json.dumps(serialised["tiktok_offline__shop"])
    for value in ("boss@retailer", "private-bucket", "brand-of-the-group", "98765", "7000000000000000201", "/in/shop"):
        assert value not in text
    for task in serialised["tiktok_offline__shop"]["tasks"]:
        given = {**task["__var"], **task["__var"].get("partial_kwargs", {})}
        assert "settings" not in given
        assert given["advertiser"] == "shop"
        assert given["config"].endswith("advertisers.yaml")
    operator = bag.dags["tiktok_offline__shop"].get_task("prepare")
    assert isinstance(operator, TikTokOfflinePrepareOperator)
    assert operator.advertiser_config().where == {"brand": ["brand-of-the-group"]}


#: What Airflow itself must know of a DAG, and what it shows of it.
TOLD_TO_AIRFLOW = {"name", "display_name", "owner", "pool", "queue", "tags", "schedule", "time_zone"}


def text_settings(node: dict[str, Any], top: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each setting that a text, or a list of them, can be given to."""
    if "$ref" in node:
        node = top["$defs"][node["$ref"].rpartition("/")[2]]
    for one in node.get("anyOf", []):
        yield from text_settings(one, top, path)
    for name, below in node.get("properties", {}).items():
        yield from text_settings(below, top, (*path, name))
    if node.get("type") in ("string", "array"):
        yield path


def test_the_text_of_no_setting_is_serialized(parse: Parse) -> None:
    """Each one that takes a text, those of later releases too, but for what Airflow needs."""
    schema = AdvertiserConfig.model_json_schema()
    told: dict[str, tuple[str, ...]] = {}
    entries: list[dict[str, Any]] = []
    for path in sorted(set(text_settings(schema, schema))):
        for form in ("quokka-{}", "s3://quokka@quokka-{}/x", "quokka{}@retailer.example"):
            for is_list in (False, True):
                text = form.format(len(entries))
                value: Any = [text] if is_list else text
                for name in reversed(path):
                    value = {name: value}
                entry = advertiser(f"shop_{len(entries)}")
                key = path[0]
                entry[key] = {**entry.get(key, {}), **value[key]} if isinstance(value[key], dict) else value[key]
                try:
                    AdvertiserConfig.model_validate(entry)
                except ValueError:
                    continue
                entries.append(entry)
                told[entry["name"]] = path
    _, serialised, errors = parse(*entries)
    assert not errors
    shown = {told[name] for name in told if "quokka" in json.dumps(serialised.get(f"tiktok_offline__{name}"))}
    assert len(set(told.values())) > 25
    assert {path[0] for path in shown} <= TOLD_TO_AIRFLOW


def test_a_settings_key_makes_no_new_dag_version(parse: Parse) -> None:
    """Airflow makes a version whenever the serialized DAG differs."""
    _, plain, _ = parse(advertiser("shop"))
    _, more, errors = parse(advertiser("shop", **SECRET_SETTINGS | {"notifications": None}))
    assert not errors
    assert more == plain


#: Faults that show only when Airflow is given them; each takes one advertiser's DAG away.
BEYOND_AIRFLOW: dict[str, dict[str, Any]] = {
    "a tag of 101 characters": {"tags": ["x" * 101]},
    "an empty tag": {"tags": [""]},
    "a delay of 1e300 seconds": {"retry_delay_seconds": 1e300},
    "a delay without end": {"retry_delay_seconds": float("inf")},
    "retries without end": {"retries": 1_000_000_000},
    "no cron expression": {"schedule": "every day at six"},
    "a cron field out of range": {"schedule": "61 6 * * *"},
    "a day that never comes": {"schedule": "0 0 31 2 *"},
    "a report's cron expression": {"reports": {"schedule": "often"}},
    "an unknown name in a path": {"source": {"path": "/in/{{ today }}.csv"}},
    "an open template": {"source": {"path": "/in/{{ ds.csv"}},
    "a division in a path": {"source": {"path": "/in/{{ 1 // 0 }}.csv"}},
    "a poke interval without end": {"source": {"path": "/in/a.csv", "poke_seconds": 10**30}},
}


@pytest.mark.parametrize("fault", BEYOND_AIRFLOW)
def test_a_fault_of_one_advertiser_stays_its_own(parse: Parse, fault: str, tmp_path: Path) -> None:
    """The others keep their DAGs, and the fault is told with file, line, entry and key."""
    changes = BEYOND_AIRFLOW[fault]
    _, serialised, errors = parse(advertiser("whole"), advertiser("broken", **changes))
    assert set(serialised) == {"tiktok_offline__whole"}
    assert not errors
    where = rf"advertisers\.yaml:\d+, entry broken, key {next(iter(changes))}"
    with pytest.raises(BrokenAdvertisersError, match=where):
        raise_broken_advertisers({"__file__": str(tmp_path / "shops.py")}, "advertisers.yaml")


def test_whatever_the_configuration_takes_makes_a_dag(parse: Parse, tmp_path: Path) -> None:
    """Each key of the typed model with a third of the hostile values: what is loaded has a DAG that Airflow stores."""
    entries = {
        f"broken_{place}_{number}": hostile.entry(f"broken_{place}_{number}", key, value)
        for place, key in enumerate(hostile.every_key())
        for number, value in enumerate(hostile.VALUES)
        if number % 3 == place % 3
    }
    (tmp_path / "all.yaml").write_text(yaml.safe_dump({"advertisers": list(entries.values())}))
    loaded = load_config(tmp_path / "all.yaml").advertisers
    taken = [entry for name, entry in entries.items() if name in loaded]
    assert len(taken) > 150
    _, serialised, errors = parse(advertiser("whole"), *taken)
    assert not errors
    whole = {f"tiktok_offline__{entry['name']}" for entry in taken}
    assert whole <= serialised.keys()
    assert "tiktok_offline__whole" in serialised


def test_what_nobody_foresaw_stays_one_advertisers_too(
    parse: Parse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each advertiser is built under its own guard; the library's words are not repeated."""
    whole = dag_arguments.dag_options

    def refuse(config: AdvertiserConfig) -> dict[str, Any]:
        if config.name == "broken":
            raise OverflowError(config.event_set_id)
        return whole(config)

    monkeypatch.setattr(factory, "dag_options", refuse)
    _, serialised, errors = parse(advertiser("whole"), advertiser("broken"))
    assert set(serialised) == {"tiktok_offline__whole"}
    assert not errors
    with pytest.raises(BrokenAdvertisersError, match="entry broken: Airflow can't make a DAG") as caught:
        raise_broken_advertisers({"__file__": str(tmp_path / "shops.py")}, "advertisers.yaml")
    assert "7000000000000000201" not in str(caught.value)
