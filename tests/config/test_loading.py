"""advertisers.yaml: what is accepted, and how each fault is reported."""

from __future__ import annotations

import subprocess
import sys
import traceback
from datetime import time
from pathlib import Path

import pytest
import yaml

from airflow_provider_tiktok_offline.config import load_config
from airflow_provider_tiktok_offline.config.loading import parse_advertiser
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.uris import holds_secret, parse

ENTRY = """
  - name: acme
    advertiser_id: "7000000000000000001"
    event_set_id: "7100000000000000001"
    source: {path: "/outgoing/sales_{{ ds_nodash }}.csv"}
    state_uri: /var/lib/tiktok
"""


def write(tmp_path: Path, text: str, name: str = "advertisers.yaml") -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def fault(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    """The one fault of a file, with the directory taken off."""
    loaded = load_config(write(tmp_path, text), environ=environ or {})
    assert len(loaded.broken) == 1, loaded.broken
    return str(loaded.broken[0]).removeprefix(f"{tmp_path}/")


def test_an_entry_has_safe_defaults(tmp_path: Path) -> None:
    """Nothing is sent unless a mode says so."""
    config = load_config(write(tmp_path, "advertisers:" + ENTRY)).advertiser("acme")
    assert (config.mode, config.route, config.lookback_days, config.max_rejected_ratio) == (
        "dry_run",
        "tiktok",
        28,
        0.05,
    )
    assert config.staging == "/var/lib/tiktok/staging"


def test_defaults_are_merged_deep(tmp_path: Path) -> None:
    """An entry overrides single keys of a section and leaves its other defaults."""
    text = (
        "defaults:\n  currency: EUR\n  tags: [a, b]\n  upload: {in_flight: 8, batch_events: 500}\n"
        "  event_map: {Sale: Purchase}\n"
        f"advertisers:{ENTRY}    upload: {{in_flight: 2}}\n    event_map: {{Signup: Subscribe}}\n    tags: [c]\n"
    )
    config = load_config(write(tmp_path, text)).advertiser("acme")
    assert (config.currency, config.upload.in_flight, config.upload.batch_events) == ("EUR", 2, 500)
    assert config.event_map == {"Sale": "Purchase", "Signup": "Subscribe"}
    assert config.tags == ("c",)


def test_environment_references_are_filled_in(tmp_path: Path) -> None:
    """``${VAR}`` and ``${VAR:-default}`` stand for text; ``$$`` is a dollar sign."""
    text = "advertisers:" + ENTRY.replace("/var/lib/tiktok", "${ROOT}/${PLACE:-state}") + "    owner: $$$${x}\n"
    config = load_config(write(tmp_path, text), environ={"ROOT": "/srv"}).advertiser("acme")
    assert (config.state_uri, config.owner) == ("/srv/state", "$${x}")


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    """A reference without a value and without a default breaks its entry."""
    text = "advertisers:" + ENTRY.replace("/var/lib/tiktok", "${ROOT}")
    assert fault(tmp_path, text) == (
        "advertisers.yaml:6, entry acme, key state_uri: the environment variable ROOT is not set"
    )


@pytest.mark.parametrize("written", ["${SHOP}", "${SHOP:-acme}", "x${SHOP}", "&n ${SHOP}"])
def test_a_name_comes_from_no_variable(tmp_path: Path, written: str) -> None:
    """It names the DAG and stands in every message: what the variable holds is not shown, not even by a fault."""
    text = "advertisers:" + ENTRY.replace("name: acme", f"name: {written}")
    loaded = load_config(write(tmp_path, text), environ={"SHOP": "hidden-secret"})
    assert not loaded.advertisers
    [broken] = loaded.broken
    assert "key name: a name may not come from an environment variable" in str(broken)
    assert "hidden-secret" not in f"{loaded.broken}{broken}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("    currencie: EUR", "entry acme, key currencie: unknown key; did you mean currency?"),
        ("    in_flight: 3", "entry acme, key in_flight: unknown key; it belongs at upload.in_flight"),
        ("    colour: red", "entry acme, key colour: unknown key"),
        ("    suppression: {uri: /x, column: mail}", "key suppression.column: the key was renamed: write columns"),
        ("    upload: {inflight: 3}", "entry acme, key upload.inflight: unknown key; did you mean in_flight?"),
        (
            '    stores: {"17": {curency: EUR}}',
            "entry acme, key stores.17.curency: unknown key; did you mean currency?",
        ),
        ("    currency: EURO", "'EURO' is no currency that TikTok supports (ISO 4217, three capitals)"),
        ("    currency: eur", "'eur' is no currency that TikTok supports (ISO 4217, three capitals)"),
        ("    phone_region: UK", "'UK' is no region with phone numbers (ISO 3166 alpha-2, two capitals)"),
        ("    time_zone: Mars/Olympus", "'Mars/Olympus' is no IANA time zone"),
        ("    time_zone: ../etc/passwd", "'../etc/passwd' is no IANA time zone"),
        ("    mode: send", "key mode: must be 'dry_run', 'test' or 'live'"),
        ("    mode: test", "key test_event_code: is missing: mode is test"),
        ("    max_rejected_ratio: 5", "key max_rejected_ratio: must be less than or equal to 1"),
        ("    upload: fast", "key upload: must be a mapping, its keys indented below"),
        ("    currency:", "key currency"),
        ("    tags:", "key tags: is empty: give a value or leave the key out"),
        ("    categories: [1]", "key categories.0: must be text: write it in quotes"),
        ("    event_map: {Sale: Buy}", "key event_map.Sale: 'Buy' is no standard event of TikTok"),
        ("    columns: {Mail: email}", "key columns.Mail: 'email' is no column of the programme"),
        ("    severities: {no_such_rule: off}", "'no_such_rule' is no rule; docs/file-format.md lists them"),
        ("    lookback_days: 90", "key ledger.retention_days: must be at least lookback_days + 2 = 92"),
        ("    returns: net", "key returns: is net, which needs basket: order and amount: line"),
        ("    send_after_days: 26", "key send_after_days: must be at most lookback_days less 3 = 25"),
        ("    lookback_days: 2\n    send_after_days: 1", "must be at most lookback_days less 3 = 0"),
        (
            "    send_after_days: 3\n    route: liveramp\n    liveramp: {destination: /feed}",
            "key send_after_days: is set, and route is liveramp",
        ),
        ("    send_after_days: 3\n    amount: order", "key send_after_days: can't take returns off rows that share"),
        ("    send_from: 2026-11-22", "key send_from: needs an offset"),
        ("    route: liveramp", "key liveramp: is missing"),
        ("    send_fields: [emails]", "key send_fields: has the unknown emails"),
        ("    owner: x\n    owner: y", "advertisers.yaml:8, entry acme, key owner: the key is there twice"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, line: str, expected: str) -> None:
    """The message names the key, says what is wrong and, where it can, what was meant."""
    if line.strip() == "currency:":
        assert load_config(write(tmp_path, f"advertisers:{ENTRY}{line}\n")).advertiser("acme").currency is None
        return
    assert expected in fault(tmp_path, f"advertisers:{ENTRY}{line}\n")


@pytest.mark.parametrize("key", ["advertiser_id", "event_set_id"])
def test_an_id_given_as_a_number_is_refused(tmp_path: Path, key: str) -> None:
    """A number would lose leading zeros and precision; the message shows how to write it."""
    lines = [line if key not in line else f"    {key}: 7000000000000000001" for line in ENTRY.splitlines()]
    found = fault(tmp_path, "advertisers:" + "\n".join(lines) + "\n")
    assert f'key {key}: must be a string of digits: write it in quotes, as "7000000000000000001"' in found


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    """A key that every advertiser needs is named with the entry's line."""
    text = "advertisers:" + ENTRY.replace("    state_uri: /var/lib/tiktok\n", "")
    assert fault(tmp_path, text) == "advertisers.yaml:2, entry acme, key state_uri: is missing"


def test_norway_and_times_are_text(tmp_path: Path) -> None:
    """YAML 1.1 would read NO as false and 07:30:00 as 27000."""
    text = f"advertisers:{ENTRY}    phone_region: NO\n    date_only_time: 07:30:00\n    stores: {{0042: {{}}}}\n"
    config = load_config(write(tmp_path, text)).advertiser("acme")
    assert (config.phone_region, config.date_only_time) == ("NO", time(7, 30))
    assert list(config.stores) == ["0042"]


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    """Repeated sections can be written once."""
    text = "advertisers:" + ENTRY + "    upload: &fast {in_flight: 8, batch_events: 900}\n"
    text += ENTRY.replace("acme", "bolt") + "    upload: {<<: *fast, batch_events: 100}\n"
    config = load_config(write(tmp_path, text)).advertiser("bolt")
    assert (config.upload.in_flight, config.upload.batch_events) == (8, 100)


def test_a_broken_entry_leaves_the_others(tmp_path: Path) -> None:
    """One advertiser's fault is reported and does not stop another's deliveries."""
    text = "advertisers:" + ENTRY + ENTRY.replace("acme", "bolt") + "    currency: XXX\n"
    loaded = load_config(write(tmp_path, text))
    assert list(loaded.advertisers) == ["acme"]
    with pytest.raises(ConfigError, match=r"advertisers.yaml:13, entry bolt, key currency: 'XXX'"):
        loaded.advertiser("bolt")


def test_a_fault_of_the_defaults_is_reported_once(tmp_path: Path) -> None:
    """A wrong default is one fault at its own line, however many entries inherit it."""
    text = "defaults:\n  currency: XXX\nadvertisers:" + ENTRY + ENTRY.replace("acme", "bolt")
    loaded = load_config(write(tmp_path, text))
    assert [(one.entry, one.key, one.line) for one in loaded.broken] == [("defaults", "currency", 2)]
    with pytest.raises(ConfigError, match="XXX"):
        loaded.advertiser("bolt")


def test_a_name_twice_breaks_both(tmp_path: Path) -> None:
    """Neither of two entries of one name is taken: which one was meant can't be known."""
    loaded = load_config(write(tmp_path, "advertisers:" + ENTRY + ENTRY))
    assert not loaded.advertisers
    assert [one.line for one in loaded.broken] == [2, 8]
    assert "the name is also at" in loaded.broken[0].message


def test_two_live_entries_of_one_event_set_need_one_ledger(tmp_path: Path) -> None:
    """Two ledgers for one event set would each send what the other sent."""
    live = ENTRY + "    mode: live\n"
    text = "advertisers:" + live + live.replace("acme", "bolt").replace("/var/lib/tiktok", "/elsewhere")
    assert "entry bolt, key state_uri: advertiser acme keeps the ledger of this event set elsewhere" in fault(
        tmp_path, text
    )


def test_an_unknown_name_gets_a_hint(tmp_path: Path) -> None:
    """A near miss is named."""
    with pytest.raises(ConfigError, match="Did you mean 'acme'"):
        load_config(write(tmp_path, "advertisers:" + ENTRY)).advertiser("amce")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("advertiser:" + ENTRY, "key advertiser: unknown key; did you mean advertisers?"),
        ("- name: acme\n", "needs defaults: and advertisers: at the top"),
        ("", "needs defaults: and advertisers: at the top"),
        ("advertisers:\n  acme: {}\n", "key advertisers: must be a list"),
        ("advertisers:\n  - acme\n", "entry advertisers[0]: must be a mapping"),
        ("defaults: {name: x}\n", "entry defaults, key name: a name belongs to one advertiser"),
        ("a: &a [*a]\n", "unknown key"),
        ("advertisers:\n  - name: !!python/object:os.system x\n", "YAML tags are not understood here"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    """The top of a file is checked too."""
    loaded = load_config(write(tmp_path, text), environ={})
    assert not loaded.advertisers
    assert any(expected in str(one) for one in loaded.broken)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: [1, 2\nb: 3\n", r"advertisers.yaml:2: no valid YAML"),
        (b"\xff\xfe", "no UTF-8 text"),
        (b"a: \x00", "no valid YAML"),
    ],
)
def test_a_file_that_is_no_yaml_is_an_error(tmp_path: Path, content: bytes, expected: str) -> None:
    """There is nothing to load, so loading fails as a whole."""
    file = tmp_path / "advertisers.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=expected):
        load_config(file)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(ConfigError, match=r"none\.yaml: the configuration can't be read"):
        load_config(tmp_path / "none.yaml")


def test_a_directory_is_one_configuration(tmp_path: Path) -> None:
    """Files are read by name, ``defaults.yaml`` is under all of them, one broken file leaves the others."""
    write(tmp_path, "defaults: {currency: EUR, owner: shared}\n", "defaults.yaml")
    write(tmp_path, "defaults: {owner: mine}\nadvertisers:" + ENTRY, "a.yaml")
    write(tmp_path, "advertisers: [\n", "b.yml")
    write(tmp_path, "advertisers:" + ENTRY.replace("acme", "bolt"), "c.yaml")
    loaded = load_config(tmp_path)
    assert {name: (one.currency, one.owner) for name, one in loaded.advertisers.items()} == {
        "acme": ("EUR", "mine"),
        "bolt": ("EUR", "shared"),
    }
    assert [one.entry for one in loaded.broken] == ["file"]


def test_only_the_entries_asked_for_are_built(tmp_path: Path) -> None:
    """A worker that runs one DAG does not pay for all."""
    text = "advertisers:" + ENTRY + ENTRY.replace("acme", "bolt")
    assert list(load_config(write(tmp_path, text), only={"bolt"}).advertisers) == ["bolt"]


def test_loading_brings_in_neither_polars_nor_airflow() -> None:
    """A DAG file loads this in a process that forks."""
    code = (
        "import sys, airflow_provider_tiktok_offline.config; "
        "heavy = {'polars', 'airflow', 'pyarrow', 'deltalake', 'obstore'}; "
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_warnings_name_what_is_seldom_meant(tmp_path: Path) -> None:
    """A monthly file can't fit a lookback of 28 days."""
    config = load_config(write(tmp_path, f"advertisers:{ENTRY}    cadence: monthly\n")).advertiser("acme")
    assert [warning.split(":")[0] for warning in config.warnings()] == ["cadence", "currency", "phone_region"]


def test_settings_in_code_are_explained_alike() -> None:
    """An operator that is given its settings says which key is wrong, not where pydantic's documentation lies."""
    with pytest.raises(ConfigError, match=r"task upload: key advertiser_id: must be a string of digits.*key currencie"):
        parse_advertiser({"name": "a", "advertiser_id": 5, "currencie": "EUR"}, where="task upload")


def test_a_rule_without_which_nothing_can_be_sent_stays_an_error(tmp_path: Path) -> None:
    """Settings may not soften it."""
    assert "must stay error" in fault(tmp_path, f"advertisers:{ENTRY}    severities: {{timestamp_missing: warning}}\n")


def test_notifications_need_somebody_to_tell(tmp_path: Path) -> None:
    """A section that names nobody is a mistake, and one that does is typed."""
    assert "key notifications.email" in fault(tmp_path, f"advertisers:{ENTRY}    notifications: {{events: [gate]}}\n")
    text = f"advertisers:{ENTRY}    notifications: {{email: [ana@shop.example], no_file_by: 10:30}}\n"
    told = load_config(write(tmp_path, text)).advertiser("acme").notifications
    assert told is not None
    assert (told.no_file_by, told.events) == (
        time(10, 30),
        ("failure", "gate", "approval", "unconfirmed", "stale", "drift", "report"),
    )


BAD_DEFAULTS = {
    "a tag": "defaults: {suppression: !list /lists/opt-outs.txt}\n",
    "an unset variable": 'defaults: {owner: "${NOBODY_SET_THIS}"}\n',
    "a list": "defaults: [suppression]\n",
    "a key twice": "defaults:\n  suppression: {uri: /a}\n  suppression: {uri: /b}\n",
}


@pytest.mark.parametrize("fault", BAD_DEFAULTS)
@pytest.mark.parametrize("name", ["a.yaml", "defaults.yaml"])
def test_no_advertiser_is_loaded_without_its_defaults(tmp_path: Path, fault: str, name: str) -> None:
    """What can't be read of ``defaults:`` may be the list of people who opted out; other files keep theirs."""
    other = ENTRY.replace("acme", "other").replace("0001", "0002")
    if name == "a.yaml":
        write(tmp_path, BAD_DEFAULTS[fault] + "advertisers:" + ENTRY, name)
    else:
        write(tmp_path, BAD_DEFAULTS[fault], name)
        write(tmp_path, "advertisers:" + ENTRY, "a.yaml")
    write(tmp_path, "advertisers:" + other, "other.yaml")
    loaded = load_config(tmp_path, environ={})
    assert list(loaded.advertisers) == (["other"] if name == "a.yaml" else [])
    with pytest.raises(ConfigError, match="entry defaults"):
        loaded.advertiser("acme")


def test_a_broken_file_of_shared_defaults_stops_all(tmp_path: Path) -> None:
    """Without it nobody's settings are known."""
    write(tmp_path, "defaults: {suppression: {uri: /lists", "defaults.yaml")
    write(tmp_path, "advertisers:" + ENTRY, "a.yaml")
    with pytest.raises(ConfigError, match=r"defaults\.yaml:2: no valid YAML"):
        load_config(tmp_path)


def test_a_renamed_key_is_reported_with_its_new_name(tmp_path: Path) -> None:
    """An entry with the old key is broken, and its fault says what to write."""
    text = "advertisers:" + ENTRY.replace("source: {", "source: {manifest: .sha256, ")
    assert "key source.manifest: the key was renamed: write checksum_file" in fault(tmp_path, text)


def test_a_file_that_several_advertisers_read_is_moved_by_none(tmp_path: Path) -> None:
    """``after_delivery: archive`` of one would take the file from the other."""
    text = """
advertisers:
- {<<: &shop {advertiser_id: "7000000000000000101", event_set_id: "7000000000000000201", state_uri: /state},
   name: first, where: {store_code: ["1"]}, source: {path: /in/group.csv}}
- {<<: *shop, name: second, where: {store_code: ["2"]},
   source: {path: /in/group.csv, after_delivery: archive, archive_path: /done}}
"""
    loaded = load_config(write(tmp_path, text))
    assert list(loaded.advertisers) == ["first"]
    [moved] = loaded.broken
    assert (moved.entry, moved.key) == ("second", "source.after_delivery")
    assert "takes the file away from advertiser first" in moved.message


SECRET = "s3cr3t-w0rd"
SECRET_URIS = [
    f"sftp://user:{SECRET}@host/out/day.csv",
    f"sftp://user:{SECRET}/with/slashes@host/out",
    f"sftp://:{SECRET}@host",
    f"sftp://user:{SECRET}",
    f"s3://AKIA:{SECRET}@bucket/key",
    f"S3://AKIA:{SECRET}@x@bucket/key",
    f"gs://bucket/key?access_token={SECRET}",
    f"s3://bucket/key?X-Amz-Signature={SECRET}",
    f"s3://bucket/key?x=1&aws_secret_access_key={SECRET}",
    f"https://user:{SECRET}@host/",
    f"ftp://user:{SECRET}@host/",
    f"postgresql+psycopg2://user:{SECRET}@host/db",
    f"jdbc:postgresql://user:{SECRET}@host/db",
    f"https://{SECRET}@host/",
    f"sftp://user%3A{SECRET}@host/out",
    f"sftp:///user:{SECRET}@host/out",
    f"sftp:/user:{SECRET}@host/out",
    f"//user:{SECRET}@host/out",
    f"user:{SECRET}@host:/out",
    f"see sftp://user:{SECRET}@host/out",
    f"s3://user\uff1a{SECRET}@bucket/key",
    f"s3://bucket/key#access_token={SECRET}",
    f"s3://bucket/key%3Faccess%5Ftoken={SECRET}",
    f"https://host/key?code={SECRET}",
]
#: Where a URI may be written, or a confused person may write one.
URI_KEYS = [
    "source.path", "source.archive_path", "source.conn_id", "state_uri", "staging_uri", "suppression.uri",
    "liveramp.destination", "liveramp.pgp_key", "currency", "owner", "pool", "tags", "name",
    "ledger.secret_conn_id", "colour",
]  # fmt: skip


@pytest.mark.parametrize("key", URI_KEYS)
@pytest.mark.parametrize("uri", SECRET_URIS)
@pytest.mark.parametrize("way", ["entry", "environment", "defaults", "code"])
def test_a_secret_in_a_uri_is_refused_and_never_shown(tmp_path: Path, key: str, uri: str, way: str) -> None:
    """In each key, in the entry, in the defaults, from a variable, and in settings that stand in code."""
    entry: dict[str, object] = yaml.safe_load(ENTRY)[0]
    section, _, name = key.rpartition(".")
    value = "${SECRET_URI}" if way == "environment" else uri
    change: dict[str, object] = {name: [value] if key == "tags" else value}
    if section:
        base = entry.get(section)
        change = {section: {**(base if isinstance(base, dict) else {}), **change}}
    if way == "code":
        with pytest.raises(ConfigError) as caught:
            parse_advertiser(entry | change, where="here")
        said = "".join(traceback.format_exception(caught.value))
    else:
        if way == "defaults":
            entry = {name: value for name, value in entry.items() if name not in change}
            content: dict[str, object] = {"defaults": change, "advertisers": [entry]}
        else:
            content = {"advertisers": [entry | change]}
        loaded = load_config(write(tmp_path, yaml.safe_dump(content)), environ={"SECRET_URI": uri})
        assert not loaded.advertisers
        said = "\n".join(str(fault) for fault in loaded.broken)
        assert said
    assert SECRET not in said


@pytest.mark.parametrize(
    "uri",
    [
        "/data/a:b@c.csv",
        "sftp://sftp_shop@/out/day.csv",
        "s3://aws@bucket/a:b@c",
        "s3://bucket/k=token",
        "s3://aws@bucket/day 1: a@b.csv",
        "file:///a:b@c.csv",
        "sftp://sftp_shop@/out/100%.csv",
        "https://status.example:8443/feed?x=1",
        "mailto:dpo@example.com/x",
        "contract: write to dpo@example.com",
        "12:30 Uhr @ Kasse",
        "C:/x",
        "a@b.c",
    ],
)
def test_a_uri_without_a_secret_is_none(uri: str) -> None:
    """Colons and at signs are allowed in names."""
    assert not holds_secret(uri)


@pytest.mark.parametrize(
    "key", ["currency", "time_zone", "phone_region", "schedule", "state_uri", "advertiser_id", "mode"]
)
def test_a_value_from_the_environment_is_never_echoed(tmp_path: Path, key: str) -> None:
    """A variable that was mixed up may hold anything."""
    entry: dict[str, object] = yaml.safe_load(ENTRY)[0]
    for content in (
        {"advertisers": [entry | {key: "${MIXED_UP}"}]},
        {"defaults": {key: "x${MIXED_UP}y"}, "advertisers": [{one: entry[one] for one in entry if one != key}]},
    ):
        loaded = load_config(write(tmp_path, yaml.safe_dump(content)), environ={"MIXED_UP": SECRET})
        [fault] = loaded.broken
        assert fault.key == key
        assert "comes from the environment" in fault.message
        assert SECRET not in str(fault)


@pytest.mark.parametrize("uri", [*SECRET_URIS, f"user:{SECRET}@host:/path"])
def test_taking_a_uri_apart_never_shows_its_secret(uri: str) -> None:
    """Command lines and connections name URIs too."""
    with pytest.raises(ConfigError) as caught:
        parse(uri)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"mode": "live"}, ["consent: neither"]),
        ({"mode": "dry_run"}, []),
        ({"mode": "live", "legal_basis": "contract with the loyalty programme"}, []),
        ({"mode": "live", "consent": {"column": "ok"}}, []),
        ({"mode": "live", "suppression": {"uri": "/lists/opt-outs.txt"}}, []),
        ({"send_fields": ["email", "content_name"]}, ["send_fields: content_name tell what"]),
    ],
)
def test_what_should_be_meant_is_warned_of(changes: dict[str, object], warned: list[str]) -> None:
    """A live advertiser says why it may send; what was bought may be a secret of its own."""
    entry = yaml.safe_load(ENTRY)[0] | {"currency": "EUR", "phone_region": "DE"} | changes
    said = [text for text in parse_advertiser(entry, where="here").warnings() if not text.startswith("retries")]
    assert len(said) == len(warned)
    assert all(text.startswith(start) for text, start in zip(said, warned, strict=True))


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("https://status.example/feed?x=1", True),
        ("http://127.0.0.1:8080/feed", True),
        ("http://localhost/feed", True),
        ("http://[::1]:8080/feed", True),
        ("http://status.example/feed", False),
        ("http://127.0.0.1.example/feed", False),
        ("http://localhost.example/", False),
        ("https://status.example/feed#part", False),
        ("https://me:secret@status.example/feed", False),
        ("https://me@status.example/feed", False),
        ("ftp://status.example/feed", False),
    ],
)
def test_an_address_is_reached_by_tls_alone(tmp_path: Path, address: str, taken: bool) -> None:
    """But for this machine; without a user and a fragment."""
    loaded = load_config(write(tmp_path, f"advertisers:{ENTRY}    reports: {{incidents: '{address}'}}\n"))
    assert bool(loaded.advertisers) is taken
    assert not any("secret" in str(broken) for broken in loaded.broken)
