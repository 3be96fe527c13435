from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

import crossgraph
from crossgraph.gallery import picture_map
from crossgraph.gallery.picture_map import PictureMap
from crossgraph.serving import maps
from crossgraph.serving.maps import Maps, ids_within, read_region, written_region
from crossgraph.serving.problems import Problem
from tests.serving.explaining import WordModel, gallery_of

CORNER = st.tuples(st.floats(0, 1), st.floats(0, 1))


@pytest.fixture(scope="module", autouse=True)
def mapped(opened: crossgraph.Gallery) -> PictureMap:
    """The map of the served gallery, computed before anybody asks."""
    return picture_map.picture_map(opened.current())


def scattered(count: int) -> PictureMap:
    points = np.random.default_rng(count).random((count, 2)).astype(np.float32)
    names = tuple(f"p{number}" for number in range(count))
    return PictureMap(names, points[:, 0], points[:, 1], np.zeros(count, np.int64), ("all",), (), "PCA", False)


def inside(x: float, y: float, corners: list[tuple[float, float]]) -> bool:
    """Whether a ray to the right crosses the border oddly often."""
    crossed = False
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if (y < y1) != (y < y2) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            crossed = not crossed
    return crossed


@given(st.lists(CORNER, min_size=3, max_size=9))
def test_a_region_holds_what_a_ray_says(corners: list[tuple[float, float]]) -> None:
    found, region = scattered(60), written_region(corners)
    rounded = read_region(region)
    wanted = {
        name for name, x, y in zip(found.ids, found.x, found.y, strict=True) if inside(float(x), float(y), rounded)
    }
    assert set(ids_within(region, found)) == wanted


@given(st.lists(CORNER, min_size=3, max_size=200))
def test_a_region_is_read_as_it_was_written(corners: list[tuple[float, float]]) -> None:
    half_a_digit = 5e-5 + 1e-9  # a corner may lie half-way, and what is written is no binary fraction
    assert read_region(written_region(corners)) == pytest.approx(np.array(corners), abs=half_a_digit)


def test_a_corner_half_way_between_two_digits_is_read() -> None:
    assert read_region(written_region([(0.0, 0.03125), (1.0, 0.0), (0.5, 1.0)]))[0] == (0.0, 0.0312)


@pytest.mark.parametrize(
    "region",
    ["", ";", "0,0;1,1", "0,0;1,1;2,0", "0,0;1;1,0", "a,b;c,d;e,f", "0,0,0;1,1;0,1", "0,0;;1,1;0,1", "0,0;" * 201],
)
def test_a_region_that_is_none_is_refused(region: str) -> None:
    with pytest.raises(Problem, match="corners"):
        read_region(region)


def test_every_picture_is_on_the_map_once(app_client: TestClient, ids: list[str], mapped: PictureMap) -> None:
    told = app_client.get("/v1/map").json()
    assert [one["id"] for one in told["points"]] == ids
    assert all(0 <= one["x"] <= 1 and 0 <= one["y"] <= 1 for one in told["points"])
    assert sum(group["count"] for group in told["groups"]) == len(ids)
    groups = [group["name"] for group in told["groups"]]
    assert [groups[one["group"]] for one in told["points"]] == [mapped.groups[group] for group in mapped.group]


def test_a_map_that_is_known_is_not_sent_again(app_client: TestClient) -> None:
    tag = app_client.get("/v1/map").headers["etag"]
    assert app_client.get("/v1/map", headers={"If-None-Match": tag}).status_code == 304


def test_a_search_in_a_region_answers_with_its_pictures_alone(app_client: TestClient, mapped: PictureMap) -> None:
    region = "0,0;0.5,0;0.5,1;0,1"
    wanted = set(ids_within(region, mapped))
    assert 0 < len(wanted) < len(mapped.ids)
    asked: dict[str, Any] = {"q": "a red ball", "region": region, "k": 100, "fold": False}
    found = app_client.get("/v1/search", params=asked).json()
    assert {one["item"]["id"] for one in found["results"]} == wanted
    listed = app_client.get("/v1/items", params={"region": region}).json()
    assert listed["total"] == len(wanted)
    kept = app_client.get("/v1/facets", params={"region": region}).json()
    assert kept["kept"] == len(wanted)


def test_a_search_in_a_region_that_is_none_is_refused(app_client: TestClient) -> None:
    found = app_client.get("/v1/search", params={"q": "ball", "region": "0,0;1,1"})
    assert found.status_code == 422
    assert "corners" in found.json()["detail"]


def test_a_map_is_computed_while_nobody_waits(tmp_path: Path) -> None:
    gallery, kept = gallery_of(tmp_path, WordModel), Maps()
    with pytest.raises(Problem) as told:
        kept.get(gallery.current())
    assert told.value.status == 503
    assert told.value.headers["Retry-After"]
    kept.wait()
    found = kept.get(gallery.current())
    assert kept.get(gallery.current()) is found
    assert len(found.ids) == 12


def test_an_old_map_serves_until_another_is_there(tmp_path: Path) -> None:
    gallery, kept = gallery_of(tmp_path, WordModel), Maps()
    picture_map.compute_map(gallery.current())
    gallery.remove(gallery.snapshot().items["id"].to_pylist()[:5])
    assert kept.get(gallery.current()).old
    kept.wait()
    assert not kept.get(gallery.current()).old


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    tries: list[int] = []

    def fail(state: object) -> None:
        tries.append(1)
        raise MemoryError

    monkeypatch.setattr(maps, "compute_map", fail)
    return lambda: tries


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_map_that_could_not_be_computed_is_tried_again_later(
    tmp_path: Path, failing: Callable[[], list[int]]
) -> None:
    now = [0.0]
    gallery, kept = gallery_of(tmp_path, WordModel), Maps(clock=lambda: now[0])
    with pytest.raises(Problem, match="first time"):
        kept.get(gallery.current())
    kept.wait()
    with pytest.raises(Problem, match="could not be computed") as told:
        kept.get(gallery.current())
    assert told.value.status == 500
    assert len(failing()) == 1
    now[0] = maps.AGAIN + 1
    with pytest.raises(Problem, match="first time"):
        kept.get(gallery.current())
    kept.wait()
    assert len(failing()) == 2
