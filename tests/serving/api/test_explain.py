from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

import crossgraph
from crossgraph.gallery.explanations.explain import alignment_to_json
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.serving.explanations import explain_out, said
from crossgraph.serving.overlay import overlay_of
from crossgraph.serving.pages.templates import ENVIRONMENT
from crossgraph.serving.server import Server
from crossgraph.serving.settings import ServerSettings
from crossgraph.types import Alignment
from tests.serving.explaining import SENTENCE, NodeModel, WordModel, gallery_of
from tests.serving.served import Served, client_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery_of(tmp_path_factory.mktemp("worded"), WordModel)


@pytest.fixture(scope="module")
def noded(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery_of(tmp_path_factory.mktemp("noded"), NodeModel)


@pytest.fixture
def words(worded: Gallery) -> Iterator[TestClient]:
    with client_of(ServerSettings(worded.folder), worded) as client:
        yield client


@pytest.fixture
def nodes(noded: Gallery) -> Iterator[TestClient]:
    with client_of(ServerSettings(noded.folder), noded) as client:
        yield client


def first_id(gallery: Gallery) -> str:
    found: str = gallery.snapshot().items["id"][0].as_py()
    return found


def test_an_explanation_is_what_the_command_line_says(
    app_client: TestClient, opened: crossgraph.Gallery, served_gallery: Served, ids: list[str]
) -> None:
    asked = ("a red ball on a box", opened.item(ids[3]).path, served_gallery.model)
    crossgraph.explain(*asked)  # from now on its features are in the cache, in half precision, for whoever asks
    told = app_client.get("/v1/explain", params={"item": ids[3], "q": asked[0]}).json()
    alignment, _ = crossgraph.explain(*asked)
    wanted = json.loads(json.dumps(alignment_to_json(alignment)))
    assert told["score"] == pytest.approx(wanted["score"], abs=1e-5)
    assert [one["word"] for one in told["words"]] == [one["word"] for one in wanted["words"]]
    for one, other in zip(told["words"], wanted["words"], strict=True):
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)
        assert one["weights"] == pytest.approx(other["weights"], abs=1e-5)
    assert told["boxes"] == wanted["boxes"]
    assert told["code"]["agreeing"] == wanted["code"]["agreeing"]
    assert (told["how"], told["explained"], told["method"]) == ("apart", None, "kidrr")


def test_an_explanation_names_no_path(app_client: TestClient, opened: crossgraph.Gallery, ids: list[str]) -> None:
    folder = str(opened.item(ids[0]).path.parent)
    for address in ("/v1/explain", "/v1/explain.svg", "/v1/compare"):
        asked = {"item": ids[0], "q": "ball"} if "explain" in address else {"a": ids[0], "b": ids[1], "q": "ball"}
        found = app_client.get(address, params=asked)
        assert found.status_code == 200
        assert folder not in found.text


@pytest.mark.parametrize("address", ["/v1/explain", "/v1/explain.svg", "/v1/explain.png"])
def test_what_cannot_be_explained_is_refused(words: TestClient, worded: Gallery, address: str) -> None:
    for asked, status in (
        ({"item": "nobody", "q": "dog"}, 404),
        ({"item": "../etc", "q": "dog"}, 422),
        ({"item": first_id(worded), "q": "  "}, 422),
        ({"item": first_id(worded)}, 422),
    ):
        found = words.get(address, params=asked)
        assert found.status_code == status
        assert found.headers["content-type"] == "application/problem+json"


def test_a_picture_whose_file_is_gone_is_410(tmp_path: Path) -> None:
    gallery = gallery_of(tmp_path, WordModel, count=2)
    item = gallery.item(first_id(gallery))
    item.path.unlink()
    with client_of(ServerSettings(gallery.folder), gallery) as client:
        for address in ("/v1/explain", "/v1/explain.svg", "/v1/explain.png"):
            found = client.get(address, params={"item": item.id, "q": "dog"})
            assert found.status_code == 410
            assert str(tmp_path) not in found.text


def test_an_alignment_is_computed_once_for_every_form_of_it(
    words: TestClient, worded: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    explain = WordModel.explain

    def counting(self: WordModel, sentence: str, path: Path) -> Alignment:
        counted.append(sentence)
        return explain(self, sentence, path)

    monkeypatch.setattr(WordModel, "explain", counting)
    item = first_id(worded)
    for address in ("/v1/explain", "/v1/explain.svg", "/v1/explain.png", "/v1/explain"):
        words.get(address, params={"item": item, "q": f" {SENTENCE} "})
    assert counted == [SENTENCE]
    worded.annotate({item: {"stars": len(counted)}})  # another state of the gallery
    words.get("/v1/explain", params={"item": item, "q": SENTENCE})
    assert counted == [SENTENCE] * 2


def test_the_words_of_a_sum_add_up_to_the_score(words: TestClient, worded: Gallery) -> None:
    told = words.get("/v1/explain", params={"item": first_id(worded), "q": SENTENCE}).json()
    assert told["how"] == "words"
    assert sum(one["contribution"] for one in told["words"]) == pytest.approx(told["score"])
    assert told["explained"] == pytest.approx(told["score"])
    assert "is the sum" in told["said"]


def test_no_more_is_claimed_than_the_method_gives() -> None:
    assert "do not add up" in said("apart", 0.5, None)
    assert "0.200 of the score 0.500" in said("matches", 0.5, 0.2)
    assert "cannot be told apart" in said("words", 0.5, 0.2)
    assert "is the sum" in said("words", 0.5, 0.501)


def test_a_drawing_lights_the_regions_of_the_chosen_word(words: TestClient, worded: Gallery) -> None:
    asked = {"item": first_id(worded), "q": SENTENCE}
    told = words.get("/v1/explain", params=asked).json()
    for word in range(3):
        drawing = ElementTree.fromstring(words.get("/v1/explain.svg", params=asked | {"word": word}).text)
        lights = {
            int(one.attrib["data-region"]): float(one.attrib["fill-opacity"])
            for one in drawing.iter(f"{SVG}rect")
            if one.get("class") == "light"
        }
        most = max(told["words"][word]["weights"])
        assert lights == {
            place: pytest.approx(weight / most, abs=1e-3) for place, weight in enumerate(told["words"][word]["weights"])
        }
        frames = [one for one in drawing.iter(f"{SVG}rect") if "frame" in one.get("class", "")]
        assert [int(one.attrib["data-region"]) for one in frames] == [word]
        assert drawing.find(f"{SVG}title").text == SENTENCE.split()[word]


def test_a_drawing_needs_nothing_that_the_content_policy_refuses(nodes: TestClient, noded: Gallery) -> None:
    text = nodes.get("/v1/explain.svg", params={"item": first_id(noded), "q": SENTENCE}).text
    assert " style=" not in text
    assert "<style" not in text
    assert "<script" not in text
    assert f'href="/v1/items/{first_id(noded)}/thumbnail?size=1280"' in text


def test_a_relation_is_two_boxes_and_an_arrow(nodes: TestClient, noded: Gallery) -> None:
    asked = {"item": first_id(noded), "q": SENTENCE}
    drawing = ElementTree.fromstring(nodes.get("/v1/explain.svg", params=asked | {"match": 2}).text)
    (mark,) = [one for one in drawing.iter(f"{SVG}g") if "mark" in one.get("class", "")]
    assert len([one for one in mark.iter(f"{SVG}rect") if one.get("class") == "ink"]) == 2
    assert len(list(mark.iter(f"{SVG}polygon"))) == 1
    assert mark.find(f"{SVG}text").text == "dog · beside · ball"
    strongest = ElementTree.fromstring(nodes.get("/v1/explain.svg", params=asked).text)
    (shown,) = [one for one in strongest.iter(f"{SVG}g") if "mark" in one.get("class", "")]
    assert shown.attrib["data-match"] == "0"


def test_a_word_or_match_that_is_not_there_is_404(nodes: TestClient, noded: Gallery) -> None:
    for more in ({"word": 3}, {"match": 4}):
        found = nodes.get("/v1/explain.svg", params={"item": first_id(noded), "q": SENTENCE, **more})
        assert found.status_code == 404
        assert "counted from 0" in found.json()["detail"]


def test_any_text_makes_sound_xml(noded: Gallery) -> None:
    item = noded.item(first_id(noded))
    alignment = NodeModel("fine", fine=True).explain("dog </svg><script>'\" \x01", item.path)
    told = explain_out(alignment, item=item, sentence="x", method="fake", version="1")
    told.matches[0].text = "dog </svg><script>\x00\x1f'\"&\ud800"
    from crossgraph.serving.explanations import Explained

    overlay = overlay_of(Explained(item, alignment, told))
    text = ENVIRONMENT.get_template("picture_svg.html").render(overlay=overlay, picture="/v1/x?a=1&b=2")
    drawing = ElementTree.fromstring(text.strip().encode())
    assert drawing.find(f"{SVG}title").text == "dog </svg><script>��'\"&�"
    assert not list(drawing.iter("script"))


def test_a_drawing_that_is_known_is_not_sent_again(words: TestClient, worded: Gallery) -> None:
    for address in ("/v1/explain.svg", "/v1/explain.png"):
        asked = {"item": first_id(worded), "q": SENTENCE}
        first = words.get(address, params=asked)
        again = words.get(address, params=asked, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        other = words.get(address, params=asked | {"q": "ball"}, headers={"If-None-Match": first.headers["etag"]})
        assert other.status_code == 200


def test_a_png_is_the_drawing_of_the_command_line(words: TestClient, worded: Gallery) -> None:
    from crossgraph.gallery.explanations.explain import draw_alignment

    item = worded.item(first_id(worded))
    sent = words.get("/v1/explain.png", params={"item": item.id, "q": SENTENCE})
    drawn = draw_alignment(Image.open(item.path), worded.require_model().explain(SENTENCE, item.path))
    assert Image.open(io.BytesIO(sent.content)).convert("RGB").tobytes() == drawn.tobytes()


def test_two_answers_are_compared_as_the_gallery_compares_them(
    app_client: TestClient, opened: crossgraph.Gallery
) -> None:
    asked: dict[str, Any] = {"q": "a red ball", "exact": False, "k": 12, "mode": "best"}
    results = app_client.get("/v1/search", params=asked).json()["results"]
    one, other = results[0]["item"], results[5]["item"]
    told = app_client.get("/v1/compare", params={**asked, "a": one["id"], "b": other["id"]}).json()
    options = SearchOptions(k=12, exact=False, mode="best", fold=True)
    wanted = opened.compare("a red ball", one["id"], other["id"], options, names=(one["name"], other["name"]))
    plain = json.loads(json.dumps(wanted.to_json()))
    for name in ("above", "decided", "unit", "sentences", "notes"):
        assert told[name] == plain[name]
    assert told["above"] == "first"
    assert [stage["stage"] for stage in told["stages"]] == ["codes", "shortlist", "rerank"]
    for name in ("stages", "words"):
        assert len(told[name]) == len(plain[name])
        assert [row["difference"] for row in told[name]] == pytest.approx([row["difference"] for row in plain[name]])
    assert (told["first"]["id"], told["second"]["id"]) == (one["id"], other["id"])


def test_what_cannot_be_compared_is_refused(app_client: TestClient, ids: list[str]) -> None:
    for asked, status in (
        ({"a": ids[0], "b": "nobody", "q": "ball"}, 404),
        ({"a": ids[0], "b": ids[0], "q": "ball"}, 422),
        ({"a": ids[0], "b": ids[1]}, 422),
        ({"a": ids[0], "b": ids[1], "q": "ball", "target": "captions"}, 422),
        ({"a": ids[0], "b": ids[1], "term": f"1:item:{ids[0]}"}, 422),
    ):
        assert app_client.get("/v1/compare", params=asked).status_code == status


def test_weights_of_a_word_found_nowhere_light_nothing(worded: Gallery) -> None:
    from crossgraph.serving.explanations import Explained

    item = worded.item(first_id(worded))
    found = worded.require_model().explain(SENTENCE, item.path)
    blind = type(found)(found.words, found.boxes, torch.zeros_like(found.weights), found.word_scores, found.score)
    told = explain_out(blind, item=item, sentence=SENTENCE, method="fake", version="1")
    overlay = overlay_of(Explained(item, blind, told), word=0)
    assert {one.light for one in overlay.regions} == {0.0}
    assert overlay.top == ()
    assert (overlay_of(Explained(item, blind, told)).word, overlay_of(Explained(item, blind, told)).match) == (
        None,
        None,
    )


def test_only_a_bounded_number_of_alignments_is_kept(worded: Gallery) -> None:
    server = Server.of(ServerSettings(worded.folder))
    for number in range(300):
        server.alignments.get(number, lambda: (None, ()))
    assert len(server.alignments) == 256
    server.close()
