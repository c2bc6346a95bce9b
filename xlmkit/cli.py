"""The command line: `xlmkit predict`, `explain`, `evaluate`, `check-pairs`, `doctor`.

Results go to standard output or to the file named by `--out`; progress, notices and errors go to standard error, so that pipes stay clean.
Exit codes: 0 all is well; 1 `doctor` or `check-pairs` found a fault, or `--ray` refused rows; 2 the input or the command is at fault (one sentence says how); 130 interrupted."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xlmkit
from xlmkit.notices import Notice

if TYPE_CHECKING:
    import pandas as pd

    from xlmkit.checkpoint import NLIModel

EXIT = "exit codes: 0 all is well, 1 doctor or check-pairs found a fault or --ray refused rows, 2 the input or the command is at fault, 130 interrupted"
FAULTS = (
    ValueError,
    OSError,
    MemoryError,
    ImportError,
    NotImplementedError,
)  # met with one sentence; a bug keeps its traceback
PAIRS = (
    "a .tsv, .csv, .jsonl or .parquet file, `workshop`, `xnli/dev`, `xnli/test`, or `-` for standard input"
)

PROBES = {
    "swap": "every language under every id",
    "grid": "premise and hypothesis in all mixtures of languages",
    "ablation": "the seven traps, one at a time",
    "retrieval": "translations found by layer",
    "geometry": "cosines between the language embeddings (takes no pairs)",
}

EXAMPLES = {
    "predict": """
  xlmkit predict --premise "A dog sleeps." --hypothesis "An animal sleeps." --language en
  xlmkit predict workshop --languages fr,sw --out predictions.parquet
  xlmkit predict - --format tsv < pairs.tsv > predictions.csv
  xlmkit predict xnli/test --model my-model --limit 100 --to jsonl | head -1
  xlmkit predict shards/ --out predictions/ --ray
  xlmkit predict "shards/*.jsonl" --out /shared/predictions --model /shared/my-model --ray auto""",
    "explain": """
  xlmkit explain --premise "Il dort." --hypothesis "Il est éveillé." --language fr --out explanation.html
  xlmkit explain predictions.csv --method occlusion --target gold --out explanations.jsonl
  xlmkit explain workshop --items negation-03 --to csv > tokens.csv
  xlmkit explain shards/ --errors --out explanations/ --ray auto""",
    "evaluate": """
  xlmkit evaluate workshop --languages en,fr,sw
  xlmkit evaluate workshop --by phenomenon
  xlmkit evaluate xnli/test --model my-model --out accuracy.csv --report errors.html
  xlmkit evaluate --predictions after.parquet --report errors.html --dev dev.parquet --beside before.parquet""",
    "probe": """
  xlmkit probe swap workshop --languages en,sw,ur --limit 20
  xlmkit probe ablation xnli/test --model my-model --limit 500 --out traps.csv
  xlmkit probe geometry""",
    "check-pairs": """
  xlmkit check-pairs my-pairs-sw.jsonl
  xlmkit check-pairs data/workshop/en.jsonl data/workshop/fr.jsonl
  xlmkit check-pairs additions.jsonl --language ur""",
    "finetune": """
  xlmkit finetune --model FacebookAI/xlm-mlm-tlm-xnli15-1024 --train multinli.train.en.tsv --languages en --dev xnli/dev --out my-model
  xlmkit finetune --model my-model --train topics.train.jsonl --dev topics.dev.jsonl --out topics --learning-rate 1e-5 --seeds 3
  torchrun --nproc-per-node 4 -m xlmkit finetune --model my-model --train pairs.tsv --dev xnli/dev --out more --batch-size 4""",
    "convert": """
  xlmkit convert mlm_xnli15_1024.pth my-model
  xlmkit convert mlm_tlm_xnli15_1024.pth my-model --codes codes_xnli_15""",
    "doctor": """
  xlmkit doctor
  xlmkit doctor --model my-model --device cpu""",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; `arguments` are those of the process where None.

    Returns
    -------
    The exit code. Wrong usage raises SystemExit(2), as argparse does."""
    chosen = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        with _notices_on_stderr(silent=chosen.quiet or not _speaks()):
            code: int = chosen.run(_sourced(chosen))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, `head` say, has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("xlmkit: interrupted", file=sys.stderr)
        return 130
    except FAULTS as error:
        if chosen.debug:
            raise
        print(f"xlmkit: {_sentence(error)}", file=sys.stderr)
        return 2


def _sourced(chosen: argparse.Namespace) -> argparse.Namespace:
    """The choices with what `--data` names in the place of the pairs."""
    data = getattr(chosen, "data", None)
    if data is None:
        return chosen
    if chosen.pairs is not None:
        raise ValueError(
            f"expected one source of pairs, got both {chosen.pairs!r} and `--data {data}`; remedy: leave one out"
        )
    return argparse.Namespace(**{**vars(chosen), "pairs": data})


def _sentence(error: Exception) -> str:
    """What an error says; of the kit's own OSErrors without "[Errno 2]"."""
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return error.strerror
    return str(error) or type(error).__name__


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each one's help ends with examples."""
    top = argparse.ArgumentParser(
        prog="xlmkit",
        description="Cross-lingual natural language inference with XLM in 15 languages.",
        epilog=EXIT,
    )
    top.add_argument("--version", action="version", version=f"xlmkit {xlmkit.__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="command")

    predict = _command(commands, "predict", "label pairs as entailment, neutral or contradiction", _predict)
    _add_pairs(predict)
    _add_model(predict)
    _add_output(predict, "csv")
    _add_ray(predict)

    explain = _command(commands, "explain", "say what each word adds to a label", _explain)
    _add_pairs(explain)
    explain.add_argument(
        "--method",
        default="integrated_gradients",
        help="integrated_gradients (default), gradient_shap, saliency, input_x_gradient, occlusion, kernel_shap, lime, attention_rollout or random",
    )
    explain.add_argument("--target", default="predicted", help="predicted (default), gold, or a label's name")
    explain.add_argument(
        "--contrast", help="why the target rather than this: gold, predicted, or a label's name"
    )
    explain.add_argument(
        "--errors",
        action="store_true",
        help="only what the model gets wrong: why its label rather than the gold one",
    )
    explain.add_argument("--aggregation", help="sum (signed) or l2; left out, what suits the method")
    explain.add_argument("--steps", type=int, help="of path methods; chosen by the error where left out")
    explain.add_argument(
        "--keep",
        metavar="FILE",
        help="what is found, every few pairs; the same command goes on where it was cut off",
    )
    _add_model(explain)
    _add_output(explain, "jsonl", "html")
    _add_ray(explain)

    evaluate = _command(
        commands, "evaluate", "accuracy by language or another column, with 95 %% intervals", _evaluate
    )
    _add_pairs(evaluate)
    evaluate.add_argument(
        "--predictions", metavar="FILE", help="a file that `predict` wrote, instead of pairs"
    )
    evaluate.add_argument(
        "--by", default="language", metavar="COLUMN", help="as `phenomenon` (default: language)"
    )
    _add_model(evaluate)
    _add_output(evaluate, "text")
    _add_ray(evaluate)
    evaluate.add_argument(
        "--report",
        metavar="FILE",
        help="an .html page of its own: every number by language, figures, findings",
    )
    evaluate.add_argument(
        "--dev",
        metavar="FILE",
        help="for the report: predictions that temperatures are fitted on (same model)",
    )
    evaluate.add_argument(
        "--beside",
        nargs="+",
        default=(),
        metavar="FILE",
        help="for the report: predictions of the same pairs by other models",
    )

    probe = _command(
        commands, "probe", "what the language id does, and what feeding the model wrongly costs", _probe
    )
    probe.add_argument(
        "probe", choices=PROBES, help="; ".join(f"{name}: {about}" for name, about in PROBES.items())
    )
    _add_pairs(probe)
    _add_model(probe)
    _add_output(probe, "text")

    check = _command(
        commands, "check-pairs", "list every fault of pairs in the workshop's format", _check_pairs
    )
    check.add_argument(
        "files", nargs="+", metavar="FILE", help=".jsonl files, one a language, as in `data/workshop/`"
    )
    check.add_argument("--language", metavar="CODE", help="of the files, where their names do not end in one")

    finetune = _command(
        commands,
        "finetune",
        "train a head and the network under it; the same command goes on after a stop",
        _finetune,
    )
    _add_training(finetune)

    convert = _command(commands, "convert", "make a folder of a .pth of XLM's authors", _convert)
    convert.add_argument(
        "source", metavar="FILE", help="the .pth file, as published or as their trainer saved it"
    )
    convert.add_argument("folder", metavar="FOLDER", help="the new folder, for `--model`")
    convert.add_argument("--codes", metavar="FILE", help="its BPE codes (default: `codes_xnli_15` beside it)")

    doctor = _command(commands, "doctor", "say what is wrong with this machine, and the fix", _doctor)
    _add_model(doctor)
    return top


def _command(commands: Any, name: str, about: str, run: Any) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.".replace("%%", "%"),
        epilog=f"examples:{EXAMPLES[name]}\n\n{EXIT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.add_argument("--quiet", action="store_true", help="no progress bar and no notices")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return command


def _add_pairs(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("what is read")
    group.add_argument("pairs", nargs="?", help=PAIRS)
    group.add_argument("--data", metavar="PAIRS", help="the same, by a name")
    group.add_argument(
        "--format",
        choices=("jsonl", "tsv", "csv"),
        default="jsonl",
        help="of standard input (default: jsonl)",
    )
    group.add_argument("--languages", type=_codes, metavar="CODES", help="keep only these, as in `en,fr`")
    group.add_argument(
        "--phenomena", type=_codes, metavar="NAMES", help="keep only these, as in `negation,time`"
    )
    group.add_argument("--items", type=_codes, metavar="NAMES", help="keep only these, as in `negation-03`")
    group.add_argument("--limit", type=_positive, metavar="N", help="read at most N pairs of each language")
    group.add_argument("--premise", help="one pair, given here: its premise")
    group.add_argument("--hypothesis", help="its hypothesis")
    group.add_argument("--text", help="or one text, for a model that classifies single texts")
    group.add_argument("--language", metavar="CODE", help="its language (default: en)")
    group.add_argument("--hypothesis-language", metavar="CODE", help="where the hypothesis has another one")


def _add_model(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("the model")
    group.add_argument(
        "--model", metavar="FOLDER|NAME", help="a folder or a Hub name (default: the embedded model)"
    )
    group.add_argument("--device", default="auto", help="auto (default), cpu, mps, cuda, cuda:1")
    group.add_argument("--dtype", default="auto", help="of predictions: auto (default), float32, bfloat16")
    group.add_argument(
        "--allow-untrained",
        action="store_true",
        help="load a model without an NLI head; its labels mean nothing",
    )


def _add_output(command: argparse.ArgumentParser, default: str, *further: str) -> None:
    group = command.add_argument_group("what is written")
    extensions = tuple(f".{name}" for name in ("csv", "tsv", "jsonl", "parquet", *further))
    command.set_defaults(extensions=extensions)
    group.add_argument("--out", metavar="FILE", help=f"{', '.join(extensions)}: the extension decides")
    forms = ("csv", "tsv", "jsonl", "text") if default == "text" else ("csv", "tsv", "jsonl")
    group.add_argument(
        "--to", choices=forms, default=default, help=f"on standard output (default: {default})"
    )


def _add_ray(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("beyond one machine")
    group.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="many workers, started on this machine or, with `auto` or host:port, those of a Ray cluster; reads a .jsonl or .parquet file, a folder or "
        "a quoted pattern of them part by part, writes shards to the folder that `--out` names, and goes on where it was cut off",
    )
    group.add_argument(
        "--workers", type=_positive, metavar="N", help="at most N (default: one a GPU, or else a processor)"
    )
    group.add_argument(
        "--shard-rows", type=_positive, metavar="N", help="rows of a shard (default: by the task)"
    )


# The options of `finetune`, by the fields of TrainingConfig: type, and what the help says. What is left out keeps the default of the field.
TRAINING: dict[str, tuple[Any, str]] = {
    "learning_rate": (float, "of Adam (default: 5e-6, which suits the published checkpoints)"),
    "batch_size": (int, "rows computed at once (default: 16)"),
    "accumulation": (int, "batches in a step (default: 1)"),
    "epochs": (float, "passes over the training rows (default: 3)"),
    "schedule": (str, "constant (default) or linear, down to zero"),
    "warmup": (float, "share of the steps in which the rate rises (default: 0)"),
    "dropout": (float, "probability (default: 0.1)"),
    "max_tokens": (int, "of the longest input; longer ones are cut (default: 256)"),
    "weight_decay": (float, "of AdamW (default: 0)"),
    "label_smoothing": (float, "share of weight spread over all labels (default: 0)"),
    "soft_targets": (
        float,
        "weight of the columns p_<label> of the training rows against the label (default: 0)",
    ),
    "max_gradient_norm": (float, "shorten longer gradients to this (default: never)"),
    "precision": (str, "auto (default: bf16 on CUDA that has it), fp32 or bf16"),
    "evaluate_every": (int, "training rows between evaluations (default: once an epoch)"),
    "checkpoint_minutes": (float, "between saved states (default: 10)"),
    "select_on": (str, "dev rows that choose the weights: a language (default: en) or all"),
    "seed": (int, "of head, order and dropout (default: 0)"),
    "stored": (str, "precision of the weights in the result: float32 (default), float16, bfloat16"),
    "country": (str, "whose electricity is counted, ISO 3166-1 alpha-3 (default: WLD, the world)"),
}


def _add_training(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("model and data")
    group.add_argument("--model", required=True, metavar="FOLDER|NAME", help="with a head or without one")
    for name in ("train", "dev"):
        group.add_argument(
            f"--{name}",
            required=True,
            nargs="+",
            metavar="FILE",
            help="labelled: .tsv, .csv, .jsonl or .parquet files, or `xnli/dev`",
        )
    group.add_argument(
        "--out", required=True, metavar="FOLDER", help="of the result; new, or of a run to go on with"
    )
    group.add_argument(
        "--languages", type=_codes, metavar="CODES", help="keep only these training rows, as in `en,fr`"
    )
    group.add_argument(
        "--seeds", type=_positive, metavar="N", help="N runs, in OUT/seed-0 ...: mean and deviation"
    )
    group = command.add_argument_group("training")
    for name, (kind, about) in TRAINING.items():
        flag = f"--{name.replace('_', '-')}"
        group.add_argument(flag, type=kind, metavar="X", default=argparse.SUPPRESS, help=about)
    group.add_argument("--gradient-checkpointing", action="store_true", help="less memory, a third more time")


def _predict(chosen: argparse.Namespace) -> int:
    if chosen.ray is not None:
        return _in_shards(chosen, "predict")
    _check_out(chosen)
    nli = _load(chosen)
    result = xlmkit.predict(nli, _read(chosen, nli.labels), progress=_progress(chosen))
    _write(result, chosen)
    return 0


def _explain(chosen: argparse.Namespace) -> int:
    options = {
        "method": chosen.method,
        "target": chosen.target,
        "contrast": chosen.contrast,
        "steps": chosen.steps,
        "aggregation": chosen.aggregation,
        "keep": chosen.keep,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if chosen.ray is not None:
        return _in_shards(chosen, "explain", errors=chosen.errors, **given)
    _check_out(chosen)
    nli = _load(chosen)
    pairs = _read(chosen, nli.labels)
    run = xlmkit.explain_errors if chosen.errors else xlmkit.explain
    found = run(nli, pairs, progress=_progress(chosen), **given)
    if chosen.errors and not found:
        raise ValueError(
            f"expected pairs that the model gets wrong; got {len(pairs)}, all predicted right; remedy: leave `--errors` out"
        )
    if _kind(chosen) in (".jsonl", ".html"):
        _write(found, chosen)
        return 0
    import pandas as pd

    _write(pd.concat([explanation.to_frame() for explanation in found], ignore_index=True), chosen)
    return 0


def _evaluate(chosen: argparse.Namespace) -> int:
    _check_report(chosen)
    if chosen.ray is not None and chosen.predictions is not None:
        raise ValueError(
            "`--ray` predicts, and `--predictions` names what is predicted; remedy: leave one out"
        )
    if chosen.ray is not None:
        return _in_shards(chosen, "evaluate")
    _check_out(chosen)
    if chosen.predictions is None:
        nli = _load(chosen)
        predictions = xlmkit.predict(nli, _read(chosen, nli.labels), progress=_progress(chosen))
    elif chosen.pairs or chosen.premise or chosen.hypothesis or chosen.text:
        raise ValueError("expected pairs or `--predictions`, got both; remedy: leave one out")
    else:
        predictions = _predictions(chosen.predictions)
    _write(xlmkit.evaluate(predictions, by=chosen.by), chosen)
    if chosen.report is not None:
        _report(predictions, chosen)
    return 0


def _in_shards(chosen: argparse.Namespace, command: str, **options: Any) -> int:
    """A command with `--ray`: shards in a folder, what was refused on standard error, and of `evaluate` the table on standard output."""
    if chosen.out is None:
        raise ValueError("`--ray` writes a folder of shards; remedy: name it with `--out`")
    if chosen.ray != "local" and Path(chosen.ray).exists():
        raise ValueError(
            f"expected an address after `--ray`, got the file {chosen.ray!r}; remedy: pairs first, then the options"
        )
    from xlmkit import distributed

    loading = {"device": chosen.device, "dtype": chosen.dtype, "allow_untrained": chosen.allow_untrained}
    run = (distributed.explain if command == "explain" else distributed.predict)(
        _shards(chosen),
        chosen.out,
        model=chosen.model,
        on=distributed.Workers(chosen.ray, chosen.workers),
        shard_rows=chosen.shard_rows,
        progress=_progress(chosen),
        **loading,
        **options,
    )
    if command == "evaluate":
        out, chosen.out = (
            chosen.out,
            None,
        )  # which names the folder of the shards; the table goes to standard output
        _write(distributed.judged(run, chosen.by), chosen)
        chosen.out = out
        if chosen.report is not None:
            _report(run.results(), chosen)
    if not chosen.quiet:
        for row in run.refused.head(20).itertuples():
            print(f"refused: {row.file}, row {row.row}: {row.what}", file=sys.stderr)
        print(f"{run}; {chosen.out}", file=sys.stderr)
    return 1 if len(run.refused) else 0


def _shards(chosen: argparse.Namespace) -> Any:
    """What is read part by part, as it stands; all else is read here, as without `--ray`."""
    from xlmkit.distributed.parts import SUFFIXES

    choosing = [
        name for name in ("languages", "phenomena", "items", "limit") if getattr(chosen, name) is not None
    ]
    given = chosen.premise or chosen.hypothesis or chosen.text
    source = chosen.pairs or ""
    folder = Path(source).is_dir() and any(path.suffix.lower() in SUFFIXES for path in Path(source).iterdir())
    if source and not given and not choosing and (folder or source.lower().endswith(SUFFIXES)):
        return source
    return _read(chosen, None)


def _report(predictions: pd.DataFrame, chosen: argparse.Namespace) -> None:
    os.environ.setdefault("MPLBACKEND", "agg")  # figures go into the page; no window is wanted
    from xlmkit.report import analyse, page
    from xlmkit.results import atomic_write

    found = page(
        analyse(
            predictions,
            dev=None if chosen.dev is None else _predictions(chosen.dev),
            beside={Path(name).stem: _predictions(name) for name in chosen.beside},
            progress=_progress(chosen),
        )
    )
    with atomic_write(chosen.report) as file:
        file.write(found)
    if not chosen.quiet:
        print(f"wrote {chosen.report}", file=sys.stderr)


def _probe(chosen: argparse.Namespace) -> int:
    _check_out(chosen)
    from xlmkit import probes

    nli = _load(chosen)
    if chosen.probe == "geometry":
        found = probes.geometry(nli).reset_index()
    else:
        found = getattr(probes, chosen.probe)(nli, _read(chosen, nli.labels), progress=_progress(chosen))
    _write(found, chosen)
    return 0


def _predictions(file: str) -> pd.DataFrame:
    """What `predict` wrote to a file.

    Raises
    ------
    ValueError : if it holds explanations, or has no labels."""
    found = xlmkit.read_results(file)
    if "label" not in found:
        raise ValueError(
            f"expected predictions in {file!r}, got none; remedy: `xlmkit predict ... --out {file}`"
        )
    return found


def _finetune(chosen: argparse.Namespace) -> int:
    from xlmkit import training

    config = training.TrainingConfig(
        model=chosen.model,
        train=chosen.train,
        dev=chosen.dev,
        out=chosen.out,
        languages=chosen.languages,
        gradient_checkpointing=chosen.gradient_checkpointing,
        progress=_progress(chosen),
        **{name: getattr(chosen, name) for name in TRAINING if name in chosen},
    )
    if chosen.seeds is None:
        found = training.finetune(config).by_language
    else:
        found = training.finetune_seeds(config, range(chosen.seeds))
    if _speaks():
        print(found.to_string(index=False, float_format="{:.3f}".format))
    return 0


def _speaks() -> bool:
    """Whether this process is the first, or the only one, of those that torchrun or accelerate started."""
    return os.environ.get("RANK", "0") == "0"


def _convert(chosen: argparse.Namespace) -> int:
    from xlmkit.checkpoint.authors import convert

    folder = convert(chosen.source, chosen.folder, codes=chosen.codes)
    if not chosen.quiet:
        print(f"wrote {folder}", file=sys.stderr)
    return 0


def _doctor(chosen: argparse.Namespace) -> int:
    from xlmkit import doctor

    checks = doctor.diagnose(chosen.model, device=chosen.device)
    print(doctor.report(checks))
    return 0 if all(check.ok for check in checks) else 1


def _check_pairs(chosen: argparse.Namespace) -> int:
    from xlmkit.pairs.workshop import check_files

    findings = check_files(chosen.files, language=chosen.language)
    for finding in findings:
        print(finding)
    if not chosen.quiet:
        faults = f"{len(findings)} fault{'' if len(findings) == 1 else 's'}" if findings else "no faults"
        print(f"{faults} in {', '.join(chosen.files)}", file=sys.stderr)
    return 1 if findings else 0


def _check_out(chosen: argparse.Namespace) -> None:
    """Refuse a file that could not be written before anything is computed for it, which may take hours."""
    if chosen.out is None:
        return
    from xlmkit.results import check_place

    if _kind(chosen) not in chosen.extensions:
        raise ValueError(
            f"expected `--out` to end in {', '.join(chosen.extensions)}; got {chosen.out!r}; remedy: one of these extensions"
        )
    check_place(chosen.out)


def _check_report(chosen: argparse.Namespace) -> None:
    """The same for a report."""
    if chosen.report is None:
        if chosen.dev or chosen.beside:
            raise ValueError("`--dev` and `--beside` are for the report; remedy: add `--report FILE.html`")
        return
    from xlmkit.results import check_place

    names = [Path(name).stem for name in chosen.beside]
    if len(set(names)) < len(names):
        raise ValueError(f"expected `--beside` files with different names, got {names!r}; remedy: rename one")

    if Path(chosen.report).suffix.lower() not in (".html", ".htm"):
        raise ValueError(
            f"expected `--report` to end in .html; got {chosen.report!r}; remedy: that extension"
        )
    check_place(chosen.report)


def _kind(chosen: argparse.Namespace) -> str:
    """The extension of what is written, in small letters."""
    return f".{chosen.to}" if chosen.out is None else Path(chosen.out).suffix.lower()


def _read(chosen: argparse.Namespace, labels: Sequence[str] | None) -> pd.DataFrame:
    """The pairs, or texts, that the command names: a source, standard input, or one in the command itself; `labels` are the model's, None for any."""
    options = {name: getattr(chosen, name) for name in ("languages", "phenomena", "items", "limit")}
    if any(given is not None for given in (chosen.premise, chosen.hypothesis, chosen.text)):
        if idle := [f"`--{name}`" for name, value in options.items() if value is not None]:
            raise ValueError(
                f"expected one pair, or text, as it is given; got {', '.join(idle)} too, which choose among pairs read; remedy: leave them out"
            )
        return _single(chosen)
    if chosen.language or chosen.hypothesis_language:
        raise ValueError(
            "`--language` goes with `--premise` and `--hypothesis`, or `--text`; remedy: `--languages` chooses among pairs read"
        )
    if chosen.pairs is None:
        raise ValueError(
            f"expected pairs, got none; remedy: name {PAIRS}, or give `--premise` and `--hypothesis`"
        )
    if chosen.pairs != "-":
        return xlmkit.read_pairs(chosen.pairs, labels=labels, **options)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"standard-input.{chosen.format}")
        file.write_bytes(sys.stdin.buffer.read())
        try:
            return xlmkit.read_pairs(file, labels=labels, **options)
        except ValueError as error:
            raise ValueError(
                str(error).replace(str(file), "standard input").replace(file.name, "standard input")
            ) from error


def _single(chosen: argparse.Namespace) -> pd.DataFrame:
    import pandas as pd

    given = "--premise" if chosen.text is None else "--text"
    if chosen.pairs is not None:
        raise ValueError(
            f"expected one pair or a source of pairs, got both (`{given}` and {chosen.pairs!r}); remedy: leave one out"
        )
    if chosen.text is not None:
        return _single_text(chosen)
    if chosen.premise is None or chosen.hypothesis is None:
        missing = "--premise" if chosen.premise is None else "--hypothesis"
        raise ValueError(f"`--premise` and `--hypothesis` go together; `{missing}` is missing")
    language = chosen.language or "en"
    row = {"pair_id": "1", "premise": chosen.premise, "hypothesis": chosen.hypothesis}
    if chosen.hypothesis_language is None:
        row["language"] = language
    else:
        row |= {"premise_language": language, "hypothesis_language": chosen.hypothesis_language}
    return pd.DataFrame([row], dtype=object)  # pandas' type for text refuses what `predict` then names


def _single_text(chosen: argparse.Namespace) -> pd.DataFrame:
    import pandas as pd

    if chosen.premise is not None or chosen.hypothesis is not None or chosen.hypothesis_language is not None:
        raise ValueError(
            "`--text` is a text alone, without `--premise`, `--hypothesis` or `--hypothesis-language`; remedy: leave one out"
        )
    row = {"pair_id": "1", "text": chosen.text, "language": chosen.language or "en"}
    return pd.DataFrame([row], dtype=object)


def _load(chosen: argparse.Namespace) -> NLIModel:
    model: NLIModel = xlmkit.load(
        chosen.model, device=chosen.device, dtype=chosen.dtype, allow_untrained=chosen.allow_untrained
    )
    return model


def _progress(chosen: argparse.Namespace) -> bool:
    return not chosen.quiet and sys.stderr.isatty()


def _write(result: Any, chosen: argparse.Namespace) -> None:
    """To the file that `--out` names, else to standard output, in the same form."""
    frame = hasattr(result, "columns")
    if chosen.out is None and chosen.to == "text":
        print(result.to_string(index=False, float_format="{:.3f}".format))
    elif chosen.out is None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, f"result.{chosen.to}")
            xlmkit.save(result, file)
            sys.stdout.write(file.read_text(encoding="utf-8"))
    else:
        if _kind(chosen) == ".html":
            from xlmkit.render import page
            from xlmkit.results import atomic_write

            with atomic_write(chosen.out) as stream:
                stream.write(page(result))
        else:
            xlmkit.save(result, chosen.out)
        if not chosen.quiet:
            print(
                f"wrote {len(result)} {'rows' if frame else 'explanations'} to {chosen.out}", file=sys.stderr
            )


@contextlib.contextmanager
def _notices_on_stderr(*, silent: bool) -> Iterator[None]:
    """Show the kit's notices as one line each on standard error, or not at all."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Any, category: Any, *rest: Any, **more: Any) -> None:
            if issubclass(category, Notice):
                print(f"note: {message}", file=sys.stderr)
            else:
                usual(message, category, *rest, **more)

        warnings.simplefilter("ignore" if silent else "always", Notice)
        warnings.showwarning = show
        yield


def _codes(text: str) -> list[str]:
    return [code.strip() for code in text.split(",") if code.strip()]


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a positive whole number, got {text!r}")
    return int(text)
