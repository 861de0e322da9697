"""Pictures of the page in Airflow: ``python -m tests.browser.pictures FOLDER``, as ``make browser`` sets it up.

Two hundred advertisers of ninety days, in every state, as the documentation shows them, and what a designer looks at:
overview and one advertiser in light and dark, wide and on a phone, a failed file, an approval, a liveramp feed, the
help, and an empty installation. On any Airflow: the interpreter decides.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.browser.serving import a_chromium, a_page, api_server, empty_home, seeded_home, show
from tests.plugin.seeding import SCENES, dag_id_of

WIDE, PHONE = 1500, 390


def _of(scene: str) -> str:
    return f"?advertiser={dag_id_of(SCENES.index(scene))}"


#: Name, and what is asked for.
VIEWS = {
    "overview": "",
    "advertiser": f"?advertiser={dag_id_of(20)}",
    "failed": _of("failed"),
    "approval": _of("approval"),
    "late": _of("late"),
    "liveramp": _of("liveramp"),
    "help": f"?advertiser={dag_id_of(20)}&help=not-attributed",
}


def main() -> None:
    """Take all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, a_chromium() as chromium:
        with api_server(seeded_home(Path(temporary) / "airflow", advertisers=200, days=90)) as url:
            _all_views(chromium, url, folder)
        with api_server(empty_home(Path(temporary) / "empty")) as url, a_page(chromium, url) as page:
            show(page, url)
            page.screenshot(path=str(folder / "empty-light-wide.png"))


def _all_views(chromium: Any, url: str, folder: Path) -> None:
    for scheme in ("light", "dark"):
        for kind, width in (("wide", WIDE), ("phone", PHONE)):
            with a_page(chromium, url, scheme=scheme, width=width) as page:
                for name, query in VIEWS.items():
                    show(page, url, query)
                    _fit(page, width, whole=name != "overview")
                    page.screenshot(path=str(folder / f"{name}-{scheme}-{kind}.png"))


def _fit(page: Any, width: int, *, whole: bool) -> None:
    """Make the window as high as the page, or as a screen: Airflow scrolls inside of it."""
    height = 950 if width == WIDE else 844
    page.set_viewport_size({"width": width, "height": height})
    if whole:
        content = page.evaluate(
            "Math.ceil(document.querySelector('.to-page').getBoundingClientRect().bottom + scrollY)"
        )
        page.set_viewport_size({"width": width, "height": max(height, content)})


if __name__ == "__main__":
    main()
