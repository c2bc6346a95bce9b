"""Products: a linear layer of a network, by whatever computes it fastest here.

On an x86 processor with AVX-512 that is oneDNN, called through the operators that torch's compiler calls: in fp32 MKL, which torch takes by itself, reached 85 to 90
GFLOP/s a core of an AMD EPYC 9004 where oneDNN reached 97 to 105, and oneDNN computes the GELU behind a product as it writes the result. With AVX2 alone (AMD EPYC 7003) it is
the other way round: a product with its GELU took 18.0 ms in MKL and torch, 21.8 in oneDNN, others 3 to 10 % less. Compiling the whole network instead needs a C++ compiler and
minutes, and what it would win beyond these is small: products are nine tenths of the time."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.nn import functional as F

LARGE = 2**20  # numbers in a matrix of which no second copy is kept
TYPICAL_ROWS = 1024  # the order hardly depends on them
_ordered: WeakKeyDictionary[Any, tuple[Any, torch.Tensor]] = WeakKeyDictionary()

GELU, NOTHING = ("gelu", "none"), ("none", "")  # oneDNN's name of what follows the product, and its variant


def linear(block: Any, rows: torch.Tensor) -> torch.Tensor:
    """(R, in) -> (R, out): what `block`, a `torch.nn.Linear`, makes of the rows; differentiable wherever that is."""
    if not _by_onednn(block, rows):
        return F.linear(rows, block.weight, block.bias)
    if rows.requires_grad and torch.is_grad_enabled():
        result: torch.Tensor = _Linear.apply(rows, block.weight, block.bias)
        return result
    return _product(rows, _ready(block), block.bias)


def linear_gelu(block: Any, rows: torch.Tensor) -> torch.Tensor:
    """`linear`, then GELU in its exact form."""
    if not _by_onednn(block, rows) or (rows.requires_grad and torch.is_grad_enabled()):
        return F.gelu(linear(block, rows))
    return _product(rows, _ready(block), block.bias, GELU)


class _Linear(torch.autograd.Function):
    """A product whose weights are frozen: the way back goes to the rows alone, and the rows themselves need not be kept for it."""

    @staticmethod
    def forward(
        ctx: Any, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return _product(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        back: torch.Tensor = _Linear.apply(gradient.contiguous(), weight.t(), None)
        return back, None, None


def _ready(block: Any) -> torch.Tensor:
    """The weights in the order in which oneDNN wants them, where they are in bf16 and few: else it reorders them for each product, at a twentieth of its time.

    A network in bf16 is a copy for predictions, and a copy of its small matrices costs little; of large ones the memory would be missed. Weights that
    were changed or exchanged are ordered anew."""
    weight = block.weight
    if weight.dtype != torch.bfloat16 or weight.numel() >= LARGE or weight.is_inference():
        return weight
    state = (weight.data_ptr(), weight._version)
    if _ordered.get(block, (None,))[0] != state:
        with torch.no_grad():
            _ordered[block] = (state, torch.ops.mkldnn._reorder_linear_weight(weight.detach(), TYPICAL_ROWS))
    found: torch.Tensor = _ordered[block][1]
    return found


def _product(
    rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, then: tuple[str, str] = NOTHING
) -> torch.Tensor:
    found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, then[0], [], then[1])
    return found


def _by_onednn(block: Any, rows: torch.Tensor) -> bool:
    """Whether oneDNN has this product: on a processor, and with weights that learn nothing, for which autograd has the better way."""
    learning = block.weight.requires_grad and torch.is_grad_enabled()
    return (
        rows.device.type == "cpu"
        and not learning
        and rows.dtype == block.weight.dtype
        and bool(
            torch.backends.mkldnn.enabled
        )  # switched off with torch.backends.mkldnn.flags(enabled=False)
        and not torch.is_autocast_enabled("cpu")
        and _pays(rows.dtype)
        and _offered(rows.dtype)
    )


def _pays(dtype: torch.dtype) -> bool:
    """Whether oneDNN is the faster way here, where it is one."""
    return dtype == torch.bfloat16 or torch.backends.cpu.get_cpu_capability() == "AVX512"


@cache
def _offered(dtype: torch.dtype) -> bool:
    """Whether torch has the operators, and this processor the instructions for them; seen by trying."""
    if platform.machine().lower() not in ("x86_64", "amd64") or dtype not in (torch.float32, torch.bfloat16):
        return False
    rows = torch.ones(2, 32, dtype=dtype)
    try:
        with torch.no_grad():
            found = [
                _product(rows, weight, None, then)
                for weight in (rows, rows.t().contiguous().t())
                for then in (GELU, NOTHING)
            ]
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    return all(bool((other.float() - 32).abs().max() < 0.5) for other in found)
