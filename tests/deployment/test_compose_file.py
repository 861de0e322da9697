"""docker-compose.yaml, as far as it can be known without containers: its form, its commands, its secrets."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import typer
import yaml

from airflow_provider_tiktok_offline.cli.app import app
from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
from airflow_provider_tiktok_offline.config.connection_ids import connection_ids
from airflow_provider_tiktok_offline.config.loading import load_config
from scripts.make_env import fresh_environment
from tests.deployment.compose import COMPOSE_FILE, ROOT, read_services, variables
from tests.deployment.processes import program

DOCUMENT: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, Any] = DOCUMENT["services"]
#: Services of the package's own image.
AIRFLOW = [name for name, entry in SERVICES.items() if entry["image"].startswith("airflow-provider-tiktok-offline:")]


def test_it_follows_the_compose_specification() -> None:
    """The file fits the specification's own schema."""
    schema = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(DOCUMENT)


def test_its_variables_are_those_of_the_example() -> None:
    """``.env.example`` names what the file reads, nothing else, and holds no value; ``make_env`` fills it all in."""
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    assert {line.partition("=")[0] for line in lines} == variables() == fresh_environment().keys()
    assert [line for line in lines if not line.endswith("=")] == []


def test_it_holds_no_secret() -> None:
    """Whatever is called password, secret or key is a variable, but for the simulator's token, which opens nothing."""
    for name, value in _leaves(DOCUMENT):
        secret = re.search(r"(?i)password|secret|private_key|fernet", name) and not name.endswith("PASSWORDS_FILE")
        assert not secret or str(value).startswith("${"), name
    tokens = re.findall(r'"password": "([^"]*)"', COMPOSE_FILE.read_text())
    assert {token for token in tokens if not token.startswith("${")} == {"simulated-access-token"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_an_image_is_pinned(name: str) -> None:
    """Each image, and each that one is built from, has a tag with a version, and comes from the user's own registry."""
    images = [SERVICES[name]["image"]]
    images += re.findall(r"^FROM (\S+)", SERVICES[name].get("build", {}).get("dockerfile_inline", ""), re.MULTILINE)
    for image in images:
        assert re.search(r":.*\d+\.?\d*", image), image
        assert "latest" not in image
        assert "." not in image.partition("/")[0].partition(":")[0], "a registry's host"


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"setup", "simulator-door"}))
def test_a_service_has_a_health_check(name: str) -> None:
    """Each service that stays has one; the door is as healthy as the simulator."""
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_published_ports_are_loopback_only() -> None:
    """Nothing is reachable from another machine."""
    ports = [port for entry in SERVICES.values() for port in entry.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_who_waits_for_whom_is_there() -> None:
    """Each service that another waits for exists, and has what is waited for."""
    for entry in SERVICES.values():
        for name, wait in entry.get("depends_on", {}).items():
            assert wait["condition"] != "service_healthy" or "healthcheck" in SERVICES[name], name
    assert {volume.partition(":")[0] for entry in SERVICES.values() for volume in entry.get("volumes", ())} == {
        "./dags",
        *DOCUMENT["volumes"],
    }


def _commands(name: str) -> list[list[str]]:
    """The simple commands that a service runs, its health check's too, each as words."""
    entry = SERVICES[name]
    found = [_simple(list(entry.get("command") or ()), airflow=name in AIRFLOW)]
    if "healthcheck" in entry:
        kind, *check = entry["healthcheck"]["test"]
        found.append(_simple(["bash", "-c", *check] if kind == "CMD-SHELL" else check, airflow=False))
    return [words for commands in found for words in commands]


def _simple(words: list[str], *, airflow: bool) -> list[list[str]]:
    if words[:1] == ["bash"]:
        lines = re.split(r"\n|&&", words[-1])
        return [shlex.split(line.strip().removeprefix("exec ")) for line in lines if line.strip()]
    # The image's entry point takes what is no program for a subcommand.
    return [["airflow", *words]] if airflow and words else [words]


def _all_commands(program: str) -> list[tuple[str, ...]]:
    """Every command of the file that begins with that program, without it."""
    commands = [words for name in SERVICES for words in _commands(name)]
    return sorted({tuple(words[1:]) for words in commands if words[:1] == [program]})


def test_airflow_understands_its_commands() -> None:
    """Each ``airflow ...`` of the file is one that the installed Airflow parses."""
    from airflow.cli import cli_parser

    parser = cli_parser.get_parser()
    commands = _all_commands("airflow")
    for words in commands:
        assert callable(parser.parse_args(words).func)
    assert {words[0] for words in commands} == {
        "api-server", "celery", "dag-processor", "db", "jobs", "scheduler", "triggerer",
    }  # fmt: skip


def test_the_package_understands_its_commands() -> None:
    """Each ``tiktok-offline ...`` of the file is one that the installed package parses."""
    [words] = _all_commands("tiktok-offline")
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group | typer.core.TyperGroup)
    name, command, rest = group.resolve_command(group.make_context("tiktok-offline", list(words)), list(words))
    assert command is not None
    assert command.make_context(name, rest).params["port"] == 8081


def test_the_scripts_are_in_the_image() -> None:
    """What is run with Python lies in the folders that the image is built from."""
    [words] = _all_commands("python")
    script = Path(words[0].replace("/opt/provider", str(ROOT)))
    assert script.is_file()
    assert f"!{script.parent.relative_to(ROOT)}" in (ROOT / ".dockerignore").read_text().splitlines()


@pytest.mark.root
def test_sshd_understands_its_options(tmp_path: Path) -> None:
    """The SFTP server's command is one that OpenSSH's server takes, and lets nobody in by password."""
    [words] = _all_commands("/usr/sbin/sshd")
    key = tmp_path / "host_key"
    key.write_bytes(fresh_environment()["SFTP_HOST_PRIVATE_KEY"].replace("\\n", "\n").encode())
    key.chmod(0o600)
    Path("/run/sshd").mkdir(exist_ok=True)
    placed = [word.replace("/etc/ssh/host_key", str(key)) for word in words]
    ended = subprocess.run(
        [program("sshd", "openssh-server", Path("/usr/sbin")), "-T", *placed],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()
    assert {"port 2222", "passwordauthentication no", "forcecommand internal-sftp"} <= set(said)


def test_its_settings_are_airflows() -> None:
    """Each ``AIRFLOW__SECTION__KEY`` is an option of the installed Airflow or of a provider's."""
    from airflow.configuration import conf

    known = {
        f"AIRFLOW__{section}__{key}".upper()
        for section, keys in conf.configuration_description.items()
        for key in keys["options"]
    }
    used = {
        name for entry in SERVICES.values() for name in entry.get("environment", {}) if name.startswith("AIRFLOW__")
    }
    assert used - known == set()


def test_the_example_dags_find_their_connections() -> None:
    """Every connection that dags/advertisers.yaml names is given to the workers."""
    environment = read_services(fresh_environment())["worker"].environment
    connections = EnvironmentConnections(environ=environment)
    loaded = load_config(ROOT / "dags" / "advertisers.yaml", environ=environment)
    assert not loaded.broken
    for config in loaded.advertisers.values():
        assert config.mode == "live"
        for conn_id in connection_ids(config):
            assert connections.get(conn_id).conn_type in ("aws", "sftp", "tiktok")


def _leaves(node: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(node, dict):
        return [leaf for key, value in node.items() for leaf in _leaves(value, str(key))]
    if isinstance(node, list):
        return [leaf for value in node for leaf in _leaves(value, name)]
    return [(name, node)]
