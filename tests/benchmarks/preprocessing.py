"""Benchmark: text to ids, ours against transformers' `XLMTokenizer._tokenize(text, lang=...)`, on one core, in the same run.

Ours is `preprocessing.split_batch` and `BPETokenizer.ids`; the rival stops at the pieces' names. Both are warmed by one full pass over the same sentences: the rival
caches the pieces of each word, so does ours, and neither remembers sentences. Then both take turns, and the best of their passes counts, in CPU time
(which counts every thread), so that other work on the machine disturbs little."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

from transformers import XLMTokenizer

from xlmkit import bundled
from xlmkit.languages import LANGUAGES
from xlmkit.pairs import read_pairs
from xlmkit.tokenization import BPETokenizer, split_batch

SHARED = Path(__file__).resolve().parents[3] / "shared"
PASSES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=SHARED, help="folder with data/xnli and data/xlm_xnli15_tokenizer"
    )
    parser.add_argument("--limit", type=int, help="pairs a language")
    parser.add_argument("--languages", nargs="*", default=list(LANGUAGES))
    arguments = parser.parse_args()
    print("| language | pairs | XLMTokenizer._tokenize, pairs/s | xlmkit, pairs/s | ratio |")
    print("|---|---|---|---|---|")
    for row in rows(*places(arguments.data), arguments.languages, arguments.limit):
        speeds = f"{row['rival_pairs_per_second']:,.0f} | {row['pairs_per_second']:,.0f}"
        ratio = row["pairs_per_second"] / row["rival_pairs_per_second"]
        print(f"| {row['language']} | {row['pairs']} | {speeds} | {ratio:.1f} |", flush=True)


def by_language(limit: int) -> dict[str, Any]:
    """The rows of all languages, for `make bench`; and the pairs a second of one core over all of them."""
    found = list(rows(*places(SHARED, say=False), list(LANGUAGES), limit))
    seconds, theirs = (
        sum(row["pairs"] / row[name] for row in found)
        for name in ("pairs_per_second", "rival_pairs_per_second")
    )
    pairs = sum(row["pairs"] for row in found)
    return {
        "pairs": pairs,
        "pairs_per_second": pairs / seconds,
        "rival_pairs_per_second": pairs / theirs,
        "languages": found,
    }


def rows(source: str, folder: Path, languages: list[str], limit: int | None) -> Iterator[dict[str, Any]]:
    """One row a language: pairs a second of CPU time, the rival's and ours."""
    rival, pieces = XLMTokenizer.from_pretrained(folder), BPETokenizer.read(folder)
    for language in languages:
        pairs = read_pairs(source, languages=[language])[:limit]
        texts = [*pairs["premise"], *pairs["hypothesis"]]
        theirs, own = best(
            lambda texts=texts, language=language: [rival._tokenize(text, lang=language) for text in texts],
            lambda texts=texts, language=language: ids(pieces, texts, language),
        )
        yield {
            "language": language,
            "pairs": len(pairs),
            "rival_pairs_per_second": len(pairs) / theirs,
            "pairs_per_second": len(pairs) / own,
        }


def places(data: Path, *, say: bool = True) -> tuple[str, Path]:
    """The pairs and the tokeniser's folder: XNLI dev and the real vocabulary, or what comes with the kit."""
    pairs, folder = data / "data/xnli/xnli.dev.tsv", data / "data/xlm_xnli15_tokenizer"
    real = pairs.exists() and folder.exists()
    if say and real:
        print(
            f"preprocessing: {pairs.name}, the vocabulary of the real checkpoint; CPU time of one core, best of {PASSES}\n"
        )
    elif say:
        print(
            f"preprocessing: {data} has no data/xnli/xnli.dev.tsv with data/xlm_xnli15_tokenizer next to it (give --data FOLDER), so this is the bundled workshop with "
            "the embedded model's vocabulary: 120 pairs a language, few for figures that mean much\n"
        )
    return (str(pairs), folder) if real else ("workshop", bundled.path("mini-xnli15"))


def ids(pieces: BPETokenizer, texts: list[str], language: str) -> list[list[int]]:
    """The ids of each text, as `encode` gets them: one call for the words of all texts."""
    sentences = split_batch(texts, language)
    found = iter(pieces.ids(list(chain.from_iterable(sentences))))
    return [[number for _ in words for number in next(found)] for words in sentences]


def best(*works: Callable[[], object]) -> list[float]:
    """CPU seconds of each piece of work: the best of some passes in turn, after one that warms it."""
    for work in works:
        work()
    seconds = [[] for _ in works]
    for _ in range(PASSES):
        for work, taken in zip(works, seconds, strict=True):
            start = time.process_time()
            work()
            taken.append(time.process_time() - start)
    return [min(taken) for taken in seconds]


if __name__ == "__main__":
    main()
