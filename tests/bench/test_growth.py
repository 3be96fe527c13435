"""Powers are those of what grows, whatever is spent anyway, and the bench of upkeep measures each kind of change."""

from pathlib import Path

import pytest

from crossgraph.bench.drawn_gallery import DrawnModel, drawn_gallery
from crossgraph.bench.growth import FACTORS, power
from crossgraph.bench.upkeep import run
from crossgraph.gallery.gallery import Gallery


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.3, 2.0])
def test_a_power_is_found_beside_what_is_spent_anyway(exponent: float) -> None:
    for fixed in (0.0, 7.0):
        assert power([fixed + 3 * n**exponent for n in FACTORS]) == pytest.approx(exponent)


def test_what_does_not_grow_has_no_power() -> None:
    assert power([5.0, 5.1, 5.2]) == "none"
    assert power([5.0, 4.0, 5.6]) == "none"


def test_a_drawn_gallery_is_as_a_sync_leaves_it(tmp_path: Path) -> None:
    ids = drawn_gallery(tmp_path / "gallery", tmp_path / "pictures", 1005)
    gallery = Gallery.open(tmp_path / "gallery", DrawnModel())
    assert sorted(ids) == gallery.snapshot().items["id"].to_pylist()
    report = gallery.sync()
    assert (report.unchanged, report.changes, report.skipped) == (1005, (), ())


@pytest.mark.slow
def test_upkeep_measures_every_change(tmp_path: Path) -> None:
    outcome = run(sizes=(1040, 1080), changed=6, repeats=1, work=tmp_path)
    kinds = {str(row["what"]).split(" of ")[0] for row in outcome.rows}
    assert {"upsert", "annotate", "remove", "stats", "sync, nothing changed"} <= kinds
    assert all(row["us a picture of 1,080"] > 0 and row["times"] > 0 for row in outcome.rows)
    assert list(tmp_path.iterdir()) == []
