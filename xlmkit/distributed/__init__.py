"""Beyond one machine: predict and explain millions of pairs on a Ray cluster.

`shards` cuts a source into shards, reads one and sorts out its faulty rows; `folder` is what a run
leaves on the disk; `worker` computes one shard; `runner` spreads shards over the workers of a
cluster. Files for clusters are in `clusters/`: `kuberay.yaml` for Kubernetes, `machines.yaml` for
plain machines."""

from xlmkit.distributed.runner import Run, Workers, run, start_ray, stop_ray
from xlmkit.distributed.shards import list_shards

__all__ = ["Run", "Workers", "list_shards", "run", "start_ray", "stop_ray"]
