"""A run that is taught by finished runs, from the command line."""

import json
from pathlib import Path

import pytest
import torch

from crossgraph.data.feature_cache import default_cache
from crossgraph.data.sources import open_corpus
from crossgraph.progress import Silent
from crossgraph.training.checkpoint import read_manifest, run_fingerprint
from crossgraph.training.encoder_pool import EncoderPool
from crossgraph.training.teachers import gather_teachers
from crossgraph.verbs import load_model
from tests.cli.conftest import DATA, TINY, Trained, call, with_settings

TRAIN = ("train", "--data", DATA, *with_settings(TINY), "--method", "dual_encoder", "--set", "model.heads=2")


def test_teachers_say_the_mean_of_their_cosines(trained: Trained) -> None:
    corpus = open_corpus(DATA).split("train")
    runs = [str(trained.dual_encoder), str(trained.kidrr)]
    found, known = gather_teachers(runs, corpus, cache=default_cache(), encoders=EncoderPool(), progress=Silent())
    assert known == tuple(run_fingerprint(Path(run)) for run in runs)
    assert found is not None
    pictures, captions = [3, 0, 5], [7, 1]
    by_hand = torch.zeros(3, 2)
    for run in runs:
        model = load_model(run)
        images = model.encode_corpus_images(corpus).encoded.embedding[pictures]
        by_hand += images @ model.encode_corpus_texts(corpus).embedding[captions].T / 2
    torch.testing.assert_close(found.scores(pictures, captions), by_hand, atol=2e-3, rtol=0)


def test_a_run_is_taught_and_needs_its_teachers_no_more(trained: Trained, tmp_path: Path) -> None:
    teacher = f'training.teachers=["{trained.dual_encoder}"]'
    words = (*TRAIN, "--out", tmp_path / "run", "--set", teacher, "--set", "model.teacher_share=0.5")
    result = call(*words, "--json")
    assert result.exit_code == 0, result.stderr
    steps = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all(step["loss_teachers"] > 0 for step in steps if "step" in step)
    assert read_manifest(tmp_path / "run").teachers == (run_fingerprint(trained.dual_encoder),)
    assert "rsum" in json.loads(result.stdout)["selected"]


def test_a_re_ranker_scores_each_caption_with_its_own_picture_and_the_nearest_others(trained: Trained) -> None:
    corpus = open_corpus(DATA).split("train")
    found, _ = gather_teachers(
        [str(trained.kidrr)], corpus, cache=default_cache(), encoders=EncoderPool(), candidates=2, progress=Silent()
    )
    assert found is not None
    pictures = [3, 0, 5, 8, 2]
    captions = [caption for caption, image in enumerate(corpus.caption_image) if image in pictures]
    scores = found.scores(pictures, captions)
    assert torch.equal(scores, found.scores(pictures, captions))  # of the batch alone, so that a resumed run is equal
    model = load_model(trained.kidrr)
    images, texts = model.encode_corpus_images(corpus).encoded, model.encode_corpus_texts(corpus)
    for column, caption in enumerate(captions):
        own = int(corpus.caption_image[caption])
        near = {one: float(images.embedding[one] @ texts.embedding[caption]) for one in pictures if one != own}
        asked = {own, *sorted(near, key=lambda one: -near[one])[:2]}
        for row, picture in enumerate(pictures):
            if picture not in asked:
                assert scores[row, column] == -torch.inf
                continue
            with torch.no_grad():
                pair = model.method.score_pairs(images[[picture]], texts[[caption]])
            assert float(scores[row, column]) == pytest.approx(float(pair), abs=5e-3)


def test_a_run_is_taught_by_pairs(trained: Trained, tmp_path: Path) -> None:
    teacher = with_settings([f'training.teachers=["{trained.kidrr}"]', "training.teacher_candidates=3"])
    words = (*TRAIN, "--out", tmp_path / "run", *teacher, "--set", "model.teacher_share=0.5")
    result = call(*words, "--json")
    assert result.exit_code == 0, result.stderr
    steps = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all(0 < step["loss_teachers"] < 99 for step in steps if "step" in step)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["model.teacher_share=0.5"], "training.teachers and model.teacher_share go together"),
        (['training.teachers=["RUN"]'], "training.teachers and model.teacher_share go together"),
        (
            ['training.teachers=["RUN"]', "training.teacher_candidates=3", "model.teacher_share=0.5"],
            "name re-rankers alone",
        ),
        (["model.teacher_share=0.6", "model.soft_share=0.6"], "are more than the whole loss"),
        (["model.teacher_share=0.5", 'training.teachers=["none"]'], "is not a trained run"),
    ],
)
def test_what_does_not_fit_is_refused(changes: list[str], said: str, trained: Trained, tmp_path: Path) -> None:
    asked = with_settings([change.replace("RUN", str(trained.dual_encoder)) for change in changes])
    result = call(*TRAIN, *asked, "--out", tmp_path / "run")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert not (tmp_path / "run").exists()
