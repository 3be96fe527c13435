"""False captions in training: which are drawn, that none is true of its picture, that a resumed run draws them too."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.batches import Step, plan_epoch
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.features.text_features import extract_text_features
from crossgraph.errors import ModelError
from crossgraph.graphs.caption_edits import Kind
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.methods.catalogue import build_method
from crossgraph.methods.contract import InputSizes
from crossgraph.progress import Silent
from crossgraph.training.checkpoint import LAST, LOG, MANIFEST, WEIGHTS, read_manifest
from crossgraph.training.dataset import Dataset, gather_dataset
from crossgraph.training.loop import Interrupted
from crossgraph.training.negative_sampler import NegativeSampler
from crossgraph.training.prepare import text_encoder_for
from crossgraph.verbs import load_model, train
from crossgraph.words import normalise
from tests.training.fake_dataset import MODELS, Watcher
from tests.training.fake_encoder import ColourEncoder, encode_by_colour

CONFIG = RunConfig.model_validate({"method": "sgfns", "texts": {"min_count": 1}, "model": MODELS["sgfns"]})


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 24)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


@pytest.fixture
def dataset(scenes: Corpus, cache: FeatureCache, parser: CaptionParser) -> Dataset:
    corpus = scenes.split("train")
    encoder = text_encoder_for(CONFIG, corpus.captions)
    return gather_dataset(corpus, ColourEncoder(), encoder, cache=cache, mirror=False, parser=parser, progress=Silent())


def negative_sampler(
    dataset: Dataset, cache: FeatureCache, parser: CaptionParser, *kinds: Kind, seed: int = 0, share: float = 1.0
) -> NegativeSampler:
    encoder = text_encoder_for(CONFIG, dataset.corpus.captions)
    tabulate = partial(extract_text_features, encoder=encoder, cache=cache, parser=parser)
    return NegativeSampler(dataset, frozenset(kinds), tabulate, seed=seed, progress=Silent(), share=share)


def steps(dataset: Dataset, epoch: int = 0) -> list[Step]:
    captions = dataset.corpus.captions_of_images()
    return plan_epoch(captions, batch_size=8, captions_per_image=2, seed=0, epoch=epoch)


def drawn(found: NegativeSampler, dataset: Dataset, epoch: int = 0) -> dict[int, tuple[str, ...]]:
    """The words of every edit of an epoch, by the caption it edits."""
    edits: dict[int, tuple[str, ...]] = {}
    for step in steps(dataset, epoch):
        brought = found.of_step(step, epoch)
        if brought is not None:
            for place, words in zip(brought.caption.tolist(), brought.texts.words, strict=True):
                edits[step.captions[place]] = words
    return edits


def test_no_edit_says_what_any_caption_of_its_picture_says(
    dataset: Dataset, cache: FeatureCache, parser: CaptionParser
) -> None:
    found = negative_sampler(dataset, cache, parser, "swap", "predicate", "attribute", "similar")
    found.begin(0, torch.arange(len(dataset.corpus)).roll(1)[:, None])
    edits = drawn(found, dataset)
    siblings, image = dataset.corpus.captions_of_images(), dataset.corpus.caption_image
    assert len(edits) > len(dataset.corpus.captions) / 2
    for caption, words in edits.items():
        own = {tuple(dataset.texts.read(dataset.corpus.captions[j]).words) for j in siblings[image[caption]]}
        assert words not in own


def test_draws_depend_on_seed_epoch_and_caption_alone(
    dataset: Dataset, cache: FeatureCache, parser: CaptionParser
) -> None:
    once, twice = (negative_sampler(dataset, cache, parser, "swap", "predicate", "attribute") for _ in range(2))
    first = drawn(once, dataset)
    assert drawn(twice, dataset) == first
    assert drawn(once, dataset, epoch=1) != first
    assert drawn(negative_sampler(dataset, cache, parser, "swap", "predicate", "attribute", seed=1), dataset) != first


def test_one_caption_a_picture_takes_a_phrase_of_a_look_alike_and_only_in_its_epoch(
    dataset: Dataset, cache: FeatureCache, parser: CaptionParser
) -> None:
    found = negative_sampler(dataset, cache, parser, "similar")
    assert drawn(found, dataset) == {}
    found.begin(0, torch.arange(len(dataset.corpus)).roll(1)[:, None])
    edits = drawn(found, dataset)
    images = [int(dataset.corpus.caption_image[caption]) for caption in edits]
    assert 0 < len(images) == len(set(images))
    found.begin(1, torch.empty(0, 0, dtype=torch.long))
    assert drawn(found, dataset, epoch=1) == {}


def test_a_caption_keeps_one_edit_of_each_kind_that_it_allows(
    dataset: Dataset, cache: FeatureCache, parser: CaptionParser
) -> None:
    kinds: tuple[Kind, ...] = ("swap", "predicate", "attribute")
    alone: dict[str, set[tuple[str, ...]]] = {}
    for kind in kinds:
        found = negative_sampler(dataset, cache, parser, kind)
        alone[kind] = {words for epoch in range(6) for words in drawn(found, dataset, epoch).values()}
        assert drawn(found, dataset) == drawn(found, dataset, epoch=1)
    several = negative_sampler(dataset, cache, parser, *kinds)
    met = [drawn(several, dataset, epoch) for epoch in range(6)]
    assert max(len({epoch.get(caption) for epoch in met}) for caption in met[0]) in (2, 3)
    assert len(alone["swap"]) > 0


def test_a_share_of_the_captions_is_edited_as_all_would_be(
    dataset: Dataset, cache: FeatureCache, parser: CaptionParser
) -> None:
    every, some = (
        drawn(negative_sampler(dataset, cache, parser, "swap", "attribute", share=share), dataset)
        for share in (1.0, 0.4)
    )
    assert 0.2 * len(every) < len(some) < 0.6 * len(every)
    assert some.items() <= every.items()


def test_borrowed_captions_are_a_look_alikes_and_say_what_the_own_ones_do_not(
    dataset: Dataset, cache: FeatureCache, parser: CaptionParser
) -> None:
    found = negative_sampler(dataset, cache, parser, "borrowed")
    assert drawn(found, dataset) == {}
    count = len(dataset.corpus)
    found.begin(0, torch.arange(count).roll(1)[:, None])
    siblings, image = dataset.corpus.captions_of_images(), dataset.corpus.caption_image
    edits = drawn(found, dataset)
    assert len(edits) > len(dataset.corpus.captions) / 2
    for caption, words in edits.items():
        own = int(image[caption])
        said = [
            [tuple(dataset.texts.read(dataset.corpus.captions[j]).words) for j in siblings[one]]
            for one in (own, (own - 1) % count)
        ]
        assert words in said[1]
        assert words not in said[0]
    found.begin(1, torch.empty(0, 0, dtype=torch.long))
    assert drawn(found, dataset, epoch=1) == {}


def test_edits_bring_graphs_and_ids_like_any_caption(
    dataset: Dataset, cache: FeatureCache, parser: CaptionParser
) -> None:
    found = negative_sampler(dataset, cache, parser, "swap")
    brought = next(some for step in steps(dataset) if (some := found.of_step(step, 0)) is not None)
    assert brought.texts.graphs is not None
    assert brought.texts.ids is not None
    assert len(brought.texts) == len(brought.caption)
    assert [normalise(" ".join(words)) for words in brought.texts.words]


@pytest.mark.parametrize(
    ("negatives", "kinds"),
    [
        ("none", set()),
        ("swap", {"swap", "predicate"}),
        ("attr", {"attribute"}),
        ("similar", {"similar"}),
        ("borrowed", {"borrowed"}),
        ("edits", {"swap", "predicate", "attribute"}),
        ("all", {"swap", "predicate", "attribute", "similar"}),
    ],
)
def test_a_method_names_the_edits_it_wants(negatives: str, kinds: set[str]) -> None:
    sizes = InputSizes(part_width=6, whole_width=5, vocabulary=9)
    assert build_method("sgfns", {**MODELS["sgfns"], "negatives": negatives}, sizes).edits == kinds
    assert build_method("racg", MODELS["racg"], sizes).edits == set()


@pytest.fixture
def _fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    encode_by_colour(monkeypatch)


@pytest.mark.usefixtures("_fake_encoder")
def test_a_stopped_run_meets_the_same_look_alikes_when_it_is_resumed(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(
        update={"training": CONFIG.training.model_copy(update={"epochs": 2, "batch_size": 8, "learning_rate": 0.01})}
    )
    train(scenes, config, tmp_path / "whole", cache=cache)
    second_epoch = Watcher(lambda done: os.kill(os.getpid(), signal.SIGINT) if done == 9 else None)
    with pytest.raises(Interrupted):
        train(scenes, config, tmp_path / "stopped", cache=cache, progress=second_epoch)
    train(scenes, config, tmp_path / "stopped", cache=cache, resume=True)
    for name in (WEIGHTS, LOG, LAST):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes(), name


@pytest.mark.usefixtures("_fake_encoder")
def test_a_run_whose_parser_has_other_rules_is_refused(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    config = replace_method(CONFIG, "racg")
    model = train(scenes, config, tmp_path / "run", cache=cache)
    assert read_manifest(tmp_path / "run").parser == CaptionParser().fingerprint
    text = (tmp_path / "run" / MANIFEST).read_text()
    (tmp_path / "run" / MANIFEST).write_text(text.replace(model.manifest.parser, "other rules"))
    with pytest.raises(ModelError, match="caption parser other rules"):
        load_model(tmp_path / "run", cache=cache).encode_raw_texts(["a red ball"])


def replace_method(config: RunConfig, method: str) -> RunConfig:
    """The same settings, one short epoch, of another method."""
    training = config.training.model_copy(update={"epochs": 1, "batch_size": 8})
    return config.model_copy(update={"method": method, "model": MODELS[method], "training": training})
