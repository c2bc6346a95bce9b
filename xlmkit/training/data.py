"""Training and dev rows: read, checked against each other and against the model, and encoded once, without padding.

What would spoil a run is met here, before it starts: a label that one side lacks, one class only, a language outside the model, pairs that
train and dev share, soft targets that are no probabilities."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from xlmkit.encoding import Encoding
from xlmkit.inference import encode_frame
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.notices import warn_once
from xlmkit.pairs import LABELS, label_name, language_columns, read_pairs, sentence_columns
from xlmkit.tokenization import PAD
from xlmkit.training.config import TrainingConfig

CHUNK = 4096  # rows encoded in one call
ALIKE = 8  # tokens; batches of few different shapes are quicker, and attention alone computes on padding
ALL = "all"  # languages
SHOWN = 5  # faulty or shared rows that a message names

Source = pd.DataFrame | str | Path | Sequence[str | Path]


@dataclass(frozen=True, eq=False)
class Examples:
    """N encoded rows, of P tokens in all, one behind the other.

    Attributes
    ----------
    input_ids : (P,) int32. langs: (P,) int16, language ids.
    starts : (N + 1,) int64; row i has the tokens from starts[i] to starts[i + 1].
    gold : (N,) int64, numbers of labels.
    targets : (N, labels) float32, the distribution to learn: gold, smoothed, mixed with soft targets.
    languages : (N,) codes; "en>fr" where premise and hypothesis differ.
    longest : tokens of the longest row.
    truncated : how many rows were cut."""

    input_ids: np.ndarray
    langs: np.ndarray
    starts: np.ndarray
    gold: np.ndarray
    targets: np.ndarray
    languages: np.ndarray
    longest: int
    truncated: int

    def __len__(self) -> int:
        return len(self.gold)

    @property
    def lengths(self) -> np.ndarray:
        """(N,) tokens of each row."""
        return np.diff(self.starts)

    def batch(self, rows: np.ndarray) -> Encoding:
        """These rows as `encode` would give them, padded to a multiple of `ALIKE` tokens where there are rows of that length."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        width = -(-int(lengths.max(initial=1)) // ALIKE) * ALIKE
        places = np.arange(min(width, self.longest))  # (T,)
        mask = places < lengths[:, None]  # (B, T)
        # Where a row ends its last token is repeated: padding keeps the language id of what follows the text, as in `encode`.
        index = self.starts[rows][:, None] + np.minimum(places, lengths[:, None] - 1)
        found = (np.where(mask, self.input_ids[index], PAD), self.langs[index], mask)
        ids, langs, real = (torch.from_numpy(array.astype(np.int64)) for array in found)
        return Encoding(ids, langs, real, n_truncated=((),) * len(rows))


def read(config: TrainingConfig) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Train and dev rows with gold labels by name, and the labels.

    Raises
    ------
    ValueError : if rows are faulty, the labels of train and dev differ or are one only, or train and dev share pairs."""
    train = _frame(config.train, config.languages, "train")
    dev = _frame(config.dev, None, "dev")
    forms = [sentence_columns(frame) for frame in (train, dev)]
    if forms[0] != forms[1]:
        raise ValueError(
            "expected pairs, or single texts, in train and dev alike; got columns "
            f"{' and '.join(forms[0])} in train, {' and '.join(forms[1])} in dev"
        )
    labels = _labels(train, dev)
    train, dev = _labelled(train, labels, "train"), _labelled(dev, labels, "dev")
    _refuse_shared(train, dev)
    return train, dev, labels


def check_languages(nli: NLIModel, frame: pd.DataFrame, name: str) -> None:
    """Refuse rows in a language that the model has no id for, before anything is encoded."""
    if not nli.uses_language_ids:
        return
    found = pd.concat([frame[column] for column in language_columns(frame)]).value_counts()
    outside = {str(code): int(count) for code, count in found.items() if code not in nli.lang2id}
    if outside:
        raise ValueError(
            f"{name} has rows in languages outside the model: expected {', '.join(nli.lang2id)}, got "
            + ", ".join(f"{count} in {code!r}" for code, count in outside.items())
            + "; remedy: leave them out (for train, name the others in `languages`), or take another model"
        )


def check_selection(dev: pd.DataFrame, select_on: str) -> None:
    """Refuse a selection by a language that dev does not have."""
    there = sorted(set(spoken_languages(dev)))
    if select_on != ALL and select_on not in there:
        raise ValueError(
            f"`select_on` must be a language of dev or {ALL!r}; got {select_on!r}, and dev has {', '.join(there)}; remedy: add rows of dev in "
            f"{select_on!r}, or name one of these"
        )


def encoded(nli: NLIModel, frame: pd.DataFrame, config: TrainingConfig, *, name: str) -> Examples:
    """All rows of a checked frame, encoded; the targets of train are soft where that is asked for."""
    ids, langs, lengths, truncated = [], [], [], 0
    with tqdm(total=len(frame), desc=f"encode {name}", unit="row", disable=not config.progress) as bar:
        for begin in range(0, len(frame), CHUNK):
            part = frame.iloc[begin : begin + CHUNK]
            found = encode_frame(nli, part, max_length=config.max_length, spans=False)
            real = found.attention_mask.bool()
            ids.append(found.input_ids[real].to(torch.int32).numpy())
            langs.append(found.langs[real].to(torch.int16).numpy())
            lengths.append(found.lengths)
            truncated += sum(found.truncated)
            bar.update(len(part))
    gold = np.array([nli.labels.index(label) for label in frame["gold"]])
    starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return Examples(
        input_ids=np.concatenate(ids),
        langs=np.concatenate(langs),
        starts=starts,
        gold=gold,
        targets=_targets(gold, nli.labels, frame, config, soft=name == "train"),
        languages=spoken_languages(frame),
        longest=int(np.diff(starts).max()),
        truncated=truncated,
    )


def spoken_languages(frame: pd.DataFrame) -> np.ndarray:
    """(N,) the language of each row, "en>fr" where premise and hypothesis differ."""
    first, second = (frame[column].to_numpy(dtype=object) for column in (language_columns(frame) * 2)[:2])
    return np.where(first == second, first, first + ">" + second)


def fingerprints(source: Source) -> list[dict[str, Any]]:
    """What the data was, for the provenance: of a file its name and the sha256 of its bytes; of anything else that of its rows as JSON Lines."""
    if isinstance(source, pd.DataFrame):
        return [{"frame": len(source), "sha256": _rows_sha256(source)}]
    found: list[dict[str, Any]] = []
    for entry in _entries(source):
        path = Path(entry)
        if path.is_file():
            with path.open("rb") as stream:
                found.append({"file": path.name, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()})
        else:  # "workshop", "xnli/dev": known by name
            found.append({"source": os.fspath(entry), "sha256": _rows_sha256(read_pairs(entry, labels=None))})
    return found


def _rows_sha256(frame: pd.DataFrame) -> str:
    text = frame.to_json(orient="records", lines=True, force_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _entries(source: Any) -> list[Any]:
    return [source] if isinstance(source, str | os.PathLike) else list(source)


def _frame(source: Source, languages: str | Sequence[str] | None, name: str) -> pd.DataFrame:
    """The rows of one or several sources."""
    entries = [source] if isinstance(source, pd.DataFrame) else _entries(source)
    if not entries:
        raise ValueError(f"expected at least one file as `{name}`, got none")
    named = [languages] if isinstance(languages, str) else languages
    codes = None if named is None else [resolve(code) for code in named]
    alone = len(entries) == 1 or (codes is not None and len(codes) == 1)
    frames = [read_pairs(entry, languages=codes if alone else None, labels=None) for entry in entries]
    frame = pd.concat(frames, ignore_index=True)
    if codes is not None and not alone:
        columns = language_columns(frame)
        absent = sorted(set(codes) - set(frame[columns].to_numpy().ravel()))
        if absent:
            raise ValueError(
                f"{name}: expected rows in {_some(sorted(codes))}, as `languages` asks; got none in {_some(absent)}"
            )
        frame = frame[frame[columns].isin(codes).all(axis=1)].reset_index(drop=True)
    return frame


def _labels(train: pd.DataFrame, dev: pd.DataFrame) -> tuple[str, ...]:
    """The names of the labels, NLI's in the kit's order and others sorted; refused where train and dev do not have the same."""
    found = {name: set(frame["gold"].dropna()) for name, frame in (("train", train), ("dev", dev))}
    numbers = sorted(
        value for value in found["train"] | found["dev"] if re.fullmatch(r"[-+]?\d+(\.\d*)?", value)
    )
    if numbers:
        raise ValueError(
            f"expected labels by name, got the numbers {_some(numbers)}, whose meaning differs by source; remedy: write names in their place"
        )
    if len(sentence_columns(train)) == 2 and any(
        _is_nli(value) for values in found.values() for value in values
    ):
        found = {name: {label_name(value) for value in values} - {None} for name, values in found.items()}
        expected = set(LABELS)
    else:
        expected = found["train"] | found["dev"]
    for name, values in found.items():
        if not values:
            raise ValueError(f"expected labelled rows as {name}, got no gold label; remedy: a column `gold`")
    if len(expected) == 1:
        raise ValueError(
            f"expected at least two labels to tell apart, got {next(iter(expected))!r} in every row; remedy: add rows of the other labels"
        )
    for name, values in found.items():
        missing = sorted(expected - values)
        if missing:
            raise ValueError(
                f"labels are missing from {name}: expected {_some(sorted(expected))}, got no row with {_some(missing)}; remedy: add "
                "such rows, or leave those labels out of train and dev alike"
            )
    return LABELS if expected == set(LABELS) else tuple(sorted(expected))


def _is_nli(value: str) -> bool:
    try:
        return label_name(value) is not None
    except ValueError:
        return False


def _labelled(frame: pd.DataFrame, labels: tuple[str, ...], name: str) -> pd.DataFrame:
    """The rows that have a label, by its usual name; the others are left out, which is said."""
    result = frame.copy()
    if labels == LABELS:
        names = {value: label_name(value) for value in frame["gold"].dropna().unique()}
        result["gold"] = [names.get(value) for value in frame["gold"].to_list()]
    known = result["gold"].notna()
    if not known.all():
        warn_once(f"{int((~known).sum())} of {len(frame)} rows of {name} have no gold label and are left out")
    return result[known].reset_index(drop=True)


def _refuse_shared(train: pd.DataFrame, dev: pd.DataFrame) -> None:
    """Refuse pairs (or texts) of dev that train has too, in the same language; upper case and spaces apart."""
    keys = [dict(zip(_keys(frame), frame["pair_id"], strict=True)) for frame in (train, dev)]
    shared = [key for key in keys[1] if key in keys[0]]
    if shared:
        shown = "; ".join(
            f"{keys[1][key]!r} of dev is {keys[0][key]!r} of train ({_cut(key[0])})" for key in shared[:SHOWN]
        )
        more = f"; and {len(shared) - SHOWN} more" if len(shared) > SHOWN else ""
        raise ValueError(
            f"train and dev share {len(shared)} of the {len(dev)} {'texts' if 'text' in dev else 'pairs'} of dev, so dev would measure "
            f"memory: {shown}{more}; remedy: take them out of train"
        )


def _keys(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    texts = [[" ".join(text.casefold().split()) for text in frame[side]] for side in sentence_columns(frame)]
    return list(zip(*texts, spoken_languages(frame), strict=True))


def _cut(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")


def _targets(
    gold: np.ndarray, labels: tuple[str, ...], frame: pd.DataFrame, config: TrainingConfig, *, soft: bool
) -> np.ndarray:
    """(N, labels) float32: the distribution that cross-entropy is taken against."""
    smoothing, weight = config.label_smoothing, config.soft_targets if soft else 0.0
    hard = (1 - smoothing) * np.eye(len(labels))[gold] + smoothing / len(labels)
    if not weight:
        return hard.astype(np.float32)
    columns = [f"p_{label}" for label in labels]
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ValueError(
            f"`soft_targets` {weight!r} needs a teacher's probabilities in train: expected the columns {_some(columns)}, got no {_some(missing)}"
        )
    teacher = frame[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    faulty = ~((teacher >= 0) & (teacher <= 1)).all(1) | ~(np.abs(teacher.sum(1) - 1) < 0.01)
    if faulty.any():
        first = int(np.flatnonzero(faulty)[0])
        raise ValueError(
            f"expected probabilities from 0 to 1 that sum to 1 in {_some(columns)}; got others in {int(faulty.sum())} of {len(frame)} rows of "
            f"train, first {teacher[first].tolist()!r} in pair_id {frame['pair_id'].iloc[first]!r}"
        )
    return ((1 - weight) * hard + weight * teacher).astype(np.float32)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:SHOWN]))
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
