import pytest
import torch

from crossgraph.data.batches import Step
from crossgraph.training.validation import Validation
from tests.training.fake_dataset import fake_dataset, fake_trainer


def test_a_step_becomes_its_pictures_and_captions() -> None:
    dataset = fake_dataset([1, 2, 3])
    batch = dataset.batch(Step((2, 0), (3, 5, 0), (0, 0, 1), (False, False)), hardness=0.5)
    assert batch.images.mask.sum(dim=1).tolist() == [3, 1]
    assert torch.equal(batch.images.parts, dataset.images.rows([2, 0]).parts)
    assert batch.texts.words == dataset.texts.rows([3, 5, 0]).words
    assert batch.caption_image.tolist() == [0, 0, 1]
    assert batch.hardness == 0.5
    assert dataset.caption_image().tolist() == [0, 1, 1, 2, 2, 2]


def test_only_the_mirrored_pictures_of_a_step_are_mirrored() -> None:
    dataset = fake_dataset([1, 1, 1], mirror=True)
    batch = dataset.batch(Step((0, 1, 2), (0, 1, 2), (0, 1, 2), (False, True, False)), hardness=1.0)
    plain, mirrored = dataset.images.rows([0, 1, 2]), dataset.mirrored.rows([0, 1, 2])
    for row, expected in enumerate((plain, mirrored, plain)):
        assert torch.equal(batch.images.parts[row], expected.parts[row])
        assert torch.equal(batch.images.boxes[row], expected.boxes[row])
        assert torch.equal(batch.images.whole[row], expected.whole[row])


def test_reading_the_same_step_twice_gives_the_same_batch() -> None:
    dataset, step = fake_dataset(mirror=True), Step((4, 1), (6, 7, 2), (0, 0, 1), (True, False))
    once = dataset.batch(step, hardness=1.0)
    once.images.boxes.zero_()
    again, third = dataset.batch(step, hardness=1.0), dataset.batch(step, hardness=1.0)
    assert torch.equal(again.images.boxes, third.images.boxes)
    assert again.images.boxes.abs().sum() > 0


@pytest.mark.parametrize("method", ["dual_encoder", "kidrr"])
def test_validation_leaves_the_random_state_and_the_weights_alone(method: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    trainer = fake_trainer(tmp_path, method=method)
    before, weights = torch.get_rng_state(), {k: v.clone() for k, v in trainer.method.state_dict().items()}
    first = trainer.validation.measure(trainer.method, progress=trainer.progress)
    assert trainer.validation.measure(trainer.method, progress=trainer.progress) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, weights[name]) for name, value in trainer.method.state_dict().items())


def test_a_re_ranker_is_validated_on_the_shortlist_it_is_given(tmp_path) -> None:  # type: ignore[no-untyped-def]
    trainer, dataset = fake_trainer(tmp_path, method="kidrr"), fake_dataset([1] * 6)
    right = torch.eye(6)
    rsums = [
        Validation(dataset, 1, scores, device="cpu").measure(trainer.method, progress=trainer.progress).selects
        for scores in (right, right.flip(0))
    ]
    assert rsums[0] == pytest.approx(600.0)
    assert rsums[1] < 600.0
