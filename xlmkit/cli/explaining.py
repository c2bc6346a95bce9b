"""`xlmkit explain`: what each word adds to a label."""

from __future__ import annotations

import argparse

import xlmkit
from xlmkit.cli.command import Command
from xlmkit.cli.options import add_model, add_output, add_pairs, add_ray
from xlmkit.cli.reading import load, read
from xlmkit.cli.sharding import run_in_shards, say_refused
from xlmkit.cli.speaking import progress
from xlmkit.cli.writing import check_out, kind, write


def _options(command: argparse.ArgumentParser) -> None:
    add_pairs(command)
    command.add_argument(
        "--method",
        default="integrated_gradients",
        help="integrated_gradients (default), gradient_shap, saliency, input_x_gradient, occlusion, kernel_shap, lime, attention_rollout or random",
    )
    command.add_argument("--target", default="predicted", help="predicted (default), gold, or a label's name")
    command.add_argument(
        "--contrast", help="why the target rather than this: gold, predicted, or a label's name"
    )
    command.add_argument(
        "--errors",
        action="store_true",
        help="only what the model gets wrong: why its label rather than the gold one",
    )
    command.add_argument("--aggregation", help="sum (signed) or l2; left out, what suits the method")
    command.add_argument(
        "--n-steps",
        type=int,
        help="number of steps (path methods only); default: increased until the completeness gate passes",
    )
    command.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="JSONL file to which results are appended; the same command resumes from it",
    )
    add_model(command)
    add_output(command, "jsonl", "html")
    add_ray(command)


def _run(chosen: argparse.Namespace) -> int:
    options = {
        "method": chosen.method,
        "target": chosen.target,
        "contrast": chosen.contrast,
        "n_steps": chosen.n_steps,
        "aggregation": chosen.aggregation,
        "checkpoint": chosen.checkpoint,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if chosen.ray is not None:
        return say_refused(run_in_shards(chosen, "explain", errors=chosen.errors, **given), chosen)
    check_out(chosen)
    nli = load(chosen)
    pairs = read(chosen, nli.labels)
    run = xlmkit.explain_errors if chosen.errors else xlmkit.explain
    found = run(nli, pairs, progress=progress(chosen), **given)
    if chosen.errors and not found:
        raise ValueError(
            f"expected pairs that the model gets wrong; got {len(pairs)}, all predicted right; remedy: leave `--errors` out"
        )
    if kind(chosen) in (".jsonl", ".html"):
        write(found, chosen)
        return 0
    import pandas as pd

    write(pd.concat([explanation.to_frame() for explanation in found], ignore_index=True), chosen)
    return 0


EXPLAIN = Command(
    "explain",
    "say what each word adds to a label",
    """
  xlmkit explain --premise "Il dort." --hypothesis "Il est éveillé." --language fr --out explanation.html
  xlmkit explain predictions.csv --method occlusion --target gold --out explanations.jsonl
  xlmkit explain workshop --items negation-03 --to csv > tokens.csv
  xlmkit explain shards/ --errors --out explanations/ --ray auto""",
    _options,
    _run,
)
