"""The parser of all commands."""

from __future__ import annotations

import argparse
from typing import Any

import xlmkit
from xlmkit.cli.checking import run_check_pairs, run_doctor
from xlmkit.cli.converting import run_convert
from xlmkit.cli.evaluating import run_evaluate
from xlmkit.cli.explaining import run_explain
from xlmkit.cli.finetuning import add_training, run_finetune
from xlmkit.cli.options import add_model, add_output, add_pairs, add_ray
from xlmkit.cli.predicting import run_predict
from xlmkit.cli.probing import PROBES, run_probe

EXIT = "exit codes: 0 all is well, 1 doctor or check-pairs found a fault or --ray refused rows, 2 the input or the command is at fault, 130 interrupted"


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


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; each one's help ends with examples."""
    top = argparse.ArgumentParser(
        prog="xlmkit",
        description="Cross-lingual natural language inference with XLM in 15 languages.",
        epilog=EXIT,
    )
    top.add_argument("--version", action="version", version=f"xlmkit {xlmkit.__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="command")

    predict = _command(
        commands, "predict", "label pairs as entailment, neutral or contradiction", run_predict
    )
    add_pairs(predict)
    add_model(predict)
    add_output(predict, "csv")
    add_ray(predict)

    explain = _command(commands, "explain", "say what each word adds to a label", run_explain)
    add_pairs(explain)
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
    add_model(explain)
    add_output(explain, "jsonl", "html")
    add_ray(explain)

    evaluate = _command(
        commands, "evaluate", "accuracy by language or another column, with 95 %% intervals", run_evaluate
    )
    add_pairs(evaluate)
    evaluate.add_argument(
        "--predictions", metavar="FILE", help="a file that `predict` wrote, instead of pairs"
    )
    evaluate.add_argument(
        "--by", default="language", metavar="COLUMN", help="as `phenomenon` (default: language)"
    )
    add_model(evaluate)
    add_output(evaluate, "text")
    add_ray(evaluate)
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
        commands, "probe", "what the language id does, and what feeding the model wrongly costs", run_probe
    )
    probe.add_argument(
        "probe", choices=PROBES, help="; ".join(f"{name}: {about}" for name, about in PROBES.items())
    )
    add_pairs(probe)
    add_model(probe)
    add_output(probe, "text")

    check = _command(
        commands, "check-pairs", "list every fault of pairs in the workshop's format", run_check_pairs
    )
    check.add_argument(
        "files", nargs="+", metavar="FILE", help=".jsonl files, one a language, as in `data/workshop/`"
    )
    check.add_argument("--language", metavar="CODE", help="of the files, where their names do not end in one")

    finetune = _command(
        commands,
        "finetune",
        "train a head and the network under it; the same command goes on after a stop",
        run_finetune,
    )
    add_training(finetune)

    convert = _command(commands, "convert", "make a folder of a .pth of XLM's authors", run_convert)
    convert.add_argument(
        "source", metavar="FILE", help="the .pth file, as published or as their trainer saved it"
    )
    convert.add_argument("folder", metavar="FOLDER", help="the new folder, for `--model`")
    convert.add_argument("--codes", metavar="FILE", help="its BPE codes (default: `codes_xnli_15` beside it)")

    doctor = _command(commands, "doctor", "say what is wrong with this machine, and the fix", run_doctor)
    add_model(doctor)
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
