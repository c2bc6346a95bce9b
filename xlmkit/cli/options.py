"""The parser: the commands, their options and their help. It loads nothing heavy."""

from __future__ import annotations

import argparse
from dataclasses import fields

import xlmkit
from xlmkit.training import TrainingConfig

PAIRS = (
    "a .tsv, .csv, .jsonl or .parquet file, `workshop`, `xnli/dev`, `xnli/test`, or `-` for standard input"
)
EXIT_CODES = "exit codes: 0 success, 1 doctor found a problem or --ray refused rows, 2 the input or the command is wrong, 130 interrupted"
PROBES = {
    "language_id_matrix": "every language with every language id",
    "mixed_language_grid": "premise and hypothesis in all combinations of languages",
    "ablation": "the seven known mistakes, one at a time",
    "retrieval": "translations retrieved by the states of each layer",
    "language_cosines": "cosines between the language embeddings (takes no pairs)",
}
METHODS = "integrated_gradients, gradient_shap, saliency, input_x_gradient, occlusion, kernel_shap, lime, attention_rollout or random"
ABOUT = {
    "predict": "predict entailment, neutral or contradiction for pairs",
    "explain": "compute what each word adds to a label",
    "evaluate": "compute accuracy by language or another column, with 95 %% intervals",
    "probe": "measure what the language id does, and what known mistakes of feeding the model cost",
    "finetune": "fine-tune a head and the network under it; the same command resumes a stopped run",
    "convert": "convert a .pth file of XLM's authors to a folder",
    "doctor": "report problems of this machine and their fixes",
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
  xlmkit evaluate --predictions after.parquet --report errors.html --dev dev.parquet --others before.parquet""",
    "probe": """
  xlmkit probe language_id_matrix workshop --languages en,sw,ur --limit 20
  xlmkit probe ablation xnli/test --model my-model --limit 500 --out mistakes.csv
  xlmkit probe language_cosines""",
    "finetune": """
  xlmkit finetune --model FacebookAI/xlm-mlm-tlm-xnli15-1024 --train multinli.train.en.tsv --languages en --dev xnli/dev --out my-model
  xlmkit finetune --model my-model --train topics.train.jsonl --dev topics.dev.jsonl --out topics --learning-rate 1e-5 --seeds 3
  torchrun --nproc-per-node 4 -m xlmkit finetune --model my-model --train pairs.tsv --dev xnli/dev --out more --per-device-train-batch-size 4""",
    "convert": """
  xlmkit convert mlm_xnli15_1024.pth my-model
  xlmkit convert mlm_tlm_xnli15_1024.pth my-model --codes codes_xnli_15""",
    "doctor": """
  xlmkit doctor
  xlmkit doctor --model my-model --device cpu""",
}


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; the help of each ends with examples."""
    top = argparse.ArgumentParser(
        prog="xlmkit",
        description="Cross-lingual natural language inference with XLM in 15 languages.",
        epilog=EXIT_CODES,
    )
    top.add_argument("--version", action="version", version=f"xlmkit {xlmkit.__version__}")
    subparsers = top.add_subparsers(title="commands", required=True, metavar="command")
    for name, about in ABOUT.items():
        command = subparsers.add_parser(
            name,
            help=about,
            description=f"{about[0].upper()}{about[1:]}.".replace("%%", "%"),
            epilog=f"examples:{EXAMPLES[name]}\n\n{EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(command=name)
        command.add_argument("--quiet", action="store_true", help="show no progress bar and no notices")
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        OPTIONS[name](command)
    return top


def _predict(command: argparse.ArgumentParser) -> None:
    _add_pairs(command)
    _add_model(command)
    _add_output(command, "csv")
    _add_ray(command)


def _explain(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    _add_pairs(command)
    add("--method", default="integrated_gradients", help=f"{METHODS} (default: integrated_gradients)")
    add("--target", default="predicted", help="predicted (default), gold, or the name of a label")
    add("--contrast", help="explain the target in contrast to this label: gold, predicted, or a name")
    add("--errors", action="store_true", help="explain wrong predictions only, in contrast to gold")
    add("--aggregation", help="sum (signed) or l2 (default: depends on the method)")
    add("--n-steps", type=positive, help="steps (path methods only; default: until scores add up)")
    add("--checkpoint", metavar="FILE", help="save results here every few pairs; the same command resumes")
    _add_model(command)
    _add_output(command, "jsonl", "html")
    _add_ray(command)


def _evaluate(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    _add_pairs(command)
    add("--predictions", metavar="FILE", help="evaluate a file that `predict` wrote, instead of pairs")
    add("--by", default="language", metavar="COLUMN", help="for example phenomenon (default: language)")
    _add_model(command)
    _add_output(command, "text")
    _add_ray(command)
    add = command.add_argument_group("report").add_argument
    add("--report", metavar="FILE", help="write an .html page with all numbers by language, and figures")
    add("--dev", metavar="FILE", help="predictions of the same model on which temperatures are fitted")
    add(
        "--others",
        nargs="+",
        default=(),
        metavar="FILE",
        help="predictions of the same pairs by other models",
    )


def _probe(command: argparse.ArgumentParser) -> None:
    about = "; ".join(f"{name}: {probe}" for name, probe in PROBES.items())
    command.add_argument("probe", choices=PROBES, metavar="probe", help=about)
    _add_pairs(command)
    _add_model(command)
    _add_output(command, "text")


def _finetune(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("model and data").add_argument
    add("--model", required=True, metavar="FOLDER|NAME", help="a checkpoint, with or without a head")
    for name in ("train", "dev"):
        add(
            f"--{name}",
            required=True,
            nargs="+",
            metavar="FILE",
            help="labelled files of any kind, or `xnli/dev`",
        )
    add("--out", required=True, metavar="FOLDER", help="new folder of the result, or that of a run to resume")
    add("--languages", type=comma_separated, metavar="CODES", help="keep only these training rows: en,fr")
    add("--seeds", type=positive, metavar="N", help="run N times, in OUT/seed-0 ...: mean and deviation")
    add(
        "--country",
        default="WLD",
        help="country whose electricity is used (ISO 3166-1 alpha-3; default: WLD)",
    )
    add = command.add_argument_group("settings").add_argument
    types = {"int": int, "float": float, "str": str}
    for setting in fields(TrainingConfig):
        about, flag = setting.metadata.get("help", ""), f"--{setting.name.replace('_', '-')}"
        if setting.type == "bool" and setting.name != "progress":
            add(flag, action="store_true", help=about)
        elif about and setting.name != "progress":
            default = "" if setting.default is None else f" (default: {setting.default})"
            kind = types[str(setting.type).split(" ")[0]]
            add(flag, type=kind, default=setting.default, metavar="X", help=f"{about}{default}")


def _convert(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("source", metavar="FILE", help="the .pth file, as published or as XLM's training script saved it")
    add("folder", metavar="FOLDER", help="the new folder, for `--model`")
    add("--codes", metavar="FILE", help="its BPE codes (default: `codes_xnli_15` in the same folder)")


def _add_pairs(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("pairs").add_argument
    add("pairs", nargs="?", help=PAIRS)
    add("--data", metavar="PAIRS", help="the same, as an option")
    add(
        "--format",
        choices=("jsonl", "tsv", "csv"),
        default="jsonl",
        help="of standard input (default: jsonl)",
    )
    add("--languages", type=comma_separated, metavar="CODES", help="keep only these: en,fr")
    add("--phenomena", type=comma_separated, metavar="NAMES", help="keep only these: negation,time")
    add("--items", type=comma_separated, metavar="NAMES", help="keep only these: negation-03")
    add("--limit", type=positive, metavar="N", help="read at most N pairs of each language")
    add("--premise", help="the premise of a single pair")
    add("--hypothesis", help="its hypothesis")
    add("--text", help="a single text, for a model that classifies texts")
    add("--language", metavar="CODE", help="language of the single pair or text (default: en)")
    add("--hypothesis-language", metavar="CODE", help="language of the hypothesis, if it is another")


def _add_model(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("model").add_argument
    add("--model", metavar="FOLDER|NAME", help="a folder or a Hub name (default: the bundled model)")
    add("--device", default="auto", help="auto (default), cpu, mps, cuda, cuda:1")
    add("--dtype", default="auto", help="precision of predictions: auto (default), float32, bfloat16")
    add(
        "--allow-untrained",
        action="store_true",
        help="load a model without a trained head; its labels mean nothing",
    )


def _add_output(command: argparse.ArgumentParser, default: str, *more: str) -> None:
    add = command.add_argument_group("output").add_argument
    extensions = tuple(f".{name}" for name in ("csv", "tsv", "jsonl", "parquet", *more))
    command.set_defaults(extensions=extensions)
    add("--out", metavar="FILE", help=f"{', '.join(extensions)}: the extension decides")
    forms = ("csv", "tsv", "jsonl", "text") if default == "text" else ("csv", "tsv", "jsonl")
    add("--to", choices=forms, default=default, help=f"form of standard output (default: {default})")


def _add_ray(command: argparse.ArgumentParser) -> None:
    add = command.add_argument_group("beyond one machine").add_argument
    add(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="compute with many workers, on this machine or, with `auto` or host:port, on a Ray cluster; reads a .jsonl "
        "or .parquet file, a folder or a quoted pattern of them in shards, writes shards to the folder `--out`, and resumes",
    )
    add("--workers", type=positive, metavar="N", help="at most N (default: one per GPU or processor)")
    add("--shard-rows", type=positive, metavar="N", help="rows of a shard (default: by the task)")


OPTIONS = {
    "predict": _predict,
    "explain": _explain,
    "evaluate": _evaluate,
    "probe": _probe,
    "finetune": _finetune,
    "convert": _convert,
    "doctor": _add_model,
}


def comma_separated(text: str) -> list[str]:
    """The names between commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def positive(text: str) -> int:
    """An integer of at least 1.

    Raises
    ------
    argparse.ArgumentTypeError : if it is not one."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1; got {text!r}")
    return int(text)
