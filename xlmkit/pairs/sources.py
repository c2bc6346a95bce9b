"""Sources of pairs: the bundled workshop, XNLI from the Hub or a folder, a file, a frame; sampled
so that languages stay parallel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from xlmkit.checks import check_int
from xlmkit.languages import LANGUAGES, resolve
from xlmkit.notices import warn_once
from xlmkit.pairs.columns import LABELS, in_order, language_columns
from xlmkit.pairs.tables import read_table
from xlmkit.pairs.validate import SHOWN, Faults, check_frame, infer_types, validate
from xlmkit.pairs.workshop import workshop

SUFFIXES = (".tsv", ".csv", ".jsonl", ".parquet")
HUB_XNLI = "facebook/xnli"
HUB_SPLITS = {"dev": "validation", "test": "test"}
XNLI_ZIP = "https://dl.fbaipublicfiles.com/XNLI/XNLI-1.0.zip"

Codes = tuple[str, ...] | None
Labels = Sequence[str] | None


def read_pairs(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    languages: str | Sequence[str] | None = None,
    phenomena: str | Sequence[str] | None = None,
    items: str | Sequence[str] | None = None,
    limit: int | None = None,
    labels: Labels = LABELS,
) -> pd.DataFrame:
    """Read sentence pairs from the bundled set, XNLI, a file of your own, or a frame.

    Parameters
    ----------
    source : "workshop" (bundled: 120 items in 15 languages, with the words that decide each label
        and a teacher's note); "xnli/dev" or "xnli/test" (from the Hub, through `datasets`); a
        folder of XNLI-1.0 and the split ("XNLI-1.0/dev"), or its TSV; a `.tsv`, `.csv`, `.jsonl` or
        `.parquet` file; a DataFrame. Columns may be spelled as in `SPELLINGS`; `label` is read as
        `gold`. Others are kept, as text from .tsv and .csv. A TSV has one row per line and its
        quotes are text, unless they can only be quoting; then a warning says so.
    languages : keep pairs in these languages only, and ignore rows in languages that the model does
        not know. For a source without a `language` column, the language of all rows.
    phenomena : keep pairs with these values of the column `phenomenon` only, such as "negation".
    items : keep pairs with these values of the column `item` only, such as "negation-03", in all
        their languages.
    limit : at most this many pairs per language, at least 1. With an `item` column, the first items
        that all languages share, so that the languages stay parallel.
    labels : what gold may be: NLI's three names, or those of another classification as they are
        written, or None for any. Tasks other than NLI may have a single `text` instead of premise
        and hypothesis.

    Returns
    -------
    One row per pair, in the source's order: `pair_id` (text, unique), `language` (or
    `premise_language` and `hypothesis_language`), `premise` and `hypothesis` as written (or
    `text`), `gold` (one of `labels`, missing where unknown), then all other columns. Without ids,
    `pair_id` is the row number from 1; with an `item`, it is item and language ("negation-03-en").
    `attrs["source"]` names the source.

    Raises
    ------
    ValueError : if a column is missing or ambiguous, there are no pairs, a language, a phenomenon
        or an item does not occur, or rows are faulty: all are named at once, by line, with all
        their faults. A text needs a visible character and no lone surrogate. Long texts, emoji,
        mixed scripts, control and zero-width characters are kept as they are.
    FileNotFoundError : if there is no such file.
    ImportError, ConnectionError : if XNLI cannot be loaded from the Hub."""
    codes = _codes(languages)
    if limit is not None:
        check_int("limit", limit, 1)
    frame, name = _frame(source, codes, labels)
    if frame.empty:
        raise ValueError(f"{name}: expected at least one pair, got none.")
    if codes is not None:
        frame = only_languages(frame, codes, name)
    for column, option, values in (("phenomenon", "phenomena", phenomena), ("item", "items", items)):
        if values is not None:
            frame = _with_values(frame, column, option, values, name)
    if limit is not None:
        frame = _first(frame, limit)
    if not isinstance(source, pd.DataFrame):
        frame = frame.reset_index(drop=True)
    frame = in_order(frame)
    frame.attrs = {"source": name}
    return frame


def _codes(languages: str | Sequence[str] | None) -> Codes:
    if languages is None:
        return None
    codes = [languages] if isinstance(languages, str) else list(languages)
    if not codes:
        raise ValueError("`languages` must name at least one language, or be None for all; got none.")
    return tuple(dict.fromkeys(resolve(code) for code in codes))


def _frame(
    source: str | os.PathLike[str] | pd.DataFrame, codes: Codes, labels: Labels
) -> tuple[pd.DataFrame, str]:
    """The checked pairs of any source in all its languages, and the source's name."""
    if isinstance(source, pd.DataFrame):
        return check_frame(source, codes, labels), "the frame"
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"`source` must be a name, a path or a DataFrame; got {type(source).__name__}.")
    if source == "workshop":
        return check_frame(workshop(), codes, labels, source="workshop"), "workshop"
    path = _local(Path(source))
    if path is None:
        name = Path(source).as_posix()
        return check_frame(_hub(Path(source).name), codes, labels, source=name), name
    return _of_file(path, codes, labels), path.name


def _of_file(path: Path, codes: Codes, labels: Labels) -> pd.DataFrame:
    if path.suffix.lower() not in SUFFIXES:
        got = path.suffix or "no suffix"
        raise ValueError(
            f"{path.name}: expected a {', '.join(SUFFIXES)} file; got {got}. Save it as one of these."
        )
    if path.suffix.lower() == ".parquet":
        try:
            frame = pd.read_parquet(path).reset_index(drop=True)
        except (ValueError, OSError) as error:
            raise ValueError(
                f"{path.name}: expected a Parquet file; it cannot be read as one: {error}."
            ) from error
        return check_frame(frame, codes, labels, source=path.name)
    table = read_table(path)
    faults = Faults(path.name, lambda line: f"line {line}")
    for line, fault in table.broken.items():
        faults.add(line, *fault.split("; ", 1))
    total = len(table.rows) + len(table.broken)
    if not table.columns:
        faults.raise_any(total)
    result = validate(table.frame(), codes, labels, faults, table.lines)
    faults.raise_any(total)
    return infer_types(result)


def _local(path: Path) -> Path | None:
    """The file that `path` means: itself, or the TSV of an XNLI split in a folder; None for XNLI on
    the Hub."""
    if path.is_file():
        return path
    folder, split = (path, "*") if path.is_dir() else (path.parent, path.name)
    found = sorted(folder.glob(f"xnli.{split}.tsv")) or sorted(folder.glob(f"xnli.{split}.*.tsv"))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(file.name for file in found)
        raise ValueError(
            f"{path}: expected one file, got {names}. Name one, such as {os.fspath(found[0])!r}."
        )
    if path.as_posix() in ("xnli/dev", "xnli/test"):
        return None
    if path.is_dir():
        raise ValueError(
            f"{path}: expected xnli.dev.tsv or xnli.test.tsv in this folder, got neither. Name the file."
        )
    retired = (
        " (the bundled set of that name was replaced by 'workshop')" if path.as_posix() == "sample" else ""
    )
    raise FileNotFoundError(
        f"expected 'workshop', 'xnli/dev', 'xnli/test' or a {', '.join(SUFFIXES)} file; there is no file {os.fspath(path)!r}{retired}."
    )


def _hub(split: str) -> pd.DataFrame:
    """XNLI from the Hub, one row per pair; `item` is the number of the example in its split."""
    elsewhere = f"download and unzip {XNLI_ZIP} and call read_pairs('XNLI-1.0/{split}')"
    try:
        import datasets
    except ImportError:
        raise ImportError(
            f"reading XNLI from the Hub needs the package `datasets`. Run pip install datasets, or {elsewhere}."
        ) from None
    try:
        data = datasets.load_dataset(HUB_XNLI, "all_languages", split=HUB_SPLITS[split])
    except Exception as error:
        raise ConnectionError(
            f"cannot download XNLI from the Hub ({type(error).__name__}: {error}). Connect to the network, or {elsewhere}."
        ) from error
    names = data.features["label"].names  # the source's own order, read, not assumed
    rows = []
    for number, example in enumerate(data, 1):
        gold = names[example["label"]] if example["label"] >= 0 else None
        translations = example["hypothesis"]
        for language, hypothesis in zip(translations["language"], translations["translation"], strict=True):
            rows.append((str(number), language, example["premise"][language], hypothesis, gold))
    return pd.DataFrame(rows, columns=["item", "language", "premise", "hypothesis", "gold"])


def only_languages(frame: pd.DataFrame, codes: Sequence[str], name: str) -> pd.DataFrame:
    """The rows in some languages, each of which must occur; `name` is that of the source."""
    sides = language_columns(frame)
    there = set(frame[sides].to_numpy().ravel())
    absent = [code for code in codes if code not in there]
    if absent:
        got = ", ".join(code for code in LANGUAGES if code in there) or "none of the 15 languages"
        raise ValueError(
            f"{name}: expected pairs in {', '.join(absent)}, as `languages` asks; got pairs in {got}."
        )
    frame = frame[frame[sides].isin(codes).all(axis=1)]
    if frame.empty:
        raise ValueError(f"{name}: expected pairs with both languages among {', '.join(codes)}; got none.")
    return frame


def _with_values(
    frame: pd.DataFrame, column: str, option: str, values: str | Sequence[str], name: str
) -> pd.DataFrame:
    """The rows with one of `values` in `column`, each of which must occur; `option` is the name of
    the argument."""
    wanted = [values] if isinstance(values, str) else list(values)
    if not wanted:
        raise ValueError(f"`{option}` must name at least one {column}, or be None for all; got none.")
    if column not in frame:
        raise ValueError(
            f"{name}: expected a column `{column}`, as `{option}` asks; got none. Add it, or leave `{option}` out."
        )
    there = frame[column].dropna().unique().tolist()
    absent = [repr(value) for value in wanted if value not in there]
    if absent:
        known = f"{', '.join(map(str, there[:SHOWN]))}{', ...' if len(there) > SHOWN else ''}"
        raise ValueError(
            f"{name}: expected pairs with the {column} {', '.join(absent)}, as `{option}` asks; got {known}."
        )
    return frame[frame[column].isin(wanted)]


def _first(frame: pd.DataFrame, limit: int) -> pd.DataFrame:
    """The first `limit` pairs of each language, of the same items where there are items that all
    languages share."""
    languages = frame.groupby(language_columns(frame), sort=False)
    if "item" in frame:
        shared = set.intersection(*(set(rows["item"]) for _, rows in languages))
        items = [item for item in frame["item"].unique() if item in shared][:limit]
        if 0 < len(items) < min(limit, frame["item"].nunique()):
            warn_once(f"limit={limit} gives {len(items)} items: no more are in every language")
        if items:
            return frame[frame["item"].isin(items)]
    return frame[languages.cumcount() < limit]
