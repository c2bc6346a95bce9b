"""Device and precision of predictions: what this machine computes natively."""

from __future__ import annotations

from typing import Any

import torch

from xlmkit.notices import warn_once

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose(device: str | torch.device, dtype: str | torch.dtype) -> tuple[torch.device, torch.dtype]:
    """Choose device and precision of predictions; a warning, once, says what "auto" has chosen and
    why.

    Raises
    ------
    ValueError : if `device` or `dtype` is unknown, or the device is not on this machine."""
    place = choose_device(device)
    precision, reason = choose_dtype(dtype, place)
    options = [f"`{name}=`" for name, value in (("device", device), ("dtype", dtype)) if value == "auto"]
    if options:
        warn_once(
            f"predictions are computed on {place} in {str(precision).removeprefix('torch.')}{reason}; attributions always in "
            f"float32. Choose yourself with {' and '.join(options)}."
        )
    return place, precision


def choose_device(device: str | torch.device) -> torch.device:
    """CUDA, then MPS, then the CPU for "auto"; otherwise `device`, if this machine has it."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"`device` must be 'auto', 'cpu', 'mps', 'cuda' or 'cuda:N'; got {device!r}."
        ) from error
    here = {"cpu": True, "mps": mps, "cuda": cuda and (place.index or 0) < torch.cuda.device_count()}
    if not here.get(place.type, False):
        gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        found = ", ".join(map(repr, ["cpu", *(["mps"] if mps else []), *gpus]))
        raise ValueError(
            f"`device` {str(device)!r} is not usable here: torch {torch.__version__} finds {found}. Choose one of "
            "these or 'auto', or install the torch build for your hardware."
        )
    return place


def choose_dtype(dtype: str | torch.dtype, device: torch.device) -> tuple[torch.dtype, str]:
    """The precision of predictions on `device`, and for "auto" the reason in brackets.

    bfloat16 is taken only where the hardware multiplies it natively; elsewhere it would be
    emulated, at no gain."""
    if dtype == "auto":
        if _native_bfloat16(device):
            return torch.bfloat16, " (native there)"
        return torch.float32, " (no native bfloat16 there)"
    chosen = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if chosen is None or chosen not in DTYPES.values():
        raise ValueError(
            f"`dtype` must be 'auto', {', '.join(map(repr, DTYPES))} or the torch dtype of that name; got {dtype!r}."
        )
    return chosen, ""


def _native_bfloat16(device: torch.device) -> bool:
    """CUDA from compute capability 8.0 (Ampere) on; x86 with AVX512-BF16 or AMX. False on MPS and
    ARM, which were not measured."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        ask: Any = getattr(torch.cpu, "get_capabilities", dict)  # torch 2.11 may not have it: then float32
        able = ask()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
    return False
