"""Gated PixelCNN: an image's probability given its class, pixel by pixel, by two stacks that leave no blind spot.

Question   A network writes an image's probability as a product over its pixels. How many nats does it save if it knows
           the image's class? Do its samples show the requested class? Can it classify images, by Bayes' rule?
Method     Van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves & Kavukcuoglu 2016, with a vector h for the class:

               p(x | h) = Π_i p(x_i | x_1, …, x_{i−1}, h)                                         (3)
               y = tanh(W_f * x + V_f h) ⊙ σ(W_g * x + V_g h)                                     (4)

           in every layer (§2.1, §2.3), in two stacks (§2.2): the vertical one covers the rows above, the horizontal
           one its own row on the left, and the vertical one's maps of the row above. Trained with and without a class,
           one network gives p(x | y) and, with h = 0, p(x). Classes follow by Bayes' rule (bayes_rule.py).
Rival      A mixture of Bernoullis per class, and boosted trees with the class as a feature, as densities and, by Bayes'
           rule, as classifiers; support vector machines on the same bits, and on their gradients (HOG), as classifiers.
Differs    Binary digits of 14 × 14 pixels, drawn anew for each step, not colour pictures of 32 × 32; 32 features and
           filters of 3 × 3, not 384 and 5 × 5. Maps of the places, by class, are learned, where the paper has
           s = m(h), Eq. (5). Masks are not needed: filters end where the past ends. Muon, one cycle.
Costs      150 s on two cores, of which the network takes 60.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from scipy.special import entr
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.reconstruction.binarised_digits import check_binary
from ch07_applications.reconstruction.digit_rivals import shared
from ch07_applications.reconstruction.pixel_rnn import Bottleneck, PixelNetwork, loss
from ch07_applications.reconstruction.receptive_field import past, receptive_field
from ch07_applications.reconstruction.scored_digits import SMALL_NATS
from ch07_applications.synthesis.bayes_rule import log_posterior, marginal_nats
from ch07_applications.synthesis.density_bench import (
    ACCURACY,
    HOG_SVM,
    MIXTURES,
    RECOGNISED,
    SVM,
    TREES,
    UNKNOWN,
    digit_bench,
    score_classifiers,
    score_density,
    score_rivals,
    score_samples,
)
from ch07_applications.synthesis.drawn_pixelcnn import CAPTIONS, draw_classes, draw_fields, draw_gain, draw_mistakes
from ch07_applications.synthesis.gated_sampling import sample
from ch07_applications.synthesis.labelled_digits import (
    CLASSES,
    FromChannels,
    LabelledDigits,
    LabelledSets,
    labelled_sets,
    one_hot,
)
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

NETWORK = "gated PixelCNN"
SUMMED, WITHOUT = f"{NETWORK}, summed over classes", f"{NETWORK}, h = 0"  # p(x), by two ways
STACKS, MASKED = "two stacks", "masked filters"
KERNELS, WIDTH = (7, 3, 3, 3, 3, 3), 32
PASSES, BATCH, RATE, DROPPED = 9, 32, 1e-2, 0.15
SIZE, PLACE = (14, 14), (7, 7)  # the place whose past is measured
Maps = Float[Tensor, "batch _ height width"]
Labels = Float[Tensor, "batch classes"]


# --- The layers ------------------------------------------------------------------------------------------------------


def gate(maps: Float[Tensor, "batch doubled height width"], condition: Float[Tensor, "batch doubled"]) -> Maps:
    """y = tanh(W_f * x + V_f h) ⊙ σ(W_g * x + V_g h), Eq. (4). maps: both sums over x, concatenated."""
    features, gates = (maps + condition[:, :, None, None]).chunk(2, dim=1)
    return features.tanh() * gates.sigmoid()


def see_above(layer: nn.Conv2d, maps: Maps) -> Maps:
    """A convolution whose filters end in their own row: nothing below, all columns within reach."""
    rows, columns = layer.kernel_size
    return layer(functional.pad(maps, (columns // 2, columns // 2, rows - 1, 0)))


def see_left(layer: nn.Conv2d, maps: Maps, own: bool) -> Maps:
    """A convolution whose filters end at their own pixel, or, if own is False, at the one on its left."""
    columns = layer.kernel_size[1]
    found = layer(functional.pad(maps, (columns - own, 0, 0, 0)))
    return found if own else found[..., :-1]


def shift_down(maps: Maps) -> Maps:
    """Every row moved down by one, zeros above: what a pixel may use of the rows above its own."""
    return functional.pad(maps, (0, 0, 1, 0))[:, :, :-1]


class GatedLayer(nn.Module):
    """A vertical stack for the rows above, and a horizontal one for its own row on the left. Fig. 2.

    The vertical stack's maps at a row depend on that row and those above; the horizontal stack receives them one row
    later. first: the layer on the image, where an output must not depend on its own pixel. No weights are masked:
    filters are cut.
    """

    def __init__(self, inputs: int, width: int, classes: int, kernel: int, first: bool = False) -> None:
        super().__init__()
        reach, self.first = kernel // 2, first
        self.vertical = nn.Conv2d(inputs, 2 * width, (reach + 1, kernel))
        self.horizontal = nn.Conv2d(inputs, 2 * width, (1, reach + (not first)))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.expand = nn.Conv2d(width, width, 1)
        self.condition = nn.Linear(classes, 4 * width, bias=False)  # V_f and V_g of both stacks

    def forward(self, above: Maps, left: Maps, h: Labels) -> tuple[Maps, Maps]:
        of_above, of_left = self.condition(h).chunk(2, dim=1)
        rows = see_above(self.vertical, above)
        row = see_left(self.horizontal, left, own=not self.first) + self.link(shift_down(rows))
        found = self.expand(gate(row, of_left))
        return gate(rows, of_above), found if self.first else left + found


class PlaceMaps(nn.Module):
    """s = m(h): a map for no label, and an addition to it for each class."""

    def __init__(self, classes: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.common = nn.Parameter(torch.zeros(channels, *size))
        self.added = nn.Parameter(torch.zeros(classes, channels, *size))

    def forward(self, h: Labels) -> Float[Tensor, "batch channels height width"]:
        return self.common + torch.einsum("nc,cdyx->ndyx", h, self.added)


class GatedPixelCNN(nn.Module):
    """Logits of every pixel's probability of being 1, given the pixels before it and h, which is 0 for no label.

    Layers of both stacks, then two 1×1 convolutions. size: of the images; with it, a map of the places is added to the
    features and one to the logits, each linear in h: the s = m(h) of Eq. (5).
    """

    def __init__(
        self, width: int, kernels: Sequence[int], classes: int = CLASSES, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        channels = [1] + [width] * (len(kernels) - 1)
        self.layers = nn.ModuleList(
            GatedLayer(inputs, width, classes, kernel, first=not place)
            for place, (inputs, kernel) in enumerate(zip(channels, kernels, strict=True))
        )
        self.hidden, self.last = nn.Conv2d(width, width, 1), nn.Conv2d(width, 1, 1)
        self.places = PlaceMaps(classes, width, size) if size else None
        self.offsets = PlaceMaps(classes, 1, size) if size else None
        self.classes = classes

    def forward(
        self, images: Float[Tensor, "batch 1 height width"], h: Labels | None = None
    ) -> Float[Tensor, "batch 1 height width"]:
        h = images.new_zeros(len(images), self.classes) if h is None else h
        above = left = 2 * images - 1  # so that 0, beyond the border, is neither black nor white
        for layer in self.layers:
            above, left = layer(above, left, h)
            if layer.first and self.places is not None:
                left = left + self.places(h)
        logits = self.last(self.hidden(left.relu()).relu())
        return logits if self.offsets is None else logits + self.offsets(h)


# --- Training and predictions ----------------------------------------------------------------------------------------


def train(run: Run, sets: LabelledSets) -> GatedPixelCNN:
    """Train a network on digits with their class and, for a share of them, without it."""
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = GatedPixelCNN(WIDTH, KERNELS, size=sets.greys.shape[1:])
    start_at_means(network, torch.from_numpy(sets.greys), one_hot(sets.labels))
    digits = LabelledDigits(torch.from_numpy(sets.moved), one_hot(sets.labels), DROPPED)
    Training(
        run.pick(smoke=1, lecture=PASSES, full=40), RATE, BATCH, Muon, lambda net: hidden_filters(net, [network.last]),
        loss, 0.1, device=run.device, checkpoint=run.checkpoint("network"), say=run.say_step,
    )(FromChannels(network), digits, run.seed)  # fmt: skip
    return network.cpu()


@torch.no_grad()
def start_at_means(
    network: GatedPixelCNN, greys: Float[Tensor, "digits height width"], h: Float[Tensor, "digits classes"]
) -> None:
    """Initialise the prediction with the mean of all digits, or, given a class, with the mean of its digits.

    Residual layers start as the identity.
    """
    mean = greys.mean(dim=0).logit(2e-3)
    of_class = (torch.einsum("nc,nyx->cyx", h, greys) / h.sum(dim=0)[:, None, None]).logit(2e-3)
    network.offsets.common.copy_(mean[None])
    network.offsets.added.copy_((of_class - mean)[:, None])
    for layer in network.layers[1:]:
        nn.init.zeros_(layer.expand.weight)


@torch.no_grad()
def digit_nats(
    network: nn.Module, images: UInt8[np.ndarray, "digits height width"], h: Float[Tensor, "digits classes"]
) -> Float[np.ndarray, "digits"]:
    """−log p(x | h) of each digit, in single precision. Raises ValueError for pixels other than 0 and 1."""
    check_binary(images)
    network.eval()
    pairs = zip(torch.from_numpy(images).float()[:, None].split(50), h.split(50), strict=True)
    nats = [functional.binary_cross_entropy_with_logits(network(x, c), x, reduction="none") for x, c in pairs]
    return torch.cat(nats).sum(dim=(1, 2, 3), dtype=torch.float64).numpy()


def class_nats(
    network: nn.Module, images: UInt8[np.ndarray, "digits height width"], classes: int = CLASSES
) -> Float[np.ndarray, "digits classes"]:
    """−log p(x | y) for every y: a pass per class."""
    labels = np.arange(classes)[:, None].repeat(len(images), axis=1)
    return np.column_stack([digit_nats(network, images, one_hot(of_one, classes)) for of_one in labels])


def draw_digits(
    network: nn.Module, labels: Int64[np.ndarray, "digits"], size: tuple[int, int], seed: int
) -> UInt8[np.ndarray, "digits height width"]:
    """Draw a digit of each of these classes."""
    drawn = sample(network, one_hot(labels), size, torch.Generator().manual_seed(seed))
    return drawn[:, 0].byte().numpy()


# --- The lesson ------------------------------------------------------------------------------------------------------


def look_for_blind_spots(run: Run, claims: PaperClaims) -> None:
    """Compare the context of two stacks with that of one stack of masked filters with the same reach."""
    networks = {MASKED: PixelNetwork(Bottleneck, 8, len(KERNELS) - 1), STACKS: GatedPixelCNN(8, KERNELS)}
    before, fields, shares = past(SIZE, PLACE).numpy(), {}, {}
    for name, network in networks.items():
        fields[name] = receptive_field(network, SIZE, PLACE).numpy()
        shares[name] = run.fact(f"{name}: share of earlier pixels seen", 100 * float(fields[name][before].mean()), "%")
    run.figure("fields", draw_fields, fields, before, PLACE, shares, caption=CAPTIONS["fields"])
    claims.counted(
        "Two stacks have no blind spot", source="§2.2, Fig. 1", paper="a drawing",
        ours=f"{shares[STACKS]:.1f} % of the past seen", against=f"{shares[MASKED]:.1f} % by masked filters",
        holds=shares[STACKS] == 100 > shares[MASKED],
    )  # fmt: skip


def state_claims(run: Run, claims: PaperClaims, sets: LabelledSets) -> None:
    """Test the value of the class, and compare the network with its rivals."""
    entropy = float(entr(sets.priors).sum())
    run.fact("entropy of the class", entropy, "nats")
    claims.compared(
        "The class changes the likelihood by less than 0.5 nats", source="§3.2",
        paper="not compared", ours=NETWORK, against=SUMMED, metric=SMALL_NATS, expects="level",
        margin=0.5,
    )  # fmt: skip
    for rival in (TREES, MIXTURES):
        claims.compared(
            f"Given the class, digits cost fewer nats than with {rival}", source="–", paper="not compared",
            ours=NETWORK, against=rival, metric=SMALL_NATS,
        )  # fmt: skip
    for rival in (MIXTURES, TREES, SVM, HOG_SVM):
        claims.compared(
            f"Bayes' rule recognises more digits than {rival}", source="–", paper="not compared", ours=NETWORK,
            against=rival, metric=ACCURACY,
        )  # fmt: skip
    for rival in (MIXTURES, TREES):
        claims.compared(
            f"Samples show the class that was asked for more often than those of {rival}", source="§3.2",
            paper="pictures", ours=NETWORK, against=rival, metric=RECOGNISED,
        )  # fmt: skip


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    sets = labelled_sets(run, *run.pick(smoke=(30, 2), lecture=(1000, 3), full=(10_000, 16)))
    bench = digit_bench(run, sets)
    with run.method(NETWORK, kind="deep") as method:
        method.model = network = method.make_shared(shared(NETWORK), partial(train, run, sets))
        nats = score_density(method, sets, partial(class_nats, network))
        drawn = draw_digits(network, sets.test.answers, sets.greys.shape[1:], run.seed)
        score_samples(method, sets, bench, drawn)
    nothing = torch.zeros(len(sets.test), CLASSES)
    for name, values in (
        (SUMMED, marginal_nats(nats, sets.priors)),
        (WITHOUT, digit_nats(network, sets.test.inputs, nothing)),
    ):
        with run.method(name, kind="deep") as method:
            method.model = network
            method.score_items(SMALL_NATS, values, sets.test)
    panels = {"test digits": sets.test.inputs, NETWORK: drawn} | score_rivals(run, sets, bench)
    score_classifiers(run, sets)
    look_for_blind_spots(run, claims)
    state_claims(run, claims, sets)

    run.figure("classes", draw_classes, panels, sets.test.answers, caption=CAPTIONS["classes"])
    posterior = np.exp(log_posterior(nats, sets.priors))
    run.figure("mistakes", draw_mistakes, sets.test.inputs, sets.test.answers, posterior, caption=CAPTIONS["mistakes"])
    pairs = {name: ((name, SMALL_NATS), (name, UNKNOWN)) for name in (NETWORK, TREES, MIXTURES)}
    pairs[WITHOUT] = ((NETWORK, SMALL_NATS), (WITHOUT, SMALL_NATS))
    run.figure_over_seeds("gain", draw_gain, pairs, caption=CAPTIONS["gain"])
    with torch.device("meta"):  # §3.1: 20 layers of 384 features, filters of 5 × 5; here with one channel
        published = parameters_of(GatedPixelCNN(384, (7, *[5] * 19), classes=1000))
    run.fact("20 layers of the paper's widths", published, "parameters")
    run.floor(NETWORK, SMALL_NATS, at_most=34.5)
    run.floor(NETWORK, ACCURACY, at_least=91.0)
