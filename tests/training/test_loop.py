"""Training stops and resumes at any step without a trace."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crossgraph.config import TrainingConfig
from crossgraph.errors import DataError, ModelError, ScoreError
from crossgraph.training.checkpoint import LAST, LOG, WEIGHTS, read_tensors
from crossgraph.training.loop import Interrupted
from crossgraph.training.schedule import shrunk
from tests.training.fake_dataset import fake_dataset, fake_trainer

EVERYTHING: dict[str, Any] = {"average": 0.9, "mirror": True, "neighbours": True}


class Crash(RuntimeError):
    """Stands for the machine going down."""


def crash(step: int) -> Callable[[int], None]:
    def at_step(done: int) -> None:
        if done == step:
            raise Crash

    return at_step


def press_ctrl_c(step: int, *, times: int = 1) -> Callable[[int], None]:
    def at_step(done: int) -> None:
        if done == step:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    return at_step


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]


def assert_equal_runs(one: Path, other: Path) -> None:
    assert (one / LOG).read_bytes() == (other / LOG).read_bytes()
    assert (one / WEIGHTS).read_bytes() == (other / WEIGHTS).read_bytes()
    (tensors, facts), (other_tensors, other_facts) = read_tensors(one / LAST), read_tensors(other / LAST)
    assert facts == other_facts
    assert tensors.keys() == other_tensors.keys()
    assert [name for name, value in tensors.items() if not torch.equal(value, other_tensors[name])] == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything on that nothing stopped."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    run = tmp_path_factory.mktemp("undisturbed")
    fake_trainer(run, **EVERYTHING).train()
    torch.set_num_threads(threads)
    return run


def steps_per_epoch() -> int:
    return fake_trainer(Path("nowhere")).steps_per_epoch


def test_the_log_has_one_line_a_step_and_one_an_epoch(undisturbed: Path) -> None:
    per_epoch = steps_per_epoch()
    log = log_of(undisturbed)
    assert [line["step"] for line in log if "step" in line] == list(range(1, 3 * per_epoch + 1))
    assert [line["epoch"] for line in log if "step" in line] == [e for e in (1, 2, 3) for _ in range(per_epoch)]
    assert [line["validation"]["epoch"] for line in log if "validation" in line] == [1, 2, 3]
    assert all({"loss", "rate", "gradient", "loss_info_nce"} <= line.keys() for line in log if "step" in line)


@pytest.mark.parametrize("where", ["first step", "inside an epoch", "end of an epoch", "start of an epoch", "last"])
def test_a_run_stopped_by_ctrl_c_and_resumed_equals_an_undisturbed_one(
    where: str, undisturbed: Path, tmp_path: Path
) -> None:
    per_epoch = steps_per_epoch()
    step = {
        "first step": 1,
        "inside an epoch": per_epoch + 2,
        "end of an epoch": per_epoch,
        "start of an epoch": per_epoch + 1,
        "last": 3 * per_epoch,
    }[where]
    with pytest.raises(Interrupted):
        fake_trainer(tmp_path, at_step=press_ctrl_c(step), **EVERYTHING).train()
    assert len([line for line in log_of(tmp_path) if "step" in line]) == step
    torch.manual_seed(99)
    trainer = fake_trainer(tmp_path, **EVERYTHING)
    trainer.restore()
    assert trainer.position.steps_done == step
    trainer.train()
    assert_equal_runs(tmp_path, undisturbed)


@pytest.mark.parametrize("save_seconds", [0.0, 1000.0], ids=["saved every step", "saved every epoch"])
def test_steps_after_the_last_save_are_taken_again_and_logged_once(
    save_seconds: float, undisturbed: Path, tmp_path: Path
) -> None:
    per_epoch = steps_per_epoch()
    with pytest.raises(Crash):
        fake_trainer(tmp_path, at_step=crash(per_epoch + 3), save_seconds=save_seconds, **EVERYTHING).train()
    trainer = fake_trainer(tmp_path, save_seconds=save_seconds, **EVERYTHING)
    trainer.restore()
    assert trainer.position.steps_done == (per_epoch + 2 if save_seconds == 0 else per_epoch)
    trainer.train()
    assert_equal_runs(tmp_path, undisturbed)


def test_a_run_stopped_after_every_few_steps_still_equals_an_undisturbed_one(undisturbed: Path, tmp_path: Path) -> None:
    for _ in range(100):
        trainer = fake_trainer(tmp_path, at_step=press_ctrl_c(4), **EVERYTHING)
        if (tmp_path / LAST).exists():
            trainer.restore()
        try:
            trainer.train()
        except Interrupted:
            continue
        break
    assert_equal_runs(tmp_path, undisturbed)


@pytest.mark.parametrize("method", ["dual_encoder", "kidrr", "scahn"])
def test_a_plain_run_resumes_too(method: str, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    selected = fake_trainer(whole, method=method, epochs=2).train()
    with pytest.raises(Interrupted):
        fake_trainer(broken, method=method, epochs=2, at_step=press_ctrl_c(3)).train()
    trainer = fake_trainer(broken, method=method, epochs=2)
    trainer.restore()
    assert trainer.train() == selected
    assert_equal_runs(whole, broken)


def test_a_run_with_a_queue_resumes_with_what_is_in_it(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    queue: dict[str, object] = {"queue": 7}
    fake_trainer(whole, model=queue, epochs=2).train()
    with pytest.raises(Interrupted):
        fake_trainer(broken, model=queue, epochs=2, at_step=press_ctrl_c(3)).train()
    trainer = fake_trainer(broken, model=queue, epochs=2)
    trainer.restore()
    assert dict(trainer.method.named_buffers())["earlier.slow.steps"] == 3
    trainer.train()
    assert_equal_runs(whole, broken)
    assert read_tensors(whole / LAST)[0]["passing.earlier.images.keys"].any()
    assert not [name for name in read_tensors(whole / WEIGHTS)[0] if "earlier" in name]


def test_before_the_first_save_a_run_starts_anew_and_forgets_its_log(undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(Crash):
        fake_trainer(tmp_path, at_step=crash(2), **EVERYTHING).train()
    assert not (tmp_path / LAST).exists()
    fake_trainer(tmp_path, **EVERYTHING).train()
    assert_equal_runs(tmp_path, undisturbed)


def test_a_log_line_that_a_kill_cut_short_is_dropped(undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fake_trainer(tmp_path, at_step=press_ctrl_c(4), **EVERYTHING).train()
    with (tmp_path / LOG).open("a", encoding="utf-8") as file:
        file.write('{"epoch": 0, "st')
    trainer = fake_trainer(tmp_path, **EVERYTHING)
    trainer.restore()
    trainer.train()
    assert_equal_runs(tmp_path, undisturbed)


ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.training.fake_dataset import fake_trainer
import crossgraph.files as files

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def train(run, where, when):
    saves, really = [], os.fsync
    def fsync(descriptor):
        saves.append(descriptor)
        if (where, when) == ("save", len(saves)):
            die()
        really(descriptor)
    files.os.fsync = fsync
    at_step = lambda step: die() if (where, when) == ("step", step) else None
    trainer = fake_trainer(run, at_step=at_step, save_seconds=0.0, average=0.9, mirror=True, neighbours=True)
    if (run / "last.safetensors").exists():
        trainer.restore()
    trainer.train()

for where, when in (("step", 5), ("save", 9)):
    if os.fork() == 0:
        train(Path(sys.argv[1]), where, when)
        os._exit(0)
    assert os.WTERMSIG(os.wait()[1]) == signal.SIGKILL, where
"""
"""Two deaths by SIGKILL: after a step that was not saved, and between writing a file and renaming it."""


@pytest.mark.slow
def test_a_run_killed_in_a_step_and_then_in_a_save_equals_an_undisturbed_one(undisturbed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert killed.returncode == 0, killed.stderr
    trainer = fake_trainer(tmp_path, save_seconds=0.0, **EVERYTHING)
    trainer.restore()
    assert 4 < trainer.position.steps_done < 3 * trainer.steps_per_epoch
    trainer.train()
    assert_equal_runs(tmp_path, undisturbed)


def test_a_finished_run_resumes_to_the_same_result(undisturbed: Path) -> None:
    before = (undisturbed / LOG).read_bytes()
    trainer = fake_trainer(undisturbed, **EVERYTHING)
    trainer.restore()
    selected = trainer.train()
    assert selected == read_tensors(undisturbed / WEIGHTS)[1]["selected"]
    assert (undisturbed / LOG).read_bytes() == before


def test_resuming_with_other_settings_or_data_is_refused(undisturbed: Path) -> None:
    with pytest.raises(ModelError, match=r"other settings or other data \(fingerprint same, now other\)"):
        fake_trainer(undisturbed, fingerprint="other", **EVERYTHING).restore()


def test_resuming_without_or_with_a_damaged_save_is_refused(undisturbed: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is missing"):
        fake_trainer(tmp_path).restore()
    (tmp_path / LAST).write_bytes((undisturbed / LAST).read_bytes()[:-100])
    with pytest.raises(ModelError, match="is damaged"):
        fake_trainer(tmp_path).restore()


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as stopped:
        fake_trainer(tmp_path, at_step=press_ctrl_c(2, times=2)).train()
    assert not isinstance(stopped.value, Interrupted)
    assert not (tmp_path / LAST).exists()


def test_ctrl_c_means_what_it_meant_before_once_training_is_over(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    fake_trainer(tmp_path, epochs=1).train()
    assert signal.getsignal(signal.SIGINT) is before


def test_training_runs_outside_the_main_thread(tmp_path: Path) -> None:
    selected: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: selected.append(fake_trainer(tmp_path, epochs=1).train()))
    thread.start()
    thread.join()
    assert selected[0]["epoch"] == 1


@pytest.mark.parametrize("method", ["dual_encoder", "kidrr"])
@pytest.mark.parametrize("loss", ["info_nce", "triplet"])
def test_the_loss_falls(method: str, loss: str, tmp_path: Path) -> None:
    model = {"loss": loss, "dropout": 0.0}
    fake_trainer(tmp_path, method=method, model=model, epochs=9, hardness_epochs=0.0, schedule="constant").train()
    losses = [line["loss"] for line in log_of(tmp_path) if "step" in line]
    per_epoch = steps_per_epoch()
    assert sum(losses[-per_epoch:]) < 0.7 * sum(losses[:per_epoch])


def test_the_weights_that_are_kept_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    selected = fake_trainer(tmp_path, epochs=6).train()
    validations = [line["validation"] for line in log_of(tmp_path) if "validation" in line]
    best = max(validations, key=lambda facts: (facts["rsum"], -facts["epoch"]))
    assert selected == best
    assert read_tensors(tmp_path / WEIGHTS)[1] == {"selected": best}
    weights, _ = read_tensors(tmp_path / WEIGHTS)
    trainer = fake_trainer(tmp_path)
    trainer.method.load_state_dict(weights)
    assert trainer.validation.measure(trainer.method, progress=trainer.progress).selects == pytest.approx(best["rsum"])


def test_with_an_average_the_averaged_weights_are_kept(tmp_path: Path) -> None:
    fake_trainer(tmp_path, epochs=1, average=0.9).train()
    kept, last = read_tensors(tmp_path / WEIGHTS)[0], read_tensors(tmp_path / LAST)[0]
    assert all(torch.equal(kept[name], last[f"average.{name}"]) for name in kept)
    assert not all(torch.equal(kept[name], last[f"weights.{name}"]) for name in kept)


def test_the_average_is_a_decaying_mean_that_starts_fast(tmp_path: Path) -> None:
    seen: list[float] = []
    trainer = fake_trainer(tmp_path, average=0.2, epochs=1)
    average = trainer.method.state_dict()["rank.scale"].item()
    progress: Any = trainer.progress
    progress.at_step = lambda _: seen.append(trainer.method.state_dict()["rank.scale"].item())
    trainer.train()
    for step, value in enumerate(seen):
        decay = min(0.2, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * value
    assert trainer.average["rank.scale"].item() == pytest.approx(average, abs=1e-6)


def test_queues_and_their_counters_are_copied_not_averaged(tmp_path: Path) -> None:
    trainer = fake_trainer(tmp_path, method="scahn", average=0.9, epochs=2)
    trainer.train()
    (kept, _), (last, _) = read_tensors(tmp_path / WEIGHTS), read_tensors(tmp_path / LAST)
    assert {name.removeprefix("average.") for name in last if name.startswith("average.")} == {
        name for name, _ in trainer.method.named_parameters()
    }
    buffers = {name: value for name, value in trainer.method.named_buffers() if name.startswith("contrast.queues")}
    assert buffers
    assert all(torch.equal(last[f"weights.{name}"], value) for name, value in buffers.items())
    assert all(kept[name].dtype == value.dtype for name, value in buffers.items())


def test_an_averaged_run_with_queues_and_two_phases_resumes_without_a_trace(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    fake_trainer(whole, method="scahn", epochs=2, average=0.9).train()
    with pytest.raises(Interrupted):
        fake_trainer(broken, method="scahn", epochs=2, average=0.9, at_step=press_ctrl_c(3)).train()
    torch.manual_seed(99)
    trainer = fake_trainer(broken, method="scahn", epochs=2, average=0.9)
    trainer.restore()
    trainer.train()
    assert_equal_runs(whole, broken)
    assert any(name.startswith("discriminator/") for name in read_tensors(broken / LAST)[0])


def test_each_group_of_parameters_is_stepped_at_its_own_multiple_of_the_rate(tmp_path: Path) -> None:
    trainer = fake_trainer(tmp_path, method="scahn", model={"graph_rate": 3.0}, schedule="constant", warmup_steps=0)
    trainer.train()
    rates = {
        phase: [(group["lr"], group["betas"]) for group in optimiser.param_groups]
        for phase, optimiser in trainer.optimisers.items()
    }
    usual = (0.9, 0.999)
    assert rates == {
        "joint": [(pytest.approx(0.01), usual), (pytest.approx(0.03), usual)],
        "discriminator": [(pytest.approx(0.025), (0.5, 0.9))],
    }


def test_the_gradient_of_every_group_is_clipped_together(tmp_path: Path) -> None:
    trainer = fake_trainer(tmp_path, method="scahn", clip=1e-3, epochs=1)
    trainer._step(trainer._plan(0)[0])
    method: Any = trainer.method
    graph = list(method.graph.parameters())
    norm = torch.stack([p.grad.norm() for p in trainer.method.phases()["joint"] if p.grad is not None]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=0.05)
    assert all(parameter.grad.norm() <= 1e-3 for parameter in graph)


def test_collapsed_codes_are_noted_at_the_validation_of_a_hashing_method(tmp_path: Path) -> None:
    notes: list[tuple[str, dict[str, object]]] = []
    trainer = fake_trainer(tmp_path, method="scahn", epochs=1)
    progress: Any = trainer.progress
    progress.note = lambda event, **facts: notes.append((event, facts))
    method: Any = trainer.method
    for medium in method.media.values():
        torch.nn.init.constant_(medium.hash.map.bias, 1000.0)
    trainer.train()
    collapsed = {facts["side"]: facts["symptoms"] for event, facts in notes if event == "codes collapse"}
    assert collapsed.keys() == {"pictures", "captions"}
    assert "16 of 16 bits are the same" in str(collapsed["pictures"])


def test_a_loss_that_is_not_finite_stops_training_with_advice(tmp_path: Path) -> None:
    trainer = fake_trainer(tmp_path)
    method: Any = trainer.method
    torch.nn.init.constant_(method.rank.scale, float("nan"))
    with pytest.raises(ScoreError, match=r"the loss is nan at step 1 .*lower training\.learning_rate"):
        trainer.train()


@pytest.mark.parametrize("counts", [[3], [0, 5, 0]])
def test_a_corpus_with_nothing_to_compare_is_refused(counts: list[int], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two that have captions"):
        fake_trainer(tmp_path, dataset=fake_dataset(counts))


def test_a_small_corpus_gets_a_short_warm_up() -> None:
    training = TrainingConfig(epochs=10, batch_size=10, captions_per_image=2, warmup_steps=200)
    assert shrunk(training, captions=200).warmup_steps == 10
    assert shrunk(training, captions=1).warmup_steps == 1
    assert shrunk(training, captions=1_000_000) == training
    assert shrunk(shrunk(training, captions=200), captions=200).warmup_steps == 10
