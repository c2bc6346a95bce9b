"""A run that is killed goes on, and ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import time

import pytest
from training_toys import in_process, log, settings, unmetered, weights

from xlmkit.training import TrainingConfig, finetune, states
from xlmkit.training.loop import STATES

EVERY_STEP = {"checkpoint_minutes": 0.0}


@pytest.fixture(scope="module")
def undisturbed(tiny_folder, tmp_path_factory):
    """The result of a run that nobody stopped, in a process of its own."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    process = in_process(settings(tiny_folder, out, **EVERY_STEP))
    process.join()
    assert process.exitcode == 0
    return out


def finished(options) -> int:
    """Run it to the end; gives how often it says that it went on."""
    process = in_process(options)
    process.join()
    assert process.exitcode == 0
    return json.loads((options["out"] / "xlmkit.json").read_text())["resumed"]


def test_killed_at_random_moments_a_run_ends_with_the_same_weights_and_no_line_twice(
    undisturbed, tiny_folder, tmp_path
):
    options = settings(tiny_folder, tmp_path / "run", **EVERY_STEP)
    chance, resumed = random.Random(5), 0
    for _ in range(4):
        process = in_process(options)
        root = tmp_path / "run" / STATES
        before = states.latest(root)
        while process.is_alive() and states.latest(root) == before:  # it must come further than the last one
            time.sleep(0.005)
        process.join(chance.uniform(0, 0.05))
        process.kill()
        process.join()
        resumed += process.exitcode == -signal.SIGKILL
    assert resumed >= 2, "the run was over before it was killed"
    finished(options)
    assert weights(tmp_path / "run") == weights(undisturbed)
    assert log(tmp_path / "run") == log(undisturbed)


@pytest.mark.parametrize("write", range(10, 17))
def test_killed_at_any_write_of_a_state_a_run_ends_with_the_same_weights(
    write, undisturbed, tiny_folder, tmp_path
):
    options = settings(tiny_folder, tmp_path / "run", **EVERY_STEP)
    process = in_process(options, die_at=write)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert states.latest(tmp_path / "run" / STATES) is not None
    assert finished(options) == 1
    assert weights(tmp_path / "run") == weights(undisturbed)
    assert log(tmp_path / "run") == log(undisturbed)


def test_a_state_without_its_marker_or_with_a_file_cut_short_is_passed_over(tiny_folder, tmp_path):
    for number, spoil in enumerate((remove_marker, cut_short, mangle_marker)):
        root = tmp_path / str(number)
        for step in (4, 8):
            folder = root / f"step-{step:09d}"
            folder.mkdir(parents=True)
            (folder / "weights.safetensors").write_bytes(b"12345678")
            (folder / states.MARKER).write_text(json.dumps({"weights.safetensors": 8}))
        assert states.latest(root).name == "step-000000008"
        spoil(root / "step-000000008")
        assert states.latest(root).name == "step-000000004"


def remove_marker(folder):
    (folder / states.MARKER).unlink()


def cut_short(folder):
    (folder / "weights.safetensors").write_bytes(b"1234")


def mangle_marker(folder):
    (folder / states.MARKER).write_text('{"weights.safe')


def test_a_finished_run_says_so_and_is_not_repeated(tiny_folder, tmp_path):
    with unmetered():
        config = TrainingConfig(**settings(tiny_folder, tmp_path / "run", epochs=0.5))
        first = finetune(config)
        before = (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns
        with pytest.warns(match="is finished, so nothing was trained"):
            again = finetune(config)
    assert (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns == before
    assert again.by_language.equals(first.by_language)
    assert again.history.equals(first.history)
    assert again.provenance == first.provenance


def test_the_folder_of_another_run_is_refused_by_the_name_of_what_differs(tiny_folder, tmp_path):
    options = settings(tiny_folder, tmp_path / "run", epochs=0.5)
    with unmetered():
        finetune(TrainingConfig(**options))
        with pytest.raises(ValueError, match=r"`learning_rate` 0.001 as there, got 0.002; remedy"):
            finetune(TrainingConfig(**options | {"learning_rate": 2e-3}))
        with pytest.raises(ValueError, match="the training data"):
            finetune(TrainingConfig(**options | {"train": options["train"].head(30)}))


def test_two_processes_do_not_train_in_one_folder(tiny_folder, tmp_path):
    from xlmkit.training import result

    with (
        result.claim(tmp_path, {"seed": 0}),
        pytest.raises(BlockingIOError, match="another process trains"),
        result.claim(tmp_path, {"seed": 0}),
    ):
        pass
