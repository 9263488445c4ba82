"""Networks of few filters, with random weights, in place of those that have to be fetched."""

import torch
from torchvision.models import squeezenet1_1
from torchvision.models.vgg import make_layers

from common.data.vgg import Vgg, frozen, layer_names

STACK = [4, 4, "M", 6, 6, "M", 8, 8, 8, "M", 8, 8, 8, "M", 8, 8, 8, "M"]  # VGG-16's, narrow


def small_vgg() -> Vgg:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        features = make_layers(STACK)
        for layer in features:
            if isinstance(layer, torch.nn.Conv2d):  # else biases outweigh the picture
                torch.nn.init.kaiming_normal_(layer.weight)
                torch.nn.init.zeros_(layer.bias)
    return Vgg("small", frozen(features), layer_names(features))


def small_judge() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return squeezenet1_1().eval().requires_grad_(False)
