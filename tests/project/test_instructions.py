"""The documentation carries each instruction of the programme's page that a person follows in somebody's screens."""

from __future__ import annotations

from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def words(*names: str) -> str:
    """The pages on one line, without marks of emphasis."""
    return " ".join(" ".join((DOCS / name).read_text(encoding="utf-8") for name in names).replace("*", "").split())


@pytest.mark.parametrize(
    "instruction",
    [
        "TikTok or LiveRamp must approve every participant first",
        "create the offline event set under Tools, Events",
        "assign it to the running campaigns' ads",
        "switch on auto-tracking so that later campaigns use it by themselves",
        "a TikTok user with Admin access to the ad account",
        "Remove the end date, so that it stays open",
        "the number behind `aadvid=`",
        "Ask TikTok's representative if in doubt",
        "unique, fewer than 50 characters",
        "choose one that you own and click Validate OAuth Connection",
        "+ New TikTok OAuth Connection",
        "click Confirm without unchecking any box",
        "at least 25 rows, every category you will use",
        "send it with both ids to LiveRamp",
        "Open a LiveRamp support case first",
        "files of this programme can't be uploaded there",
        "after an upload the specialist is told",
        "LiveRamp takes at most one file a day",
        "Only transactions of the last 28 days count",
        "a file shows after up to 20 minutes; if it does not, create a support case",
        "uses LiveRamp's Measurement Enablement workflow, so the headings differ from those of activation files",
        "The recognition rate is zero",
        "every figure of RampIDs is 0",
        "in TikTok Ads Manager, within 24 hours",
    ],
)
def test_an_instruction_of_the_programme_is_in_the_documentation(instruction: str) -> None:
    """Word for word as a person looks for it."""
    assert instruction in words("programme.md", "liveramp.md")


@pytest.mark.parametrize(
    "named", ["end date", "`aadvid=`", "every box left checked", "Files page", "liveramp.md#what-a-person"]
)
def test_the_programmes_page_leads_to_them(named: str) -> None:
    """Who reads the nine steps finds the screens."""
    assert named in words("programme.md")
