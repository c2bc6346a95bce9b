"""Where a checkpoint comes from: the embedded model, a folder, or a name on the Hugging Face Hub."""

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
    """A folder with a checkpoint's files, what the user called it, and the Hub's commit where there is one."""

    folder: Path
    name: str
    revision: str | None = None


def locate(source: str | os.PathLike[str] | None) -> Place:
    """The folder that `source` means; a Hub name is downloaded into the Hub's cache, or found there.

    Raises
    ------
    TypeError, ValueError : if `source` is no text or path, or can be no Hub name.
    FileNotFoundError, NotADirectoryError : if there is no such folder, or no such name on the Hub.
    ConnectionError : if the Hub cannot be reached and the cache does not have it."""
    if source is None:
        return Place(bundled.path(EMBEDDED), EMBEDDED)
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"`source` must be None, a folder or a Hub name such as {EXAMPLES!r}; got {source!r}")
    name = os.fspath(source)
    folder = Path(name).expanduser()
    if name.strip() and folder.is_dir():
        return Place(folder, name)
    if name.strip() and folder.exists():
        raise NotADirectoryError(
            f"`source` must be the folder of a checkpoint; got the file {name!r}; remedy: give its folder"
        )
    if isinstance(source, os.PathLike) or _looks_like_a_path(name):
        raise FileNotFoundError(
            f"there is no folder {name!r}; remedy: check the path (from {os.getcwd()!r}), or give a Hub name such as {EXAMPLES!r}"
        )
    return _download(name)


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.endswith("/") or "\\" in name or name.count("/") > 1


def _download(name: str) -> Place:
    """Fetch only the files that a checkpoint needs; `pytorch_model.bin` only where there are no safetensors."""
    # The Hub redirects the names of before 2024; asking for the new one keeps one copy in the cache.
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
            f"`source` must be None, a folder or a Hub name such as {EXAMPLES!r}; got {name!r}, which is no folder here and "
            "can be no Hub name"
        ) from error
    except GatedRepoError as error:
        raise PermissionError(
            f"the Hub has {repository!r}, but asks for a licence to be accepted; remedy: accept it on the model's page and "
            "log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{name!r} is no folder here, and the Hub has no model {repository!r} (or it is private); remedy: check the "
            f"spelling, for example {EXAMPLES!r}, or log in with `hf auth login`"
        ) from error
    except (LocalEntryNotFoundError, HTTPError, OSError) as error:
        raise ConnectionError(_unreachable(name, repository, error)) from error
    return Place(folder, name, folder.name)


def _unreachable(name: str, repository: str, error: BaseException) -> str:
    cause = error.__cause__ or error
    if isinstance(cause, OfflineModeIsEnabled):
        why, remedy = "HF_HUB_OFFLINE forbids to ask the Hub", "unset HF_HUB_OFFLINE once"
    else:
        why, remedy = (
            f"the Hub could not be reached ({str(cause).splitlines()[0]})",
            "connect to the network once",
        )
    return (
        f"{name!r} is no folder here, and {repository!r} is neither whole in the Hub's cache nor to be had now: {why}; remedy: {remedy} to "
        "download it, or copy its folder here and give the path, or use the embedded model with `xlmkit.load()`"
    )
