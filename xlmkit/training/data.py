"""Training and dev rows: read, checked against each other and against the model, and encoded once,
without padding.

What would spoil a run is refused here, before it starts: a label that one side lacks, a single
class, a language outside the model, pairs that train and dev share, soft targets that are not
probabilities."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from xlmkit.checks import check_choice
from xlmkit.encoding import Encoding
from xlmkit.inference import encode_frame
from xlmkit.languages import resolve
from xlmkit.model import NLIModel
from xlmkit.model.weights import sha256
from xlmkit.notices import warn_once
from xlmkit.pairs import LABELS, label_name, language_columns, read_pairs, row_language, sentence_columns
from xlmkit.pairs.sources import only_languages
from xlmkit.results import fingerprint
from xlmkit.tokenization import PAD
from xlmkit.training import TrainingConfig

CHUNK = 4096  # rows encoded in one call
MULTIPLE = 8  # tokens; batches of few different widths are quicker, and attention alone computes on padding
ALL = "all"  # languages
SHOWN = 5  # values that a message names

Source = pd.DataFrame | str | Path | Sequence[str | Path]


@dataclass(frozen=True, eq=False)
class EncodedRows:
    """N encoded rows with P tokens in all, one row after the other without padding.

    For example, rows of 3 and 2 tokens are

        input_ids   7 8 9 | 5 6
        starts      0       3     5        row i is input_ids[starts[i] : starts[i + 1]]

    Attributes
    ----------
    input_ids : (P,) int32. langs: (P,) int16, language ids.
    starts : (N + 1,) int64.
    gold : (N,) int64, numbers of labels.
    targets : (N, labels) float32, the distribution to learn: gold, smoothed, mixed with soft
        targets.
    languages : (N,) codes; "en>fr" if premise and hypothesis differ.
    n_truncated : how many rows were truncated."""

    input_ids: np.ndarray
    langs: np.ndarray
    starts: np.ndarray
    gold: np.ndarray
    targets: np.ndarray
    languages: np.ndarray
    n_truncated: int

    def __len__(self) -> int:
        return len(self.gold)

    @property
    def lengths(self) -> np.ndarray:
        """(N,) tokens of each row."""
        return np.diff(self.starts)

    def batch(self, rows: np.ndarray) -> Encoding:
        """These rows as `encode` would give them, padded to a multiple of `MULTIPLE` tokens if any
        row is that long."""
        lengths = self.lengths[rows]
        width = min(-(-int(lengths.max(initial=1)) // MULTIPLE) * MULTIPLE, int(self.lengths.max()))
        positions = np.arange(width)  # (T,)
        mask = positions < lengths[:, None]  # (B, T)
        # Padding repeats a row's last token: it keeps the language id of what follows the
        # text, as in `encode`.
        index = self.starts[rows][:, None] + np.minimum(positions, lengths[:, None] - 1)
        arrays = (np.where(mask, self.input_ids[index], PAD), self.langs[index], mask)
        ids, langs, real = (torch.from_numpy(array.astype(np.int64)) for array in arrays)
        return Encoding(ids, langs, real, n_truncated=((),) * len(rows))


def read_rows(config: TrainingConfig) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Read train and dev rows, with gold labels by name, and the labels.

    Raises
    ------
    ValueError : if rows are faulty, the labels of train and dev differ or there is only one, or
        train and dev share pairs."""
    train, dev = _read(config.train, config.languages, "train"), _read(config.dev, None, "dev")
    if sentence_columns(train) != sentence_columns(dev):
        raise ValueError(
            "train and dev must both contain pairs, or both contain single texts; got the columns "
            f"{' and '.join(sentence_columns(train))} in train, {' and '.join(sentence_columns(dev))} in dev."
        )
    values = {*train["gold"].dropna(), *dev["gold"].dropna()}
    nli = "hypothesis" in train and any(map(_is_nli_label, values))
    train, dev = (_labelled(frame, name, nli=nli) for frame, name in ((train, "train"), (dev, "dev")))
    labels = LABELS if nli else tuple(sorted({*train["gold"], *dev["gold"]}))
    _check_labels(labels, train=train, dev=dev)
    _refuse_shared(train, dev)
    return _with_teacher(train, labels) if config.soft_targets else train, dev, labels


def check_languages(nli: NLIModel, train: pd.DataFrame, dev: pd.DataFrame, select_on: str) -> None:
    """Refuse rows in a language that the model has no id for, and to select weights by a language
    that dev does not have."""
    for name, frame in (("train", train), ("dev", dev)):
        codes = pd.concat([frame[column] for column in language_columns(frame)]).value_counts()
        outside = [f"{count} in {code!r}" for code, count in codes.items() if code not in nli.lang2id]
        if nli.uses_language_ids and outside:
            raise ValueError(
                f"{name} must have rows in the model's languages only ({', '.join(nli.lang2id)}); got "
                f"{', '.join(outside)}. Remove them (from train with `languages`), or take another model."
            )
    check_choice("select_on", select_on, [ALL, *sorted(set(row_language(dev)))])


def encode_rows(nli: NLIModel, frame: pd.DataFrame, config: TrainingConfig, *, name: str) -> EncodedRows:
    """Encode all rows of a checked frame; the targets of "train" are soft if `config` asks for
    that."""
    ids, langs, lengths, n_truncated = [], [], [np.zeros(1, np.int64)], 0
    with tqdm(total=len(frame), desc=f"encode {name}", unit="row", disable=not config.progress) as bar:
        for begin in range(0, len(frame), CHUNK):
            encoding = encode_frame(
                nli, frame.iloc[begin : begin + CHUNK], max_length=config.max_length, spans=False
            )
            real = encoding.attention_mask.bool()
            ids.append(encoding.input_ids[real].to(torch.int32).numpy())
            langs.append(encoding.langs[real].to(torch.int16).numpy())
            lengths.append(encoding.lengths)
            n_truncated += sum(encoding.truncated)
            bar.update(len(encoding.lengths))
    gold = np.array([nli.labels.index(label) for label in frame["gold"]])
    smoothing = config.label_smoothing_factor
    targets = (1 - smoothing) * np.eye(len(nli.labels))[gold] + smoothing / len(nli.labels)
    if config.soft_targets and name == "train":
        teacher = frame[[f"p_{label}" for label in nli.labels]].to_numpy()  # (N, labels)
        targets = (1 - config.soft_targets) * targets + config.soft_targets * teacher
    return EncodedRows(
        input_ids=np.concatenate(ids),
        langs=np.concatenate(langs),
        starts=np.cumsum(np.concatenate(lengths)),
        gold=gold,
        targets=targets.astype(np.float32),
        languages=row_language(frame),
        n_truncated=n_truncated,
    )


def fingerprints(source: Source) -> list[dict[str, Any]]:
    """What the data was, for the provenance: the name and SHA-256 of a file; of anything else the
    SHA-256 of its rows."""
    found: list[dict[str, Any]] = []
    for entry in _entries(source):
        if isinstance(entry, pd.DataFrame):
            found.append({"frame": len(entry), "sha256": fingerprint(entry, entry.columns)})
        elif Path(entry).is_file():
            found.append({"file": Path(entry).name, "sha256": sha256([Path(entry)])})
        else:  # a name such as "workshop" or "xnli/dev"
            rows = read_pairs(entry, labels=None)
            found.append({"source": os.fspath(entry), "sha256": fingerprint(rows, rows.columns)})
    return found


def _entries(source: Any) -> list[Any]:
    return [source] if isinstance(source, str | os.PathLike | pd.DataFrame) else list(source)


def _read(source: Source, languages: str | Sequence[str] | None, name: str) -> pd.DataFrame:
    """The rows of one or several sources."""
    entries = _entries(source)
    if not entries:
        raise ValueError(f"`{name}` must name at least one file; got none.")
    codes = [languages] if isinstance(languages, str) else languages
    # A single source must have all languages, and takes a single code where it has no such
    # column. With several files, each may have some of the languages; together they must have all.
    alone = codes is None or len(codes) == 1 or len(entries) == 1
    frames = [read_pairs(entry, languages=codes if alone else None, labels=None) for entry in entries]
    frame = pd.concat(frames, ignore_index=True)
    if codes is None or alone:
        return frame
    return only_languages(frame, [resolve(code) for code in codes], name).reset_index(drop=True)


def _is_nli_label(value: str) -> bool:
    try:
        return label_name(value) is not None
    except ValueError:
        return False


def _labelled(frame: pd.DataFrame, name: str, *, nli: bool) -> pd.DataFrame:
    """The rows that have a label, by its usual name; a notice says how many have none."""
    numbers = sorted(
        value for value in frame["gold"].dropna().unique() if value.strip("+-").replace(".", "", 1).isdigit()
    )
    if numbers:
        raise ValueError(
            f"labels must be names, because the meaning of numbers differs by source; got {_quoted(numbers)} in {name}. "
            "Write their names instead."
        )
    if nli:
        names = {value: label_name(value) for value in frame["gold"].dropna().unique()}
        frame = frame.assign(gold=frame["gold"].map(names))
    known = frame["gold"].notna()
    if not known.any():
        raise ValueError(f"{name} must have labelled rows; got no gold label. Add a column `gold`.")
    if not known.all():
        warn_once(f"{int((~known).sum())} of {len(frame)} rows of {name} have no gold label and are left out")
    return frame[known].reset_index(drop=True)


def _check_labels(labels: Sequence[str], **frames: pd.DataFrame) -> None:
    """Refuse a single label, and labels that train or dev lacks."""
    if len(labels) == 1:
        raise ValueError(
            f"training needs at least two labels; got {labels[0]!r} in every row. Add rows of other labels."
        )
    for name, frame in frames.items():
        missing = sorted(set(labels) - set(frame["gold"]))
        if missing:
            raise ValueError(
                f"{name} must have rows of every label ({_quoted(sorted(labels))}); got none of {_quoted(missing)}. "
                "Add such rows, or remove these labels from both train and dev."
            )


def _refuse_shared(train: pd.DataFrame, dev: pd.DataFrame) -> None:
    """Refuse pairs (or texts) of dev that train also has in the same language, whatever their case
    and spaces."""
    sides = sentence_columns(train)
    keys = [
        frame[sides]
        .map(lambda text: " ".join(text.casefold().split()))
        .assign(language=row_language(frame), pair_id=frame["pair_id"])
        for frame in (train, dev)
    ]
    known = keys[0].drop_duplicates([*sides, "language"])
    shared = keys[1].merge(known, on=[*sides, "language"], suffixes=("", "_of_train"))
    if len(shared):
        first = shared.iloc[0]
        raise ValueError(
            f"train and dev must not share rows, or dev measures memory; got {len(shared)} of the {len(dev)} rows of dev "
            f"in train, the first {first['pair_id']!r}, which is {first['pair_id_of_train']!r} of train "
            f"({first[sides[0]][:60]!r}). Remove them from train."
        )


def _with_teacher(train: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """The rows with numbers in the columns `p_<label>`, which must be probabilities."""
    columns = [f"p_{label}" for label in labels]
    missing = [column for column in columns if column not in train]
    if missing:
        raise ValueError(
            f"`soft_targets` needs the columns {_quoted(columns)} in train; got no {_quoted(missing)}. "
            "Add a teacher's probabilities."
        )
    teacher = train[columns].apply(pd.to_numeric, errors="coerce")
    faulty = ~(teacher.eq(teacher.clip(0, 1)).all(axis=1) & teacher.sum(axis=1).sub(1).abs().lt(0.01))
    if faulty.any():
        raise ValueError(
            f"{_quoted(columns)} must be probabilities from 0 to 1 that sum to 1; got others in {faulty.sum()} of "
            f"{len(train)} rows of train, the first in pair_id {train['pair_id'][faulty.idxmax()]!r}."
        )
    return train.assign(**teacher)


def _quoted(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more
