"""A run's files: whole or absent, readable or refused with the reason."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from crossgraph.config import RunConfig
from crossgraph.errors import ModelError
from crossgraph.methods.contract import InputSizes
from crossgraph.training.checkpoint import (
    FORMAT,
    INDIFFERENT,
    LAST,
    MANIFEST,
    WEIGHTS,
    Blend,
    DataFacts,
    RunManifest,
    environment,
    load_weights,
    optimiser_tensors,
    own_weights,
    read_manifest,
    read_tensors,
    restore_optimiser,
    weights_fingerprint,
    write_manifest,
    write_tensors,
)


def test_tensors_and_facts_come_back_as_they_were(tmp_path: Path) -> None:
    tensors = {
        "matrix": torch.randn(3, 4).T,
        "scalar": torch.tensor(2.5),
        "count": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "random": torch.get_rng_state(),
    }
    facts = {"best": 0.1 + 0.2, "none": None, "nested": {"list": [1, 2]}}
    write_tensors(tmp_path / "deep" / "file.safetensors", tensors, facts)
    back, said = read_tensors(tmp_path / "deep" / "file.safetensors")
    assert said == facts
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) and back[name].dtype == tensors[name].dtype for name in tensors)


@pytest.mark.parametrize("damage", [b"", b"not tensors at all", None])
def test_a_damaged_file_is_refused(damage: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    write_tensors(path, {"a": torch.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:-50] if damage is None else damage)
    with pytest.raises(ModelError, match=rf"{WEIGHTS} is damaged \(.+\); restore it or train"):
        read_tensors(path)


def flip(path: Path) -> None:
    """Change one byte in the middle of a file; its header stays whole."""
    content = bytearray(path.read_bytes())
    content[-len(content) // 4] ^= 0x40
    path.write_bytes(content)


def test_a_sealed_file_is_refused_where_one_byte_is_another(tmp_path: Path) -> None:
    path = tmp_path / LAST
    tensors = {"a": torch.randn(300), "half": torch.ones(3, 2, dtype=torch.bfloat16), "none": torch.zeros(0, 2)}
    write_tensors(path, {**tensors, "count": torch.tensor(7)}, {"step": 3}, sealed=True)
    back, facts = read_tensors(path)
    assert torch.equal(back["a"], tensors["a"])
    assert facts == {"step": 3}
    flip(path)
    with pytest.raises(ModelError, match=rf"{LAST} is damaged \(its content has hash .+\); restore it or train"):
        read_tensors(path)
    write_tensors(path, tensors, {})  # as it was before there were seals
    flip(path)
    read_tensors(path)


def test_weights_are_those_that_the_manifest_was_written_with(tmp_path: Path) -> None:
    manifest = fake_manifest()
    with pytest.raises(ModelError, match="is missing"):
        own_weights(tmp_path, manifest)
    write_tensors(tmp_path / WEIGHTS, {"w": torch.ones(300)}, {})
    known = weights_fingerprint(tmp_path)
    finished = manifest.model_copy(update={"weights": known})
    assert own_weights(tmp_path, manifest) == own_weights(tmp_path, finished) == known
    flip(tmp_path / WEIGHTS)
    with pytest.raises(ModelError, match=rf"{WEIGHTS} is damaged or belongs to another run: .* says {known}\. Copy"):
        own_weights(tmp_path, finished)


def fake_manifest() -> RunManifest:
    return RunManifest(
        config=RunConfig(method="kidrr"),
        sizes=InputSizes(part_width=3, whole_width=3),
        image_encoder="colours-1",
        text_encoder={"kind": "vocabulary", "words": ["a", "b"]},
        data=DataFacts(name="toys", fingerprint="f", train_images=2, train_captions=3, validation_split="val"),
        blend=Blend(chosen=0.5, validation_rsum={0.0: 1.0, 0.5: 2.0}),
        parameters=7,
        started="2026-01-01T00:00:00+00:00",
        environment={"torch": "1"},
    )


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is missing; the run was not trained to its first validation"):
        read_tensors(tmp_path / WEIGHTS)


def test_a_manifest_comes_back_with_its_format(tmp_path: Path) -> None:
    manifest = fake_manifest()
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))["format"] == FORMAT == 2


def test_what_comes_of_a_run_does_not_change_what_decides_it() -> None:
    manifest = fake_manifest()
    later = manifest.model_copy(
        update={"selected": {"epoch": 2, "rsum": 9.5}, "weights": "abc", "started": "later", "calibration": {"a": 1}}
    )
    assert later.fingerprint == manifest.fingerprint
    other = manifest.model_copy(update={"shortlist": "another"})
    assert other.fingerprint != manifest.fingerprint


def test_the_folder_that_the_data_were_in_does_not_decide_a_run() -> None:
    manifest = fake_manifest()
    skipped = manifest.data.model_copy(update={"skipped": (("/here/torn.jpg", "cut short"),)})
    began = manifest.model_copy(update={"data": skipped})
    elsewhere = skipped.model_copy(update={"name": "moved", "skipped": (("/there/torn.jpg", "cut short"),)})
    moved = began.model_copy(update={"data": elsewhere})
    assert moved.fingerprint == began.fingerprint != manifest.fingerprint
    assert not moved.differences(began)


def test_a_run_that_was_saved_while_the_name_of_its_data_counted_is_known() -> None:
    began = fake_manifest()
    counted = began.model_dump(mode="json", exclude=INDIFFERENT)  # data.name with all else
    for section, name in (("images", "encoder"), ("images", "regions"), ("texts", "encoder"), ("training", "teachers")):
        counted["config"][section][name] = None
    former = hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]
    moved = began.model_copy(update={"data": began.data.model_copy(update={"name": "moved"})})
    assert moved.former_fingerprint(began) == began.former_fingerprint(began) == former
    other = moved.model_copy(update={"shortlist": "another"})
    assert other.former_fingerprint(began) != former


def test_what_differs_from_the_run_as_it_began_is_told_with_both_values() -> None:
    began = fake_manifest()
    longer = began.config.model_copy(update={"training": began.config.training.model_copy(update={"epochs": 5})})
    now = began.model_copy(update={"config": longer, "shortlist": "abc"})
    assert now.differences(began) == ["training.epochs 20, now 5", 'shortlist none, now "abc"']


def test_a_manifest_with_a_field_nobody_knows_is_refused_by_name(tmp_path: Path) -> None:
    write_manifest(tmp_path, fake_manifest())
    tree = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    (tmp_path / MANIFEST).write_text(json.dumps({**tree, "wieghts": "abc"}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"is not as it was written.*\n.*Did you mean 'weights'"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a trained run: it has no manifest.json"),
        (b"{", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b'{"format": 99}', "has format 99; this version reads format 2.*Train the run again"),
        (b"{}", "has format None"),
        (b"[1, 2]", "has format None"),
    ],
)
def test_a_folder_that_is_not_a_run_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_manifest(tmp_path)


def test_equal_weights_have_equal_fingerprints(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 1.0), ("c", 1.5)):
        write_tensors(tmp_path / name / WEIGHTS, {"w": torch.tensor([value])}, {})
    prints = [weights_fingerprint(tmp_path / name) for name in "abc"]
    assert prints[0] == prints[1] != prints[2]


def test_an_optimiser_continues_where_it_was(tmp_path: Path) -> None:
    def step(weight: torch.nn.Parameter, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        (weight**2).sum().backward()
        optimiser.step()

    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = torch.optim.AdamW([weight], lr=0.1)
    step(weight, optimiser)
    write_tensors(tmp_path / "state", {"weight": weight, **optimiser_tensors(optimiser)}, {})
    step(weight, optimiser)
    tensors, _ = read_tensors(tmp_path / "state")
    again = torch.nn.Parameter(tensors["weight"])
    fresh = torch.optim.AdamW([again], lr=0.1)
    restore_optimiser(fresh, tensors)
    step(again, fresh)
    assert torch.equal(again, weight)


def test_the_environment_names_versions_and_fits_json() -> None:
    facts = environment()
    assert facts["torch"] == torch.__version__
    assert {"crossgraph", "threads", "git"} <= facts.keys()
    json.dumps(facts)


def test_weights_of_other_names_or_sizes_are_refused_with_the_way_out(tmp_path: Path) -> None:
    method = torch.nn.Linear(3, 2)
    weights = {name: torch.full_like(value, 0.5) for name, value in method.state_dict().items()}
    load_weights(method, weights, run=tmp_path)
    assert (method.weight == 0.5).all()
    renamed = {"see." + name: value for name, value in weights.items()}
    resized = weights | {"weight": torch.zeros(4, 3)}
    for wrong, says in ((renamed, r"4 of 4 do not fit .* 'bias'"), (resized, r"1 of 2 do not fit .* 'weight'")):
        with pytest.raises(ModelError, match=rf"another version of this program: {says}\. Train again"):
            load_weights(method, wrong, run=tmp_path)
