"""Cache: blocks of prepared texts on disk, by content, each checked when it is read, all together within a size limit.

A block's name is the hash of everything that its ids depend on: texts, language, vocabulary and merges, the rules' version, and the packages that cut words. So a
file is never out of date; it can only be damaged, which its own hash shows. The environment chooses: `XLMKIT_CACHE` is a folder, or `off`;
`XLMKIT_CACHE_MB` the limit. The texts themselves are not stored, but their ids can be read back by whoever has the vocabulary."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

from xlmkit.notices import warn_once
from xlmkit.tokenization.bpe import BPETokenizer
from xlmkit.tokenization.texts import Blocks, Prepared
from xlmkit.tokenization.words import VERSION

LIMIT_MB = 512
LEAST = 256  # distinct texts; fewer are prepared sooner than a file is written
_MAGIC = b"xlmkit1\n"
_DIGEST = hashlib.sha256().digest_size
_ABANDONED = 3600.0  # seconds after which a half-written file has no writer any more


@dataclass(frozen=True)
class Cache:
    """A folder of blocks, of at most `limit` bytes; it is made with the first block, and any number of processes may share it."""

    folder: Path
    limit: int = LIMIT_MB * 2**20

    def get(self, key: str) -> Prepared | None:
        """The block of this key; None where there is none, or a damaged one, which is removed."""
        path = self.folder / key
        try:
            content = path.read_bytes()
        except OSError:
            return None
        found = _read(key, content)
        with contextlib.suppress(
            OSError
        ):  # another process may have removed it, or the folder may be read-only
            if found is None:
                warn_once(
                    f"a damaged file in {str(self.folder)!r} is left out and removed; its texts are prepared anew"
                )
                path.unlink()
            else:
                os.utime(path)
        return found

    def put(self, key: str, block: Prepared) -> None:
        """Keep a block, whole or not at all; the ones that were not used for longest give way. A folder that takes no files is told once."""
        content = _written(key, block)
        if len(content) > self.limit:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._make_room(len(content))
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".new-", delete=False) as file:
                try:
                    file.write(content)
                    file.close()
                    os.replace(file.name, self.folder / key)
                except OSError:
                    os.unlink(file.name)
                    raise
        except OSError as error:
            warn_once(
                f"prepared texts cannot be kept in {str(self.folder)!r}: {error}; remedy: XLMKIT_CACHE=FOLDER, or XLMKIT_CACHE=off"
            )

    def _make_room(self, needed: int) -> None:
        files = []
        for entry in os.scandir(self.folder):
            with contextlib.suppress(FileNotFoundError):  # another process makes room too
                state = entry.stat()
                if entry.name.startswith(".new-"):
                    if time.time() - state.st_mtime > _ABANDONED:
                        os.unlink(entry)
                else:
                    files.append((state.st_mtime_ns, state.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total + needed <= self.limit:
                break
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            total -= size


def chosen() -> Cache | None:
    """The cache that the environment asks for; None where it is off.

    Raises
    ------
    ValueError : if XLMKIT_CACHE_MB is no whole number."""
    folder = os.environ.get("XLMKIT_CACHE") or str(_usual())
    limit = os.environ.get("XLMKIT_CACHE_MB") or str(LIMIT_MB)
    if folder == "off":
        return None
    if not limit.isdecimal():
        raise ValueError(f"XLMKIT_CACHE_MB must be a whole number of megabytes; got {limit!r}")
    return Cache(Path(folder).expanduser(), int(limit) * 2**20)


def kept(blocks: Blocks, cache: Cache | None, pieces: BPETokenizer, *, lowercase: bool) -> Blocks:
    """`blocks` with a memory: of what the cache has, nothing is computed; what is computed, it gets."""
    if cache is None:
        return blocks

    def block(code: str, texts: list[str]) -> Prepared:
        if len(texts) < LEAST:
            return blocks(code, texts)
        key = key_of(code, texts, pieces.fingerprint, lowercase)
        found = cache.get(key)
        if found is None:
            found = blocks(code, texts)
            cache.put(key, found)
        return found

    return block


def key_of(code: str, texts: Iterable[str], fingerprint: str, lowercase: bool) -> str:
    """The hash of everything that the ids of these texts depend on."""
    settings = [code, fingerprint, lowercase, VERSION, _versions()]
    found = hashlib.sha256(json.dumps(settings).encode())
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        found.update(len(content).to_bytes(8, "little") + content)
    return found.hexdigest()


@cache
def _versions() -> list[str]:
    """What cuts words besides our own rules: segmenters, lists of abbreviations, and the tables of Unicode."""
    packages = [metadata.version(name) for name in ("pythainlp", "rjieba", "sacremoses", "regex")]
    return [*packages, unicodedata.unidata_version]


def _usual() -> Path:
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library/Caches/xlmkit"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local") / "xlmkit"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "xlmkit"


def _written(key: str, block: Prepared) -> bytes:
    body = b"".join(
        [len(block).to_bytes(8, "little"), *(a.astype("<i4").tobytes() for a in (block.sizes, block.ids))]
    )
    return _MAGIC + _digest(key, body) + body


def _read(key: str, content: bytes) -> Prepared | None:
    """The block that `_written` wrote under this very key, or None."""
    start = len(_MAGIC) + _DIGEST
    body = content[start:]
    if content[:start] != _MAGIC + _digest(key, body):
        return None
    numbers = np.frombuffer(body, "<i4", offset=8).astype(np.int32)
    count = int.from_bytes(body[:8], "little")
    return Prepared(numbers[count:], numbers[:count])


def _digest(key: str, body: bytes) -> bytes:
    return hashlib.sha256(key.encode() + body).digest()
