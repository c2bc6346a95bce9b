"""Where a checkpoint comes from: the bundled model, a folder, or a name on the Hugging Face Hub."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from xlmkit import bundled

EMBEDDED = "mini-xnli15"
EXAMPLES = "FacebookAI/xlm-mlm-xnli15-1024"
_SMALL_FILES = ["config.json", "tokenizer_config.json", "vocab.json", "merges.txt", "xlmkit.json"]
_SAFETENSORS = ["model.safetensors", "model.safetensors.index.json", "model-*.safetensors"]


@dataclass(frozen=True)
class Place:
    """A folder with a checkpoint's files, the name that the user gave it, and the Hub's commit if
    there is one."""

    folder: Path
    name: str
    revision: str | None = None


def locate(source: str | os.PathLike[str] | None) -> Place:
    """Find the folder of `source`; a Hub name is downloaded into the Hub's cache, or found there.

    Raises
    ------
    TypeError, ValueError : if `source` is not a text or path, or cannot be a Hub name.
    FileNotFoundError, NotADirectoryError : if there is no such folder, or no such name on the Hub.
    ConnectionError : if the Hub cannot be reached and the cache does not have it."""
    if source is None:
        return Place(bundled.path(EMBEDDED), EMBEDDED)
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            f"`source` must be None, a folder or a Hub name such as {EXAMPLES!r}; got {source!r}."
        )
    name = os.fspath(source)
    folder = Path(name).expanduser()
    if name.strip() and folder.is_dir():
        return Place(folder, name)
    if name.strip() and folder.exists():
        raise NotADirectoryError(
            f"`source` must be the folder of a checkpoint; got the file {name!r}. Give its folder."
        )
    if isinstance(source, os.PathLike) or _looks_like_a_path(name):
        raise FileNotFoundError(
            f"there is no folder {name!r}. Check the path (from {os.getcwd()!r}), or give a Hub name such as {EXAMPLES!r}."
        )
    return _download(name)


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.endswith("/") or "\\" in name or name.count("/") > 1


def _download(name: str) -> Place:
    """Download only the files that a checkpoint needs; `pytorch_model.bin` only if there are no
    safetensors."""
    # The Hub redirects the names of before 2024; asking for the new one keeps one copy in the
    # cache.
    repository = f"FacebookAI/{name}" if re.fullmatch(r"xlm-[mc]lm-[\w-]+", name) else name
    try:
        folder = Path(
            huggingface_hub.snapshot_download(repository, allow_patterns=_SMALL_FILES + _SAFETENSORS)
        )
        if not any(file.suffix == ".safetensors" for file in folder.iterdir()):
            wanted = [*_SMALL_FILES, "pytorch_model.bin"]
            folder = Path(huggingface_hub.snapshot_download(repository, allow_patterns=wanted))
    except HFValidationError as error:
        raise ValueError(
            f"`source` must be None, a folder or a Hub name such as {EXAMPLES!r}; got {name!r}, which is no such folder and "
            "cannot be a Hub name."
        ) from error
    except GatedRepoError as error:
        raise PermissionError(
            f"the licence of {repository!r} on the Hub has not been accepted. Accept it on the model's page and "
            "log in with `hf auth login`."
        ) from error
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"there is no folder {name!r}, and the Hub has no model {repository!r} (or it is private). Check the "
            f"spelling, for example {EXAMPLES!r}, or log in with `hf auth login`."
        ) from error
    except (LocalEntryNotFoundError, HTTPError, OSError) as error:
        cause = error.__cause__ or error
        why, action = f"the Hub is unreachable ({str(cause).splitlines()[0]})", "Connect to the network once"
        if isinstance(cause, OfflineModeIsEnabled):
            why, action = "HF_HUB_OFFLINE is set", "Unset HF_HUB_OFFLINE once"
        raise ConnectionError(
            f"cannot load {name!r}: no such folder, {repository!r} is not completely in the Hub's cache, and {why}. {action} to "
            "download it, or pass the path of a local copy, or use the bundled model with `xlmkit.load()`."
        ) from error
    return Place(folder, name, folder.name)
