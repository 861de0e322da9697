"""The documentation as a site: ``make docs``; Sphinx reads it from the root of the repository."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)

project = "airflow-provider-tiktok-offline"
copyright = "the authors; Apache License 2.0"
release = VERSION.findall((ROOT / "airflow_provider_tiktok_offline" / "__init__.py").read_text(encoding="utf-8"))[0]

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "docs/img/*", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
nitpicky = True

# Links go to headings as they do where the repository is read.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block"]


html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sourcelink = False
