"""A run that is killed goes on, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
import torch
from training_toys import in_process, log, settings, unmetered, weights

from xlmkit.results import claim_run_folder
from xlmkit.training import TrainingConfig, finetune, run_folder

EVERY_STEP = {"checkpoint_minutes": 0.0}
STATE = f"{run_folder.STATES}/{run_folder.STATE}"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Weights are the same for the same number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with unmetered():
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def undisturbed(tiny_folder, tmp_path_factory):
    """The result of a run that nobody stopped."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    finetune(TrainingConfig(**settings(tiny_folder, out, **EVERY_STEP)))
    return out


def test_a_process_that_is_killed_resumes_with_the_same_weights_and_no_line_twice(
    undisturbed, tiny_folder, tmp_path
):
    options = settings(tiny_folder, tmp_path / "run", **EVERY_STEP)
    state = tmp_path / "run" / STATE
    for _ in range(2):
        process = in_process(options)
        before = state.stat().st_mtime_ns if state.exists() else 0
        while process.is_alive() and (not state.exists() or state.stat().st_mtime_ns == before):
            time.sleep(0.005)  # it must come further than the last one
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert finetune(TrainingConfig(**options)).provenance["resumed"] == 2
    assert weights(tmp_path / "run") == weights(undisturbed)
    assert log(tmp_path / "run") == log(undisturbed)


class Killed(BaseException):
    """Stands for the end of the process, which nothing in it can catch."""


# Step 4 writes the first best weights, as the fourth file; the fifth is its state.
@pytest.mark.parametrize("write", [4, 5])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_write_of_a_state_a_run_ends_with_the_same_weights(
    write, when, undisturbed, tiny_folder, tmp_path, monkeypatch
):
    options = settings(tiny_folder, tmp_path / "run", **EVERY_STEP)
    rename, writes = os.replace, iter(range(1, write + 1))

    def dying(hidden, path):
        last = next(writes) == write
        if not last or when == "after":
            rename(hidden, path)
        if last:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        with pytest.raises(Killed):
            finetune(TrainingConfig(**options))
    assert (tmp_path / "run" / STATE).exists()
    assert finetune(TrainingConfig(**options)).provenance["resumed"] == 1
    assert weights(tmp_path / "run") == weights(undisturbed)
    assert log(tmp_path / "run") == log(undisturbed)


def test_a_finished_run_says_so_and_is_not_repeated(tiny_folder, tmp_path):
    config = TrainingConfig(**settings(tiny_folder, tmp_path / "run", num_train_epochs=0.5))
    first = finetune(config)
    before = (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns
    with pytest.warns(match="finished"):
        again = finetune(config)
    assert (tmp_path / "run" / "model.safetensors").stat().st_mtime_ns == before
    assert again.by_language.equals(first.by_language)
    assert again.history.equals(first.history)
    assert again.provenance == first.provenance


def test_the_folder_of_another_run_is_refused_by_the_name_of_what_differs(tiny_folder, tmp_path):
    options = settings(tiny_folder, tmp_path / "run", num_train_epochs=0.5)
    finetune(TrainingConfig(**options))
    with pytest.raises(ValueError, match="learning_rate"):
        finetune(TrainingConfig(**options | {"learning_rate": 2e-3}))
    with pytest.raises(ValueError, match="train"):
        finetune(TrainingConfig(**options | {"train": options["train"].head(30)}))


def test_the_folder_of_an_unfinished_run_of_0_1_is_refused_as_such(tiny_folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({"epochs": 2.0, "batch_size": 8}))
    with pytest.raises(ValueError, match="batch_size"):
        finetune(TrainingConfig(**settings(tiny_folder, tmp_path / "run")))


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    with (
        claim_run_folder(tmp_path, run_folder.RUN, {"seed": 0}),
        pytest.raises(BlockingIOError, match="another run"),
        claim_run_folder(tmp_path, run_folder.RUN, {"seed": 0}),
    ):
        pass
