"""The search page as it comes from the server: whole without scripts, and the parts that scripts ask for."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

import crossgraph
from crossgraph.gallery.gallery import Gallery
from crossgraph.serving import searching
from crossgraph.serving.assets import STATIC
from crossgraph.serving.library import Library
from crossgraph.serving.pages.page_state import PageParameters, PageState
from crossgraph.serving.pages.search_view import NARROWEST, STEP, WIDEST, ratio_class, views
from crossgraph.serving.schemas import SearchOut
from crossgraph.serving.search_request import Asked
from crossgraph.serving.settings import ServerSettings
from tests.gallery.fake_model import FakeModel, draw_images
from tests.serving.served import FOLDERS, Served, client_of

HTML = {"Accept": "text/html"}


def shown(html: str) -> list[str]:
    """The ids of the pictures of a page, in order."""
    return re.findall(r'<li class="tile [^>]*data-id="([^"]+)"', html)


def text_of(html: str) -> str:
    """What a page says."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def picture() -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(held, "PNG")
    return held.getvalue()


def test_the_page_shows_what_the_api_answers_in_its_order(app_client: TestClient) -> None:
    asked: dict[str, Any] = {"q": "a red ball", "term": ["-0.5:text:a house"], "mode": "balanced", "k": 7, "offset": 2}
    answers = app_client.get("/v1/search", params=asked).json()["results"]
    page = app_client.get("/", params=asked, headers=HTML)
    assert page.status_code == 200
    assert shown(page.text) == [one["item"]["id"] for one in answers]
    for one in answers:
        assert f">{one['score']:.3f}</span>" in page.text


def test_nothing_in_the_page_needs_what_the_content_policy_refuses(app_client: TestClient) -> None:
    page = app_client.get("/", params={"q": "a dog", "facet": "label:dog"}, headers=HTML).text
    assert " style=" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\son[a-z]+=", page)
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_words_of_people_are_escaped(app_client: TestClient) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x>"
    for path in ("/", "/parts/page"):
        page = app_client.get(path, params={"q": evil, "term": f"1:text:{evil}"}, headers=HTML).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_before_a_query_there_are_recent_pictures_and_examples_that_find_something(app_client: TestClient) -> None:
    page = app_client.get("/", headers=HTML).text
    assert "Search 60 pictures" in text_of(page)
    assert len(shown(page)) == 48
    examples = re.findall(r'href="(/\?q=[^"]+)" dir="auto"', page)
    assert 1 <= len(examples) <= 3
    assert shown(app_client.get(unescape(examples[0]), headers=HTML).text)


def test_pictures_in_order_of_name_are_not_called_recent(app_client: TestClient) -> None:
    for query, heading in (({}, "Recent pictures"), ({"sort": "name"}, "Pictures by name")):
        assert heading in text_of(app_client.get("/", params=query, headers=HTML).text)
    assert "Recent" not in text_of(app_client.get("/?sort=name&offset=12&k=12", headers=HTML).text)


@pytest.mark.parametrize("query", [{}, {"q": "a dog", "fold": "false"}])
@pytest.mark.parametrize(("offset", "before"), [(9_990, 48), (60, 48), (48, 36), (5, 0)])
def test_from_behind_the_end_a_link_leads_to_the_last_answers(
    app_client: TestClient, query: dict[str, str], offset: int, before: int
) -> None:
    page = app_client.get("/", params={**query, "k": 12, "offset": offset}, headers=HTML).text
    href = unescape(re.search(r'href="([^"]+)">Back to the answers before', page)[1])
    assert (f"offset={before}" in href) or (before == 0 and "offset" not in href)
    assert len(shown(app_client.get(href, headers=HTML).text)) == 12


def test_the_next_page_is_a_link_and_a_part(app_client: TestClient) -> None:
    page = app_client.get("/", params={"q": "a dog", "k": 20}, headers=HTML).text
    part, href = re.search(r'data-part="([^"]+)" href="([^"]+)"', page).groups()
    after = shown(app_client.get(unescape(href), headers=HTML).text)
    assert after == shown(app_client.get(unescape(part), headers=HTML).text)
    assert len(after) == 20
    assert not set(after) & set(shown(page))


def test_a_filter_that_leaves_nothing_is_named_and_dropped_by_one_link(app_client: TestClient) -> None:
    page = app_client.get("/", params={"q": "a dog", "where": "width > 9999", "facet": "date:1999"}, headers=HTML).text
    assert "No picture is left" in text_of(page)
    assert "Drop width > 9999 → 0 pictures" in text_of(page)
    drop = re.search(r'href="([^"]+)">Drop <b dir="auto">date: 1999', page)
    assert drop
    assert "facet" not in drop[1]


def test_facets_count_what_choosing_them_gives(app_client: TestClient) -> None:
    page = app_client.get("/", params={"q": "a dog"}, headers=HTML).text
    found = re.findall(r'href="([^"]+)"><span class="label" dir="auto">([^<]+)</span><span class="count">(\d+)<', page)
    assert {"Ulm", "Köln"} <= {label for _, label, _ in found}
    for href, label, count in found:
        if label in ("Ulm", "holiday"):
            narrowed = app_client.get(unescape(href) + "&fold=false&k=200", headers=HTML).text
            assert 'aria-current="true"><span class="label"' in narrowed
            assert len(shown(narrowed)) == int(count)


def test_a_search_that_cannot_be_made_is_told_in_the_page_of_its_state(app_client: TestClient) -> None:
    for asked, status in (
        ({"q": "a dog", "where": "width ="}, 422),
        ({"term": "-1:text:a dog"}, 422),
        ({"term": "0:text:a dog"}, 422),
        ({"q": "a dog", "like": "nobody"}, 404),
        ({"term": "1:image:nothing"}, 410),
    ):
        page = app_client.get("/", params=asked, headers=HTML)
        assert page.status_code == status, asked
        assert page.headers["x-request-id"] in page.text
        assert 'id="search"' in page.text


def test_problems_are_pages_for_people_parts_for_scripts_and_json_for_programs(app_client: TestClient) -> None:
    assert "<h1>There is nothing here</h1>" in app_client.get("/nowhere", headers=HTML).text
    assert app_client.get("/nowhere").headers["content-type"] == "application/problem+json"
    assert app_client.get("/v1/nowhere", headers=HTML).headers["content-type"] == "application/problem+json"
    part = app_client.get("/parts/more", params={"k": 0}, headers=HTML)
    assert part.status_code == 422
    assert part.text.lstrip().startswith("<section")


def test_a_form_leads_to_the_address_of_its_state(app_client: TestClient) -> None:
    sent = app_client.get("/", params={"q": "a ball", "was": "a dog", "do": "without"}, headers=HTML)
    assert (sent.status_code, sent.headers["location"]) == (303, "/?q=a+dog&term=-1%3Atext%3Aa+ball")


def test_a_picture_sent_by_a_form_becomes_a_part_of_the_query(app_client: TestClient) -> None:
    sent = app_client.post("/upload", data={"state": "q=a+dog"}, files={"picture": ("p.png", picture(), "image/png")})
    assert sent.status_code == 303
    place = sent.headers["location"]
    assert place.startswith("/?q=a+dog&term=1%3Aimage%3A")
    page = app_client.get(place, headers=HTML)
    assert page.status_code == 200
    seen = re.search(r'src="(/upload/[^"]+)"', page.text)
    assert seen
    assert app_client.get(seen[1]).headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("data", "files", "status"),
    [
        ({}, {"picture": ("p.png", b"", "image/png")}, 422),
        ({}, {"picture": ("p.png", b"no picture", "image/png")}, 422),
        ({"state": "nothing=1"}, {"picture": ("p.png", picture(), "image/png")}, 422),
        ({"state": "a=1&" * 4900}, {"picture": ("p.png", picture(), "image/png")}, 422),
        ({}, {}, 422),
    ],
)
def test_what_is_no_picture_is_refused(
    app_client: TestClient, data: dict[str, str], files: dict[str, tuple[str, bytes, str]], status: int
) -> None:
    assert app_client.post("/upload", data=data, files=files, headers=HTML).status_code == status


def test_a_form_without_a_picture_is_answered_below_the_query(app_client: TestClient) -> None:
    sent: list[dict[str, Any]] = [{}, {"files": {"picture": ("", b"", "application/octet-stream")}}]
    for one in sent:
        page = app_client.post("/upload", data={"state": "q=a+dog&mode=fast"}, headers=HTML, **one)
        assert page.status_code == 422
        assert "No picture was chosen. Choose a file and send it again." in text_of(page.text)
        assert '<a href="/?q=a+dog&amp;mode=fast">Back to the answers</a>' in page.text
        assert 'value="a dog"' in page.text


def test_a_search_of_captions_that_are_gone_is_one_of_pictures_and_says_so(tmp_path: Path) -> None:
    gallery = Gallery.create(tmp_path / "gallery", FakeModel("dense", fine=False))
    gallery.index(draw_images(tmp_path / "pictures", 6))
    asked = {"q": "a dog", "target": "captions"}
    with client_of(ServerSettings(gallery.folder), gallery) as client:
        page = client.get("/", params=asked, headers=HTML)
        (line,) = client.get("/parts/page", params=asked).text.splitlines()
        assert len(shown(client.get("/parts/more", params=asked | {"k": 2, "offset": 2}).text)) == 2
    assert page.status_code == 200
    for html in (page.text, json.loads(line)["page"]):
        assert len(shown(html)) == 6
        assert "There are no captions to search in any more" in text_of(html)
        assert 'name="target"' not in html
        assert "target=" not in "".join(re.findall(r'href="([^"]*)"', html))
    assert json.loads(line)["url"] == "/?q=a+dog"


def test_an_export_that_cannot_be_is_a_page_for_who_sent_a_form(app_client: TestClient) -> None:
    for headers, kind in ((HTML, "text/html; charset=utf-8"), ({}, "application/problem+json")):
        answer = app_client.post("/v1/export", data={"ids": "gone", "format": "zip"}, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (404, kind)


def test_stages_come_as_lines_the_shortlist_first(app_client: TestClient) -> None:
    asked = {"q": "a red ball"}
    lines = [json.loads(line) for line in app_client.get("/parts/page", params=asked).text.splitlines()]
    assert [(sorted({"page", "found"} & set(one)), one["waits"]) for one in lines] == [
        (["page"], True),
        (["found"], False),
    ]
    assert lines[0]["url"] == "/?q=a+red+ball"
    answers = app_client.get("/v1/search", params=asked | {"k": 48}).json()["results"]
    assert shown(lines[1]["found"]) == [one["item"]["id"] for one in answers]
    fast = app_client.get("/parts/page", params={"q": "a red ball", "mode": "fast"}).text.splitlines()
    assert len(fast) == 1


def test_the_shortlist_is_shown_before_re_ranking_begins(
    app_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, begun, stages = app_client.app.state.server, list[str](), searching.stages  # type: ignore[attr-defined]

    def watched(library: Library, asked: Asked) -> Iterator[SearchOut]:
        for one in stages(library, asked):
            begun.append(one.stage)
            yield one

    monkeypatch.setattr(searching, "stages", watched)
    shown_views = views(server, PageState(PageParameters(q="a red ball", exact=False)), staged=True)
    first = next(shown_views)
    assert (begun, first.waits) == (["shortlist"], True)
    assert [one.waits for one in shown_views] == [False]
    assert begun == ["shortlist", "rerank"]


def test_a_facet_that_says_what_the_folders_say_is_not_shown(tmp_path: Path, served_gallery: Served) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, some in zip(folders, FOLDERS, strict=True):
        shutil.copytree(served_gallery.pictures / some, folder)
    crossgraph.sync(tmp_path / "gallery", folders, model=served_gallery.model)
    opened = crossgraph.open_gallery(tmp_path / "gallery")
    with client_of(ServerSettings(tmp_path / "gallery"), opened) as client:
        assert {"folder", "source"} <= {one["name"] for one in client.get("/v1/facets").json()["facets"]}
        titles = re.findall("<summary>([^<]*)</summary>", client.get("/", headers=HTML).text)
    assert "Folder" in titles
    assert "Source" not in titles


def test_a_problem_after_the_answer_began_is_a_line(app_client: TestClient) -> None:
    (line,) = app_client.get("/parts/page", params={"q": "a dog", "where": "width ="}).text.splitlines()
    assert "This cannot be searched for" in json.loads(line)["page"]


def test_pictures_folded_under_an_answer_are_a_part(app_client: TestClient) -> None:
    page = app_client.get("/", params={"q": "a red ball", "k": 60}, headers=HTML).text
    found = re.findall(r'data-id="([^"]+)" data-alike="([^"]+)"', page)
    answers = {one["item"]["id"]: one for one in app_client.get("/v1/search?q=a+red+ball&k=60").json()["results"]}
    assert found
    for id, part in found:
        assert shown(app_client.get(unescape(part)).text) == answers[id]["similar"]


def test_a_picture_that_is_open_stands_in_the_page_and_one_that_was_removed_does_not(
    app_client: TestClient, ids: list[str]
) -> None:
    page = app_client.get("/", params={"q": "a dog", "open": ids[0]}, headers=HTML)
    assert f'data-picture="{ids[0]}"' in page.text
    gone = app_client.get("/", params={"q": "a dog", "open": "gone"}, headers=HTML)
    assert gone.status_code == 200
    assert 'aria-label="The opened picture" tabindex="-1" hidden' in gone.text


def test_the_page_waits_for_the_server_and_says_what_it_does(
    client_with: Callable[..., TestClient], tmp_path: Path
) -> None:
    client = client_with()
    library = client.app.state.server.library  # type: ignore[attr-defined]
    library._gallery, library.phase = None, "reading the gallery"
    page = client.get("/", headers=HTML)
    assert (page.status_code, page.headers["retry-after"]) == (503, "2")
    assert "The server is reading the gallery" in text_of(page.text)
    assert 'http-equiv="refresh"' in page.text
    library.phase, library.error = "failed", f"{tmp_path}/gallery was encoded by another: gallery migrate"
    failed = text_of(client.get("/", headers=HTML).text)
    assert "This gallery needs another model" in failed
    assert str(tmp_path) not in failed


def test_paths_are_exported_only_where_they_may_be_shown(
    app_client: TestClient, client_with: Callable[..., TestClient]
) -> None:
    wanted = 'value="paths"'
    assert wanted not in app_client.get("/?q=dog", headers=HTML).text
    assert wanted in client_with(show_paths=True).get("/?q=dog", headers=HTML).text


def test_every_proportion_has_a_class_in_the_stylesheet() -> None:
    sheet = (STATIC / "page.css").read_text(encoding="utf-8")
    for number in range(NARROWEST, WIDEST + 1, STEP):
        assert f".ar-{number}{{--ar:{number / 100:g}}}" in sheet
    for width, height in ((1, 9000), (9000, 1), (0, 0), (4, 3), (3, 4), (1001, 999)):
        assert f".ar-{ratio_class(width, height)}{{" in sheet
    assert abs(ratio_class(400, 300) / 100 - 4 / 3) <= STEP / 200
