"""What changes while training goes on: the learning rate and how hard the negatives are."""

from __future__ import annotations

import math

from crossgraph.config import TrainingConfig


def learning_rate_factor(step: int, *, total: int, training: TrainingConfig) -> float:
    """What the base learning rate is multiplied with at `step` (from 0) of `total`."""
    warm = min(1.0, (step + 1) / training.warmup_steps) if training.warmup_steps else 1.0
    done = min(1.0, step / max(total, 1))
    if training.schedule == "cosine":
        return warm * 0.5 * (1.0 + math.cos(math.pi * done))
    if training.schedule == "step":
        return warm * (0.1 if done >= training.step_at else 1.0)
    return warm


def hardness(epochs_done: float, *, training: TrainingConfig) -> float:
    """From 0 (mean over negatives) to 1 (hardest negative) over the first `hardness_epochs`."""
    return 1.0 if training.hardness_epochs == 0 else min(1.0, epochs_done / training.hardness_epochs)


def shrunk(training: TrainingConfig, *, captions: int) -> TrainingConfig:
    """The settings with a warm-up of at most a tenth of the run, so that a small corpus trains at all."""
    each = training.steps_per_epoch or max(1, captions // (training.batch_size * training.captions_per_image))
    steps = each * training.epochs
    return training.model_copy(update={"warmup_steps": min(training.warmup_steps, max(1, steps // 10))})
