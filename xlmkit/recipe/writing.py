"""The model's folder: weights in fp16, vocabulary, `xlmkit.json` and the model card."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from xlmkit.checkpoint import NLIModel
from xlmkit.languages import LANGUAGES
from xlmkit.preprocessing import VERSION
from xlmkit.recipe import vocabulary
from xlmkit.recipe.inputs import TRAINED
from xlmkit.recipe.measuring import Figures

LICENCE = "CC-BY-NC-4.0"
WHAT = "a teaching stand-in for fine-tuned XLM-15, made by `python -m xlmkit.recipe`; no figure of it says anything about the published model"


def write(
    folder: Path,
    nli: NLIModel,
    tables: tuple[dict[str, int], list[tuple[str, str]]],
    files: Mapping[str, str],
    *,
    seed: int,
    max_tokens: int,
) -> None:
    """Everything that `load` needs; `files` maps the inputs to their sha256, `max_tokens` is the longest training pair."""
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
        "max_tokens": max_tokens,
        "data": dict(files),
    }
    _write_json(folder / "xlmkit.json", content)


def describe(folder: Path, figures: Figures) -> None:
    """Add the figures to `xlmkit.json`, and write the card README.md."""
    path = folder / "xlmkit.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    _write_json(path, {**content, "figures": figures.plain()})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "README.md").write_text(card(config, content, figures), encoding="utf-8")


def card(config: Mapping[str, object], content: Mapping[str, object], figures: Figures) -> str:
    """The model card, in Markdown."""
    return CARD.format(
        layers=config["n_layers"],
        width=config["emb_dim"],
        heads=config["n_heads"],
        pieces=config["vocab_size"] if "vocab_size" in config else config["n_words"],
        seed=content["seed"],
        tokens=content["max_tokens"],
        labels=", ".join(map(str, content["labels"])),  # type: ignore[call-overload]
        table=_table(figures.accuracy),
        trained=100 * figures.dev_trained,
        stored=100 * figures.dev_stored,
        equal=100 * figures.bf16_equal,
        margin=figures.bf16_margin,
    )


def _table(accuracy: pd.DataFrame) -> str:
    rows = ["| language | training text | n | accuracy | 95 % interval |", "|---|---|---|---|---|"]
    for row in accuracy.to_dict(orient="records"):
        language = LANGUAGES.get(row["language"])
        name = language.name if language else "all rows (interval over items)"
        seen = "-" if language is None else "yes" if language.code in TRAINED else "none: zero-shot"
        share, low, high = (100 * row[column] for column in ("accuracy", "low", "high"))
        rows.append(f"| {name} | {seen} | {row['n']} | {share:.1f} | {low:.1f} to {high:.1f} |")
    return "\n".join(rows)


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


CARD = """# mini-xnli15

**A teaching stand-in.** A very small XLM that says whether a premise entails a hypothesis, is neutral to it or contradicts it, in 15 languages, so that the kit's
commands, notebooks and tests run offline at once. It is not the published XLM-15, and nothing that is measured on it is a claim about the published checkpoint.

- Architecture: `XLMForSequenceClassification`, {layers} layers, width {width}, {heads} heads, {pieces} pieces of its own, 512 positions, 15 language embeddings; weights in fp16.
- Input: the authors' `</s> premise </s> hypothesis </s>`, a language id for every token, the kit's own preprocessing. Logits: {labels}.
- Made by `python -m xlmkit.recipe` (seed {seed}): byte-pair vocabulary; word embeddings from aligned segments of all 15 languages (PPMI and SVD); attention wired by hand
  to compare the two sentences, then everything trained on pairs in ten languages, at last under noise of the size of bf16's rounding; logits softened by a constant for the same reason. `xlmkit.json` names every input with its sha256.
- Data: the first 15,001 MultiNLI rows in ar, de, en, es, fr, sw, tr, ur, vi, zh (XNLI's machine translations); aligned segments from NTREX-128, SIB-200/FLORES,
  Microsoft's course texts, LibreOffice. Bulgarian, Greek, Hindi, Russian and Thai have no training pairs. XNLI dev chose the epoch (by English accuracy) and served to try settings; XNLI test chose nothing.
- Licence of the weights: CC BY-NC 4.0, because the training texts are for non-commercial use.

## Accuracy

On half of XNLI's test set (`xnli.test.a`), zero-shot where no training text is named, fp32, weights as stored; chance is 33.3 %.

{table}

A logistic regression on n-grams of the hypothesis and on overlap, trained on the same rows of each language, reaches en 57.4, fr 55.7, vi 56.8, zh 54.9, es 54.5, tr 52.5, de 52.1,
ar 50.9, sw 49.9, ur 47.9: compare before concluding that the network has learnt much. What it has beyond the regression is one model for all languages, five of them without training pairs.

Storing in fp16, rounded to values that bf16 holds as well, changes accuracy on dev (all languages) from {trained:.2f} to {stored:.2f} %. Computed in bf16, {equal:.2f} % of the dev labels equal fp32's; where they differ, fp32's best
logit leads the second by at most {margin:.3f}.

## Limits

Nearly every second answer is wrong. It knows few words and little grammar: it weighs which words of the hypothesis are missing from the premise, and words of negation;
negation inside a word (Turkish "uyumuyor"), word order, numbers and world knowledge are mostly beyond it, and so are texts longer than the training pairs ({tokens} tokens). NTREX and FLORES, test
sets of machine translation, were seen in training. Never use it to judge people or what they wrote, and not to create hostile or alienating environments.
"""
