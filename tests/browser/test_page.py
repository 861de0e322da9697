"""The page in Airflow as a browser shows it: ``make browser`` (Debian's chromium, Playwright and axe from PyPI)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.serving import PREFIX, a_chromium, a_page, api_server, empty_home, seeded_home, show
from tests.conversions.test_percent import SHARES
from tests.plugin.seeding import SCENES, dag_id_of, display_name_of, name_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

#: The script with the page's words and numbers.
PARTS = f"{PREFIX}/tiktok-offline-status/parts.js"
#: The days whose attribution still grows, in the chart of the ninety.
GROWING = 3
INCIDENT = "Events API slow (2026-11-29 09:00 UTC)"


@pytest.fixture(scope="module", name="chromium")
def _chromium() -> Iterator[Any]:
    with a_chromium() as browser:
        yield browser


@pytest.fixture(scope="module", name="airflow")
def _airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with api_server(
        seeded_home(
            tmp_path_factory.mktemp("browser") / "airflow", advertisers=40, days=30, broken=3, incidents=[INCIDENT]
        )
    ) as url:
        yield url


def _serious(page: Any) -> list[str]:
    """What axe finds serious or worse in the page's own part."""
    from axe_core_python.sync_playwright import Axe

    found = Axe().run(page, context=".to-page")
    return [
        f"{fault['id']}: {node['html'][:200]}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1500, 390])
def test_axe_finds_nothing_serious(chromium: Any, airflow: str, scheme: str, width: int) -> None:
    """Overview, three advertisers and the help, in both themes, wide and on a phone; nothing overflows."""
    with a_page(chromium, airflow, scheme=scheme, width=width) as page:
        for query in (
            "",
            *(f"?advertiser={dag_id_of(SCENES.index(scene))}" for scene in ("failed", "approval", "liveramp")),
            "?help=not-attributed",
        ):
            show(page, airflow, query)
            assert _serious(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_overview_shows_the_worst_first_and_broken_entries_above(chromium: Any, airflow: str) -> None:
    """Word, sign, reason and the next action, as a person reads them."""
    with a_page(chromium, airflow) as page:
        show(page, airflow)
        faults = page.locator(".to-alert").first
        shown = faults.locator("li:visible").all_inner_texts()
        assert shown[1] == "kiosk_graz, advertisers.yaml:7: advertiser_id, event_set_id, source: is missing"
        assert shown[0].startswith("outlet_wien, advertisers.yaml:6: curency: unknown key")
        assert len(shown) == 3
        faults.get_by_text("2 more").click()
        assert faults.locator("li:visible").count() == 5
        first = page.locator(".to-overview tbody tr").first.inner_text()
        assert display_name_of(0) in first
        assert name_of(0) in first
        assert "✕" in first
        assert "auth login" in first
        approval = page.locator("tr", has_text="needs approval")
        assert approval.get_by_role("link", name="Open approve").get_attribute("href").startswith(f"{PREFIX}/dags/")


def test_an_open_incident_stands_above_the_table(chromium: Any, airflow: str) -> None:
    """Its moment follows the switch."""
    with a_page(chromium, airflow, zone="Asia/Kathmandu") as page:
        show(page, airflow)
        incident = page.locator(".to-alert[role=status]")
        assert incident.inner_text() == f"! TikTok reports an incident: {INCIDENT}"
        page.get_by_role("button", name="Local time").click()
        assert "2026-11-29 14:45 GMT+5:45" in incident.inner_text()


def test_the_page_checks_what_it_can_of_accepted_but_not_attributed(chromium: Any, airflow: str) -> None:
    """Whether ads use the set, the newest file, zone and currency; beside it the return, and the way to the rest."""
    with a_page(chromium, airflow) as page:
        show(page, airflow, f"?advertiser={dag_id_of(20)}")
        card = page.locator("section", has=page.get_by_role("heading", name="Attributed by TikTok"))
        shown = card.inner_text()
        assert "offline return on ad spend" in shown
        checks = card.locator("li").all_inner_texts()
        assert checks[0] == "✓ Active ads track the event set."
        assert checks[3] == "Time zone and currency: files Asia/Tokyo, SEK; account Asia/Tokyo, SEK."
        assert len(checks) == 6
        assert "TikTok offers no match rate by its API" in page.locator(".to-page").inner_text()
        card.get_by_role("link", name="How to check each of these").click()
        page.wait_for_selector("h1:has-text('Accepted but not attributed?')")
        show(page, airflow, f"?advertiser={dag_id_of(SCENES.index('fault'))}")
        assert "✕ 0 of 14 active ads track this event set." in card.locator("li").first.inner_text()
        strip = page.locator(".to-strip li").all_inner_texts()
        assert strip[:5] == [
            "✓ token: in order", "✓ scopes: in order", "✓ role: in order", "✓ event set: in order",
            "✕ ads that use it: fault",
        ]  # fmt: skip


def test_coverage_freshness_and_doubts_have_their_cards(chromium: Any, airflow: str) -> None:
    """Shares beside those of the days before, hours from the sale, and what decides events without an answer."""
    with a_page(chromium, airflow) as page:

        def card(heading: str) -> str:
            section = page.locator("section", has=page.get_by_role("heading", name=heading, exact=True))
            return str(section.inner_text())

        show(page, airflow, f"?advertiser={dag_id_of(20)}")
        coverage = card("What identifies the rows").splitlines()
        for kind in ("e-mail and phone", "e-mail only", "phone only", "neither"):
            assert any(re.fullmatch(rf"{kind}: [\d.]+ %, [\d.]+ % in the 28 days before", one) for one in coverage), (
                kind
            )
        assert "10.1 h after the newest sale of the file, 23.2 h after the oldest." in card(
            "From the sale to the answer"
        )
        assert "None: every event that was sent has an answer." in card("Open doubts")
        show(page, airflow, f"?advertiser={dag_id_of(SCENES.index('unsettled'))}")
        doubts = card("Open doubts")
        assert "140 events were sent and got no answer." in doubts
        assert re.search(r"\(3\d\.\d of 44 hours left\)", doubts)
        name = name_of(SCENES.index("unsettled"))
        assert f"tiktok-offline ledger resolve --config advertisers.yaml --advertiser {name} --assume-sent" in doubts


def test_a_feed_says_what_liveramp_tells_and_no_more(chromium: Any, airflow: str) -> None:
    """Uploaded, not confirmed; no column of refusals, no strip of TikTok's grant; the delivered files to compare."""
    with a_page(chromium, airflow) as page:
        show(page, airflow, f"?advertiser={dag_id_of(SCENES.index('liveramp'))}")
        assert page.get_by_role("heading", name="From the file to LiveRamp").count() == 1
        assert "uploaded to LiveRamp, not confirmed" in page.locator(".to-step").last.inner_text()
        assert page.locator(".to-sums thead th").all_inner_texts()[:3] == ["Last", "uploaded", "attributed"]
        assert not [one for one in page.locator(".to-strip li").all_inner_texts() if "token" in one]
        feeds = page.locator("section", has=page.get_by_role("heading", name="Files delivered to LiveRamp"))
        first = feeds.locator("tbody tr").first.locator("td").all_inner_texts()
        received = page.locator(".to-step").last.locator(".to-num").inner_text()
        assert first[1].startswith(name_of(SCENES.index("liveramp")))
        assert first[2] == received


def test_the_keyboard_reaches_an_advertiser_and_its_reasons(chromium: Any, airflow: str) -> None:
    """Enter on its name opens the page; Enter on a step of the funnel opens the reasons."""
    with a_page(chromium, airflow) as page:
        show(page, airflow)
        page.get_by_role("link", name=display_name_of(20), exact=True).focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(f"h1:has-text('{display_name_of(20)}')")
        page.locator(".to-step summary").first.focus()
        page.keyboard.press("Enter")
        assert "refused by our rules" in page.locator(".to-reasons").first.inner_text()
        page.get_by_role("button", name="Local time").focus()
        page.keyboard.press("Space")
        assert page.get_by_role("button", name="Local time").get_attribute("aria-pressed") == "true"


def test_a_tab_on_the_dag_shows_the_same(chromium: Any, airflow: str) -> None:
    """It needs no way through the menu."""
    with a_page(chromium, airflow) as page:
        page.goto(f"{airflow}{PREFIX}/dags/tiktok_offline__corner_shop/plugin/tiktok-offline-advertiser")
        page.wait_for_selector(".to-page h1:has-text('corner_shop')")
        assert "The DAG is paused" in page.locator(".to-page").inner_text()


def test_an_empty_installation_says_what_to_do(chromium: Any, tmp_path: Path) -> None:
    """Nobody looks at an empty table."""
    with api_server(empty_home(tmp_path / "airflow")) as url, a_page(chromium, url) as page:
        show(page, url)
        assert "No advertiser yet" in page.locator(".to-page").inner_text()
        assert _serious(page) == []


def test_a_name_for_people_stands_first(chromium: Any, airflow: str) -> None:
    """It can be searched for; an entry without one is shown by its own name."""
    with a_page(chromium, airflow) as page:
        show(page, airflow, "?search=Optics+Hamburg+10")
        assert page.locator(".to-overview tbody .to-who").all_inner_texts() == [
            f"{display_name_of(10)}\n{name_of(10)}\nby LiveRamp, live"
        ]
        show(page, airflow, f"?advertiser={dag_id_of(11)}")
        assert page.locator(".to-page h1").inner_text() == name_of(11)


def test_the_last_days_of_attribution_are_marked_as_still_growing(chromium: Any, airflow: str) -> None:
    """The last three are pale and say so; all others are as they stay."""
    with a_page(chromium, airflow) as page:
        show(page, airflow, f"?advertiser={dag_id_of(20)}")
        bars = page.locator(".to-chart rect", has_text="attributed")
        shown = [(bar.text_content(), bar.get_attribute("opacity")) for bar in bars.all()]
        assert len(shown) > 20
        assert [opacity for _, opacity in shown] == ["1"] * (len(shown) - GROWING) + ["0.45"] * GROWING
        assert [text.endswith(", still growing") for text, _ in shown] == [opacity != "1" for _, opacity in shown]
        chart = page.locator("section", has=page.locator(".to-chart"))
        assert f"the last {GROWING} days are pale: they still grow" in chart.inner_text()
        assert f"The last {GROWING} days of attribution still grow" in page.locator(".to-chart").get_attribute(
            "aria-label"
        )


def test_every_moment_follows_the_switch(chromium: Any, airflow: str) -> None:
    """Also one inside a sentence: a late file should have been there by a moment that is shown in the reader's zone."""
    late = f"?advertiser={dag_id_of(SCENES.index('late'))}"
    with a_page(chromium, airflow, zone="Asia/Kathmandu") as page:
        for query in (late, "?state=late"):
            show(page, airflow, query)
            page.get_by_role("button", name="UTC").click()
            assert "UTC" in page.get_by_text("should have been there by").inner_text()
            page.get_by_role("button", name="Local time").click()
            assert "GMT+5:45" in page.get_by_text("should have been there by").inner_text()
            shown = page.locator(".to-page").inner_text()
            assert shown.count("UTC") == 1, shown  # the switch itself
        midnight = page.evaluate(f"import('{PARTS}').then((parts) => parts.moment('2026-11-21T00:00Z', false))")
        assert midnight == "2026-11-21 00:00 UTC"


def test_a_share_has_the_digits_of_the_reports(chromium: Any, airflow: str) -> None:
    """One rule for percentages, in Python and here."""
    with a_page(chromium, airflow) as page:
        show(page, airflow)
        written = page.evaluate(
            f"(shares) => import('{PARTS}').then((parts) => shares.map((share) => parts.percent(share)))", list(SHARES)
        )
        assert dict(zip(SHARES, written, strict=True)) == SHARES


def test_sums_and_drift_stand_beside_the_funnel(chromium: Any, airflow: str) -> None:
    """What was sent is what was accepted, refused and not answered; a file with less than usual says of what."""
    with a_page(chromium, airflow) as page:
        show(page, airflow, f"?advertiser={dag_id_of(SCENES.index('unsettled'))}")
        heads = page.locator(".to-sums thead th").all_inner_texts()
        assert heads[:5] == ["Last", "sent", "accepted", "refused", "attributed"]
        for line in page.locator(".to-sums tbody tr").all():
            sent, accepted, refused = (int(one.replace(",", "")) for one in line.locator("td").all_inner_texts()[:3])
            assert sent == accepted + refused
        show(page, airflow, f"?advertiser={dag_id_of(SCENES.index('gate'))}")
        assert "! Less than usual: 71 % fewer rows than usual for a Friday." in page.locator(".to-page").inner_text()


def test_a_change_says_whether_it_is_of_the_whole_event_set(chromium: Any, airflow: str) -> None:
    """Advertisers of one event set share a ledger, and what somebody decides for it."""
    with a_page(chromium, airflow) as page:
        show(page, airflow, f"?advertiser={dag_id_of(20)}")
        changes = page.locator("section", has=page.get_by_role("heading", name="Changes")).locator("tbody tr")
        assert ["for the whole event set" in one for one in changes.all_inner_texts()] == [True, False]
