"""What the models say of themselves: JSON Schema, descriptions, generated pages."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from airflow_provider_tiktok_offline.cli.commands.config import starter
from airflow_provider_tiktok_offline.config import load_config
from airflow_provider_tiktok_offline.config.connection_ids import connection_ids
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.config.schema import descriptions, json_schema, section_models

ROOT = Path(__file__).parents[2]


def _pages() -> dict[str, Callable[[], str]]:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: dict[str, Callable[[], str]] = module.PAGES
    return pages


@pytest.mark.parametrize(
    "name", ["cli.md", "configuration.md", "reference-airflow.md", "how-to.md", "not-attributed.md"]
)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """`python docs/reference.py` writes them again."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == _pages()[name]()


@pytest.mark.parametrize("name", sorted(section_models()))
def test_every_key_is_described(name: str) -> None:
    """A key without a line under Attributes would be missing from schema and page."""
    model = section_models()[name]
    assert list(descriptions(model)) == list(model.model_fields)


def test_the_schema_is_one() -> None:
    """Editors are given a valid JSON Schema."""
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_schema_takes_what_the_loader_takes() -> None:
    """The starter file and references to the environment fit the schema."""
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.validate(yaml.safe_load(starter()))
    validator.validate({"defaults": {"upload": {"in_flight": "${N}"}, "state_shared": "${SHARED:-true}"}})


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "a", "currencie": "EUR"},
        {"name": "a", "currency": "EURO"},
        {"name": "a", "upload": {"in_flight": "x"}},
        {},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(entry: dict[str, object]) -> None:
    """An editor underlines a mistake before a deployment finds it."""
    validator = jsonschema.Draft202012Validator(json_schema())
    assert not validator.is_valid({"advertisers": [entry]})


def test_the_starter_file_loads(tmp_path: Path) -> None:
    """What `config init` writes is a configuration without a fault."""
    file = tmp_path / "advertisers.yaml"
    file.write_text(starter(), encoding="utf-8")
    loaded = load_config(file, environ={})
    assert list(loaded.advertisers) == ["my_shop"]
    assert not loaded.broken


def test_the_connections_of_an_entry_are_found() -> None:
    """Ids stand in keys of their own and before the @ of URIs."""
    config = AdvertiserConfig.model_validate(
        {
            "name": "a",
            "advertiser_id": "1",
            "event_set_id": "2",
            "state_uri": "s3://state_conn@bucket/x",
            "source": {"conn_id": "shop", "path": "/out/a.csv"},
            "suppression": {"uri": "sftp://lists@/opt-outs.csv"},
        }
    )
    assert connection_ids(config) == {
        "tiktok_default": "tiktok_conn_id",
        "shop": "source.conn_id",
        "state_conn": "state_uri",
        "lists": "suppression.uri",
    }
