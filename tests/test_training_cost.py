"""What training costs is measured or estimated, and says which; a run's log can be read and drawn at any time."""

from __future__ import annotations

import json
import logging
import re
import shlex
import socket
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from xlmkit import cli, forward, plots
from xlmkit.training import energy
from xlmkit.training.config import TrainingConfig
from xlmkit.training.energy import Energy, Meter
from xlmkit.training.estimate import H200, XLM15, Shape, estimate, span
from xlmkit.training.events import history

ESTIMATING = sys.modules[estimate.__module__]


def settings(**changes) -> TrainingConfig:
    return TrainingConfig(**{"model": "m", "train": "t", "dev": "d", "out": "o", **changes})


def work(seconds: float = 0.2) -> None:
    end = energy.time.perf_counter() + seconds
    while energy.time.perf_counter() < end:
        sum(range(1000))


# --- energy ----------------------------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(energy.tempfile, "tempdir", str(tmp_path))
    threads = set(threading.enumerate())
    with Meter(country="DEU") as meter:
        work()
        midway = meter.reading()
        work()
    done = meter.reading()
    assert 0 < midway.kwh < done.kwh < 1
    assert 0 < midway.seconds < done.seconds == meter.reading().seconds
    assert done.country == "DEU"
    assert done.measured != energy.NO_READING
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


def test_codecarbon_s_log_is_as_it_was_after_an_error_in_the_block():
    log = logging.getLogger("codecarbon")
    log.setLevel(logging.WARNING)
    handler = logging.NullHandler()
    log.addHandler(handler)
    try:
        with pytest.raises(KeyError), Meter():
            raise KeyError
        assert (log.level, log.disabled) == (logging.WARNING, False)
        assert handler in log.handlers
    finally:
        log.removeHandler(handler)


def part(kind: str, **values):
    return type(kind, (SimpleNamespace,), {})(**values)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([part("RAM"), part("CPU", _mode="intel_rapl", _tdp=85)], "rapl (processor), memory by its size"),
        (
            [part("RAM"), part("CPU", _mode="cpu_load", _tdp=65.0)],
            "estimate from the processor's rating (65 W), memory by its size",
        ),
        ([part("CPU", _mode="constant", _tdp=None)], "estimate from the processor's rating"),
        (
            [part("CPU", _mode="cpu_load", _tdp=8), part("GPU")],
            "estimate from the processor's rating (8 W), nvml (GPU)",
        ),
        ([], energy.NO_READING),
    ],
)
def test_only_what_a_meter_read_is_called_measured(parts, said):
    assert energy._measured(SimpleNamespace(_hardware=parts)) == said


def test_without_codecarbon_the_block_runs_and_the_reading_says_so(monkeypatch):
    monkeypatch.setattr(energy.importlib.util, "find_spec", lambda name: None)
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
    broken = SimpleNamespace(start=lambda: None, flush=lambda: None, stop=lambda: None)
    monkeypatch.setattr(energy, "_tracker", lambda *rest: broken)
    with Meter() as meter:
        assert meter.reading().measured == energy.NO_READING
    assert meter.reading().kwh is None


def test_a_meter_that_is_switched_off_gives_seconds_alone(monkeypatch):
    monkeypatch.setattr(energy, "_tracker", lambda *rest: pytest.fail("a tracker was made"))
    with Meter(enabled=False) as meter:
        work(0.01)
    assert meter.reading().seconds > 0
    assert meter.reading().kwh is None
    assert "switched off" in meter.reading().measured


@pytest.mark.parametrize("country", ["XXX", "de", "Germany", None])
def test_a_country_without_figures_is_refused_by_name(country):
    with pytest.raises(ValueError, match=f"{country!r}.*'WLD'"):
        Meter(country=country)


def test_a_reading_before_the_block_is_refused():
    with pytest.raises(RuntimeError, match="with Meter"):
        Meter().reading()


def test_energies_of_two_blocks_add_up_and_what_is_missing_stays_missing():
    one = Energy(0.5, 0.25, 60.0, "rapl (processor)", "a machine", "DEU")
    both = one + replace(one, kwh=1.0, kg_co2e=0.5, seconds=30.0, hardware="another")
    assert (both.kwh, both.kg_co2e, both.seconds) == (1.5, 0.75, 90.0)
    assert (both.measured, both.hardware) == ("rapl (processor)", "a machine; then another")
    assert (one + replace(one, kwh=None, kg_co2e=None)).kwh is None
    assert str(one) == "500 Wh, 250 g CO2e (DEU; rapl (processor))"


# --- estimate --------------------------------------------------------------------------------------------------------------------------


def step(network, config: TrainingConfig, optimiser, tokens: int) -> None:
    """One step of the optimiser, on batches with padding."""
    size = (config.batch_size, tokens)
    ids, langs, mask = (make(size, dtype=torch.int64) for make in (torch.ones, torch.zeros, torch.ones))
    mask[1:, -1] = 0
    for _ in range(config.accumulation):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.precision == "bf16"):
            logits = forward.training_logits(
                network, ids, langs, mask, dropout=config.dropout, recompute=config.gradient_checkpointing
            )
        F.cross_entropy(logits, torch.zeros(size[0], dtype=torch.int64)).backward()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def measured_peak(network, config: TrainingConfig, tokens: int) -> int:
    """Bytes of weights, Adam's moments and the most that a step allocated beside them, by torch's own account."""
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    step(network, config, optimiser, tokens)  # makes the moments
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        step(network, config, optimiser, tokens)
    events = [event for event in watched.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return 3 * 4 * sum(weight.numel() for weight in network.parameters()) + int(np.cumsum(changes).max())


def network_of(shape: Shape):
    from transformers import XLMConfig, XLMForSequenceClassification

    return XLMForSequenceClassification(
        XLMConfig(
            vocab_size=shape.vocabulary,
            emb_dim=shape.width,
            n_layers=shape.layers,
            n_heads=shape.heads,
            n_langs=shape.languages,
            max_position_embeddings=shape.positions,
            num_labels=shape.labels,
        )
    )


SMALL = Shape(layers=4, width=64, heads=4, vocabulary=500)


@pytest.mark.parametrize(
    ("tokens", "changes"),
    [
        (64, {}),
        (16, {}),
        (64, {"dropout": 0.0}),
        (64, {"precision": "bf16"}),
        (64, {"precision": "bf16", "dropout": 0.0}),
        (64, {"gradient_checkpointing": True}),
        (32, {"accumulation": 3, "batch_size": 8}),
    ],
)
def test_the_peak_of_memory_is_what_torch_counts(tokens, changes):
    config = settings(max_length=tokens, **changes)
    said = estimate(SMALL, config, tokens_per_row=tokens, rows=100).memory_bytes
    assert 0.97 < said / measured_peak(network_of(SMALL), config, tokens) < 1.25


def test_where_the_vocabulary_is_large_and_batches_small_gradients_make_the_peak():
    shape, config = replace(SMALL, vocabulary=20_000), settings(batch_size=2, max_length=16)
    said = estimate(shape, config, tokens_per_row=16, rows=100).memory_bytes
    assert 0.97 < said / measured_peak(network_of(shape), config, 16) < 1.1
    assert estimate(shape, replace(config, batch_size=4), tokens_per_row=16, rows=9).memory_bytes == said


def test_the_size_of_a_model_is_that_of_its_weights(nli):
    assert Shape.of(nli).parameters == sum(weight.numel() for weight in nli.network.parameters())
    with torch.device("meta"):
        real = network_of(XLM15)
    assert XLM15.parameters == sum(weight.numel() for weight in real.parameters())
    assert round(XLM15.parameters / 1e6) == 249


def test_the_operations_of_a_step_are_those_that_torch_counts():
    ids = torch.ones((4, 40), dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        logits = forward.training_logits(
            network_of(SMALL), ids, torch.zeros_like(ids), torch.ones_like(ids), dropout=0.1
        )
        logits.sum().backward()
    assert 4 * SMALL.operations(40) == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_a_trial_leaves_weights_and_random_numbers_alone(nli):
    before = {name: value.clone() for name, value in nli.network.state_dict().items()}
    state = torch.get_rng_state()
    found = estimate(nli, settings(batch_size=4), tokens_per_row=12.3, rows=1000)
    assert found.seconds > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in nli.network.state_dict().items())
    assert all(weight.grad is None and not weight.requires_grad for weight in nli.network.parameters())


def test_time_is_that_of_all_batches_and_a_third_of_it_for_evaluation(nli, monkeypatch):
    monkeypatch.setattr(ESTIMATING, "_trial", lambda *rest, **more: 2.0)
    config = settings(batch_size=10, accumulation=2, epochs=3, evaluate_every=150)
    found = estimate(nli, config, tokens_per_row=10, rows=100, dev_rows=30)
    assert found.steps == 15  # of 20 rows
    assert found.seconds == 2.0 * (30 + 2 * 3 / 3)  # 30 batches; two evaluations of 3 batches
    assert "About 64 s for 15 steps" in found.text


def test_what_saves_memory_is_seen_to(nli):
    def peak(longest=None, **changes):
        return estimate(SMALL, settings(**changes), tokens_per_row=9, rows=99, longest=longest).memory_bytes

    assert peak(batch_size=8, accumulation=2) < peak(batch_size=16)
    assert peak(gradient_checkpointing=True) < peak()
    assert peak(precision="bf16", dropout=0.0) < peak(precision="fp32", dropout=0.0)
    assert peak(max_length=128) == peak(longest=128) < peak() == peak(longest=999)


def test_a_run_that_does_not_fit_is_not_tried_and_names_the_settings_to_change(nli, monkeypatch):
    monkeypatch.setattr(ESTIMATING, "free_memory", lambda device: 1_000_000)
    monkeypatch.setattr(ESTIMATING, "_trial", lambda *rest, **more: pytest.fail("it was tried"))
    found = estimate(nli, settings(), tokens_per_row=10, rows=100)
    assert found.fits is False
    assert found.seconds is None
    for name in ("1 MB that are free", "gradient_checkpointing", "max_length", "batch_size", "accumulation"):
        assert name in found.text
    again = estimate(nli, settings(gradient_checkpointing=True), tokens_per_row=10, rows=100)
    assert "gradient_checkpointing" not in again.text


def test_the_real_checkpoint_is_estimated_without_its_weights():
    config = settings(epochs=1)
    there = estimate(XLM15, config, tokens_per_row=40, rows=392_702, device=H200)
    assert there.weights == 4 * XLM15.parameters == there.gradients == there.moments // 2
    assert there.fits is True
    assert 0 < there.kwh == pytest.approx(there.seconds / 3600 * 0.7)
    assert "NVIDIA H200, not measured" in there.text
    assert there.steps == 24_544  # 392,702 rows by 16, rounded up
    slower = estimate(XLM15, replace(config, precision="fp32"), tokens_per_row=40, rows=392_702, device=H200)
    assert slower.seconds > there.seconds
    here = estimate(XLM15, config, tokens_per_row=40, rows=392_702)
    assert (here.seconds, here.kwh, here.fits) == (None, None, None)
    assert "unknown" in here.text


def test_counts_that_make_no_sense_are_refused():
    for wrong in ({"rows": 0, "tokens_per_row": 9}, {"rows": 9, "tokens_per_row": 0}):
        with pytest.raises(ValueError, match="at least one row"):
            estimate(SMALL, settings(), **wrong)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (91, "2 min"), (5400, "1 h 30 min"), (200_000, "2 d 7 h")],
)
def test_times_are_said_for_people(seconds, text):
    assert span(seconds) == text


# --- log and curve ---------------------------------------------------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match="line 2: expected a JSON object"):
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
    assert (settings().learning_rate, settings().batch_size, settings().warmup) == (5e-6, 16, 0.0)
