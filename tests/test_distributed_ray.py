"""Runs on a real Ray cluster of several nodes on this machine, shaped as `clusters/kuberay.yaml` says; workers, nodes and the driver are killed.

Each fault is set off by a row and happens once, so that nothing depends on time. One cluster serves all tests of the file."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

import xlmkit
from xlmkit import cli, distributed
from xlmkit.distributed.worker import Worker

CLUSTERS = Path(distributed.__file__).parent / "clusters"
COLUMNS = ["pair_id", "item", "language", "premise", "hypothesis", "gold"]
WAIT = 120  # seconds after which a hanging test gives up
ATTEMPTS = 6  # Ray gives a node half a minute to start
STRUCK = "negation-02-fr"  # the row that sets a fault off


def kuberay():
    return yaml.safe_load((CLUSTERS / "kuberay.yaml").read_text(encoding="utf-8"))


def left_of(folder):
    """Processes whose command names a folder: all of a Ray cluster's name the one of its logs."""
    return [one for one in psutil.process_iter(["cmdline"]) if folder in " ".join(one.info["cmdline"] or ())]


def begun_with(mark):
    """Processes, but for this one, that were begun with a mark in their environment: our own, whatever Ray's of another test do meanwhile."""
    return [
        one
        for one in psutil.process_iter(["environ"])
        if one.pid != os.getpid() and mark in (one.info["environ"] or {})
    ]


def patiently(start):
    """What `start` gives; Ray's half minute for a node may be too short beside other tests."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return start()
        except Exception as error:
            if "timed out during startup" not in str(error) or attempt == ATTEMPTS:
                raise
    return None


@pytest.fixture(scope="module")
def cluster():
    """A head and workers with the processors that the file for Kubernetes gives them; nothing of it is left afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # addresses of the loopback stay what they are
        import ray
        from ray.cluster_utils import Cluster

        patch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)

        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        logs = tempfile.mkdtemp(prefix="xlmkit-ray-", dir="/tmp")
        patch.setenv("RAY_TMPDIR", logs)  # the head notes its address there
        (Path(logs) / "ray").mkdir()
        usual = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20}
        spec = kuberay()["spec"]
        head = int(spec["headGroupSpec"]["rayStartParams"]["num-cpus"])
        health = {
            "worker_niceness": 0,
            "health_check_initial_delay_ms": 1000,
            "health_check_period_ms": 500,
        }  # a lost node is noticed in seconds
        started, whole = Cluster(), False
        try:
            patiently(
                lambda: started.add_node(
                    num_cpus=head, include_dashboard=False, temp_dir=logs, _system_config=health, **usual
                )
            )
            (group,) = spec["workerGroupSpecs"]
            for _ in range(group["replicas"]):
                patiently(
                    lambda: started.add_node(num_cpus=int(group["rayStartParams"]["num-cpus"]), **usual)
                )
            yield started
            whole = True
        finally:
            ray.shutdown()
            started.shutdown()
            ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
            _, alive = psutil.wait_procs(left_of(logs), timeout=20)
            for one in alive:
                one.kill()
            shutil.rmtree(logs, ignore_errors=True)
            assert not (whole and alive), "processes of Ray outlived their cluster"


@pytest.fixture(scope="module")
def pairs():
    """12 pairs in three languages."""
    return xlmkit.read_pairs("workshop", languages=["en", "fr", "th"], limit=4)[COLUMNS]


@pytest.fixture(scope="module")
def local(tiny_folder, pairs):
    """What one process finds for them."""
    nli = xlmkit.load(tiny_folder, device="cpu", dtype="float32")
    return xlmkit.predict(nli, pairs, progress=False)


@pytest.fixture
def file(tmp_path, pairs):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in pairs.to_dict("records")), encoding="utf-8")
    return path


@pytest.fixture
def run(cluster, tiny_folder, file, tmp_path):
    """`run(make, count)`: 12 pairs predicted in shards of three by `count` workers of the cluster, into `out`."""

    def call(make=Worker, count=1, task="predict", **options):
        workers = distributed.Workers(cluster.address, count, worker=make)
        usual = {
            "model": tiny_folder,
            "device": "cpu",
            "dtype": "float32",
            "shard_rows": 3,
            "progress": False,
        }
        return distributed.run(task, file, tmp_path / "out", workers=workers, **usual | options)

    return call


def same(found, wanted):
    """Nothing lost, nothing doubled: the rows of one machine in their order, labels equal, probabilities to 1e-5."""
    assert set(found) == set(wanted)
    pd.testing.assert_frame_equal(found[list(wanted)], wanted, rtol=0, atol=1e-5)


class Once(Worker):
    """A worker to which something happens at the struck row, if it has not happened yet."""

    def compute(self, frame):
        flag = self.task.folder.path.parent / "struck"
        if STRUCK in set(frame["pair_id"]) and not flag.exists():
            self.happen(flag)
        return super().compute(frame)


class KilledAndStranded(Worker):
    """Dies at the struck row; the next worker that meets it says on which node it is, and waits there for its end."""

    def compute(self, frame):
        folder = self.task.folder.path.parent
        if STRUCK in set(frame["pair_id"]):
            if not (folder / "killed").exists():
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if not (folder / "struck").exists():
                import ray

                (folder / "struck.tmp").write_text(ray.get_runtime_context().get_node_id())
                (folder / "struck.tmp").rename(folder / "struck")
                threading.Event().wait(WAIT)
        return super().compute(frame)


class Full(Once):
    """From then on its process can write no file of more than 100 bytes, as on a full disk."""

    def happen(self, flag):
        import resource

        flag.touch()
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))


def test_the_command_line_gives_what_one_machine_gives_and_names_a_failing_row(
    cluster, tiny_folder, file, local, tmp_path, capsys, monkeypatch
):
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join([*lines[:4], '{"premise": \n', *lines[4:]]), encoding="utf-8")
    computed = distributed.runner.compute_shards

    def noisy(*args):
        print("(raylet) a worker was lost")  # as Ray does
        return computed(*args)

    monkeypatch.setattr("xlmkit.distributed.runner.compute_shards", noisy)
    line = f"evaluate {file} --out {tmp_path / 'out'} --ray {cluster.address} --shard-rows 5 --model {tiny_folder} --device cpu --dtype float32 --to jsonl"
    assert cli.main(shlex.split(line)) == 1
    printed = capsys.readouterr()
    rows = [json.loads(row) for row in printed.out.splitlines()]  # and nothing else
    assert [row["accuracy"] for row in rows] == xlmkit.evaluate(local)["accuracy"].to_list()
    assert "a worker was lost" in printed.err
    assert "refused: pairs.jsonl, row 5: not valid JSON" in printed.err
    assert "13 rows in 3 shards, 1 refused" in printed.err
    shards = sorted((tmp_path / "out").glob("*.parquet"))
    same(pd.concat([xlmkit.read_results(shard) for shard in shards], ignore_index=True), local)


def test_a_killed_driver_loses_nothing_and_the_same_call_resumes(
    cluster, run, file, tiny_folder, local, tmp_path
):
    script = f"""
import os, signal, sys
from xlmkit import distributed

def second(folder, shard, outcome, seen=[]):
    seen.append(outcome)
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

sys.modules["xlmkit.distributed.runner"].check_outcome = second
distributed.run("predict", {str(file)!r}, {str(tmp_path / "out")!r}, model={str(tiny_folder)!r}, device="cpu", dtype="float32",
    workers=distributed.Workers({cluster.address!r}, 1), shard_rows=3, progress=False)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=WAIT)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    finished = len(list((tmp_path / "out").glob("*.parquet")))
    assert finished >= 2
    again = run()
    assert finished <= again.kept  # a worker may have ended a shard after the driver was gone
    same(again.results(), local)


def test_a_full_disk_ends_the_run_in_one_sentence_and_leaves_whole_shards_of_explanations_alone(
    run, pairs, tiny_folder, tmp_path
):
    with pytest.raises(OSError, match="could not be written"):
        run(Full, task="explain", method="input_x_gradient", dtype="auto")
    assert not list(tmp_path.rglob(".xlmkit-*"))
    found = [one for path in sorted((tmp_path / "out").glob("part-*")) for one in xlmkit.read_results(path)]
    assert 0 < len(found) < 12
    assert len(found) % 3 == 0
    nli = xlmkit.load(tiny_folder, device="cpu", dtype="float32")
    asked = pairs[pairs["pair_id"].isin([one.pair_id for one in found])]
    wanted = xlmkit.explain(nli, asked, method="input_x_gradient", progress=False)
    assert [(one.pair_id, one.target) for one in found] == [(one.pair_id, one.target) for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_a_killed_worker_and_a_killed_node_lose_nothing_and_double_nothing(cluster, run, local, tmp_path):
    """The last of the tests that need both nodes: one is gone after it."""

    def strike():
        flag, waited = tmp_path / "struck", threading.Event()
        while not flag.exists():
            waited.wait(0.05)
        (node,) = [one for one in cluster.worker_nodes if one.node_id == flag.read_text()]
        cluster.remove_node(node, allow_graceful=False)

    striking = threading.Thread(target=strike, daemon=True)
    striking.start()
    result = run(KilledAndStranded, count=2)
    striking.join(WAIT)
    assert len(cluster.worker_nodes) == kuberay()["spec"]["workerGroupSpecs"][0]["replicas"] - 1
    assert result.deaths == 2
    assert result.refused.empty
    same(result.results(), local)


def test_ray_on_this_machine_serves_several_runs_also_after_a_stopped_one_and_leaves_no_process_behind(
    tiny_folder, file, local, tmp_path, monkeypatch
):
    """In a process of its own, which has not joined the cluster."""
    monkeypatch.setenv("XLMKIT_OF_THIS_TEST", "1")
    script = f"""
import sys
from xlmkit import distributed
room = sys.modules["xlmkit.distributed.runner"]

def stopped(folder, shard, outcome):
    room.check_outcome = check_outcome
    raise KeyboardInterrupt

def predict():
    return distributed.run("predict", {str(file)!r}, {str(tmp_path / "out")!r}, model={str(tiny_folder)!r}, device="cpu", dtype="float32",
        workers=workers, shard_rows=3, progress=False)

workers = distributed.Workers(count=1)
distributed.start_ray(workers)
import ray
session = ray.get_runtime_context().gcs_address
assert session.startswith("127.0.0.1:"), session
check_outcome, room.check_outcome = room.check_outcome, stopped
try:
    predict()
except KeyboardInterrupt:
    pass
result = predict()
assert 1 <= result.kept, result
assert ray.get_runtime_context().gcs_address == session
distributed.stop_ray()
assert not ray.is_initialized()
distributed.stop_ray()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=3 * WAIT)
    assert ended.returncode == 0, ended.stderr
    shards = sorted((tmp_path / "out").glob("*.parquet"))
    same(pd.concat([xlmkit.read_results(shard) for shard in shards], ignore_index=True), local)
    _, alive = psutil.wait_procs(begun_with("XLMKIT_OF_THIS_TEST"), timeout=20)
    assert not alive


def test_an_address_without_a_cluster_is_one_sentence(file, tmp_path, tiny_folder, capsys):
    line = f"predict {file} --out {tmp_path / 'out'} --ray 127.0.0.1:1 --model {tiny_folder}"
    assert cli.main(shlex.split(line)) == 2
    assert "there is no Ray cluster at '127.0.0.1:1'" in capsys.readouterr().err


# Cluster files


def options_of_ray_start():
    from ray.scripts.scripts import start

    return {name.lstrip("-") for option in start.params for name in option.opts}


def test_the_file_for_kubernetes_has_known_options_and_the_versions_of_this_kit():
    spec = kuberay()["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    pins = (Path(__file__).parent.parent / ".ci/constraints.txt").read_text(encoding="utf-8")
    assert f"ray=={spec['rayVersion']}\n" in pins
    for group in groups:
        assert set(group["rayStartParams"]) <= options_of_ray_start()
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"] == f"xlmkit:{xlmkit.__version__}"
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in group["template"]["spec"]["volumes"]}


def test_the_file_for_plain_machines_is_what_rays_launcher_takes():
    from ray.autoscaler._private.util import prepare_config, validate_config
    from ray.scripts.scripts import start

    config = yaml.safe_load((CLUSTERS / "machines.yaml").read_text(encoding="utf-8"))
    validate_config(prepare_config(config))
    lines = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    starts = [line.split("ray start ", 1)[1] for line in lines if " start " in line]
    assert len(starts) == 2
    for arguments in starts:
        start.make_parser(start.context_class(start)).parse_args(shlex.split(arguments))
    assert all("RAY_USAGE_STATS_ENABLED=0" in line for line in lines if " start " in line)


@pytest.mark.parametrize("name", ["kuberay.yaml", "machines.yaml"])
def test_the_commands_that_a_cluster_file_shows_parse(name):
    text = (CLUSTERS / name).read_text(encoding="utf-8")
    shown = [
        line.split("xlmkit predict", 1)[1].rstrip("'")
        for line in text.splitlines()
        if "xlmkit predict" in line
    ]
    assert shown
    for line in shown:
        assert cli.parser().parse_args(["predict", *shlex.split(line)]).ray == "auto"
