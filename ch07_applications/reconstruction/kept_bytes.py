"""The bytes that a network keeps of one item for the backward pass: most of the memory of training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def bytes_to_train(network: nn.Module, side: int, loss: Callable[..., Tensor]) -> int:
    """The bytes of tensors that autograd keeps for one item of side × side, without parameters.

    Shared memory counts once, however many operations keep it. loss: of found and true images, and weights.
    """
    own = {each.untyped_storage().data_ptr() for each in network.parameters()}
    kept: dict[int, tuple[int, Tensor]] = {}  # with the tensor, so that its memory is not reused meanwhile

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    device = next(network.parameters()).device
    item = torch.ones(1, 5, side, side, dtype=torch.complex64, device=device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss(network(item), item[:, 0], torch.ones(1, side, side, device=device))
    return sum(size for place, (size, _) in kept.items() if place not in own)
