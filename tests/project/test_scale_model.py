"""The cost model of docs/scale.md: it fits what was measured, and the page shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scale_model import (
    MOST_ROWS,
    Delivery,
    Line,
    Model,
    Shards,
    beside_large,
    differences,
    read_large,
    read_points,
    table,
)

SCALE_PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
DELIVERIES, SHARDS = read_points()
MODEL = Model(DELIVERIES, SHARDS)


@pytest.mark.parametrize(("name", "ratio"), differences(DELIVERIES, MODEL).items())
def test_the_model_fits_the_size_between(name: str, ratio: float) -> None:
    """Lines through the least and the greatest measured size give the one between, within a sixth."""
    assert 0.85 < ratio < 1.18, name


def test_the_model_holds_far_beyond_the_sizes_that_it_is_made_from() -> None:
    """Of 100 million rows. With a bucket, as in the model, planning and sending take more than with a folder."""
    ratios = beside_large(MODEL, read_large())
    more = {name: ratios.pop(name) for name in ("prepare", "upload")}
    assert all(0.85 < ratio < 1.25 for ratio in ratios.values()), ratios
    assert all(0.85 < ratio < 2.5 for ratio in more.values()), more


def test_the_page_shows_the_large_file() -> None:
    """Measured again, the figures are copied again."""
    large, page = read_large(), SCALE_PAGE.read_text(encoding="utf-8")
    for step, seconds in large.processor.items():
        assert f"| `{step}` | {seconds:.0f} s |" in page, step


def test_the_page_shows_the_model() -> None:
    """Cell by cell: measured again, the table is copied again."""
    page = SCALE_PAGE.read_text(encoding="utf-8")
    missing = [line for line in table(MODEL) if line not in page]
    assert not missing


def test_costs_grow_with_the_rows_and_more_cores_take_less_time() -> None:
    """The largest file of the programme, beside one that was measured."""
    assert sum(MODEL.in_shards(MOST_ROWS).values()) > 20 * sum(MODEL.in_shards(20_000_000).values())
    few, many = (MODEL.wall(MOST_ROWS, cores) for cores in (2, 16))
    assert many["prepare_shard"] == pytest.approx(few["prepare_shard"] / 8)
    assert many["prepare"] == few["prepare"]


def test_tiktoks_limit_is_the_least_that_sending_takes() -> None:
    """However many cores there are."""
    quick = {"prepare": 1.0, "upload": 0.001, "summary": 1.0}
    points = [Delivery(rows, quick, dict.fromkeys(quick, 1), 1, 1) for rows in (1, 2, 3)]
    model = Model(points, Shards(1, 1.0, 0.1, 0.9, 0.1))
    assert model.wall(100_000_000, 1000)["upload"] == 100.0


def test_a_line_goes_through_its_points() -> None:
    line = Line.through((10, 5.0), (30, 9.0))
    assert (line.at(10), line.at(30), line.fixed) == (5.0, 9.0, 3.0)
