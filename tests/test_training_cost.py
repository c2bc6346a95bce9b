"""What training costs is measured, or estimated from a few batches; a run's log can be read and drawn at any time."""

from __future__ import annotations

import json
import re
import shlex
import socket
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from accelerate import Accelerator
from training_toys import pairs

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from xlmkit import cli, plots
from xlmkit.training import TrainingConfig, cost, data, finetuning, history
from xlmkit.training.cost import Energy, Meter
from xlmkit.training.loop import Training


def settings(**changes) -> TrainingConfig:
    return TrainingConfig(**{"model": "m", "train": "t", "dev": "d", "out": "o", **changes})


def work(seconds: float = 0.2) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(1000))


# --- energy


def test_a_meter_counts_offline_without_files_and_without_a_word(tmp_path, monkeypatch, capfd, recwarn):
    """Whatever the user's own settings of codecarbon ask for."""
    asked = {"SAVE_TO_FILE": "true", "OUTPUT_METHODS": "csv,api", "EMISSIONS_ENDPOINT": "http://127.0.0.1:9"}
    asked |= {"ELECTRICITYMAPS_API_TOKEN": "x", "CO2_SIGNAL_API_TOKEN": "x", "ALLOW_MULTIPLE_RUNS": "false"}
    for name, value in asked.items():
        monkeypatch.setenv(f"CODECARBON_{name}", value)
    called = []
    monkeypatch.setattr(socket.socket, "connect", lambda *where: called.append(where))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **how: called.append(where))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cost.tempfile, "tempdir", str(tmp_path))
    threads = set(threading.enumerate())
    with Meter(country="DEU") as meter:
        work()
        midway = meter.reading()
        work()
    done = meter.reading()
    assert 0 < midway.kwh < done.kwh < 1
    assert 0 < midway.seconds < done.seconds == meter.reading().seconds
    assert done.country == "DEU"
    assert done.measured != cost.NO_READING
    assert "core" in done.hardware
    assert json.loads(json.dumps(asdict(done))) == asdict(done)
    assert not called
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    for thread in set(threading.enumerate()) - threads:
        thread.join(60)  # it has been told to end
        assert not thread.is_alive()


def test_carbon_is_energy_times_what_the_country_s_electricity_emits():
    intensity = {}
    for country in ("WLD", "FRA", "POL"):
        with Meter(country=country) as meter:
            work(0.1)
        intensity[country] = meter.reading().kg_co2e / meter.reading().kwh
    assert intensity["WLD"] == pytest.approx(0.475)  # kg/kWh: IEA, Global Energy and CO2 Status Report 2019
    assert intensity["FRA"] < 0.1 < 0.5 < intensity["POL"]  # nuclear, coal


def test_without_codecarbon_the_block_runs_and_the_reading_says_so(monkeypatch):
    monkeypatch.setattr(cost.importlib.util, "find_spec", lambda name: None)
    with Meter(country="DEU") as meter:
        work(0.01)
    reading = meter.reading()
    assert (reading.kwh, reading.kg_co2e) == (None, None)
    assert "codecarbon is not installed" in reading.measured
    assert "pip install" in str(reading)
    assert reading.seconds > 0
    assert reading.hardware
    with pytest.raises(ValueError, match="'Germany'"):
        Meter(country="Germany")


def test_a_machine_that_cannot_be_read_gives_no_figure(monkeypatch):
    class Broken(SimpleNamespace):
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(cost, "_tracker", lambda *rest: Broken(flush=lambda: None))
    with Meter() as meter:
        assert meter.reading().measured == cost.NO_READING
    assert meter.reading().kwh is None


def test_a_meter_that_is_switched_off_gives_seconds_alone(monkeypatch):
    monkeypatch.setattr(cost, "_tracker", lambda *rest: pytest.fail("a tracker was made"))
    with Meter(enabled=False) as meter:
        work(0.01)
    assert meter.reading().seconds > 0
    assert meter.reading().kwh is None
    assert "switched off" in meter.reading().measured


@pytest.mark.parametrize("country", ["XXX", "de", "Germany", None])
def test_a_country_without_figures_is_refused_by_name(country):
    with pytest.raises(ValueError, match=f"{country!r}.*'WLD'"):
        Meter(country=country)


def test_energies_of_two_blocks_add_up_and_what_is_missing_stays_missing():
    one = Energy(0.5, 0.25, 60.0, "a meter", "a machine", "DEU")
    both = one + replace(one, kwh=1.0, kg_co2e=0.5, seconds=30.0, hardware="another")
    assert (both.kwh, both.kg_co2e, both.seconds) == (1.5, 0.75, 90.0)
    assert (both.measured, both.hardware) == ("a meter", "a machine; then another")
    assert (one + replace(one, kwh=None, kg_co2e=None)).kwh is None
    assert str(one) == "500 Wh, 250 g CO2e (DEU; a meter)"


# --- memory and time


@pytest.fixture
def training(nli, tmp_path):
    """A run of 24 rows in batches of 4, two per step, that is to be evaluated every 12 rows."""
    config = settings(
        out=tmp_path,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        num_train_epochs=2,
        evaluate_every=12,
        progress=False,
    )
    frame = pairs("en", 24)
    frame["pair_id"] = range(len(frame))
    rows = data.encode_rows(nli, frame, config, name="train")
    yield Training(nli, rows, rows, config, Accelerator(cpu=True))
    nli.network.requires_grad_(False)


def test_batches_that_are_tried_leave_weights_and_random_numbers_alone(training):
    network = training.nli.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    memory, seconds = training.try_batches()
    assert seconds > 0
    assert memory > 8 * sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())


def test_the_longest_rows_are_tried_and_rows_of_average_length(training, monkeypatch):
    tried, batch = [], data.EncodedRows.batch
    monkeypatch.setattr(data.EncodedRows, "batch", lambda self, rows: tried.append(rows) or batch(self, rows))
    training.try_batches()
    lengths = [training.train.lengths[rows] for rows in tried]
    assert sorted(lengths[0]) == sorted(training.train.lengths)[-4:]
    assert np.abs(lengths[1].mean() - training.train.lengths.mean()) < 1


def test_time_is_that_of_all_batches_and_a_third_of_it_for_evaluation(training, monkeypatch):
    monkeypatch.setattr(training, "try_batches", lambda: (2_000_000_000, 2.0))
    # 48 rows in 6 steps of two batches; 4 evaluations of 24 rows: 12 + 24 / 3 batches
    text = finetuning.estimate(training)
    assert "2.0 GB" in text
    assert "0:00:40" in text
    assert "6 steps" in text


# --- log and curve


@pytest.fixture
def run(tmp_path) -> Path:
    """A run of 40 steps, logged every step, evaluated every 10, that is writing its next line."""
    events: list[dict] = []
    for number in range(1, 41):
        seen = {"step": number, "rows": 16 * number, "seconds": float(number)}
        events.append({"event": "step", **seen, "loss": 40 / number, "learning_rate": 5e-6})
        if number % 10 == 0:
            shares = {"en": 0.3 + number / 100, "de": 0.2 + number / 100, "sw": 0.1 + number / 100}
            events.append(
                {"event": "evaluation", **seen, "accuracy": shares["en"], "accuracy_by_language": shares}
            )
    lines = [json.dumps(event) for event in events]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"event": "step", "st']), encoding="utf-8")
    return tmp_path


def test_a_log_is_read_while_it_is_written(run):
    frame = history(run)
    steps = frame[frame["event"] == "step"]
    assert steps["step"].to_list() == list(range(1, 41))
    assert steps["loss"].to_list() == [40 / number for number in range(1, 41)]
    assert steps["accuracy_sw"].isna().all()
    evaluated = frame[frame["event"] == "evaluation"].set_index("step")
    assert evaluated["accuracy_sw"].to_dict() == pytest.approx({10: 0.2, 20: 0.3, 30: 0.4, 40: 0.5})
    assert "accuracy_by_language" not in frame


def test_a_damaged_log_is_refused_with_its_line(run):
    file = run / "log.jsonl"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('{"event": "step", "step": 2,', "broken", 1), encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        history(run)
    file.write_text("[1]\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        history(run)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"no log\.jsonl"):
        history(run)


@pytest.fixture
def no_figures_left():
    matplotlib.rcdefaults()
    yield
    plt.close("all")


@pytest.mark.usefixtures("no_figures_left")
def test_the_curve_shows_english_the_mean_and_the_span_of_the_languages(run):
    frame = history(run)
    before = frame.copy()
    _, ax = plt.subplots()
    assert plots.learning_curve(frame, ax=ax) is ax
    pd.testing.assert_frame_equal(frame, before)
    lines = {line.get_label(): line for line in ax.lines}
    assert set(lines) == {"English", "mean of 3 languages"}
    assert lines["English"].get_ydata() == pytest.approx([40, 50, 60, 70])
    assert lines["mean of 3 languages"].get_ydata() == pytest.approx([30, 40, 50, 60])
    assert lines["English"].get_xdata() == pytest.approx([160, 320, 480, 640])
    band = ax.collections[0].get_datalim(ax.transData)
    assert (band.y0, band.y1) == pytest.approx((20, 70))
    (loss,) = [line for other in ax.figure.axes if other is not ax for line in other.lines]
    assert loss.get_ydata() == pytest.approx([40 / number for number in range(1, 41)])


@pytest.mark.usefixtures("no_figures_left")
def test_the_curve_of_one_language_is_one_line(run):
    frame = history(run)[["event", "rows", "loss", "accuracy"]]
    ax = plots.learning_curve(frame)
    assert [line.get_label() for line in ax.lines] == ["accuracy"]
    assert not ax.collections


@pytest.mark.usefixtures("no_figures_left")
@pytest.mark.parametrize(("noted", "mark"), [(1, "o"), (2, "None")])
def test_a_loss_that_was_noted_once_is_a_dot(noted, mark, run):
    frame = history(run)
    steps = frame[frame["event"] == "step"]
    ax = plots.learning_curve(pd.concat([steps.tail(noted), frame[frame["event"] == "evaluation"]]))
    (loss,) = [line for other in ax.figure.axes if other is not ax for line in other.lines]
    assert loss.get_marker() == mark


def test_a_curve_without_evaluation_or_column_is_refused(run):
    frame = history(run)
    with pytest.raises(ValueError, match="at least one evaluation"):
        plots.learning_curve(frame[frame["event"] == "step"])
    with pytest.raises(ValueError, match="'rows'"):
        plots.learning_curve(frame.drop(columns="rows"))


def test_the_notebook_gives_a_command_that_the_command_line_takes():
    notebook = Path(__file__).parent.parent / "notebooks" / "07_fine_tuning.ipynb"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    prose = "\n".join("".join(cell["source"]) for cell in cells)
    (command,) = re.findall(r"^```sh\nxlmkit (.*)\n```", prose, re.M)
    chosen = cli.parser().parse_args(shlex.split(command))
    assert (chosen.model, chosen.languages) == ("FacebookAI/xlm-mlm-xnli15-1024", ["en"])
    assert "learning rate 5e-6, batches of 16, no warm-up" in prose
    usual = settings()
    assert (usual.learning_rate, usual.per_device_train_batch_size, usual.warmup_steps) == (5e-6, 16, 0.0)
