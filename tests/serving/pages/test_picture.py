"""The opened picture as it comes from the server: a page without scripts, parts for scripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import crossgraph
from crossgraph.gallery.gallery import Gallery
from crossgraph.serving.pages.explanation_view import bars, shown
from crossgraph.serving.pages.picture import in_bytes, ordinal
from crossgraph.serving.settings import ServerSettings
from tests.serving.explaining import SENTENCE, NodeModel, WordModel, gallery_of
from tests.serving.served import Served, client_of

HTML = {"Accept": "text/html"}
PART = {**HTML, "HX-Request": "true"}


@pytest.fixture(scope="module")
def noded(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery_of(tmp_path_factory.mktemp("noded"), NodeModel)


@pytest.fixture
def nodes(noded: Gallery) -> Iterator[TestClient]:
    with client_of(ServerSettings(noded.folder), noded) as client:
        yield client


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def addresses(html: str) -> list[str]:
    return [unescape(one) for one in re.findall(r'(?:href|data-load|src|action)="([^"]+)"', html)]


def test_without_scripts_the_page_has_all_of_it(app_client: TestClient, ids: list[str]) -> None:
    found = app_client.get(f"/picture/{ids[0]}", params={"q": "a red ball"}, headers=HTML)
    assert found.status_code == 200
    assert "<html" in found.text
    assert "data-load" not in found.text
    for word in range(3):
        assert f"/picture/{ids[0]}?q=a+red+ball&word={word}#picture-explanation" in addresses(found.text)
    assert 'class="overlay"' in found.text
    assert 'data-lit="word"' in found.text
    assert " style=" not in found.text
    assert "<style" not in found.text


def test_notes_are_told_as_people_write_them(served_gallery: Served, tmp_path: Path) -> None:
    opened = crossgraph.open_gallery(served_gallery.copy(tmp_path).gallery)
    one, other = sorted(opened.snapshot().items["id"].to_pylist())[:2]
    opened.annotate(
        {
            one: {"stars": 4, "share": 0.25, "seen": False, "on": "2024-01-12", "at": "2024-01-12T10:30:05+02:00"},
            other: {"stars": 2015, "share": 1e-7, "seen": True, "on": "1999-12-31T00:00", "place": "<b>Ulm</b>"},
        }
    )
    with client_of(ServerSettings(opened.folder, rate=0), opened) as client:
        first, second = (text_of(client.get(f"/picture/{id}", headers=HTML).text) for id in (one, other))
    for part in ("at 2024-01-12 08:30 UTC on 2024-01-12", "seen no share 0.25 stars 4"):
        assert part in first
    for part in ("on 1999-12-31 place <b>Ulm</b> seen yes share 1e-07 stars 2015",):
        assert part in second


def test_a_word_that_is_chosen_is_lit(app_client: TestClient, ids: list[str]) -> None:
    found = app_client.get(f"/picture/{ids[0]}", params={"q": "a red ball", "word": 2}, headers=HTML).text
    (lit,) = re.findall(r'<a class="word lit" aria-current="true"[^>]*data-word="(\d)"', found)
    assert lit == "2"


def test_a_script_gets_the_panel_at_once_and_the_rest_after(app_client: TestClient, ids: list[str]) -> None:
    asked = {"q": "a red ball", "exact": "false"}
    panel = app_client.get(f"/picture/{ids[0]}", params=asked, headers=PART).text
    assert "<html" not in panel
    loads = [one for one in addresses(panel) if one.endswith("q=a+red+ball&exact=false") and ids[0] in one]
    assert [one.split("?")[0] for one in loads] == [
        f"/picture/{ids[0]}/place",
        f"/picture/{ids[0]}/explanation",
        f"/picture/{ids[0]}",
    ]
    part = app_client.get(loads[1], headers=PART).text
    assert re.findall(r'<button type="button" class="word" data-word="(\d)"', part) == ["0", "1", "2"]
    assert 'data-goes="picture-overlay"' in part
    assert "<ol" in part
    assert app_client.get(loads[1], headers=HTML).headers["location"] == f"/picture/{ids[0]}?q=a+red+ball&exact=false"


def test_a_search_without_a_sentence_asks_for_one(app_client: TestClient, ids: list[str]) -> None:
    found = app_client.get(f"/picture/{ids[0]}", params={"term": f"1:item:{ids[1]}"}, headers=HTML).text
    assert "Does it show" in found
    assert f'action="/picture/{ids[0]}"' in found


def test_what_is_explained_is_the_first_sentence_that_is_asked_for(app_client: TestClient, ids: list[str]) -> None:
    asked = {"term": ["-1:text:a green box", "0.5:text:a red ball", "1:text:a house"]}
    found = text_of(app_client.get(f"/picture/{ids[0]}", params=asked, headers=HTML).text)
    assert "Only the sentence “a red ball” is explained" in found


def test_how_it_got_here_is_what_the_search_says(app_client: TestClient) -> None:
    asked: dict[str, Any] = {"q": "a red ball", "exact": "false", "k": 6}
    results = app_client.get("/v1/search", params=asked).json()["results"]
    for place, one in enumerate(results):
        text = app_client.get(f"/picture/{one['item']['id']}/place", params=asked, headers=PART).text
        said = text_of(text)
        for stage, name in (("codes", "codes"), ("shortlist", "vectors")):
            assert f"{name} {ordinal(one['ranks'][stage])} {one['scores'][stage]:.3f}" in said
        assert f"re-ranked {ordinal(one['rank'])} {one['score']:.3f}" in said
        opens = re.findall(r'data-do="(before|after)" data-open="([^"]+)"', text)
        near = {"before": place - 1, "after": place + 1}
        assert (
            dict(opens).items()
            >= {way: results[other]["item"]["id"] for way, other in near.items() if 0 <= other < len(results)}.items()
        )


def test_neighbours_are_known_across_pages(app_client: TestClient) -> None:
    asked = {"q": "a red ball", "exact": "false", "mode": "fast"}
    every = app_client.get("/v1/search", params={**asked, "k": 9}).json()["results"]
    here = every[3]["item"]["id"]
    text = app_client.get(f"/picture/{here}/place", params={**asked, "k": 3, "offset": 3}, headers=PART).text
    assert dict(re.findall(r'data-do="(before|after)" data-open="([^"]+)"', text)) == {
        "before": every[2]["item"]["id"],
        "after": every[4]["item"]["id"],
    }


def test_a_rank_finds_the_page_of_the_answers(app_client: TestClient) -> None:
    asked: dict[str, Any] = {"q": "a red ball", "exact": "false", "mode": "fast", "k": 5}
    every = app_client.get("/v1/search", params={**asked, "k": 30}).json()["results"]
    there = every[21]["item"]["id"]
    for offset in (0, 5, 7, 25):
        params = {**asked, "offset": offset, "at": 22}
        text = app_client.get(f"/picture/{there}/place", params=params, headers=PART).text
        assert [unescape(one) for one in re.findall(r'data-do="\w+" data-open="([^"]+)"', text)] == [
            every[20]["item"]["id"],
            every[22]["item"]["id"],
        ]
        assert "at=21" in text


def test_a_picture_that_is_folded_stands_under_the_answer_that_is_shown_for_it(app_client: TestClient) -> None:
    asked: dict[str, Any] = {"q": "a red ball", "k": 60}
    every = app_client.get("/v1/search", params=asked).json()["results"]
    one = next(one for one in every if one["similar"])
    params = asked | {"at": one["rank"], "k": 5}
    for headers in (PART, HTML):
        path = f"/picture/{one['similar'][0]}" + ("/place" if headers is PART else "")
        text = app_client.get(path, params=params, headers=headers).text
        assert f"It looks like answer {one['rank']}, {one['item']['name']}" in text_of(text)


def test_a_picture_that_is_no_answer_is_said_to_be_none(app_client: TestClient, ids: list[str]) -> None:
    asked = {"q": "a red ball", "where": f"id != '{ids[0]}'"}
    assert "not among these answers" in app_client.get(f"/picture/{ids[0]}/place", params=asked, headers=PART).text


def test_nodes_are_listed_by_what_they_add(nodes: TestClient, noded: Gallery) -> None:
    item = noded.snapshot().items["id"][0].as_py()
    found = nodes.get(f"/picture/{item}", params={"q": SENTENCE}, headers=HTML).text
    rows = [text_of(one) for one in re.findall(r'<li class="of-.*?</li>', found, re.DOTALL)]
    assert rows == [
        "dog +0.300 thing, top left",
        "dog · beside · ball +0.200 relation, top left and middle right",
        "cloud +0.000 thing, nowhere",
        "red -0.050 quality, middle right",
    ]
    assert '<li class="of-quality minus"' in found
    assert "add up to 0.450 of the score 0.900" in text_of(found)
    assert 'data-lit="match"' in found
    assert 'data-regions="0 5"' in found


def test_actions_lead_to_other_states_of_the_search(app_client: TestClient, ids: list[str]) -> None:
    item = ids[0]
    asked: dict[str, Any] = {"q": "a red ball", "where": "width > 2", "offset": 3, "open": item}
    found = app_client.get(f"/picture/{item}", params=asked, headers=PART).text
    links = dict(re.findall(r'href="([^"]+)" data-do="(\w+)"', found))
    by_name = {name: unescape(address) for address, name in links.items()}
    for name, part in (("like", f"like={item}"), ("dislike", f"dislike={item}"), ("add", f"term=1%3Aitem%3A{item}")):
        assert part in by_name[name]
        assert "where=width" in by_name[name]
        assert "offset" not in by_name[name]
    assert f"term=-1%3Aitem%3A{item}" in by_name["without"]
    assert by_name["similar"] == f"/?term=1:item:{item}"
    for name in ("like", "dislike", "add", "without", "similar"):
        assert app_client.get(by_name[name], headers=HTML).status_code == 200
    liked = app_client.get(f"/picture/{item}", params={**asked, "like": item}, headers=PART).text
    assert f"like={item}" not in unescape(re.findall(r'href="([^"]+)" data-do="like"', liked)[0])


def test_a_picture_alone_cannot_be_taken_away(app_client: TestClient, ids: list[str]) -> None:
    assert 'data-do="without"' not in app_client.get(f"/picture/{ids[0]}", headers=PART).text


def test_a_path_is_said_only_where_it_may_be(
    client_with: Callable[..., TestClient], app_client: TestClient, ids: list[str]
) -> None:
    hidden = app_client.get(f"/picture/{ids[0]}", headers=HTML).text
    assert "data-copy" not in hidden
    assert re.search(r'<button class="tool" type="button" disabled title="[^"]*--show-paths', hidden)
    told = client_with(show_paths=True).get(f"/picture/{ids[0]}", headers=HTML).text
    (path,) = re.findall(r'data-copy="([^"]+)"', told)
    assert Path(unescape(path)).is_file()
    assert path not in hidden


def test_a_picture_that_is_not_there_is_said_as_what_was_asked_for(app_client: TestClient) -> None:
    whole, part = (app_client.get("/picture/nobody", headers=headers) for headers in (HTML, PART))
    assert (whole.status_code, part.status_code) == (404, 404)
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert "data-close" in part.text


def test_an_explanation_that_cannot_be_made_leaves_the_rest(tmp_path: Path) -> None:
    gallery = gallery_of(tmp_path, WordModel, count=2)
    item = gallery.item(gallery.snapshot().items["id"][0].as_py())
    item.path.unlink()
    with client_of(ServerSettings(gallery.folder), gallery) as client:
        found = client.get(f"/picture/{item.id}", params={"q": "dog"}, headers=HTML)
        assert found.status_code == 200
        assert "cannot be shown" in found.text
        assert str(tmp_path) not in found.text


def test_two_answers_are_compared_on_a_page_and_in_a_part(app_client: TestClient) -> None:
    asked = {"q": "a red ball", "exact": "false"}
    results = app_client.get("/v1/search", params=asked).json()["results"]
    two = {"a": results[4]["item"]["id"], "b": results[0]["item"]["id"]}
    told = app_client.get("/v1/compare", params={**asked, **two}).json()
    for headers in (HTML, PART):
        found = app_client.get("/compare", params={**asked, **two}, headers=headers)
        assert ("<html" in found.text) == (headers is HTML)
        said = text_of(found.text)
        for sentence in told["sentences"]:
            assert sentence in said
        assert 'class="decided"' in found.text
        rows = re.findall(r'<th scope="row" dir="auto">([^<]+)</th>', found.text)
        assert rows == [one["word"] for one in sorted(told["words"], key=lambda one: -abs(one["difference"]))]
    page = app_client.get("/compare", params={**asked, **two}, headers=HTML).text
    for one in two.values():
        assert f"/picture/{one}?q=a+red+ball&exact=false" in addresses(page)


def test_the_form_of_a_comparison_keeps_the_search(app_client: TestClient) -> None:
    asked = {"q": "a red ball", "exact": "false", "where": "width > 2"}
    one = app_client.get("/v1/search", params=asked).json()["results"][0]["item"]["id"]
    text = app_client.get(f"/picture/{one}/place", params=asked, headers=PART).text
    fields = {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text)}
    assert fields == {"a": one, **asked}
    (other, *_) = re.findall(r'<option value="([^"]+)" selected', text)
    assert app_client.get("/compare", params={**fields, "b": other}, headers=PART).status_code == 200


@pytest.mark.parametrize(
    ("rank", "said"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (112, "112th"),
        (1021, "1,021st"),
        (None, "not found"),
    ],
)
def test_places_are_said_as_people_do(rank: int | None, said: str) -> None:
    assert ordinal(rank) == said


def test_bars_share_one_scale_and_its_zero() -> None:
    three = bars([0.3, -0.1, 0.0])
    assert [one.zero for one in three] == [25.0] * 3
    assert [(one.start, one.length, one.minus) for one in three] == [(25, 75, False), (0, 25, True), (25, 0, False)]
    assert bars([]) == []


@pytest.mark.parametrize(("count", "said"), [(0, "0 bytes"), (999, "999 bytes"), (12_345, "12.3 kB"), (5e9, "5 GB")])
def test_bytes_are_said_as_people_do(count: float, said: str) -> None:
    assert in_bytes(int(count)) == said


def test_what_is_shown_is_in_the_order_of_what_it_adds(noded: Gallery) -> None:
    from crossgraph.serving.explanations import explain_out

    item = noded.item(noded.snapshot().items["id"][0].as_py())
    found = WordModel("fine", fine=True).explain(SENTENCE, item.path)
    view = shown(explain_out(found, item=item, sentence=SENTENCE, method="fake", version="1"))
    assert [row.text for row in view.words] == SENTENCE.split()
    assert [row.value for row in view.listed] == sorted((row.value for row in view.words), reverse=True)
    assert view.words[2].bar.minus
