import pytest

from crossgraph.config import TrainingConfig
from crossgraph.training.schedule import hardness, learning_rate_factor


def factors(total: int, **settings: object) -> list[float]:
    training = TrainingConfig.model_validate(settings)
    return [learning_rate_factor(step, total=total, training=training) for step in range(total)]


def test_the_cosine_falls_from_one_towards_zero() -> None:
    rates = factors(100, warmup_steps=0)
    assert rates[0] == 1.0
    assert rates[50] == pytest.approx(0.5)
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.001


def test_the_warm_up_rises_in_even_steps_and_never_starts_at_zero() -> None:
    assert factors(10, warmup_steps=4, schedule="constant") == [0.25, 0.5, 0.75, *[1.0] * 7]


def test_the_step_divides_by_ten_at_its_share_of_the_run() -> None:
    assert factors(10, warmup_steps=0, schedule="step", step_at=0.6) == [*[1.0] * 6, *[0.1] * 4]


def test_warm_up_and_schedule_multiply() -> None:
    both = factors(10, warmup_steps=5)
    cosine, warm_up = factors(10, warmup_steps=0), factors(10, warmup_steps=5, schedule="constant")
    assert both == pytest.approx([a * b for a, b in zip(cosine, warm_up, strict=True)])


def test_past_the_end_the_cosine_stays_at_zero() -> None:
    assert learning_rate_factor(20, total=10, training=TrainingConfig(warmup_steps=0)) == pytest.approx(0.0)


@pytest.mark.parametrize(("epochs", "expected"), [(0.0, 0.0), (0.5, 0.25), (2.0, 1.0), (9.0, 1.0)])
def test_negatives_get_harder_over_the_first_epochs(epochs: float, expected: float) -> None:
    assert hardness(epochs, training=TrainingConfig(hardness_epochs=2.0)) == expected


def test_without_hardness_epochs_negatives_are_hardest_from_the_start() -> None:
    assert hardness(0.0, training=TrainingConfig(hardness_epochs=0.0)) == 1.0
