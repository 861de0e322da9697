"""What a release is made of: one version, links from one constant, a page of steps that names real files."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

import hatch_build
from airflow_provider_tiktok_offline import __version__

ROOT = Path(__file__).parents[2]


def test_the_version_stands_in_one_place() -> None:
    """Metadata and images follow the package's own."""
    assert version("airflow-provider-tiktok-offline") == __version__
    files = sorted(ROOT.glob("docker-compose*.yaml"))
    images = [
        image
        for file in files
        for image in re.findall(r"image: airflow-provider-tiktok-offline\S*:(\S+)", file.read_text())
    ]
    assert set(images) == {__version__}


def test_links_are_made_of_the_repository() -> None:
    """Without a public repository there are none; with one there are four."""
    assert hatch_build.project_urls("") == {}
    links = hatch_build.project_urls("https://code.example/shop")
    assert list(links) == ["Documentation", "Source", "Issues", "Changelog"]
    assert all(link.startswith("https://code.example/shop") for link in links.values())


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "docs/releasing.md", "docs/architecture.md"])
def test_a_page_names_files_that_exist(name: str) -> None:
    """Paths in code marks, and make targets."""
    text = (ROOT / name).read_text(encoding="utf-8")
    folders = (ROOT, ROOT / "airflow_provider_tiktok_offline", ROOT / "docs", ROOT / "dags", ROOT / "tests" / "tiktok")
    for path in re.findall(r"`([\w./*-]+\.(?:py|yaml|md|toml))`", text):
        assert any(list(folder.glob(path)) for folder in folders), path
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in re.findall(r"`make ([a-z ]+?)(?: [A-Z].*?)?`", text):
        assert set(line.split()) <= targets, line


def test_the_image_is_built_from_all_that_a_build_needs() -> None:
    """.dockerignore lets in what pyproject.toml names: the package, example DAGs, page, licence and build hook."""
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"airflow_provider_tiktok_offline", "dags", "README.md", "LICENSE", "NOTICE", "hatch_build.py"} <= let_in


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_links_to_the_glossary_lead_somewhere(page: Path) -> None:
    """Each word that a page links is defined, and no link is left over."""
    text = page.read_text(encoding="utf-8")
    words = re.findall(r"^## (.+)$", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    defined = {word.replace(" ", "-") for word in words}
    assert set(re.findall(r"glossary\.md#([a-z-]+)", text)) <= defined
    for label in re.findall(r"^\[([a-z ]+)\]: glossary", text, re.MULTILINE):
        assert text.count(f"[{label}]") > 1, f"{label} is defined at the page's end and not used"


def test_the_site_has_every_page() -> None:
    """docs/index.md lists each page once, so that none can only be found by searching."""
    listed = re.findall(r"^([a-z-]+)$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert sorted(listed) == sorted(pages)
