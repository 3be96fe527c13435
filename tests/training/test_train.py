"""From a folder of pictures to a trained run, and what is refused on the way."""

import errno
import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import ConfigError, DataError, ImageError, ModelError
from crossgraph.methods.dual_encoder import DualEncoder
from crossgraph.training.checkpoint import (
    LAST,
    LOG,
    MANIFEST,
    WEIGHTS,
    read_manifest,
    read_tensors,
    weights_fingerprint,
    write_tensors,
)
from crossgraph.training.loop import Interrupted
from crossgraph.training.model import TrainedModel
from crossgraph.training.run_lock import LOCK
from crossgraph.training.validation import BLENDS
from crossgraph.verbs import evaluate, load_model, train
from crossgraph.verbs.training import require_settings
from tests.training.fake_dataset import MODELS, Watcher, fake_dataset, fake_trainer
from tests.training.fake_encoder import ColourEncoder, encode_by_colour


@pytest.fixture(autouse=True)
def _fake_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    encode_by_colour(monkeypatch)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Twenty-four scenes: twenty to train on, two to validate with, two to test with."""
    return draw_scenes(tmp_path_factory.mktemp("scenes") / "scenes", 24)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def settings(method: str = "dual_encoder", **training: object) -> RunConfig:
    training = {"epochs": 2, "batch_size": 8, "learning_rate": 0.01, **training}
    return RunConfig.model_validate(
        {"method": method, "texts": {"min_count": 1}, "training": training, "model": MODELS[method]}
    )


def assert_equal_runs(one: Path, other: Path) -> None:
    for name in (WEIGHTS, LOG, LAST):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_run_says_what_it_is(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    model = train(scenes, settings(), tmp_path / "run", cache=cache)
    manifest = read_manifest(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted([LAST, LOCK, LOG, MANIFEST, WEIGHTS])
    assert manifest.weights == model.fingerprint == weights_fingerprint(tmp_path / "run")
    assert manifest.data.fingerprint == scenes.fingerprint()
    assert manifest.data.train_images == 20
    assert manifest.data.train_captions == len(scenes.split("train").captions)
    assert manifest.data.validation_split == "val"
    assert manifest.data.skipped == ()
    assert manifest.shortlist is None
    assert manifest.selected["epoch"] in (1, 2)
    assert manifest.parameters == sum(parameter.numel() for parameter in model.method.parameters())
    assert manifest.config == model.config
    assert manifest.environment["torch"] == torch.__version__
    assert manifest.started.endswith("+00:00")
    assert model.describe()["selected_epoch"] == manifest.selected["epoch"]


def test_a_loaded_run_encodes_as_the_one_that_was_trained(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    trained = train(scenes, settings(), tmp_path / "run", cache=cache)
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "run", moved)
    loaded, paths = load_model(moved, cache=FeatureCache(tmp_path / "other cache")), scenes.image_paths[:5]
    assert torch.equal(
        loaded.encode_image_files(paths).encoded.embedding, trained.encode_image_files(paths).encoded.embedding
    )
    sentences = ["a red circle", "words never seen before", ""]
    assert torch.equal(loaded.encode_raw_texts(sentences).embedding, trained.encode_raw_texts(sentences).embedding)
    alignment = loaded.explain(scenes.captions[0], paths[0])
    assert alignment.weights.shape == (9, len(alignment.words))


def test_equal_seeds_train_equal_weights_and_others_do_not(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    runs = [train(scenes, settings(seed=seed), tmp_path / str(i), cache=cache) for i, seed in enumerate((0, 0, 1))]
    assert_equal_runs(tmp_path / "0", tmp_path / "1")
    assert runs[0].fingerprint == runs[1].fingerprint != runs[2].fingerprint


def stop_at(step: int) -> Watcher:
    return Watcher(lambda done: os.kill(os.getpid(), signal.SIGINT) if done == step else None)


def test_a_stopped_run_is_resumed_to_the_same_end(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    train(scenes, settings(), tmp_path / "whole", cache=cache)
    with pytest.raises(Interrupted):
        train(scenes, settings(), tmp_path / "stopped", cache=cache, progress=stop_at(3))
    started = read_manifest(tmp_path / "stopped").started
    with pytest.raises(ModelError, match=r"weights\.safetensors is missing"):
        load_model(tmp_path / "stopped", cache=cache)
    train(scenes, settings(), tmp_path / "stopped", cache=cache, resume=True)
    assert_equal_runs(tmp_path / "whole", tmp_path / "stopped")
    whole, resumed = read_manifest(tmp_path / "whole"), read_manifest(tmp_path / "stopped")
    assert resumed.started == started
    assert resumed.model_copy(update={"started": whole.started}) == whole


def test_a_run_killed_before_its_first_save_is_resumed_from_the_start(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    class PowerCut(BaseException):
        pass

    def cut(_: int) -> None:
        raise PowerCut

    train(scenes, settings(), tmp_path / "whole", cache=cache)
    with pytest.raises(PowerCut):
        train(scenes, settings(), tmp_path / "cut", cache=cache, progress=Watcher(cut))
    train(scenes, settings(), tmp_path / "cut", cache=cache, resume=True)
    assert_equal_runs(tmp_path / "whole", tmp_path / "cut")


def test_an_existing_run_is_never_written_over(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    train(scenes, settings(epochs=1), tmp_path / "run", cache=cache)
    before = (tmp_path / "run" / WEIGHTS).read_bytes()
    with pytest.raises(ModelError, match="holds a run already; continue it with --resume"):
        train(scenes, settings(epochs=1), tmp_path / "run", cache=cache)
    assert (tmp_path / "run" / WEIGHTS).read_bytes() == before


def test_only_a_run_can_be_resumed(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no run to resume"):
        train(scenes, settings(), tmp_path / "run", cache=cache, resume=True)


def test_resuming_with_other_settings_or_data_is_refused(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    train(scenes, settings(), tmp_path / "run", cache=cache)
    manifest = (tmp_path / "run" / MANIFEST).read_bytes()
    fewer = scenes.take(list(range(2, len(scenes))))
    for corpus, config in ((scenes, settings(learning_rate=0.02)), (scenes, settings(epochs=3)), (fewer, settings())):
        with pytest.raises(ModelError, match="other settings or other data"):
            train(corpus, config, tmp_path / "run", cache=cache, resume=True)
    assert (tmp_path / "run" / MANIFEST).read_bytes() == manifest


def test_a_run_is_resumed_when_its_folder_of_data_has_another_name(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    train(scenes, settings(), tmp_path / "whole", cache=cache)
    with pytest.raises(Interrupted):
        train(scenes, settings(), tmp_path / "stopped", cache=cache, progress=stop_at(3))
    with_former_fingerprint(tmp_path / "stopped")
    train(replace(scenes, name="moved"), settings(), tmp_path / "stopped", cache=cache, resume=True)
    assert_equal_runs(tmp_path / "whole", tmp_path / "stopped")


def with_former_fingerprint(run: Path) -> None:
    """Save where the run stands as it was saved while the name of its data counted, and without a seal."""
    tensors, facts = read_tensors(run / LAST)
    began = read_manifest(run)
    write_tensors(run / LAST, tensors, {**facts, "fingerprint": began.former_fingerprint(began)})


def test_resuming_with_other_settings_names_them(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    train(scenes, settings(), tmp_path / "run", cache=cache)
    with pytest.raises(ModelError, match=r"other data \(training\.epochs 2, now 7; .*\); resume with the same ones"):
        train(scenes, settings(epochs=7), tmp_path / "run", cache=cache, resume=True)


def test_damaged_weights_are_refused_by_all_that_read_them(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    train(scenes, settings(epochs=1), tmp_path / "run", cache=cache)
    content = bytearray((tmp_path / "run" / WEIGHTS).read_bytes())
    content[-len(content) // 4] ^= 0x40
    (tmp_path / "run" / WEIGHTS).write_bytes(content)
    with pytest.raises(ModelError, match=r"weights\.safetensors is damaged or belongs to another run"):
        load_model(tmp_path / "run", cache=cache)
    with pytest.raises(ModelError, match="damaged or belongs to another run"):
        train(scenes, settings(epochs=1), tmp_path / "run", cache=cache, resume=True)
    assert read_manifest(tmp_path / "run").weights != weights_fingerprint(tmp_path / "run")


@pytest.mark.parametrize(("writes", "kept"), [(0, "Nothing was trained"), (2, "saved nothing"), (4, "saved last")])
def test_a_full_disk_is_told_with_what_is_kept_and_the_run_goes_on_once_there_is_room(
    writes: int, kept: str, scenes: Corpus, cache: FeatureCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(scenes, settings(), tmp_path / "whole", cache=cache)
    left, sync = iter(range(2 * writes)), os.fsync  # each file is synced, and then its folder

    def full(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelError, match=rf"no room for {tmp_path}.*{kept}.*ake room"):
        train(scenes, settings(), tmp_path / "run", cache=cache)
    monkeypatch.setattr(os, "fsync", sync)
    train(scenes, settings(), tmp_path / "run", cache=cache, resume=(tmp_path / "run" / MANIFEST).exists())
    assert_equal_runs(tmp_path / "whole", tmp_path / "run")


def test_a_resumed_run_keeps_its_shortlist(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    for name, seed in (("dual", 0), ("other", 1)):
        train(scenes, settings(epochs=1, seed=seed), tmp_path / name, cache=cache)
    begun = tmp_path / "kidrr"
    config = settings("kidrr", epochs=1)
    train(scenes, config, begun, cache=cache, shortlist=tmp_path / "dual")
    train(scenes, config, begun, cache=cache, shortlist=tmp_path / "dual", resume=True)
    with pytest.raises(ConfigError, match=r"was started with shortlist .*other is .*; leave out --shortlist"):
        train(scenes, config, begun, cache=cache, shortlist=tmp_path / "other", resume=True)
    with pytest.raises(ConfigError, match="was started with no shortlist"):
        train(scenes, settings(epochs=1), tmp_path / "dual", cache=cache, shortlist=tmp_path / "other", resume=True)


def test_unreadable_pictures_are_left_out_and_recorded(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    torn, empty = tmp_path / "torn.jpg", tmp_path / "empty.jpg"
    torn.write_bytes(scenes.image_paths[0].read_bytes()[:200])
    empty.touch()
    validated = scenes.image_splits.index("val")
    paths = list(scenes.image_paths)
    paths[0], paths[validated] = torn, empty
    model = train(replace(scenes, image_paths=tuple(paths)), settings(epochs=1), tmp_path / "run", cache=cache)
    data = model.manifest.data
    assert data.train_images == 19
    assert [path for path, _ in data.skipped] == [str(torn), str(empty)]
    assert all(reason for _, reason in data.skipped)
    with pytest.raises(ImageError, match=r"torn\.jpg"):
        model.explain("a circle", torn)


def test_a_corpus_without_captions_is_refused(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    silent = replace(
        scenes, captions=(), caption_image=np.zeros(0, dtype=np.int64), telling=np.zeros(0, dtype=np.bool_)
    )
    with pytest.raises(DataError, match="has no captions in this split"):
        train(silent, settings(), tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()


def test_a_missing_or_forbidden_validation_split_is_named(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no split 'dev'"):
        train(scenes, settings(validation_split="dev"), tmp_path / "run", cache=cache)
    for split in ("test", "train", "all"):
        with pytest.raises(ConfigError, match=f"validation_split={split} would select epochs by that split"):
            train(scenes, settings(validation_split=split), tmp_path / "run", cache=cache)
    with pytest.raises(ConfigError, match=r"no train split, only test; .*val, valid, validation, dev mean val"):
        train(scenes.split("test"), settings(), tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()


def test_a_wrong_setting_is_refused_before_anything_is_written(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    wrong = settings().model_copy(update={"model": {"widht": 8}})
    with pytest.raises(ConfigError, match=r"Did you mean 'model\.width'"):
        train(scenes, wrong, tmp_path / "run", cache=cache)
    with pytest.raises(ConfigError, match="needs a trained dual encoder to find look-alikes"):
        train(scenes, settings("kidrr", neighbours=3), tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()


def test_a_re_ranker_takes_its_shortlist_along(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    dual = train(scenes, settings(epochs=1), tmp_path / "dual", cache=cache)
    config = settings("kidrr", epochs=1, neighbours=4, validation_shortlist=3)
    with pytest.raises(Interrupted):
        train(scenes, config, tmp_path / "run", shortlist=tmp_path / "dual", cache=cache, progress=stop_at(2))
    shutil.rmtree(tmp_path / "dual")
    model = train(scenes, config, tmp_path / "run", cache=cache, resume=True)
    assert sorted(path.name for path in (tmp_path / "run" / "shortlist").iterdir()) == [MANIFEST, WEIGHTS]
    assert model.manifest.shortlist == dual.fingerprint == model.shortlist.fingerprint
    assert model.shortlist.config.method == "dual_encoder"
    assert model.shortlist.image_encoder is model.image_encoder
    assert model.shortlist.text_encoder is model.text_encoder
    again = load_model(tmp_path / "run", cache=cache)
    assert torch.equal(
        again.shortlist.encode_raw_texts(["a circle"]).embedding, dual.encode_raw_texts(["a circle"]).embedding
    )


def test_a_re_ranker_keeps_the_blend_that_validates_best(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    model = train(scenes, settings("kidrr"), tmp_path / "run", cache=cache)
    blend = read_manifest(tmp_path / "run").blend
    rsums = blend.validation_rsum
    assert set(rsums) == set(BLENDS)
    assert model.blend == blend.chosen
    assert rsums[model.blend] == max(rsums.values())
    for share in (0.0, 1.0):
        report = evaluate(model, scenes, two_stage_k=50, blend=share)
        assert report.strict.mean["rsum"] == pytest.approx(rsums[share])
    assert train(scenes, settings(), tmp_path / "dual", cache=cache).manifest.blend is None


@pytest.mark.parametrize("config", [None, {"method": "kidrr"}, "kidrr"])
def test_what_are_no_settings_is_refused(config: object) -> None:
    with pytest.raises(ConfigError, match=r"are a RunConfig; got .*Give crossgraph\.RunConfig\(method="):
        require_settings(config)


def test_a_shortlist_that_is_no_trained_run_is_refused(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match="is not a trained run"):
        train(scenes, settings("kidrr"), tmp_path / "run", shortlist=tmp_path / "folder", cache=cache)
    assert not (tmp_path / "run").exists()


def test_a_run_is_refused_with_another_picture_encoder(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(scenes, settings(epochs=1), tmp_path / "run", cache=cache)
    monkeypatch.setattr("crossgraph.training.model.build_encoder", lambda *_: ColourEncoder("colours-2"))
    with pytest.raises(ModelError, match="fingerprint colours-1, but the encoder here has colours-2"):
        load_model(tmp_path / "run", cache=cache).encode_image_files(scenes.image_paths[:2])


def edited(run: Path, change: Any) -> TrainedModel:
    manifest = json.loads((run / MANIFEST).read_text(encoding="utf-8"))
    change(manifest)
    (run / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return load_model(run, cache=FeatureCache(run / "cache"))


def test_weights_that_do_not_fit_the_manifest_are_refused(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    train(scenes, settings(epochs=1), tmp_path / "run", cache=cache)
    with pytest.raises(ModelError, match=r"do not fit the method as it is now.*Train again"):
        edited(tmp_path / "run", lambda manifest: manifest["config"]["model"].update(width=16))
    (tmp_path / "run" / WEIGHTS).write_bytes(b"torn")
    with pytest.raises(ModelError, match="is damaged"):
        load_model(tmp_path / "run", cache=cache)
    with pytest.raises(ConfigError, match=r"model\.withd"):
        edited(tmp_path / "run", lambda manifest: manifest["config"]["model"].update(withd=16))


def test_a_method_that_reads_labels_is_told_of_the_training_set_and_trains_alike_after_a_stop(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    train(scenes, settings("tsscl"), tmp_path / "whole", cache=cache)
    stop = Watcher(lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 2 else None)
    with pytest.raises(Interrupted):
        train(scenes, settings("tsscl"), tmp_path / "cut", cache=cache, progress=stop)
    model = train(scenes, settings("tsscl"), tmp_path / "cut", cache=cache, resume=True)
    assert_equal_runs(tmp_path / "whole", tmp_path / "cut")
    method: Any = model.method
    assert method.label_guide.shape == (len(scenes.label_names),) * 2
    assert method.label_vectors.any()


def test_a_method_that_reads_labels_refuses_a_corpus_without_any(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    bare = replace(scenes, labels=None, label_names=())
    with pytest.raises(DataError, match=r"tsscl learns from labels, and corpus .* has none"):
        train(bare, settings("tsscl"), tmp_path / "run", cache=cache)


def test_scahn_by_pairs_trains_on_a_corpus_without_labels(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    bare = replace(scenes, labels=None, label_names=())
    by_pairs = settings("scahn").model_copy(update={"model": {**MODELS["scahn"], "supervision": "pairs"}})
    model = train(bare, by_pairs, tmp_path / "run", cache=cache)
    assert model.manifest.labels is None
    assert model.manifest.sizes.labels == 0
    with pytest.raises(DataError, match=r"scahn learns from labels, and corpus .* has none"):
        train(bare, settings("scahn"), tmp_path / "other", cache=cache)


def test_companions_share_their_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = torch.tensor([[i ^ 1] for i in range(6)])
    monkeypatch.setattr(DualEncoder, "companions", lambda _: pairs)
    trainer = fake_trainer(tmp_path / "run", dataset=fake_dataset([1] * 6), batch_size=4, captions_per_image=1)
    for step in trainer._plan(0):
        assert all(image ^ 1 in step.images for image in step.images)


def test_a_slice_of_the_training_pictures_selects_and_is_not_trained_on(
    scenes: Corpus, cache: FeatureCache, tmp_path: Path
) -> None:
    chosen = settings(validation_slice=0.2, select_by="map", epochs=1)
    train(scenes, chosen, tmp_path / "run", cache=cache)
    manifest = read_manifest(tmp_path / "run")
    assert manifest.data.train_images == 16
    assert manifest.data.validation_split == "slice of train"
    assert 0 < manifest.selected["map"] <= 1


def test_a_run_from_before_there_were_slices_still_loads(scenes: Corpus, cache: FeatureCache, tmp_path: Path) -> None:
    train(scenes, settings(epochs=1), tmp_path / "run", cache=cache)
    manifest = json.loads((tmp_path / "run" / MANIFEST).read_text())
    for name in ("validation_slice", "select_by"):
        del manifest["config"]["training"][name]
    (tmp_path / "run" / MANIFEST).write_text(json.dumps(manifest))
    assert load_model(tmp_path / "run", cache=cache).config.training.select_by == "rsum"
