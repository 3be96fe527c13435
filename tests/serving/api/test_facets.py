"""Counts by facet, against pictures counted one by one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.serving.served import FOLDERS


@pytest.fixture(scope="module")
def pictures(app_client: TestClient, ids: list[str]) -> list[dict[str, Any]]:
    return [app_client.get(f"/v1/items/{id}").json() for id in ids]


def counts(told: dict[str, Any], name: str) -> dict[str, int]:
    return {
        value["choice"].partition(":")[2]: value["count"]
        for facet in told["facets"]
        if facet["name"] == name
        for value in facet["values"]
    }


def by_hand(pictures: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    return {
        "label": Counter(label for one in pictures for label in set(one["labels"])),
        "note.place": Counter(one["notes"]["place"] for one in pictures if "place" in one["notes"]),
        "note.stars": Counter(f"{one['notes']['stars']:g}" for one in pictures if "stars" in one["notes"]),
        "date": Counter((one["taken"] or one["modified"])[:4] for one in pictures),
        "size": Counter("small" for one in pictures if one["width"] * one["height"] < 500_000),
    }


@pytest.mark.parametrize("where", [None, "stars >= 3", "label = 'ball' or width > 99999"])
def test_counts_are_those_of_counting_one_by_one(
    app_client: TestClient, pictures: list[dict[str, Any]], where: str | None
) -> None:
    narrowed = {} if where is None else {"where": where}
    listed = app_client.get("/v1/items", params={"k": 200, **narrowed}).json()["items"]
    left = {one["id"] for one in listed}
    assert left
    told = app_client.get("/v1/facets", params={"most": 500, **narrowed}).json()
    assert (told["among"], told["kept"]) == (len(left), len(left))
    for name, wanted in by_hand([one for one in pictures if one["id"] in left]).items():
        assert counts(told, name) == dict(wanted), name


def test_folders_are_counted_by_name(app_client: TestClient, pictures: list[dict[str, Any]]) -> None:
    told = counts(app_client.get("/v1/facets").json(), "folder")
    assert {name.rpartition("/")[2] for name in told} == set(FOLDERS)
    assert sum(told.values()) == len(pictures)
    for name, count in told.items():
        assert app_client.get("/v1/items", params={"facet": f"folder:{name}"}).json()["total"] == count


def test_a_choice_narrows_the_others_and_not_its_own_facet(
    app_client: TestClient, pictures: list[dict[str, Any]]
) -> None:
    chosen = [one for one in pictures if one["notes"].get("place") == "Ulm"]
    told = app_client.get("/v1/facets", params={"facet": "note.place:Ulm", "most": 500}).json()
    assert (told["among"], told["kept"]) == (len(pictures), len(chosen))
    assert counts(told, "note.place") == dict(by_hand(pictures)["note.place"])
    assert counts(told, "label") == dict(by_hand(chosen)["label"])
    marked = [one["choice"] for facet in told["facets"] for one in facet["values"] if one["chosen"]]
    assert marked == ["note.place:Ulm"]


def test_what_a_count_says_is_what_choosing_it_finds(app_client: TestClient) -> None:
    told = app_client.get("/v1/facets", params={"where": "stars >= 2"}).json()
    for facet in told["facets"]:
        for value in facet["values"]:
            asked = {"where": "stars >= 2", "facet": value["choice"]}
            assert app_client.get("/v1/items", params=asked).json()["total"] == value["count"], value["choice"]


def test_one_facet_alone_and_no_more_values_than_asked_for(
    app_client: TestClient, pictures: list[dict[str, Any]]
) -> None:
    (facet,) = app_client.get("/v1/facets", params={"only": "label", "most": 2}).json()["facets"]
    every = by_hand(pictures)["label"]
    assert [one["count"] for one in facet["values"]] == [count for _, count in every.most_common(2)]
    assert facet["more"] == len(every) - 2


@pytest.mark.parametrize(
    "words", [{"only": "nothing"}, {"most": 0}, {"facet": "nothing:1"}, {"where": "width >"}, {"q": "a ball"}]
)
def test_what_cannot_be_counted_is_refused(app_client: TestClient, words: dict[str, Any]) -> None:
    refused = app_client.get("/v1/facets", params=words)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
