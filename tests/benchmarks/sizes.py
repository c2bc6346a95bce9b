"""Sizes: the models and the pairs that everything is measured on.

"embedded" is the model that comes with the kit. "full" has the published checkpoint's size, 12 layers x 1024 with 95,000 pieces, and random weights, which
serve for speed. "tiny" is next to nothing, so that the memory of everything else shows. Pairs are XNLI's development set where it is at hand,
else the workshop's, in one fixed order that mixes the languages."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import pandas as pd
import torch
from transformers import XLMConfig, XLMForSequenceClassification

import xlmkit as xk
from xlmkit import bundled

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared/data"
MADE = ROOT / "build/benchmarks"
SHAPES = {
    "full": {"vocab_size": 95_000, "emb_dim": 1024, "n_layers": 12, "n_heads": 8},
    "tiny": {"vocab_size": 95_000, "emb_dim": 32, "n_layers": 1, "n_heads": 2},
}
SIZES = ("embedded", *SHAPES)
TOKENIZER = ("vocab.json", "merges.txt", "tokenizer_config.json")


def folder(size: str) -> Path:
    """A checkpoint of this size, that xlmkit and transformers load alike; made where it is not there."""
    if size == "embedded":
        return bundled.path("mini-xnli15")
    made = MADE / size
    if not (made / "xlmkit.json").exists():
        shutil.rmtree(made, ignore_errors=True)
        _make(size, made)
    return made


def pairs(count: int, *, skip: int = 0) -> pd.DataFrame:
    """`count` pairs behind the first `skip`, from the start again where there are too few; ids stay different."""
    known = _shuffled()
    places = [(skip + place) % len(known) for place in range(count)]
    found = known.iloc[places].reset_index(drop=True)
    return found.assign(pair_id=[f"{skip + place}" for place in range(count)])


def source() -> str:
    """What the pairs are, in words."""
    return "XNLI dev, 15 languages mixed" if _dev().exists() else "the workshop's pairs, 15 languages mixed"


def vocabulary() -> str:
    """Where the pieces of the full size come from, in words."""
    real = (SHARED / "xlm_xnli15_tokenizer").exists()
    return "the published checkpoint's 95,000 pieces" if real else "the embedded model's 19,800 pieces"


@cache
def _shuffled() -> pd.DataFrame:
    known = xk.read_pairs(str(_dev()) if _dev().exists() else "workshop")
    columns = ["premise", "hypothesis", "language", "gold"]
    return known.sample(frac=1, random_state=0)[columns]


def _dev() -> Path:
    return SHARED / "xnli/xnli.dev.tsv"


def _make(size: str, made: Path) -> None:
    embedded = bundled.path("mini-xnli15")
    own = json.loads((embedded / "config.json").read_text(encoding="utf-8"))
    names = {name: own[name] for name in ("id2label", "label2id", "lang2id", "id2lang")}
    config = XLMConfig(**SHAPES[size], n_langs=15, use_lang_emb=True, num_labels=3, **names)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = XLMForSequenceClassification(config).eval()
    network.save_pretrained(made)
    real = SHARED / "xlm_xnli15_tokenizer"
    for name in TOKENIZER:
        shutil.copyfile((real if real.exists() else embedded) / name, made / name)
    (made / "xlmkit.json").write_text('{"format": 1, "pair_format": "xlm"}', encoding="utf-8")
