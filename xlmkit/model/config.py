"""The small files next to the weights: config.json, tokenizer_config.json and xlmkit.json.

Labels are read by name, never by number: the authors number them contradiction 0, neutral 1,
entailment 2, the Hub's XNLI the other way round; a number alone is refused. `lang_id` 0 and
`mask_token_id` 0 in the published config.json are defaults of text generation and mean neither "no
language" nor the mask (which is `mask_index` 5); nothing here reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import XLMConfig

from xlmkit.model.nli_model import CLASSIFIERS, PAIR_FORMATS
from xlmkit.model.source import Place
from xlmkit.notices import warn_once
from xlmkit.pairs import LABELS, label_name
from xlmkit.tokenization import VERSION

FORMAT = 1
AGAIN = "Copy it again from where the checkpoint was published."
_SUPPORTED: dict[str, object] = {"is_encoder": True, "causal": False, "asm": False}
_SUPPORTED |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "unk_index": 3}
_CLASSIFIER = {"summary_type": "first", "summary_use_proj": True, "summary_proj_to_labels": True}
_SIZES = ("vocab_size", "emb_dim", "n_layers", "n_heads", "n_langs", "max_position_embeddings")
EXPECTED = {"nli": ", ".join(map(repr, LABELS)), "classification": "two or more different names"}
NEEDED = ("config.json", "vocab.json", "merges.txt")


def read_folder(place: Place) -> dict[str, Any] | None:
    """Check that the folder has the files of a checkpoint (the weights are looked for in
    `weights`), and read `xlmkit.json`.

    Raises
    ------
    FileNotFoundError : if a file is missing.
    ValueError : if xlmkit.json is malformed."""
    folder, name = place.folder, place.name
    missing = [file for file in NEEDED if not (folder / file).is_file()]
    if missing:
        found = sorted(entry.name for entry in folder.iterdir())
        listing = (
            ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "") or "nothing"
        )
        raise FileNotFoundError(
            f"{name!r} is no complete XLM checkpoint: expected {', '.join(NEEDED)} and model.safetensors, got {listing}. "
            f"Add {', '.join(missing)} from where the checkpoint was published."
        )
    return read_kit_file(folder)


def read_config(folder: Path, *, classifier: bool) -> XLMConfig:
    """Read the shape of the network, which is refused unless this kit computes exactly that
    network.

    Raises
    ------
    ValueError : if config.json is malformed, describes another kind of model, or a form of XLM that
        is not supported."""
    raw = _read_json(folder / "config.json")
    if raw.get("model_type") != "xlm":
        raise ValueError(
            f"{folder / 'config.json'} describes another kind of model: expected `model_type` 'xlm', got {raw.get('model_type')!r}. "
            f"Give an XLM checkpoint, for example 'FacebookAI/xlm-mlm-xnli15-1024' (XLM-R is another model)."
        )
    try:
        config = XLMConfig.from_dict(raw)
    except (StrictDataclassError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{folder / 'config.json'} cannot be read as the configuration of an XLM: {one_line(error)}. {AGAIN}"
        ) from error
    wrong = unsupported(config, _SUPPORTED | (_CLASSIFIER if classifier else {}))
    if wrong:
        raise ValueError(
            f"{folder / 'config.json'} describes a form of XLM that is not supported: expected {', '.join(wrong)}. "
            "Give a checkpoint of the authors' form."
        )
    return config


def unsupported(config: XLMConfig, supported: dict[str, object]) -> list[str]:
    """What in `config` differs from `supported`, or is not a possible size."""
    found = {key: getattr(config, key) for key in (*supported, *_SIZES)}
    wrong = [
        f"`{key}` {value!r} (got {found[key]!r})" for key, value in supported.items() if found[key] != value
    ]
    wrong += [f"`{key}` of at least 1 (got {found[key]!r})" for key in _SIZES if found[key] < 1]
    if not wrong and config.emb_dim % config.n_heads:
        wrong.append(f"`emb_dim` a multiple of `n_heads` (got {config.emb_dim} and {config.n_heads})")
    return wrong


def read_kit_file(folder: Path) -> dict[str, Any] | None:
    """Read and check `xlmkit.json`; None if there is none.

    Its form is {"format": 1, "pair_format": "xlm" | "huggingface", "preprocessing": "1", "labels":
    [names], "task": "nli" | "classification", "sentences": 1 | 2, ...}; the first two keys are
    required. `sentences` says whether the model was trained on single texts or on pairs. Further
    keys (licence, recipe, ...) are kept as provenance."""
    path = folder / "xlmkit.json"
    if not path.exists():
        return None
    content = _read_json(path)
    faults = []
    if content.get("format") != FORMAT:
        faults.append(f"`format` must be {FORMAT}, got {content.get('format')!r}")
    if content.get("pair_format") not in PAIR_FORMATS:
        expected = ", ".join(map(repr, PAIR_FORMATS))
        faults.append(f"`pair_format` must be one of {expected}, got {content.get('pair_format')!r}")
    task = content.get("task", "nli")
    if task not in CLASSIFIERS:
        faults.append(f"`task` must be one of {', '.join(map(repr, CLASSIFIERS))}, got {task!r}")
    labels = content.get("labels")
    if labels is not None and (not isinstance(labels, list) or _names(labels, task) is None):
        expected = EXPECTED.get(task, "names")
        faults.append(f"`labels` must be a list of {expected} in the order of the logits, got {labels!r}")
    sentences = content.get("sentences")
    if sentences not in ((None, 2) if task == "nli" else (None, 1, 2)) or isinstance(sentences, bool):
        faults.append(
            f"`sentences` must be 2, or 1 for single texts of a task other than NLI, got {sentences!r}"
        )
    version = content.get("preprocessing", VERSION)
    if not isinstance(version, str):
        faults.append(f"`preprocessing` must be a string such as {VERSION!r}, got {version!r}")
    if faults:
        raise ValueError(
            f"{path} is malformed: {'; '.join(faults)}. Correct it, or delete it to take the authors' pair format."
        )
    if version != VERSION:
        warn_once(
            f"{path} records preprocessing version {version!r}, but this kit preprocesses texts by version {VERSION!r}: some texts may "
            "reach the model in other tokens than in training."
        )
    return content


def pair_format(kit_file: dict[str, Any] | None, name: str) -> str:
    """The pair format that `xlmkit.json` records; without that file the authors', with a
    warning."""
    if kit_file is not None:
        return kit_file["pair_format"]
    warn_once(
        f"{name!r} has no xlmkit.json, so pairs are given in the authors' format `</s> premise </s> hypothesis </s>`; if it was "
        'fine-tuned the Hugging Face way (`<s>` first), put {"format": 1, "pair_format": "huggingface"} into its xlmkit.json.'
    )
    return "xlm"


def choose_task(asked: str | None, kit_file: dict[str, Any] | None, name: str) -> str:
    """The requested task, or else the one that `xlmkit.json` records, or else NLI.

    Raises
    ------
    ValueError : if NLI is requested and another classification recorded, or the other way round."""
    recorded = (kit_file or {}).get("task")
    if asked in CLASSIFIERS and recorded not in (None, asked):
        raise ValueError(
            f"{name!r} is of another task: expected {asked!r}, got {recorded!r} in its xlmkit.json. Use task={recorded!r}, or leave it out."
        )
    return asked or recorded or "nli"


def read_labels(
    config: XLMConfig, kit_file: dict[str, Any] | None, rows: int | None, name: str, task: str
) -> tuple[str, ...]:
    """Read label names in the order of the logits from `xlmkit.json` and `id2label`, never from a
    number.

    Parameters
    ----------
    rows : how many logits the head has; None if there is no head, for which any order will do.
    task : "nli" for its three names, "classification" for any.

    Raises
    ------
    ValueError : if the names are missing, generic, contradict each other or are not as many as the
        logits."""
    recorded = _names((kit_file or {}).get("labels"), task)
    configured = _names([config.id2label[index] for index in sorted(config.id2label)], task)
    if recorded and configured and recorded != configured:
        raise ValueError(
            f"the labels of {name!r} contradict each other: xlmkit.json has {list(recorded)}, config.json's `id2label` {list(configured)}. "
            "Find out which order the head was trained in, and correct the other file."
        )
    labels = recorded or configured or (LABELS if rows is None and task == "nli" else None)
    if labels is None:
        other = (
            "" if task == "classification" else ' For labels of another task add "task": "classification".'
        )
        raise ValueError(
            f"the labels of {name!r} are not known by name: expected {EXPECTED[task]} in some order, got `id2label` "
            f"{dict(config.id2label)!r}. Which logit means what differs between sources and is not guessed. Name them in the order of "
            f'training in xlmkit.json, for example {{"format": 1, "pair_format": "xlm", "labels": ["contradiction", "neutral", "entailment"]}}, '
            f"or in config.json's `id2label`.{other}"
        )
    if rows not in (None, len(labels)):
        raise ValueError(
            f"the head of {name!r} does not fit its labels: expected {len(labels)} logits for {', '.join(labels)}, got {rows}. "
            "Take weights and config.json from the same training."
        )
    return labels


def name_labels(config: XLMConfig, labels: tuple[str, ...]) -> None:
    """Write the names into `config`: it then describes a head of that many logits, and saves the
    names with the network."""
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}


def read_languages(config: XLMConfig, folder: Path, name: str) -> dict[str, int]:
    """Language code -> id, as config.json or else tokenizer_config.json records it; {} if the
    network needs none."""
    table = getattr(config, "lang2id", None) or read_tokenizer_config(folder).get("lang2id") or {}
    needed = bool(config.use_lang_emb and config.n_langs > 1)
    if not needed and config.n_langs > 1:
        warn_once(
            f"{name!r} has no language embeddings: a pair's language decides how its text is preprocessed, and nothing else."
        )
    if not needed and not table:
        return {}
    ids = list(table.values()) if isinstance(table, dict) else []
    whole = all(type(value) is int and 0 <= value < config.n_langs for value in ids)
    if not ids or not whole or len(set(ids)) < len(ids):
        raise ValueError(
            f"the language ids of {name!r} are not usable: expected `lang2id` in config.json with a different id from 0 to "
            f"{config.n_langs - 1} for each code, got {table!r}. Copy `lang2id` from where the checkpoint was published."
        )
    return dict(table)


def read_lowercase(folder: Path, name: str) -> bool:
    """`do_lowercase_and_remove_accent`; if it is not recorded, XLMTokenizer's default (true), with
    a warning."""
    recorded = read_tokenizer_config(folder).get("do_lowercase_and_remove_accent")
    if recorded in ("true", "false"):  # one published file has the text instead of the value
        return recorded == "true"
    if recorded is None:
        warn_once(
            f"{name!r} does not say whether its texts were lower-cased; they are here, as in XLMTokenizer without that setting. If they were "
            'not, put {"do_lowercase_and_remove_accent": false} into its tokenizer_config.json.'
        )
        return True
    if not isinstance(recorded, bool):
        raise ValueError(
            f"{folder / 'tokenizer_config.json'}: `do_lowercase_and_remove_accent` must be true or false, got {recorded!r}"
        )
    return recorded


def read_tokenizer_config(folder: Path) -> dict[str, Any]:
    """The content of tokenizer_config.json; {} if there is none."""
    path = folder / "tokenizer_config.json"
    return _read_json(path) if path.exists() else {}


def _names(values: Any, task: str) -> tuple[str, ...] | None:
    """The labels' names: NLI's three in any spelling that `pairs` knows, another task's as they
    are; None for anything else."""
    if task == "classification":
        named = [value for value in values or () if isinstance(value, str) and value.strip()]
        generic = any(re.fullmatch(r"LABEL_\d+", value) for value in named)  # transformers' placeholders
        whole = len(named) == len(values or ()) == len(set(named)) >= 2
        return tuple(named) if whole and not generic else None
    try:
        names = tuple(label_name(value) or "" for value in values or ())
    except (TypeError, ValueError):
        return None
    return names if sorted(names) == sorted(LABELS) else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {one_line(error)}. {AGAIN}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must contain a JSON object, got {type(content).__name__}. {AGAIN}")
    return content


def one_line(error: BaseException) -> str:
    """An error's message without line breaks."""
    return re.sub(r"\s+", " ", str(error)).strip()
