"""The files that come with the kit: in `data/` of a clone, or inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def path(*parts: str) -> Path:
    """Find a file or folder of `data/`.

    Raises
    ------
    FileNotFoundError : if neither the clone nor the wheel has it."""
    candidates = [_PACKAGE / "data", _PACKAGE.parent / "data"]
    for root in candidates:
        found = root.joinpath(*parts)
        if found.exists():
            return found
    raise FileNotFoundError(
        f"expected {'/'.join(parts)!r} under {' or '.join(str(root) for root in candidates)}. "
        "Use a complete clone, or install the wheel again."
    )
