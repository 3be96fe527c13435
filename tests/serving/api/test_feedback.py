"""Judgements that are kept, and the last word of each query and picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.serving.feedback import FILE, Judgements
from crossgraph.serving.problems import Problem
from crossgraph.serving.settings import ServerSettings
from tests.serving.served import Served, client_of


@pytest.fixture
def managed(served_gallery: Served, tmp_path: Path) -> Iterator[TestClient]:
    own = served_gallery.copy(tmp_path)
    with client_of(ServerSettings(own.gallery, rate=0, manage=True), crossgraph.open_gallery(own.gallery)) as client:
        yield client


def judged(client: TestClient, query: str, item: str, verdict: str) -> dict[str, Any]:
    answer = client.post("/v1/feedback", json={"query": query, "item": item, "verdict": verdict})
    assert answer.status_code == 201
    found: dict[str, Any] = answer.json()
    return found


def test_the_last_word_counts_and_none_takes_it_back(managed: TestClient) -> None:
    one, other = sorted(item["id"] for item in managed.get("/v1/items").json()["items"])[:2]
    judged(managed, "two dogs", one, "relevant")
    judged(managed, "two dogs", other, "relevant")
    judged(managed, "\u202eKäse\n", one, "irrelevant")
    last = judged(managed, "two dogs", one, "irrelevant")
    judged(managed, "two dogs", other, "none")
    told = managed.get("/v1/feedback").json()
    assert [(row["query"], row["item"], row["verdict"]) for row in told] == [
        ("two dogs", one, "irrelevant"),
        ("\u202eKäse\n", one, "irrelevant"),
    ]
    assert told[0] == last
    assert managed.get("/v1/feedback", params={"most": 1}).json() == told[:1]
    lines = (managed.app.state.server.settings.gallery / FILE).read_text(encoding="utf-8").splitlines()  # type: ignore[attr-defined]
    assert [json.loads(line)["verdict"] for line in lines] == ["relevant"] * 2 + ["irrelevant"] * 2 + ["none"]


def test_without_manage_nothing_is_kept(app_client: TestClient, served_gallery: Served, ids: list[str]) -> None:
    asked = {"query": "two dogs", "item": ids[0], "verdict": "relevant"}
    refused = app_client.post("/v1/feedback", json=asked)
    assert refused.status_code == 403
    assert "--manage" in refused.json()["detail"]
    assert not (served_gallery.gallery / FILE).exists()
    assert app_client.get("/v1/feedback").json() == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"item": "nobody"}, 404),
        ({"item": "../x"}, 422),
        ({"verdict": "good"}, 422),
        ({"query": ""}, 422),
        ({"query": "x" * 2001}, 422),
        ({"more": 1}, 422),
    ],
)
def test_what_is_no_judgement_is_refused(managed: TestClient, changes: dict[str, Any], status: int) -> None:
    id = managed.get("/v1/items").json()["items"][0]["id"]
    refused = managed.post("/v1/feedback", json={"query": "a", "item": id, "verdict": "relevant", **changes})
    assert refused.status_code == status
    assert managed.get("/v1/feedback").json() == []


@pytest.mark.parametrize("most", [0, 1001, "x"])
def test_so_many_cannot_be_listed(app_client: TestClient, most: Any) -> None:
    assert app_client.get("/v1/feedback", params={"most": most}).status_code == 422


def test_lines_of_many_threads_stay_whole_and_a_broken_one_is_passed_over(tmp_path: Path) -> None:
    kept = Judgements(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: kept.add(query=f"query {n}", item="x" * 90, verdict="relevant"), range(100)))
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write('{"query": "cut of\n[]\n{}\n')
    assert len(kept.last(1000)) == 100
    assert len(kept.last(7)) == 7


def test_no_more_is_kept_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crossgraph.serving import feedback

    monkeypatch.setattr(feedback, "MOST_BYTES", 300)
    kept = Judgements(tmp_path)
    while not (tmp_path / FILE).exists() or (tmp_path / FILE).stat().st_size <= 300:
        kept.add(query="a", item="b", verdict="relevant")
    with pytest.raises(Problem, match="Move it away") as refused:
        kept.add(query="a", item="b", verdict="relevant")
    assert refused.value.status == 507
    assert 0 < len((tmp_path / FILE).read_bytes()) < 600


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"at": "2026-01-01", "query": "torn')
    kept = Judgements(tmp_path)
    kept.add(query="two dogs", item="a" * 16, verdict="relevant")
    kept.add(query="a cat", item="b" * 16, verdict="relevant")
    assert [one["query"] for one in kept.last(10)] == ["a cat", "two dogs"]


def test_what_is_no_judgement_is_passed_over(tmp_path: Path) -> None:
    whole = {"at": "2026-01-01T00:00:00", "query": "two dogs", "item": "a" * 16, "verdict": "relevant"}
    lines = [b"\xff\xfe", b"[]", b'{"query": "x"}', b"7", json.dumps({**whole, "more": 1}).encode()]
    (tmp_path / FILE).write_bytes(b"\n".join(lines) + b"\n")
    assert Judgements(tmp_path).last(10) == [whole]
