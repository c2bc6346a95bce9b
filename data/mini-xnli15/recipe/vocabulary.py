"""The model's own byte-pair vocabulary, in XLM's form, learnt over the kit's words with the same say for all 15 languages.

Byte-pair encoding: Sennrich et al. 2016, arXiv:1508.07909; computed by Rust `tokenizers`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import BpeTrainer

SPECIALS = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{number}>" for number in range(10))]
BUDGET = 500_000  # words to which each language is weighed
ENGLISH = 2  # times as many: the teacher's labels come from it, and most readers
LETTERS = 2600  # most of them Chinese; rarer ones become unknown


def learn(
    counts: Mapping[str, Mapping[str, float]], *, size: int, least: int = 5
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary of at most `size` pieces (met `least` times or more), and its merges, best first.

    `counts` says by language how often each word was met."""
    model = Tokenizer(BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    model.pre_tokenizer = WhitespaceSplit()
    trainer = BpeTrainer(
        vocab_size=size,
        min_frequency=least,
        special_tokens=SPECIALS,
        limit_alphabet=LETTERS,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    model.train_from_iterator(_weighed(counts), trainer)
    tables = json.loads(model.to_str())["model"]
    return tables["vocab"], [(left, right) for left, right in tables["merges"]]


def _weighed(counts: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Every word as often as it would stand among its language's share of words."""
    for code, own in counts.items():
        budget = BUDGET * (ENGLISH if code == "en" else 1)
        weight = budget / max(sum(own.values()), 1)
        for word, count in own.items():
            times = round(count * weight)
            for start in range(0, times, 1000):
                yield " ".join([word] * min(1000, times - start))


def write(folder: Path, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> None:
    """`vocab.json`, `merges.txt` and `tokenizer_config.json` as transformers' XLMTokenizer reads them."""
    table = json.dumps(dict(vocabulary), ensure_ascii=False, separators=(",", ":"))
    (folder / "vocab.json").write_text(table + "\n", encoding="utf-8")
    lines = "".join(f"{left} {right}\n" for left, right in merges)
    (folder / "merges.txt").write_text(lines, encoding="utf-8")
    settings = {"tokenizer_class": "XLMTokenizer", "do_lowercase_and_remove_accent": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
