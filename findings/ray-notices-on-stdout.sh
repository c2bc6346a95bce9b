#!/usr/bin/env bash
# Ray 2.60.0: `ray.init(log_to_driver=False, logging_level="error")` still writes to standard output. A thread of the driver prints what
# the cluster publishes as errors there, whatever `log_to_driver` says, and not to standard error: a program that prints a table or JSON
# lines mixes them with "(raylet) Task ... failed. There are infinite retries remaining ...". It comes when an actor with retries is
# lost, some time later, so most runs are clean.
# Guess: log_to_driver=False silences it, or it goes to standard error. Seen: one coloured line on standard output.
set -euo pipefail
folder=$(mktemp -d /tmp/ray-XXXXXX); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q --disable-pip-version-check ray==2.60.0
cat >"$folder/driver.py" <<'P'
import sys, time
import ray
ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error", _temp_dir=sys.argv[1])

@ray.remote(max_restarts=1, max_task_retries=-1)
class Sleeper:
    def ready(self):
        return True
    def sleep(self):
        time.sleep(2)

sleeper = Sleeper.remote()
ray.get(sleeper.ready.remote())
waiting = sleeper.sleep.remote()
time.sleep(0.5)
ray.kill(sleeper, no_restart=False)
try:
    ray.get(waiting, timeout=60)
except ray.exceptions.RayError:
    pass
time.sleep(3)
P
env RAY_USAGE_STATS_ENABLED=0 "$folder/venv/bin/python" "$folder/driver.py" "$folder/ray" >"$folder/out" 2>"$folder/err"
echo "standard output:"; cat "$folder/out"
grep -q "(raylet)" "$folder/out"
