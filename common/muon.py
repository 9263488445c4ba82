"""Muon: a step changes every direction of a weight matrix by as much.

Method     Jordan et al. 2024 (Muon). The gradients' running sum B = U S Vᵀ of a matrix becomes U Vᵀ: directions that a
           gradient hardly ever points to are learned as fast as the few that it mostly points to. A convolution's
           filters are the rows of a matrix.

               X ← B / ‖B‖,   then some times   X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X

           drives all singular values towards 1 with nothing but matrix products (Newton and Schulz), roughly, but that
           is enough. Steps are as long as Adam's (Liu et al. 2025, Eq. 4): 0.2 √max(rows, columns) of U Vᵀ.
Differs    What is no matrix of a hidden layer (biases, normalisation, first and last layers) is AdamW's, with the same
           rate. Three rounds in single precision, not five in bfloat16, which few processors multiply any faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

QUINTIC = (3.4445, -4.7750, 2.0315)  # a, b and c, which lift small singular values most
ROUNDS = 3


def orthogonalised(matrix: Float[Tensor, "rows columns"], rounds: int = ROUNDS) -> Float[Tensor, "rows columns"]:
    """Roughly U Vᵀ of the matrix U S Vᵀ, by so many rounds of Newton and Schulz's iteration; 0 stays 0.

    In single precision at least. The scale does not matter: the largest entry becomes 1 before anything is squared.
    """
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.mT if tall else matrix).to(torch.promote_types(matrix.dtype, torch.float32))
    smallest = torch.finfo(x.dtype).tiny
    x = x / x.abs().amax().clamp(min=smallest)
    x = x / x.norm().clamp(min=smallest)
    gram, factor = x @ x.mT, None
    for turn in range(rounds):  # X Xᵀ and its polynomials are all that changes: X itself is multiplied once, in the end
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal().add_(a)
        factor = polynomial if factor is None else polynomial @ factor
        if turn + 1 < rounds:
            gram = polynomial @ gram @ polynomial
    x = x if factor is None else factor @ x
    return (x.mT if tall else x).to(matrix.dtype)


class Muon(torch.optim.AdamW):
    """Muon for the parameter groups that say `orthogonal`, AdamW for all others. See hidden_filters.

    momentum: the share of the running sum that stays from step to step. Raises ValueError for a momentum that is not
    from 0 to below 1, and for an orthogonal parameter that is no matrix and no stack of filters.
    """

    def __init__(self, params: Sequence[Any], lr: float, weight_decay: float = 0.1, momentum: float = 0.95) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be from 0 to below 1, got {momentum}")
        super().__init__(params, lr=lr, weight_decay=weight_decay, fused=True)
        self.momentum = momentum
        for group in self.param_groups:
            if group.setdefault("orthogonal", False) and any(p.ndim < 2 for p in group["params"]):
                raise ValueError("a vector has no directions to make alike: give it to a group that is not orthogonal")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step. The matrices' gradients are gone after it, so that AdamW sees only the others."""
        for group in self.param_groups:
            for p in group["params"] if group["orthogonal"] else ():
                if p.grad is None:
                    continue
                if p not in self.state:  # AdamW, too, counts steps: a checkpoint is asked for them
                    self.state[p] = {"step": torch.zeros(()), "total": torch.zeros_like(p)}
                self.state[p]["step"] += 1
                total = self.state[p]["total"]
                total.mul_(self.momentum).add_(p.grad)
                ahead = (p.grad + self.momentum * total).flatten(1)  # Nesterov's look ahead
                p.mul_(1 - group["lr"] * group["weight_decay"])
                length = 0.2 * max(ahead.shape) ** 0.5
                p.sub_(orthogonalised(ahead).reshape(p.shape), alpha=group["lr"] * length)
                p.grad = None
        return super().step(closure)


def hidden_filters(network: nn.Module, last: Iterable[nn.Module] = ()) -> list[dict[str, Any]]:
    """A network's parameters in two groups: filters of its hidden convolutions, and all others.

    Hidden are those but the first one, and those within the modules `last`. One without filters has one group.
    """
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    said = {id(p) for module in last for p in module.parameters()}
    filters = [layer.weight for layer in convolutions[1:] if layer.groups == 1 and id(layer.weight) not in said]
    filters = [weight for weight in filters if weight.requires_grad]
    known = {id(weight) for weight in filters}
    others = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    groups = [{"params": filters, "orthogonal": True}, {"params": others, "orthogonal": False}]
    return [group for group in groups if group["params"]]
