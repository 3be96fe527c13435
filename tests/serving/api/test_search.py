"""Searches by sentence, picture, item and sums of them; filters, marks, order, pages; and stage by stage."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Feedback, ItemQuery, SumQuery, Term, TextQuery
from tests.serving.served import LiveServer

ALL: dict[str, Any] = {"k": 200, "fold": False, "exact": False}
EVERY = SearchOptions(k=200, fold=False, exact=False)
EMBEDDED = EVERY.model_copy(update={"rerank": False, "mode": "best"})


def ids_of(found: dict[str, Any]) -> list[str]:
    return [one["item"]["id"] for one in found["results"]]


def asked(client: TestClient, **words: Any) -> dict[str, Any]:
    answer = client.get("/v1/search", params=words)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream: their names, and what they say."""
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


@pytest.mark.parametrize("mode", ["fast", "balanced", "best"])
def test_a_sentence_is_answered_as_the_gallery_does(
    app_client: TestClient, opened: crossgraph.Gallery, mode: str
) -> None:
    told = asked(app_client, q="a red ball", mode=mode, **ALL)
    wanted = opened.search("a red ball", EVERY.model_copy(update={"mode": mode}))
    assert ids_of(told) == [one.id for one in wanted.results]
    assert [one["score"] for one in told["results"]] == pytest.approx([one.score for one in wanted.results])
    assert [one["ranks"] for one in told["results"]] == [one.ranks for one in wanted.results]
    assert (told["stage"], told["why"], told["searched"]) == (wanted.stage, wanted.why, wanted.searched)
    assert [one["rank"] for one in told["results"]] == list(range(1, len(wanted.results) + 1))


def test_a_body_asks_the_same_as_an_address(app_client: TestClient, ids: list[str]) -> None:
    by_address = asked(
        app_client,
        q="a red ball",
        term=["-0.5:text:box", f"2:item:{ids[3]}"],
        like=ids[1:3],
        dislike=ids[5],
        where="stars >= 2",
        facet="note.place:Ulm",
        k=9,
    )
    body = {
        "q": "a red ball",
        "terms": [{"weight": -0.5, "value": "box"}, {"weight": 2, "kind": "item", "value": ids[3]}],
        "like": ids[1:3],
        "dislike": [ids[5]],
        "where": "stars >= 2",
        "facet": ["note.place:Ulm"],
        "k": 9,
    }
    by_body = app_client.post("/v1/search", json=body).json()
    assert by_body["results"]
    for told in (by_address, by_body):
        del told["timings_ms"]
    assert by_address == by_body


def test_a_sum_orders_by_the_weighted_sum_of_what_its_terms_score(app_client: TestClient) -> None:
    weights = {"a red ball": 1.0, "a boat": 2.5, "a green box": -0.75}
    scores: dict[str, float] = {}
    for sentence, weight in weights.items():
        for one in asked(app_client, q=sentence, rerank=False, **ALL)["results"]:
            id = one["item"]["id"]
            scores[id] = scores.get(id, 0.0) + weight * one["scores"]["shortlist"]
    terms = [f"{weight:g}:text:{sentence}" for sentence, weight in weights.items()]
    told = asked(app_client, term=terms, rerank=False, **ALL)
    assert told["kind"] == "sum"
    found = [scores[id] for id in ids_of(told)]
    assert found == pytest.approx(sorted(scores.values(), reverse=True), abs=1e-5)


def test_minus_takes_away(app_client: TestClient) -> None:
    plain = asked(app_client, q="a red ball", rerank=False, **ALL)
    less = asked(app_client, q="a red ball", term="-1:text:a boat", rerank=False, **ALL)
    assert ids_of(plain) != ids_of(less)
    assert "- 1:a boat" in less["query"]
    refused = app_client.get("/v1/search", params={"term": "-1:text:a boat"})
    assert refused.status_code == 422
    assert "minus" in refused.json()["detail"]


def test_an_item_finds_what_is_like_it_and_not_itself(
    app_client: TestClient, opened: crossgraph.Gallery, ids: list[str]
) -> None:
    told = asked(app_client, term=f"1:item:{ids[4]}", k=10)
    wanted = opened.search(ItemQuery(ids[4]), SearchOptions(k=10, fold=True))
    assert ids_of(told) == [one.id for one in wanted.results]
    assert ids[4] not in ids_of(told)
    similar = app_client.get(f"/v1/items/{ids[4]}/similar", params={"k": 10}).json()
    assert ids_of(similar) == ids_of(told)
    further = app_client.get(f"/v1/items/{ids[4]}/similar", params={"k": 5, "offset": 5}).json()
    assert ids_of(further) == ids_of(told)[5:]


def test_a_picture_that_is_sent_finds_itself(app_client: TestClient, ids: list[str]) -> None:
    content = app_client.get(f"/v1/items/{ids[6]}/picture").content
    sent = app_client.post("/v1/uploads", files={"picture": content})
    assert sent.status_code == 201
    assert 0 < sent.json()["seconds"] <= 6 * 3600
    told = asked(app_client, term=f"1:image:{sent.json()['id']}", **ALL)
    assert (told["kind"], told["query"]) == ("image", "a picture")
    best = told["results"][0]["scores"]["shortlist"]
    near = [one["item"]["id"] for one in told["results"] if one["scores"]["shortlist"] >= best - 1e-3]
    assert ids[6] in near  # a near-duplicate may stand beside it


def test_feedback_moves_the_query_as_in_the_gallery(
    app_client: TestClient, opened: crossgraph.Gallery, ids: list[str]
) -> None:
    plain = asked(app_client, q="a red ball", **ALL)
    told = asked(app_client, q="a red ball", like=ids[:2], dislike=ids[7:9], **ALL)
    wanted = opened.search(TextQuery("a red ball"), EVERY, feedback=Feedback(tuple(ids[:2]), tuple(ids[7:9])))
    assert ids_of(told) == [one.id for one in wanted.results]
    assert ids_of(told) != ids_of(plain)


def test_a_filter_and_facets_leave_what_fits_them(app_client: TestClient, ids: list[str]) -> None:
    every = [app_client.get(f"/v1/items/{id}").json() for id in ids]
    fits = {one["id"] for one in every if one["notes"].get("stars", 0) >= 3}
    assert 0 < len(fits) < len(ids)
    assert set(ids_of(asked(app_client, q="a ball", where="stars >= 3", **ALL))) == fits
    both = {one["id"] for one in every if one["id"] in fits and one["notes"]["place"] == "Köln"}
    assert 0 < len(both) < len(fits)
    found = asked(app_client, q="a ball", where="stars >= 3", facet="note.place:Köln", **ALL)
    assert set(ids_of(found)) == both
    assert asked(app_client, q="a ball", where="stars > 99", **ALL)["results"] == []


@pytest.mark.parametrize("sort", ["name", "date"])
def test_answers_of_a_page_are_put_into_another_order(app_client: TestClient, sort: str) -> None:
    plain = asked(app_client, q="a red ball", k=12)
    told = asked(app_client, q="a red ball", k=12, sort=sort)
    assert sorted(ids_of(told)) == sorted(ids_of(plain))
    items = [one["item"] for one in told["results"]]
    if sort == "name":
        assert [one["name"].casefold() for one in items] == sorted(one["name"].casefold() for one in items)
    else:
        dates = [one["taken"] or one["modified"] for one in items]
        assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize("words", [{"q": "a red ball"}, {"q": "a red ball", "mode": "fast"}, {"term": "1:text:boat"}])
def test_pages_are_parts_of_one_order(app_client: TestClient, words: dict[str, str]) -> None:
    whole = ids_of(asked(app_client, **words, **(ALL | {"k": 60})))
    pages = [asked(app_client, **words, **(ALL | {"k": 7, "offset": offset})) for offset in range(0, 63, 7)]
    assert [one for page in pages for one in ids_of(page)] == whole
    assert [page["offset"] for page in pages] == list(range(0, 63, 7))
    assert pages[1]["results"][0]["rank"] == 8
    assert asked(app_client, **words, **(ALL | {"offset": 60}))["results"] == []


def test_what_is_folded_stands_under_one_answer(app_client: TestClient, ids: list[str]) -> None:
    folded = asked(app_client, q="a red ball", k=200, exact=False)
    told = [id for one in folded["results"] for id in (one["item"]["id"], *one["similar"])]
    assert sorted(told) == ids
    assert len(folded["results"]) < len(ids)


def test_captions_answer_where_they_are_asked_for(app_client: TestClient) -> None:
    told = asked(app_client, q="a red ball", target="captions", k=30)
    assert told["target"] == "captions"
    for one in told["results"]:
        assert one["caption"] in one["item"]["captions"]


def test_the_very_caption_comes_first_if_that_is_wanted(app_client: TestClient, ids: list[str]) -> None:
    caption = app_client.get(f"/v1/items/{ids[9]}/captions").json()[0]
    first = asked(app_client, q=caption)["results"][0]
    assert first["match"] == "caption"
    assert caption in first["item"]["captions"]
    assert {one["match"] for one in asked(app_client, q=caption, exact=False)["results"]} == {"semantic"}


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({}, 422),
        ({"q": ""}, 422),
        ({"q": "   "}, 422),
        ({"q": "a", "k": 0}, 422),
        ({"q": "a", "k": 201}, 422),
        ({"q": "a", "offset": -1}, 422),
        ({"q": "a", "offset": 10_001}, 422),
        ({"q": "x" * 2_001}, 422),
        ({"q": "a", "mode": "fastest"}, 422),
        ({"q": "a", "sort": "size"}, 422),
        ({"q": "a", "unknown": "1"}, 422),
        ({"q": "a", "where": "width >"}, 422),
        ({"q": "a", "where": "nothing = 1"}, 422),
        ({"q": "a", "facet": "label"}, 422),
        ({"q": "a", "facet": "nothing:1"}, 422),
        ({"term": "nan:text:a"}, 422),
        ({"term": "0:text:a"}, 422),
        ({"term": "101:text:a"}, 422),
        ({"term": "1e-100:text:a"}, 422),
        ({"term": "0.0000001:text:a"}, 422),
        ({"term": "1:text:" + "x" * 2_001}, 422),
        ({"term": "1:text:" + " " * 9}, 422),
        ({"term": "1:picture:a"}, 422),
        ({"term": ["1:text:a"] * 17}, 422),
        ({"q": "a", "like": ["x"] * 51}, 422),
        ({"term": "1:item:nobody"}, 404),
        ({"q": "a", "like": "nobody"}, 404),
        ({"q": "a", "dislike": "nobody"}, 404),
        ({"term": "1:image:nothing"}, 410),
    ],
)
def test_what_cannot_be_searched_for_is_refused_by_every_way(
    app_client: TestClient, words: dict[str, Any], status: int
) -> None:
    for path in ("/v1/search", "/v1/search/stream"):
        refused = app_client.get(path, params=words)
        assert refused.status_code == status, refused.text
        assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        {"terms": [{"value": "a", "weight": 0}]},
        {"terms": [{"value": "a", "weight": 1e3}]},
        {"terms": [{"value": "a", "weight": 1e-100}]},
        {"terms": [{"value": "a", "weight": -9e-7}]},
        {"terms": [{"value": ""}]},
        {"terms": [{"value": "a", "kind": "path"}]},
        {"terms": [{"value": "a", "more": 1}]},
        {"terms": [{"value": "a"}] * 17},
        {"terms": {"value": "a"}},
        {"q": ["a"]},
        {"q": "a", "k": "many"},
        {"q": "a", "unknown": 1},
        [],
        "a",
        None,
    ],
)
def test_a_body_that_says_no_search_is_refused(app_client: TestClient, body: Any) -> None:
    refused = app_client.post("/v1/search", json=body)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "headers", "said"),
    [
        (b'{"q": "a"}', {}, "where the header Content-Type is application/json, and it is not there."),
        (b'{"q": "a"}', {"Content-Type": "text/plain"}, "application/json, and it is 'text/plain'."),
        (b"{", {"Content-Type": "application/json"}, "the body is no JSON: Expecting property name"),
        (b'{"q": "a",}', {"Content-Type": "application/json"}, "after 10 letters."),
        (b'"a"', {"Content-Type": "application/json"}, "the request: Input should be a valid dictionary"),
        (b"", {"Content-Type": "application/json"}, "the request: Field required"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(
    app_client: TestClient, content: bytes, headers: dict[str, str], said: str
) -> None:
    refused = app_client.post("/v1/search", content=content, headers=headers)
    assert refused.status_code == 422
    assert said in refused.json()["detail"], refused.text


def test_the_lightest_weight_is_searched_by_and_a_lighter_one_told(app_client: TestClient) -> None:
    assert asked(app_client, term="0.000001:text:a red ball")["query"] == "1e-06:a red ball"
    for refused in (
        app_client.post("/v1/search", json={"terms": [{"value": "a", "weight": 1e-100}]}),
        app_client.get("/v1/search", params={"term": "1e-100:text:a"}),
    ):
        assert "0.000001" in refused.json()["detail"], refused.text


def test_the_shortlist_is_sent_before_it_is_re_ranked(app_client: TestClient, opened: crossgraph.Gallery) -> None:
    words: dict[str, Any] = {"q": "a red ball", "k": 15, "exact": False}
    answer = app_client.get("/v1/search/stream", params=words)
    assert answer.headers["content-type"].startswith("text/event-stream")
    (first, shortlist), (last, ranked) = events(answer.text)
    assert (first, last) == ("shortlist", "answers")
    plain, whole = asked(app_client, rerank=False, **words), asked(app_client, **words)
    assert ids_of(shortlist) == ids_of(plain)
    assert ids_of(ranked) == ids_of(whole)
    assert ids_of(shortlist) != ids_of(ranked)
    assert (shortlist["stage"], ranked["stage"]) == ("shortlist", "rerank")
    assert shortlist["version"] == ranked["version"]


@pytest.mark.parametrize("words", [{"q": "a red ball", "rerank": False}, {"q": "a ball", "mode": "fast"}])
def test_where_nothing_re_ranks_there_is_one_event(app_client: TestClient, words: dict[str, Any]) -> None:
    ((name, told),) = events(app_client.get("/v1/search/stream", params=words).text)
    assert name == "answers"
    assert ids_of(told) == ids_of(asked(app_client, **words))


def test_an_error_after_the_first_event_is_the_last_event(
    app_client: TestClient, opened: crossgraph.Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossgraph.errors import GalleryError

    whole = opened.stages

    def broken(*given: Any, **named: Any) -> Any:
        yield next(iter(whole(*given, **named)))
        raise GalleryError("/tmp/secret/table.lance was lost while it was read.")

    monkeypatch.setattr(opened, "stages", broken)
    (first, _), (last, problem) = events(app_client.get("/v1/search/stream", params={"q": "a red ball"}).text)
    assert (first, last) == ("shortlist", "problem")
    assert "was lost" in problem["detail"]
    assert "secret" not in problem["detail"]


@pytest.mark.slow
def test_the_first_event_comes_while_the_second_is_computed(
    live_server: LiveServer, opened: crossgraph.Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Event

    whole, seen = opened.stages, Event()

    def held(*given: Any, **named: Any) -> Any:
        found = iter(whole(*given, **named))
        yield next(found)
        assert seen.wait(20), "the first event was not sent before the second was there"
        yield from found

    monkeypatch.setattr(opened, "stages", held)
    with httpx.stream("GET", f"{live_server.url}/v1/search/stream", params={"q": "a red ball"}, timeout=60) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: shortlist"
        seen.set()
        assert [line for line in lines if line.startswith("event:")] == ["event: answers"]


def test_a_sum_of_the_library_is_the_sum_of_the_address(
    app_client: TestClient, opened: crossgraph.Gallery, ids: list[str]
) -> None:
    terms = (Term(1.5, TextQuery("a boat")), Term(-0.5, ItemQuery(ids[2])))
    wanted = opened.search(SumQuery(terms), EMBEDDED)
    told = asked(app_client, term=["1.5:text:a boat", f"-0.5:item:{ids[2]}"], rerank=False, **ALL)
    assert ids_of(told) == [one.id for one in wanted.results]
