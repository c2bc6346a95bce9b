"""The doctor finds each fault, names its advice, and needs no working PyTorch to do so."""

from __future__ import annotations

import dataclasses
import sys
from types import SimpleNamespace

import pandas as pd
import pytest

import xlmkit
from xlmkit import cli, doctor

CPU = {
    "version": "2.13.0+cpu",
    "cuda_build": None,
    "hip_build": None,
    "cuda": False,
    "device": None,
    "capability": None,
    "architectures": [],
    "mps": False,
    "sum": 3.0,
}
GPU = CPU | {
    "version": "2.13.0",
    "cuda_build": "13.0",
    "cuda": True,
    "device": "NVIDIA H200",
    "capability": [9, 0],
    "architectures": ["sm_80", "sm_90", "compute_120"],
}


def by_name(checks):
    return {check.name: check for check in checks}


def test_this_machine_is_well_with_a_model_that_loads(tiny_folder):
    checks = doctor.diagnose(tiny_folder, device="cpu")
    assert [check.name for check in checks if not check.ok] == []
    assert {"python", "packages", "torch", "hardware", "memory", "model", "prediction"} <= set(
        by_name(checks)
    )


def test_a_torch_that_does_not_import_is_a_finding_and_the_rest_is_still_checked(monkeypatch):
    monkeypatch.setattr(doctor, "PROBE", "import torch_that_is_broken")
    checks = by_name(doctor.diagnose())
    assert not checks["torch"].ok
    assert "does not import" in checks["torch"].found
    assert checks["torch"].advice
    assert checks["python"].ok
    assert not checks["model"].ok


def test_a_torch_that_crashes_python_is_a_finding_too(monkeypatch):
    monkeypatch.setattr(doctor, "PROBE", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    found = doctor.check_torch(doctor.probe_torch())
    assert not found.ok
    assert "signal 11" in found.found


@pytest.mark.parametrize(
    ("torch", "nvidia", "ok", "found", "advice"),
    [
        (CPU, False, True, "the CPU computes", ""),
        (CPU, True, False, "without CUDA", "CUDA build"),
        (GPU, True, True, "capability 9.0", ""),
        (GPU | {"cuda": False}, True, False, "cannot use", "driver"),
        (GPU | {"cuda": False}, False, True, "the CPU computes", "CPU build"),
        (GPU | {"capability": [7, 0]}, True, False, "supports sm_80", "--device cpu"),
        (CPU | {"mps": True}, False, True, "Apple", ""),
    ],
)
def test_the_build_of_torch_is_held_against_the_hardware(torch, nvidia, ok, found, advice):
    check = doctor.check_hardware(torch, nvidia=nvidia)
    assert check.ok is ok
    assert found in check.found
    assert advice in check.advice
    assert ok or check.advice


@pytest.mark.parametrize(
    ("capability", "architectures", "runs"),
    [
        ([8, 6], ["sm_80"], True),  # the same major version, a later minor
        ([8, 0], ["sm_86"], False),  # an earlier minor
        ([9, 0], ["sm_80"], False),  # another major version
        ([12, 0], ["sm_80", "compute_90"], True),  # PTX is compiled for what came later
        ([7, 5], ["compute_90"], False),
        ([9, 0], ["sm_90a"], True),
    ],
)
def test_binaries_serve_their_major_version_and_ptx_what_came_later(capability, architectures, runs):
    assert doctor.runs_on(capability, architectures) is runs


@pytest.mark.parametrize(
    ("free", "ok", "said"), [(0.5, False, "Close"), (2.0, True, "bundled"), (16.0, True, "")]
)
def test_memory_is_held_against_what_the_models_need(monkeypatch, free, ok, said):
    monkeypatch.setattr(doctor, "free_memory_gb", lambda: free)
    check = doctor.check_memory()
    assert check.ok is ok
    assert said in check.advice


@pytest.mark.parametrize(
    ("free", "ok", "said"), [(0.05, False, "Free some"), (1.0, True, "full size"), (9.0, True, "")]
)
def test_a_disk_without_room_for_results_is_a_finding(monkeypatch, free, ok, said):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=free * 1e9))
    check = doctor.check_disk()
    assert check.ok is ok
    assert said in check.advice
    assert f"{free:.1f} GB" in check.found


def test_probabilities_that_do_not_sum_to_1_are_a_finding(monkeypatch, nli):
    wrong = {"prediction": "neutral", **{f"p_{label}": 0.5 for label in nli.labels}}
    monkeypatch.setattr(xlmkit, "predict", lambda *_, **__: pd.DataFrame([wrong]), raising=False)
    check = doctor.check_prediction(nli)
    assert not check.ok
    assert "sum to 1.5" in check.found


def test_a_missing_package_and_one_out_of_range_are_both_named(monkeypatch):
    monkeypatch.setattr(doctor, "requirements", lambda: ["no-such-package>=1", "numpy<1", "torch>=1"])
    check = doctor.check_packages()
    assert not check.ok
    assert "no-such-package is missing" in check.found
    assert "numpy" in check.found
    assert "torch" not in check.found
    assert "make lab" in check.advice


def test_an_old_python_is_a_finding(monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (sys.version_info[0], sys.version_info[1] + 1))
    check = doctor.check_python()
    assert not check.ok
    assert "PYTHON=" in check.advice


def test_a_check_that_raises_is_a_failure_and_not_the_end(monkeypatch, tiny_folder):
    def broken(place):
        raise RuntimeError("the disk has left")

    monkeypatch.setattr(doctor, "probe_torch", lambda: CPU)
    monkeypatch.setattr(doctor.shutil, "disk_usage", broken)
    check = by_name(doctor.diagnose(tiny_folder, device="cpu"))["disk"]
    assert not check.ok
    assert "the disk has left" in check.found


def test_a_model_that_does_not_load_is_a_failure_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "probe_torch", lambda: CPU)
    checks = by_name(doctor.diagnose(tmp_path))
    assert not checks["model"].ok
    assert str(tmp_path) in checks["model"].found
    assert "prediction" not in checks


def test_every_failure_of_the_report_has_its_advice_below_it():
    text = doctor.report([doctor.Check("a", True, "well"), doctor.Check("long name", False, "ill", "rest")])
    assert text.splitlines()[1].startswith("FAIL  long name  ill")
    assert text.splitlines()[2].strip() == "fix: rest"
    assert "1 of 2 checks failed" in text


def test_a_check_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        doctor.Check("a", True, "well").ok = False


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_the_command_exits_with_1_where_a_check_fails(monkeypatch, capsys, ok, code):
    monkeypatch.setattr(
        doctor, "diagnose", lambda *_, **__: [doctor.Check("a", ok, "it", "" if ok else "fix it")]
    )
    assert cli.main(["doctor"]) == code
    assert "a" in capsys.readouterr().out
