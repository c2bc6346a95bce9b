"""Beyond one machine: `predict`, `explain` and `evaluate` over millions of pairs, on every processor or GPU of a Ray cluster.

`parts` cuts a source into runs of rows, `reading` reads one and sorts out its poisoned rows, `work` computes it, `folder` keeps it whole or not
at all, `cluster` spreads parts over workers (the only module that knows Ray), `running` is the whole. Files for clusters lie in `clusters/`:
`kuberay.yaml` for Kubernetes, `machines.yaml` for plain machines."""

from xlmkit.distributed.cluster import Workers, start, stop
from xlmkit.distributed.parts import parts_of
from xlmkit.distributed.running import Run, evaluate, explain, judged, predict

__all__ = ["Run", "Workers", "evaluate", "explain", "judged", "parts_of", "predict", "start", "stop"]
