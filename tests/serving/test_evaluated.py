"""Pictures and explanations of worst queries: only what the evaluation names, and what is gone is said."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

import crossgraph
from crossgraph.data.images import read_image
from crossgraph.gallery.explanations.code_match import explain_pair
from crossgraph.gallery.explanations.explain import draw_alignment
from crossgraph.serving.evaluated import Evaluated, gone_pictures
from crossgraph.serving.problems import Problem
from crossgraph.serving.settings import ServerSettings
from crossgraph.verbs.models import load_search_model
from tests.serving.evaluating import EvaluatedRuns, items_of
from tests.serving.served import client_of

HTML = {"Accept": "text/html"}


@pytest.fixture
def own(evaluated_runs: EvaluatedRuns, tmp_path: Path) -> EvaluatedRuns:
    return evaluated_runs.copy(tmp_path)


@pytest.fixture
def client(settings: ServerSettings, opened: crossgraph.Gallery, own: EvaluatedRuns) -> Iterator[TestClient]:
    with client_of(replace(settings, runs=own.runs), opened) as client:
        yield client


def pixels(content: bytes) -> torch.Tensor:
    """RGB of a picture in a file, 32 x 32."""
    image = Image.open(io.BytesIO(content)).convert("RGB").resize((32, 32))
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).float()


def test_every_picture_is_the_one_that_the_evaluation_names(client: TestClient, own: EvaluatedRuns) -> None:
    for case in own.stored.cases:
        asked = case.direction == "text_to_image"
        whole = case.query.right.item if asked else case.query.query
        places = [(f"/evaluations/{own.id}/worst/{case.number}/picture", whole)]
        places += [(f"{places[0][0]}?answer={at}", one.item) for at, one in enumerate(case.query.answers)]
        for address, item in places:
            answer = client.get(address)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "image/webp"
            there = pixels(Path(item.path).read_bytes())
            assert (pixels(answer.content) - there).abs().mean() < 12, address
            assert Image.open(io.BytesIO(answer.content)).info.get("exif") is None


def test_a_picture_is_asked_for_again_and_sent_once(client: TestClient, own: EvaluatedRuns) -> None:
    address = f"/evaluations/{own.id}/worst/0/picture"
    first = client.get(address)
    assert first.headers["cache-control"] == "private, no-cache"
    again = client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    larger = client.get(address, params={"size": 1280})
    assert larger.headers["etag"] != first.headers["etag"]
    path = Path(own.stored.cases[0].query.query.path)
    Image.new("RGB", (40, 30), "red").save(path, "JPEG")
    changed = client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert Image.open(io.BytesIO(changed.content)).size == (40, 30)


@pytest.mark.parametrize(
    "address",
    [
        "/evaluations/{id}/worst/0/picture?answer=99",
        "/evaluations/{id}/worst/9999/picture",
        "/evaluations/nobody/worst/0/picture",
        "/evaluations/{id}/worst/0/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/evaluations/{id}/worst/0/picture/etc/passwd",
        "/evaluations/..%2f{id}/worst/0/picture",
        "/evaluations/{id}/worst/9999",
        "/evaluations/{id}/worst/9999/right.png",
    ],
)
def test_nothing_else_is_there(client: TestClient, own: EvaluatedRuns, address: str) -> None:
    assert client.get(address.format(id=own.id)).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "/evaluations/{id}/worst/-1/picture",
        "/evaluations/{id}/worst/0/picture?answer=-1",
        "/evaluations/{id}/worst/0/picture?answer=/etc/passwd",
        "/evaluations/{id}/worst/0/picture?size=321",
        "/evaluations/{id}/worst/0/best.png",
        "/evaluations/{id}/worst/0?lit=right-word-x",
    ],
)
def test_what_cannot_be_meant_is_refused(client: TestClient, own: EvaluatedRuns, address: str) -> None:
    assert client.get(address.format(id=own.id)).status_code == 422


def test_pictures_and_pages_need_the_token(
    settings: ServerSettings, opened: crossgraph.Gallery, evaluated_runs: EvaluatedRuns
) -> None:
    address = f"/evaluations/{evaluated_runs.id}/worst/0"
    with client_of(replace(settings, runs=evaluated_runs.runs, token="a" * 16), opened) as guarded:
        for one in (address, f"{address}/picture", f"{address}/right.png", "/parts/runs/list", "/parts/runs/report"):
            assert guarded.get(one).status_code == 401, one
    with client_of(settings, opened) as without:
        for one in (address, f"{address}/picture", f"{address}/right.png", "/parts/runs/list", "/parts/runs/report"):
            assert without.get(one).status_code == 404, one


def test_a_file_that_is_no_picture_is_never_sent(client: TestClient, own: EvaluatedRuns, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("root:x:0:0", encoding="utf-8")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (file,) = own.runs.glob("*/evaluations/*.json")
    record = json.loads(file.read_text(encoding="utf-8"))
    for place, path in enumerate((secret, pipe, tmp_path / "nowhere.jpg", tmp_path)):
        record["worst"][0]["image_to_text"][place]["query"]["path"] = str(path)
    file.write_text(json.dumps(record), encoding="utf-8")
    for place in range(4):
        answer = client.get(f"/evaluations/{own.id}/worst/{place}/picture")
        assert answer.status_code == 410
        assert "root:" not in answer.text
        assert str(tmp_path) not in answer.text


def test_a_picture_that_takes_too_much_is_refused(client: TestClient, own: EvaluatedRuns) -> None:
    path = Path(own.stored.cases[0].query.query.path)
    held = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(held, "PNG")
    path.write_bytes(held.getvalue())
    answer = client.get(f"/evaluations/{own.id}/worst/0/picture")
    assert answer.status_code == 410
    assert path.name in answer.json()["detail"]


def test_the_page_shows_both_pairs_as_the_model_explains_them(client: TestClient, own: EvaluatedRuns) -> None:
    model = load_search_model(own.runs / "kidrr")
    for case in own.stored.cases:
        page = client.get(f"/evaluations/{own.id}/worst/{case.number}", headers=HTML)
        assert page.status_code == 200
        pictures = page.text.count("<img ")
        assert pictures == (1 if case.wrong is None else 2)
        for which in ("right", "wrong"):
            if (pair := case.pair(which)) is None:
                continue
            alignment = explain_pair(model, pair[0], Path(pair[1].path))
            for word in alignment.words:
                assert f">{word}</a>" in page.text
            held = io.BytesIO()
            draw_alignment(read_image(pair[1].path), alignment).save(held, "PNG")
            drawing = client.get(f"/evaluations/{own.id}/worst/{case.number}/{which}.png")
            assert drawing.headers["content-type"] == "image/png"
            assert (pixels(drawing.content) - pixels(held.getvalue())).abs().max() <= 1
        assert str(own.runs.parent) not in page.text


def test_without_scripts_a_word_is_chosen_by_its_address(client: TestClient, own: EvaluatedRuns) -> None:
    page = client.get(f"/evaluations/{own.id}/worst/0", params={"lit": "right-word-1"}, headers=HTML)
    assert page.text.count('aria-current="true"') >= 1
    assert client.get(f"/evaluations/{own.id}/worst/0?lit=right-word-999", headers=HTML).status_code == 404


def test_where_the_run_is_gone_the_pictures_are_there_and_it_is_said(client: TestClient, own: EvaluatedRuns) -> None:
    (own.runs / "kidrr" / "weights.safetensors").unlink()
    page = client.get(f"/evaluations/{own.id}/worst/0", headers=HTML)
    assert page.status_code == 200
    assert "the run that answered" in page.text
    assert "<img " in page.text
    assert "evaluate again" in client.get(f"/evaluations/{own.id}/worst/0/right.png").json()["detail"]


def test_where_a_picture_is_gone_it_is_said(client: TestClient, own: EvaluatedRuns) -> None:
    case = own.stored.cases[0]
    path = Path(case.query.query.path)
    before = client.get(f"/evaluations/{own.id}", headers=HTML).text
    path.unlink()
    assert (0, None) in gone_pictures(own.stored.cases)
    after = client.get(f"/evaluations/{own.id}", headers=HTML).text
    assert before.count("picture is gone") == 0
    assert after.count("picture is gone") == len(gone_pictures(own.stored.cases))
    page = client.get(f"/evaluations/{own.id}/worst/0", headers=HTML)
    assert "not there any more" in page.text
    assert path.name in client.get(f"/evaluations/{own.id}/worst/0/picture").json()["detail"]


def test_gone_are_exactly_the_files_that_are_not_there(own: EvaluatedRuns) -> None:
    assert gone_pictures(own.stored.cases) == frozenset()
    lost = {one.path for one in items_of(own.stored.cases[-1])[1:3]}
    for path in lost:
        Path(path).unlink()
    for case in own.stored.cases:
        whole = case.query.right.item if case.direction == "text_to_image" else case.query.query
        for answer, item in ((None, whole), *enumerate(one.item for one in case.query.answers)):
            assert ((case.number, answer) in gone_pictures(own.stored.cases)) == (item.path in lost)


def test_explanations_have_an_end_and_searches_do_not_wait(
    settings: ServerSettings,
    opened: crossgraph.Gallery,
    evaluated_runs: EvaluatedRuns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = Event()

    def slow(*_: object) -> None:
        seen.wait(60)

    monkeypatch.setattr(Evaluated, "explained", slow)
    with client_of(replace(settings, runs=evaluated_runs.runs, seconds=4.0), opened) as client:
        page = client.get(f"/evaluations/{evaluated_runs.id}/worst/0", headers=HTML)
        assert page.status_code == 503
        assert page.headers["retry-after"] == "5"
        assert "took longer" in page.text
        assert "<img " in page.text
        server = client.app.state.server  # type: ignore[attr-defined]
        assert server.evaluated.engine.inside == 1
        assert server.engine.inside == 0
        assert client.get("/v1/search", params={"q": "a red ball"}).status_code == 200
        seen.set()


def test_an_answer_there_is_none_of_is_unknown(
    settings: ServerSettings, evaluated_runs: EvaluatedRuns, make_evaluated: Callable[[], Evaluated]
) -> None:
    case = evaluated_runs.stored.cases[0]
    with pytest.raises(Problem, match="has no answer"):
        make_evaluated().preview(case, len(case.query.answers), 320)


@pytest.fixture
def make_evaluated(settings: ServerSettings) -> Iterator[Callable[[], Evaluated]]:
    from crossgraph.serving.server import Server

    server = Server.of(settings)
    yield lambda: server.evaluated
    server.close()


def test_the_command_of_an_evaluation_tells_no_path(
    client: TestClient, settings: ServerSettings, opened: crossgraph.Gallery, evaluated_runs: EvaluatedRuns
) -> None:
    address, folder = f"/evaluations/{evaluated_runs.id}", str(evaluated_runs.runs)
    told = client.get(address, headers=HTML).text
    assert "--model kidrr --data" in told
    assert folder not in told
    with client_of(replace(settings, runs=evaluated_runs.runs, show_paths=True), opened) as open_client:
        assert f"--model {folder}/kidrr" in open_client.get(address, headers=HTML).text
