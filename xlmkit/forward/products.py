"""Products: a linear layer of a network, by whatever computes it fastest here.

On an x86 processor with AVX-512 that is oneDNN, called through the private operator that torch's
compiler calls: in fp32 it is faster there than MKL, which torch uses by default, and it applies the
GELU as it writes the product. With AVX2 alone MKL is faster. Where the operator is missing
or gives wrong numbers, torch's public functions are used. Compiling the whole network instead needs
a C++ compiler and gains little: products take most of the time (tests/benchmarks/README.md)."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import torch
from torch.nn import functional as F

# oneDNN's names of what is applied to the product, and in which form
GELU, NOTHING = ("gelu", "none"), ("none", "")


def linear(block: Any, rows: torch.Tensor) -> torch.Tensor:
    """(R, in) -> (R, out): `block`, a `torch.nn.Linear`, applied to the rows, and differentiable
    like it."""
    if not _is_faster(block, rows):
        return F.linear(rows, block.weight, block.bias)
    if rows.requires_grad and torch.is_grad_enabled():
        return _Linear.apply(rows, block.weight, block.bias)
    return _product(rows, block.weight, block.bias)


def linear_gelu(block: Any, rows: torch.Tensor) -> torch.Tensor:
    """`linear`, then GELU in its exact form."""
    if not _is_faster(block, rows) or (rows.requires_grad and torch.is_grad_enabled()):
        return F.gelu(linear(block, rows))
    return _product(rows, block.weight, block.bias, GELU)


class _Linear(torch.autograd.Function):
    """A product with frozen weights: gradients go to the rows alone, and the rows themselves need
    not be kept."""

    @staticmethod
    def forward(
        ctx: Any, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return _product(rows, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        rows: torch.Tensor = _Linear.apply(gradient.contiguous(), weight.t(), None)
        return rows, None, None


def _product(
    rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, then: tuple[str, str] = NOTHING
) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, then[0], [], then[1])


def _is_faster(block: Any, rows: torch.Tensor) -> bool:
    """Whether oneDNN computes this product, and faster: on a processor, with frozen weights (for
    others autograd has the better way).

    Switch it off with `torch.backends.mkldnn.flags(enabled=False)`."""
    learning = block.weight.requires_grad and torch.is_grad_enabled()
    return (
        rows.device.type == "cpu"
        and not learning
        and rows.dtype == block.weight.dtype
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
        and (rows.dtype == torch.bfloat16 or torch.backends.cpu.get_cpu_capability() == "AVX512")
        and _is_available(getattr(torch.ops.mkldnn, "_linear_pointwise", None), rows.dtype)
    )


@cache
def _is_available(linear_pointwise: Any, dtype: torch.dtype) -> bool:
    """Whether this private operator of torch, which may change in any release, works on this
    processor and gives the right numbers; seen by trying. None where this torch does not have
    it."""
    if platform.machine().lower() not in ("x86_64", "amd64") or dtype not in (torch.float32, torch.bfloat16):
        return False
    ones = torch.ones(2, 32, dtype=dtype)
    try:
        with torch.no_grad():
            products = [
                linear_pointwise(ones, weight, None, then, [], form)
                for weight in (ones, ones.t().contiguous().t())
                for then, form in (GELU, NOTHING)
            ]
    except (RuntimeError, AttributeError, NotImplementedError, TypeError):
        return False
    return all(bool((product.float() - 32).abs().max() < 0.5) for product in products)
