"""Scenes are what they say: pixels agree with boxes, boxes with relations, twins differ, telling captions are false."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scene_captions import WORDS, Caption, Description, Present, Related, describe_scene
from crossgraph.data.drawn.scene_drawing import COLOUR_VALUES, draw_scene
from crossgraph.data.drawn.scene_plans import (
    BACKGROUNDS,
    COLOURS,
    KINDS,
    SIZES,
    TEXTURES,
    Scene,
    Spot,
    Thing,
    plan_pair,
)
from crossgraph.data.drawn.scene_shapes import SHAPES
from crossgraph.data.drawn.scenes import MANIFEST, draw_scenes, open_scenes, scenes_folder
from crossgraph.data.sources import open_corpus
from crossgraph.errors import DataError

COUNT = 120
Row = dict[str, Any]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Corpus, list[Row]]:
    folder = tmp_path_factory.mktemp("scenes")
    corpus = draw_scenes(folder, COUNT, seed=3)
    rows = [json.loads(line) for line in (folder / "scenes.jsonl").read_text().splitlines()]
    return folder, corpus, rows


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_seed_draws_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        draw_scenes(tmp_path / name, 6, seed=seed)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert files_of(tmp_path / "a")["images/00000.jpg"] != files_of(tmp_path / "c")["images/00000.jpg"]


def test_a_picture_does_not_depend_on_how_many_are_drawn(drawn: tuple[Path, Corpus, list[Row]], tmp_path: Path) -> None:
    draw_scenes(tmp_path / "few", 7, seed=3)
    few, many = files_of(tmp_path / "few"), files_of(drawn[0])
    assert all(few[f"images/0000{i}.jpg"] == many[f"images/0000{i}.jpg"] for i in range(7))


def test_the_corpus_has_five_different_captions_a_picture_labels_and_splits(
    drawn: tuple[Path, Corpus, list[Row]],
) -> None:
    _, corpus, rows = drawn
    assert len(corpus) == COUNT
    assert all(len({corpus.captions[j] for j in group}) == 5 for group in corpus.captions_of_images())
    assert Counter(corpus.image_splits) == {"train": 96, "val": 12, "test": 12}
    assert corpus.labels is not None
    for truth, row in zip(corpus.labels, rows, strict=True):
        kinds = {thing["kind"] for thing in row["objects"]}
        assert {name for name, is_there in zip(corpus.label_names, truth, strict=True) if is_there} == kinds
    assert corpus.skipped == ()


def test_every_kind_colour_size_texture_and_background_occurs(drawn: tuple[Path, Corpus, list[Row]]) -> None:
    things = [thing for row in drawn[2] for thing in row["objects"]]
    seen = {key: {thing[key] for thing in things} for key in ("kind", "colour", "size", "texture")}
    assert seen == {"kind": set(KINDS), "colour": set(COLOURS), "size": set(SIZES), "texture": set(TEXTURES)}
    assert {row["background"] for row in drawn[2]} == set(BACKGROUNDS)
    assert {len(row["objects"]) for row in drawn[2]} == {1, 2, 3, 4, 5}
    assert len(KINDS) >= 12


def test_a_colour_is_seen_in_the_boxes_of_its_things_and_nowhere_else(drawn: tuple[Path, Corpus, list[Row]]) -> None:
    folder, _, rows = drawn
    for row in rows:
        pixels = np.asarray(Image.open(folder / "images" / row["image"])).astype(int)
        for colour, value in COLOUR_VALUES.items():
            looks = np.abs(pixels - value).max(axis=2) < 24
            for thing in (thing for thing in row["objects"] if thing["colour"] == colour):
                left, top, right, bottom = (round(edge * 224) for edge in thing["box"])
                assert looks[top:bottom, left:right].mean() > 0.08, (row["image"], thing)
                looks[top - 1 : bottom + 1, left - 1 : right + 1] = False
            assert looks.mean() < 0.0005, (row["image"], colour)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_a_box_is_as_tight_as_the_drawing(kind: str, size: str) -> None:
    thing = Thing(kind, "red", size, "plain", Spot(1, 1, 0.5, 0.5))
    empty, full = (np.asarray(draw_scene(Scene(things, "white", 0))) for things in ((), (thing,)))
    rows, columns = np.nonzero((empty != full).any(axis=2))
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(np.subtract(seen, np.multiply(thing.box, 224))).max() <= 2
    assert SHAPES[kind].aspect == pytest.approx((thing.box[2] - thing.box[0]) / (thing.box[3] - thing.box[1]))


def test_relations_agree_with_boxes_and_name_every_pair_both_ways(drawn: tuple[Path, Corpus, list[Row]]) -> None:
    inverse = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    for row in drawn[2]:
        boxes = [thing["box"] for thing in row["objects"]]
        relations = {(i, j): relation for i, relation, j in row["relations"]}
        assert len(relations) == len(boxes) * (len(boxes) - 1)
        for (i, j), relation in relations.items():
            a, b = boxes[i], boxes[j]
            clear = {"left of": a[2] < b[0], "right of": b[2] < a[0], "above": a[3] < b[1], "below": b[3] < a[1]}
            assert clear[relation]
            assert relations[j, i] == inverse[relation]


def twins_in(rows: list[Row]) -> list[tuple[Row, Row]]:
    groups: dict[int, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["twin_group"], []).append(row)
    groups.pop(-1)
    return [(first, second) for first, second in groups.values()]


def test_twins_share_their_things_and_differ_in_layout_or_in_one_exchanged_attribute(
    drawn: tuple[Path, Corpus, list[Row]],
) -> None:
    _, corpus, rows = drawn
    pairs = twins_in(rows)
    assert 0.3 * COUNT < 2 * len(pairs) < 0.7 * COUNT
    found = set()
    for first, second in pairs:
        assert first["background"] == second["background"]
        looks = [
            sorted((t["kind"], t["colour"], t["size"], t["texture"]) for t in row["objects"]) for row in (first, second)
        ]
        if looks[0] == looks[1]:
            found.add("layout")
            assert all(a["box"] != b["box"] for a, b in zip(first["objects"], second["objects"], strict=True))
            continue
        for attribute in ("kind", "colour", "size", "texture"):
            values = [[thing[attribute] for thing in row["objects"]] for row in (first, second)]
            assert sorted(values[0]) == sorted(values[1])
            if values[0] != values[1]:
                found.add(attribute)
                assert sum(a != b for a, b in zip(*values, strict=True)) == 2
    assert found == {"layout", "colour", "size", "texture"}
    assert corpus.twin_group is not None
    for group in set(corpus.twin_group.tolist()) - {-1}:
        assert len({corpus.image_splits[i] for i in np.flatnonzero(corpus.twin_group == group)}) == 1


# A reader of relation sentences that shares nothing with the grammar but its word list.
MEANS = {word: fact for fact, words in WORDS.items() if fact not in BACKGROUNDS for word in words}
HOW = "|".join(sorted((w for f in ("left of", "right of", "above", "below") for w in WORDS[f]), key=len, reverse=True))
FORMS = (
    re.compile(rf"an? (?P<a>[a-z ]+?)(?: is)? (?P<how>{HOW}) an? (?P<b>[a-z ]+)"),
    re.compile(rf"(?P<how>{HOW}) an? (?P<b>[a-z ]+) there is an? (?P<a>[a-z ]+)"),
)


def parse_phrase(phrase: str) -> set[str]:
    facts = set()
    while phrase:
        word = max((w for w in MEANS if phrase == w or phrase.startswith(w + " ")), key=len)
        facts.add(MEANS[word])
        phrase = phrase[len(word) :].strip()
    return facts


def relation_is_false(sentence: str, row: Row) -> bool | None:
    """Whether no two things of the graph, going by their middles, are as the sentence says; None: no relation."""
    match = next((found for form in FORMS if (found := form.fullmatch(sentence))), None)
    if match is None:
        return None
    subject, other, relation = parse_phrase(match["a"]), parse_phrase(match["b"]), MEANS[match["how"]]
    for a in row["objects"]:
        for b in row["objects"]:
            fits = subject <= {v for v in a.values() if isinstance(v, str)}
            fits = fits and other <= {v for v in b.values() if isinstance(v, str)} and a is not b
            across, down = (a["box"][k] + a["box"][k + 2] - b["box"][k] - b["box"][k + 2] for k in (0, 1))
            if fits and {"left of": across < 0, "right of": across > 0, "above": down < 0, "below": down > 0}[relation]:
                return False
    return True


def test_telling_relations_are_false_of_the_twin_by_an_independent_reading(
    drawn: tuple[Path, Corpus, list[Row]],
) -> None:
    _, corpus, rows = drawn
    captions = dict(zip(corpus.image_ids, corpus.captions_of_images(), strict=True))
    read = 0
    for pair in twins_in(rows):
        for own, twin in (pair, pair[::-1]):
            for j, telling in zip(captions[own["image"]], own["telling"], strict=True):
                if (is_false := relation_is_false(corpus.captions[j], twin)) is not None:
                    read += 1
                    assert relation_is_false(corpus.captions[j], own) is False
                    assert telling == is_false, (corpus.captions[j], own, twin)
    assert read == 2 * len(twins_in(rows))


def test_every_twin_has_a_telling_caption_and_nobody_else_has(drawn: tuple[Path, Corpus, list[Row]]) -> None:
    corpus = drawn[1]
    assert corpus.twin_group is not None
    assert corpus.telling is not None
    per_image = np.bincount(corpus.caption_image, weights=corpus.telling, minlength=len(corpus))
    assert (per_image[corpus.twin_group >= 0] >= 1).all()
    assert (per_image[corpus.twin_group < 0] == 0).all()
    assert open_scenes(drawn[0]).split("val").telling is not None


@settings(max_examples=80)
@given(seed=st.integers(0, 10_000), pair=st.integers(0, 10_000))
def test_all_captions_of_a_scene_hold_of_it(seed: int, pair: int) -> None:
    first, second, twins = plan_pair(seed, pair)
    for scene, other in ((first, second), (second, first)):
        captions = describe_scene(scene, random.Random(seed), twin=other if twins else None)
        assert len({caption.text for caption in captions}) == 5
        assert all(caption.holds(scene) for caption in captions)
        assert not twins or any(not caption.holds(other) for caption in captions)
        assert all("{" not in caption.text and "  " not in caption.text for caption in captions)


def test_facts_of_a_hand_made_scene() -> None:
    ball = Thing("ball", "red", "small", "plain", Spot(0, 1, 0.5, 0.5))
    house = Thing("house", "blue", "large", "striped", Spot(2, 1, 0.5, 0.5))
    scene = Scene((ball, house), "grey", 0)
    assert scene.relations == ((0, "left of", 1), (1, "right of", 0))
    red_ball, any_house = Description("ball", "red"), Description("house")
    assert Related(red_ball, "left of", any_house).holds(scene)
    assert not Related(red_ball, "above", any_house).holds(scene)
    assert not Present(red_ball, 2).holds(scene)
    assert not Caption("a red house", (Present(Description("house", "red")),)).holds(scene)


def test_complete_scenes_are_reused_and_others_redrawn(tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    first = draw_scenes(folder, 8)
    stamp = (folder / "images/00000.jpg").stat().st_mtime_ns
    assert draw_scenes(folder, 8).fingerprint() == first.fingerprint()
    assert (folder / "images/00000.jpg").stat().st_mtime_ns == stamp
    (folder / MANIFEST).unlink()  # as after a kill
    with pytest.raises(DataError, match="no complete scenes"):
        open_scenes(folder)
    assert draw_scenes(folder, 8).fingerprint() == first.fingerprint()
    assert len(draw_scenes(folder, 5)) == 5
    assert len(list((folder / "images").iterdir())) == 5
    assert open_corpus(folder).twin_group is not None


def test_a_folder_with_other_contents_is_never_drawn_into(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(DataError, match="not empty, and not a folder of scenes"):
        draw_scenes(tmp_path, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(DataError, match="cannot be drawn there"):
        draw_scenes(tmp_path / "holiday.jpg" / "scenes", 4)


def test_named_scenes_are_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path))
    corpus = open_corpus("scenes:6:2")
    assert (len(corpus), corpus.name) == (6, "scenes")
    assert corpus.image_paths[0] == tmp_path / "scenes-6-2/images/00000.jpg"
    assert scenes_folder(6, 2) == tmp_path / "scenes-6-2"
    assert open_corpus("scenes:6:2", name="toys", split="train").name == "toys"


@pytest.mark.parametrize("spec", ["scenes:", "scenes:0", "scenes:many", "scenes:5:-1", "scenes:5:1:1"])
def test_scenes_asked_for_wrongly_are_refused_with_an_example(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="for example scenes:600:7"):
        open_corpus(spec)


def test_a_count_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="count of at least 1"):
        draw_scenes(tmp_path, 0)
