"""Partial convolutions: layers that compute with what is known of a picture, and say where that suffices.

Question   A convolution takes the fill value of a hole, black or grey, for a colour of the picture. Does a network that
           leaves hidden pixels out of every sum restore more of them? And does it restore more than the solution of an
           equation that uses no other picture?
Method     Liu et al. 2018, §3. In a window of a feature map X, with M = 1 at known entries and 0 at hidden ones,

               x' = Wᵀ(X ⊙ M) · sum(1) / sum(M) + b  where sum(M) > 0, else 0                           (1)
               m' = 1                                where sum(M) > 0, else 0                           (2)

           The ratio compensates for the entries that are left out; the bias is added after it. Each layer shrinks the
           hole, until nothing is hidden. A U-Net of such layers concatenates masks where it concatenates maps, and
           upsamples both by nearest neighbours. In the loss hidden pixels weigh six times as much as known ones:

               L = L_valid + 6 L_hole + .05 L_perceptual + 120 (L_style_out + L_style_comp) + .1 L_tv    (3)–(7)

           The layer needs no fill in the hole, but can use one. One network also gets the harmonic and the biharmonic
           fill, as six more maps that are known everywhere, and predicts a correction to their mean.
Rival      The same U-Net with plain convolutions and the mask as a fourth channel, the paper's own; the harmonic and
           the biharmonic fill and their mean (smooth_fills.py), Telea's and Navier–Stokes' methods, and exemplars
           (exemplar.py; Criminisi, Pérez and Toyama 2004).
Differs    Crops of 64 × 64 pixels from 10 photographs, not 512 × 512 from a million. Four levels; no BatchNorm, whose
           statistics holes distort and which §3.3 freezes in a second phase. Padding counts neither as known nor as
           hidden. Networks are trained by the pixel terms only; those over fills by the logarithm of the squared error
           in the hole, which is the scored PSNR. Muon in place of Adam.
Costs      180 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, max_pool2d

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.reconstruction.conditional_gaussian import study_fashion
from ch07_applications.reconstruction.hidden_crops import ablation_crops, judged_crops
from ch07_applications.reconstruction.inpainting_rivals import fill_by_best_exemplars, fill_by_rivals
from ch07_applications.reconstruction.inpainting_verdicts import (
    OVER,
    PADDED,
    PARTIAL,
    PLAIN,
    PLAIN_OVER,
    UNSCALED,
    draw_all,
    measure_terms,
    state_verdicts,
)
from ch07_applications.reconstruction.network_inpainting import compare_learned, fill_picture, score_network
from ch07_applications.reconstruction.own_inpainting import fill_own
from ch07_applications.reconstruction.training_crops import TrainingCrops, learned_images
from common.data.vgg import Vgg, vgg_or_none
from common.data.weights import imagenet_statistics
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

WIDTHS, KERNELS = (32, 64, 96, 128), (5, 3, 3, 3)  # of the levels; each halves the sides
PUBLISHED_WIDTHS, PUBLISHED_KERNELS = (64, 128, 256, 512, 512, 512, 512, 512), (7, 5, 5, 3, 3, 3, 3, 3)
WEIGHTS = {"valid": 1.0, "hole": 6.0, "perceptual": 0.05, "style out": 120.0, "style comp": 120.0, "tv": 0.1}
POOLS = ("pool1", "pool2", "pool3")  # layers of VGG
BATCH, RATE, SLOPE = 16, 2e-3, 0.1
GAIN = 4.0  # factor of the difference of the two fills, which is small relative to colours
SMALLEST = 1e-4  # added to the squared error before the logarithm: 40 dB
Maps = Float[Tensor, "batch _ _ _"]
Masks = Float[Tensor, "batch groups _ _"]  # 1 where known, one for each group of maps
Mask = Float[Tensor, "batch 1 _ _"]
Colours = Float[Tensor, "batch 3 height width"]  # from 0 to 1
Given = Float[Tensor, "batch 10 height width"]  # known pixels, else 0; two fills; the mask


# --- The layers ------------------------------------------------------------------------------------------------------


class PartialConv2d(nn.Module):
    """A convolution of known entries, and the mask of its output. Eq. (1), (2).

    channels: of each group of maps that shares a mask; `known` has one channel per group. Padding is neither known nor
    hidden: sum(1) counts entries within the map, so that with a full mask this equals nn.Conv2d, also at borders.
    biased: whether it has b. ratio: False leaves the ratio out. padding_hidden: sum(1) counts padding as well.
    """

    def __init__(
        self,
        channels: Sequence[int],
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        biased: bool = True,
        ratio: bool = True,
        padding_hidden: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.ratio, self.padding_hidden = tuple(channels), ratio, padding_hidden
        self.convolution = nn.Conv2d(sum(channels), outputs, kernel, stride, kernel // 2, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs)) if biased else 0.0

    def forward(self, maps: Maps, known: Masks) -> tuple[Maps, Mask]:
        groups = zip(maps.split(self.channels, dim=1), known.split(1, dim=1), strict=True)
        seen = torch.cat([torch.where(mask > 0, group, 0) for group, mask in groups], dim=1)
        entries_known, entries = self.count(known)
        valid = (entries_known > 0).to(maps)
        sums = self.convolution(seen)
        if self.ratio:
            sums = sums * (entries / entries_known.clamp(min=1)).to(sums)
        bias = self.bias[:, None, None] if isinstance(self.bias, Tensor) else 0.0
        return (sums + bias) * valid, valid

    @torch.no_grad()
    def count(self, known: Masks) -> tuple[Mask, Mask]:
        """sum(M) and sum(1) of every window, over all channels: a group's mask counts once per map of the group."""
        kernel, stride = self.convolution.kernel_size[0], self.convolution.stride
        count = partial(avg_pool2d, kernel_size=kernel, stride=stride, padding=kernel // 2, divisor_override=1)
        per_place = (known * known.new_tensor(self.channels)[:, None, None]).sum(dim=1, keepdim=True)
        entries = count(torch.full_like(per_place, sum(self.channels)))
        if self.padding_hidden:
            entries = torch.full_like(entries, kernel**2 * sum(self.channels))
        return count(per_place), entries


class PlainConv2d(nn.Module):
    """The rival: a convolution that treats every entry as known, whatever the mask."""

    def __init__(self, channels: Sequence[int], outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(sum(channels), outputs, kernel, stride, kernel // 2)

    def forward(self, maps: Maps, known: Masks) -> tuple[Maps, Mask]:
        sums = self.convolution(maps)
        return sums, torch.ones_like(sums[:, :1])


class UNet(nn.Module):
    """Layers that halve the sides, and the same number that double them, each with a skip connection. §3.2.

    over_fills: the last layer's output, initially 0, is added to the mean of both fills. normalised: the paper's
    BatchNorm replaces the bias in all layers but the first and last.
    """

    def __init__(
        self,
        layer: Callable[..., nn.Module] = PartialConv2d,
        over_fills: bool = False,
        widths: Sequence[int] = WIDTHS,
        kernels: Sequence[int] = KERNELS,
        normalised: bool = False,
    ) -> None:
        super().__init__()
        self.partial, self.over_fills = layer is not PlainConv2d, over_fills
        inputs = (3, *((6,) * over_fills), *((1,) * (not self.partial)))
        given = [inputs, *((width,) for width in widths[:-1])]
        biased = {"biased": False} if normalised else {}
        self.encoder, self.decoder, self.norms = nn.ModuleList(), nn.ModuleList(), nn.ModuleDict()
        for channels, width, kernel in zip(given, widths, kernels, strict=True):
            self.encoder.append(layer(channels, width, kernel, 2, **biased))
        below = (widths[-1],)
        for level in reversed(range(len(widths))):
            width = widths[level - 1] if level else 3
            self.decoder.append(layer((*below, *given[level]), width, **(biased if level else {})))
            below = (width,)
        if normalised:
            names = [f"{way} {k}" for way in ("down", "up") for k in range(1, len(widths))]
            for name, width in zip(names, (*widths[1:], *widths[-2::-1]), strict=True):
                self.norms[name] = nn.BatchNorm2d(width)
        if over_fills:
            for parameter in self.decoder[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, given: Given) -> Colours:
        crops, fills, known = given.split((3, 6, 1), dim=1)
        middle, gap = (fills[:, :3] + fills[:, 3:]) / 2, fills[:, 3:] - fills[:, :3]
        groups = [(crops - 0.5 * known, known)]
        if self.over_fills:
            groups.append((torch.cat([middle - 0.5, GAIN * gap], dim=1), torch.ones_like(known)))
        groups += [] if self.partial else [(known, known)]
        maps, masks = (torch.cat(each, dim=1) for each in zip(*groups, strict=True))
        skips, last = [], len(self.decoder) - 1
        for k, layer in enumerate(self.encoder):
            skips.append((maps, masks))
            maps, masks = layer(maps, masks)
            maps = self.activate(f"down {k}", maps)
        for k, layer in enumerate(self.decoder):
            skipped, mask = skips.pop()
            maps, masks = (interpolate(each, skipped.shape[2:]) for each in (maps, masks))
            maps, masks = layer(torch.cat([maps, skipped], dim=1), torch.cat([masks, mask], dim=1))
            if k < last:
                maps = self.activate(f"up {k + 1}", maps)
        return (middle if self.over_fills else 0.5) + maps

    def activate(self, name: str, maps: Maps) -> Maps:
        """A leaky rectifier, after BatchNorm if the layer has it."""
        return leaky_relu(self.norms[name](maps) if name in self.norms else maps, SLOPE)


# --- The loss ---------------------------------------------------------------------------------------------------------


class Features(nn.Module):
    """The outputs of VGG's first three poolings, for colours from 0 to 1. §3.3."""

    def __init__(self, network: Vgg, layers: Sequence[str] = POOLS) -> None:
        super().__init__()
        self.places = [network.layers[name] for name in layers]
        self.stack = network.features[: max(self.places) + 1]
        self.mean, self.deviation = (torch.tensor(values)[:, None, None] for values in imagenet_statistics())

    def forward(self, colours: Colours) -> list[Maps]:
        x, found = (colours - self.mean.to(colours)) / self.deviation.to(colours), []
        for place, layer in enumerate(self.stack):
            x = layer(x)
            if place in self.places:
                found.append(x)
        return found


def gram(maps: Maps) -> Float[Tensor, "batch _ _"]:
    """K Ψᵀ Ψ with K = 1 / (C H W). Eq. (5)."""
    filters = maps.flatten(2)
    return filters @ filters.mT / (maps.shape[1] * maps.shape[2] * maps.shape[3])


def total_variation(comp: Colours, known: Mask) -> Float[Tensor, ""]:
    """The absolute differences of neighbours in R, the hole and 1 pixel around it, over the picture's size. Eq. (7)."""
    region = max_pool2d(1 - known, 3, 1, padding=1)
    down = comp.diff(dim=2).abs() * region[:, :, 1:] * region[:, :, :-1]
    across = comp.diff(dim=3).abs() * region[..., 1:] * region[..., :-1]
    return (down.sum() + across.sum()) / comp.numel()


@dataclass(frozen=True)
class InpaintingLoss:
    """All terms of the paper's loss, and their weighted sum. features: None leaves out those of VGG."""

    features: Features | None = None

    def terms(self, found: Colours, truth: Colours, known: Mask) -> dict[str, Float[Tensor, ""]]:
        """The unweighted terms, by the names of WEIGHTS. Eq. (3)–(7); comp: found, with known pixels true."""
        errors, comp = (found - truth).abs(), torch.where(known > 0, truth, found)
        terms = {"valid": (errors * known).mean(), "hole": (errors * (1 - known)).mean()}
        terms["tv"] = total_variation(comp, known)
        if self.features is not None:
            wanted, out, mixed = (self.features(each) for each in (truth, found, comp))
            terms["perceptual"] = sum(
                (a - b).abs().mean() for own in (out, mixed) for a, b in zip(own, wanted, strict=True)
            )
            for name, own in (("style out", out), ("style comp", mixed)):
                terms[name] = sum((gram(a) - gram(b)).abs().mean() for a, b in zip(own, wanted, strict=True))
        return terms

    def __call__(self, found: Colours, truth: Colours, known: Mask) -> Float[Tensor, ""]:
        return sum(WEIGHTS[name] * value for name, value in self.terms(found, truth, known).items())


def log_error(found: Colours, truth: Colours, known: Mask) -> Float[Tensor, ""]:
    """The mean over crops of log(squared error in the hole + SMALLEST): the PSNR in holes up to sign and factor."""
    hidden = 1 - known
    errors = ((found - truth).square() * hidden).sum(dim=(1, 2, 3)) / (3 * hidden.sum(dim=(1, 2, 3)).clamp(min=1))
    return (errors + SMALLEST).log().mean()


# --- Training, and the lesson -----------------------------------------------------------------------------------------


def train(
    run: Run, build: Callable[[], UNet], loss: Callable[..., Tensor], epochs: int, bank: TrainingCrops, *,
    checkpoint: str,
) -> UNet:  # fmt: skip
    """A network whose first weights are the seed's, trained on the bank."""
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = build().to(memory_format=torch.channels_last)
    epochs = run.pick(smoke=1, lecture=epochs, full=25 * epochs)
    training = Training(
        epochs, RATE, BATCH, Muon, lambda own: hidden_filters(own, [own.decoder[-1]]), loss=loss, warm_up=0.1,
        device=run.device, checkpoint=run.checkpoint(checkpoint), say=run.say_step,
    )  # fmt: skip
    training(network, bank, run.seed)
    return network


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    for levels in (8, 7):
        with torch.device("meta"):
            published = UNet(widths=PUBLISHED_WIDTHS[:levels], kernels=PUBLISHED_KERNELS[:levels], normalised=True)
        run.fact(f"published U-Net of {2 * levels} layers", parameters_of(published), "parameters")
    parts, changes = judged_crops(run), ablation_crops(run)
    third, found = parts[0].every_third, fill_by_rivals(run, parts, changes[0])
    exemplars = fill_by_best_exemplars(run, third, changes[0])
    bank = TrainingCrops.of(learned_images(run), run.pick(smoke=24, lecture=2400, full=60_000), run.seed)
    pixels, networks = InpaintingLoss(), {}
    recipes = {
        PARTIAL: (UNet, pixels, 2, [*parts, *changes]),
        PLAIN: (partial(UNet, PlainConv2d), pixels, 2, [*parts, *changes]),
        UNSCALED: (partial(UNet, partial(PartialConv2d, ratio=False)), pixels, 2, changes),
        PADDED: (partial(UNet, partial(PartialConv2d, padding_hidden=True)), pixels, 2, changes),
        OVER: (partial(UNet, over_fills=True), log_error, 4, [*parts, third, *changes]),
        PLAIN_OVER: (partial(UNet, PlainConv2d, True), log_error, 4, changes),
    }
    for name, (build, loss, epochs, judged) in recipes.items():
        with run.method(name, kind="deep") as method:
            networks[name] = method.time(train, run, build, loss, epochs, bank, checkpoint=name)
            found[name] = score_network(method, networks[name], judged)
    if (vgg := vgg_or_none(run.scale, run.note)) is not None:
        measure_terms(run, InpaintingLoss(Features(vgg)).terms, changes[0], {k: networks[k] for k in (PARTIAL, OVER)})
    compare_learned(run, PARTIAL, networks[PARTIAL], bank)
    state_verdicts(run, claims, parts, changes)
    study_fashion(run)
    draw_all(run, parts[0], exemplars, found, networks[PARTIAL])
    if run.photo is not None:
        fill_own(run, partial(fill_picture, networks[OVER]), OVER)
