"""The compose files, as far as they can be known without containers: their form, their commands, their secrets."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
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
from tests.deployment.compose import COMPOSE_FILE, LOCAL_FILE, ROOT, read_services, variables
from tests.deployment.processes import program


@dataclass(frozen=True)
class Compose:
    """One of the compose files.

    Attributes:
        file: where it lies.
        document: what it holds.
    """

    file: Path
    document: dict[str, Any]

    @property
    def services(self) -> dict[str, Any]:
        """By name."""
        services: dict[str, Any] = self.document["services"]
        return services

    @property
    def airflow(self) -> list[str]:
        """The services of the package's own image."""
        image = re.compile("airflow-provider-tiktok-offline(-local)?:")
        return [name for name, entry in self.services.items() if image.match(entry["image"])]


FILES = {file.name: Compose(file, yaml.safe_load(file.read_text())) for file in (COMPOSE_FILE, LOCAL_FILE)}


@pytest.fixture(params=FILES, name="compose")
def _compose(request: pytest.FixtureRequest) -> Compose:
    return FILES[request.param]


def _each_service(*without: str) -> list[Any]:
    """A file and one of its services."""
    return [
        pytest.param(compose, name, id=f"{file}-{name}")
        for file, compose in FILES.items()
        for name in sorted(compose.services)
        if name not in without
    ]


def test_it_follows_the_compose_specification(compose: Compose) -> None:
    """The file fits the specification's own schema."""
    schema = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(compose.document)


def test_its_variables_are_those_of_the_example() -> None:
    """``.env.example`` names what the files read, nothing else, and holds no value; ``make_env`` fills it all in."""
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    named = {line.partition("=")[0] for line in lines}
    assert named == variables(COMPOSE_FILE) == fresh_environment().keys()
    assert named - variables(LOCAL_FILE) == {"OBJECT_STORE_ACCESS_KEY", "OBJECT_STORE_SECRET_KEY"}
    assert [line for line in lines if not line.endswith("=")] == []


def test_it_holds_no_secret(compose: Compose) -> None:
    """Whatever is called password, secret or key is a variable, but for the simulator's token, which opens nothing."""
    for name, value in _leaves(compose.document):
        secret = re.search(r"(?i)password|secret|private_key|fernet", name) and not name.endswith("PASSWORDS_FILE")
        assert not secret or str(value).startswith("${"), name
    tokens = re.findall(r'"password": "([^"]*)"', compose.file.read_text())
    assert {token for token in tokens if not token.startswith("${")} == {"simulated-access-token"}


@pytest.mark.parametrize(("compose", "name"), _each_service())
def test_an_image_is_pinned(compose: Compose, name: str) -> None:
    """Each image, and each that one is built from, has a version and comes from the user's own registry.

    What is not made here is named by its digest, too; Airflow's is not known for sure.
    """
    images = [compose.services[name]["image"]]
    images += re.findall(
        r"^FROM (\S+)", compose.services[name].get("build", {}).get("dockerfile_inline", ""), re.MULTILINE
    )
    for image in images:
        assert re.search(r":.*\d+\.?\d*", image), image
        assert "latest" not in image
        assert "." not in image.partition("/")[0].partition(":")[0], "a registry's host"
        of_others = not image.startswith(("airflow-provider-tiktok-offline", "apache/airflow:"))
        assert not of_others or re.search(r"@sha256:[0-9a-f]{64}$", image), image


@pytest.mark.parametrize(("compose", "name"), _each_service("setup", "simulator-door"))
def test_a_service_has_a_health_check(compose: Compose, name: str) -> None:
    """Each service that stays has one; the door is as healthy as the simulator."""
    assert compose.services[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_published_ports_are_loopback_only(compose: Compose) -> None:
    """Nothing is reachable from another machine."""
    ports = [port for entry in compose.services.values() for port in entry.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_who_waits_for_whom_is_there(compose: Compose) -> None:
    """Each service that another waits for exists, and has what is waited for."""
    for entry in compose.services.values():
        for name, wait in entry.get("depends_on", {}).items():
            assert wait["condition"] != "service_healthy" or "healthcheck" in compose.services[name], name
    assert {volume.partition(":")[0] for entry in compose.services.values() for volume in entry.get("volumes", ())} == {
        "./dags",
        *compose.document["volumes"],
    }


def _commands(compose: Compose, name: str) -> list[list[str]]:
    """The simple commands that a service runs, its health check's too, each as words."""
    entry = compose.services[name]
    found = [_simple(list(entry.get("command") or ()), airflow=name in compose.airflow)]
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


def _all_commands(compose: Compose, program: str) -> list[tuple[str, ...]]:
    """Every command of the file that begins with that program, without it."""
    commands = [words for name in compose.services for words in _commands(compose, name)]
    return sorted({tuple(words[1:]) for words in commands if words[:1] == [program]})


def test_airflow_understands_its_commands(compose: Compose) -> None:
    """Each ``airflow ...`` of the file is one that the installed Airflow parses."""
    from airflow.cli import cli_parser

    parser = cli_parser.get_parser()
    commands = _all_commands(compose, "airflow")
    for words in commands:
        assert callable(parser.parse_args(words).func)
    workers = {"celery"} if "worker" in compose.services else set()
    assert {words[0] for words in commands} == workers | {
        "api-server", "dag-processor", "db", "jobs", "scheduler", "triggerer",
    }  # fmt: skip


def test_the_package_understands_its_commands(compose: Compose) -> None:
    """Each ``tiktok-offline ...`` of the file is one that the installed package parses."""
    [words] = _all_commands(compose, "tiktok-offline")
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group | typer.core.TyperGroup)
    name, command, rest = group.resolve_command(group.make_context("tiktok-offline", list(words)), list(words))
    assert command is not None
    assert command.make_context(name, rest).params["port"] == 8081


def test_the_scripts_are_in_the_image(compose: Compose) -> None:
    """What is run with Python lies in the folders that the image is built from."""
    [words] = _all_commands(compose, "python")
    script = Path(words[0].replace("/opt/provider", str(ROOT)))
    assert script.is_file()
    assert f"!{script.parent.relative_to(ROOT)}" in (ROOT / ".dockerignore").read_text().splitlines()


@pytest.mark.root
def test_sshd_understands_its_options(compose: Compose, tmp_path: Path) -> None:
    """The SFTP server's command is one that OpenSSH's server takes, and lets nobody in by password."""
    [words] = _all_commands(compose, "/usr/sbin/sshd")
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


def test_its_settings_are_airflows(compose: Compose) -> None:
    """Each ``AIRFLOW__SECTION__KEY`` is an option of the installed Airflow or of a provider's."""
    from airflow.configuration import conf

    known = {
        f"AIRFLOW__{section}__{key}".upper()
        for section, keys in conf.configuration_description.items()
        for key in keys["options"]
    }
    used = {
        name
        for entry in compose.services.values()
        for name in entry.get("environment", {})
        if name.startswith("AIRFLOW__")
    }
    assert used - known == set()


def test_the_example_dags_find_their_connections(compose: Compose) -> None:
    """Every connection that dags/advertisers.yaml names is given to whoever runs tasks."""
    runs_tasks = "worker" if "worker" in compose.services else "scheduler"
    environment = read_services(fresh_environment(), compose.file)[runs_tasks].environment
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
