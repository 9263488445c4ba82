"""Pixel recurrent networks: a picture's probability as a product over its pixels, each given those before it.

Question   How probable is a picture? Can a network compute this exactly, and draw and complete pictures with it; and
           does it beat methods without a network that factorise the probability in the same way?
Method     Van den Oord, Kalchbrenner and Kavukcuoglu 2016. The chain rule holds for any order of the pixels, here that
           of reading, and one network computes all factors in one pass:

               p(x) = Π_i p(x_i | x_1, …, x_{i−1})                                                  (1)
               [o, f, u, g] = K_ss ⊛ h_{i−1} + K_is ⊛ x_i                                           (3)
               c_i = σ(f) c_{i−1} + σ(u) tanh(g),  h_i = σ(o) tanh(c_i)

           if its output at a pixel depends on earlier pixels only: by masked filters in PixelCNN (§3.5), by states
           passed row by row in Row LSTM (§3.1), diagonally in Diagonal BiLSTM (§3.2). Loss: −log p(x), in nats.
Rival      The same product with boosted trees as its factors, or 784 logistic regressions; a mixture of Bernoullis;
           lossless coders, whose length is a likelihood, too. All use the same digits (digit_rivals.py).
Differs    6591 binary digits, drawn anew for each step; held-out ones are drawn once (binarised_digits.py). The paper's
           79.20 nats, from another binarisation of 50,000 digits, are not comparable. LSTMs work on 14 × 14 pixels,
           because their steps are sequential. Learned maps of the places are added to features and logits. Muon in
           place of RMSProp: AdamW has 2.6 nats more after 400 steps.
Costs      200 s on two cores: 60 for PixelCNN at 28 × 28, 80 for the three at 14 × 14, 40 for the rivals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.reconstruction.binarised_digits import DigitSets, FreshDigits, digit_sets
from ch07_applications.reconstruction.digit_rivals import MIXTURE, SMALL, TREES, score_rivals, shared
from ch07_applications.reconstruction.drawn_pixel_rnn import CAPTIONS, draw_curves, draw_skewing
from ch07_applications.reconstruction.receptive_field import study_fields
from ch07_applications.reconstruction.scored_digits import LOWER, NATS, SMALL_NATS, network_nats, score
from ch07_applications.reconstruction.shown_digits import show_digits
from ch07_applications.reconstruction.validation_curve import ValidationCurve
from common.claims import beats
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

CNN, ROW, DIAGONAL = "PixelCNN", "Row LSTM", "Diagonal BiLSTM"
Maps = Float[Tensor, "batch channels height width"]


# --- Causal layers ---------------------------------------------------------------------------------------------------


def causal_mask(kind: str, kernel: tuple[int, int]) -> Float[Tensor, "rows columns"]:
    """1 where a filter has weights: before its centre in reading order, and for kind "B" at the centre. §3.4.

    Raises ValueError for another kind, and for a kernel of an even side, which has no centre.
    """
    rows, columns = kernel
    if kind not in ("A", "B") or not (rows % 2 and columns % 2):
        raise ValueError(f"a mask is of kind A or B and has odd sides, not {kind!r} and {rows} × {columns}")
    mask = torch.ones(rows, columns)
    mask[rows // 2, columns // 2 + (kind == "B") :] = 0
    mask[rows // 2 + 1 :] = 0
    return mask


class MaskedConvolution(nn.Conv2d):
    """A convolution whose filters cover only pixels before their centre (A), or these and the centre (B).

    The mask multiplies the weights in every pass and never changes them. Rows below the centre are cut off, not
    multiplied by 0: a filter of 3 × 3 costs as much as one of 2 × 3.
    """

    def __init__(self, kind: str, inputs: int, outputs: int, kernel: tuple[int, int]) -> None:
        super().__init__(inputs, outputs, kernel, padding=(0, kernel[1] // 2))
        self.register_buffer("mask", causal_mask(kind, kernel), persistent=False)

    def forward(self, maps: Maps) -> Float[Tensor, "batch _ height width"]:
        seen = (self.weight * self.mask)[:, :, : self.kernel_size[0] // 2 + 1]
        return functional.conv2d(functional.pad(maps, (0, 0, seen.shape[2] - 1, 0)), seen, self.bias, 1, self.padding)


class Bottleneck(nn.Module):
    """PixelCNN's residual block: h → h/2 by 1×1, masked 3×3, back to h by 1×1, each after a rectifier. Fig. 5, left."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(width, width // 2, 1)
        self.masked = MaskedConvolution("B", width // 2, width // 2, (3, 3))
        self.expand = nn.Conv2d(width // 2, width, 1)

    def forward(self, maps: Maps) -> Maps:
        inner = self.masked(self.reduce(maps.relu()).relu())
        return maps + self.expand(inner.relu())


def lstm_step(
    gates: Float[Tensor, "*places gates"], cell: Float[Tensor, "*places units"]
) -> tuple[Float[Tensor, "*places units"], Float[Tensor, "*places units"]]:
    """The next hidden state and cell: c ← σ(f) c + σ(u) tanh(g), h ← σ(o) tanh(c). Eq. (3); gates: u, f, g, o."""
    i, f, g, o = gates.chunk(4, dim=-1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


class RowLSTM(nn.Module):
    """An LSTM that reads row by row: a state per column, a step per row. §3.1.

    Input-to-state is a masked convolution along the row, computed for all rows at once. State-to-state is a convolution
    along the row above, centred and without a mask, because that row is past. A pixel's context is a triangle.
    """

    def __init__(self, width: int, kernel: int = 3) -> None:
        super().__init__()
        units = width // 2
        self.input_to_state = MaskedConvolution("B", width, 4 * units, (1, kernel))
        self.state_to_state = nn.Parameter(torch.empty(kernel * units, 4 * units))
        self.expand, self.reach = nn.Conv2d(units, width, 1), kernel // 2
        start_lstm(self.state_to_state, self.input_to_state.bias)

    def forward(self, maps: Maps) -> Maps:
        rows = self.input_to_state(maps).permute(2, 0, 3, 1)  # (height, batch, width, gates)
        hidden = cell = maps.new_zeros(*rows.shape[1:3], rows.shape[3] // 4)
        found = []
        for gates in rows.unbind():
            near = functional.pad(hidden, (0, 0, self.reach, self.reach)).unfold(1, 2 * self.reach + 1, 1)
            hidden, cell = lstm_step(gates + near.flatten(2) @ self.state_to_state, cell)
            found.append(hidden)
        return maps + self.expand(torch.stack(found).permute(1, 3, 0, 2))


def skew(
    maps: Float[Tensor, "*batch height width channels"],
) -> Float[Tensor, "*batch height diagonals channels"]:
    """Shift row i by i places to the right, padded with zeros, so that diagonals become columns. Fig. 3.

    Zeros lengthen every row to width + height; read again in rows that are shorter by one, each starts one later.
    """
    height, width = maps.shape[-3:-1]
    longer = functional.pad(maps, (0, 0, 0, height)).flatten(-3, -2)
    return longer[..., :-height, :].unflatten(-2, (height, width + height - 1))


def unskew(
    maps: Float[Tensor, "*batch height diagonals channels"],
) -> Float[Tensor, "*batch height width channels"]:
    """The inverse of skew."""
    height, diagonals = maps.shape[-3:-1]
    longer = functional.pad(maps.flatten(-3, -2), (0, 0, 0, height))
    return longer.unflatten(-2, (height, diagonals + 1))[..., : diagonals + 1 - height, :]


class DiagonalBiLSTM(nn.Module):
    """Two LSTMs that cross the picture diagonal by diagonal, one from the left corner, one from the right. §3.2.

    A state depends on those to its left and above. The second LSTM runs on the mirror image. Its context would include
    pixels to the right, which come later; after a shift down by a row, these are past.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        units = width // 2
        self.input_to_state = nn.Conv2d(width, 8 * units, 1)  # the gates of both directions
        self.state_to_state = nn.Parameter(torch.empty(2, 2 * units, 4 * units))
        self.expand = nn.Conv2d(units, width, 1)
        start_lstm(self.state_to_state, self.input_to_state.bias)

    def forward(self, maps: Maps) -> Maps:
        left, right = self.input_to_state(maps).permute(0, 2, 3, 1).chunk(2, dim=-1)
        left, right = self.cross(torch.stack([left, right.flip(2)]))
        right = functional.pad(right.flip(2), (0, 0, 0, 0, 1, 0))[:, :-1]  # shifted down by a row
        return maps + self.expand((left + right).permute(0, 3, 1, 2))

    def cross(self, gates: Float[Tensor, "2 batch height width gates"]) -> Float[Tensor, "2 batch height width units"]:
        """The hidden states of both directions, whose diagonals are computed at the same time.

        Left of the picture, gates are 0, and so are states: σ(0) · 0 + σ(0) tanh(0). States right of it are not used.
        """
        both, n, height, units = *gates.shape[:3], gates.shape[-1] // 4
        hidden = cell = gates.new_zeros(both, n, height, units)
        found = []
        for step in skew(gates).unbind(-2):
            above = functional.pad(hidden, (0, 0, 1, 0))[:, :, :-1]
            past = torch.cat([hidden, above], dim=-1).flatten(1, 2) @ self.state_to_state
            hidden, cell = lstm_step(step + past.view_as(step), cell)
            found.append(hidden)
        return unskew(torch.stack(found, dim=-2))


def start_lstm(weight: Tensor, bias: Tensor) -> None:
    """Forget gates start open, σ(1), so that gradients reach far back; states start at moderate size."""
    nn.init.xavier_uniform_(weight)
    nn.init.zeros_(bias)
    with torch.no_grad():
        bias.view(-1, 4, weight.shape[-1] // 4)[:, 1] = 1


# --- The networks ----------------------------------------------------------------------------------------------------


class PixelNetwork(nn.Module):
    """Logits of every pixel's probability of being 1, given the pixels before it. Table 1.

    A 7×7 convolution with mask A, so that no output depends on its own pixel; residual layers, which may use their own
    place; two 1×1 convolutions. size: of the images; if given, a learned map of places is added to features and logits.
    """

    def __init__(
        self, layer: Callable[[int], nn.Module], width: int, depth: int, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self.first = MaskedConvolution("A", 1, width, (7, 7))
        self.layers = nn.Sequential(*(layer(width) for _ in range(depth)))
        self.hidden, self.last = nn.Conv2d(width, width, 1), nn.Conv2d(width, 1, 1)
        self.places = nn.Parameter(torch.zeros(width, *size)) if size else None
        self.offsets = nn.Parameter(torch.zeros(1, *size)) if size else None
        for block in self.layers:
            nn.init.zeros_(block.expand.weight)

    def forward(self, images: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
        maps = self.first(2 * images - 1)  # so that 0, beyond the border, is neither black nor white
        rows = slice(images.shape[2])  # in sampling, the rows so far
        maps = self.layers(maps if self.places is None else maps + self.places[:, rows])
        logits = self.last(self.hidden(maps.relu()).relu())
        return logits if self.offsets is None else logits + self.offsets[:, rows]


def loss(logits: Float[Tensor, "batch 1 height width"], images: Float[Tensor, "batch 1 height width"]) -> Tensor:
    """−log p of a picture in nats, Eq. (1): the sum over its pixels; the mean over the batch."""
    nats = functional.binary_cross_entropy_with_logits(logits.float(), images, reduction="none")
    return nats.sum(dim=(1, 2, 3)).mean()


@dataclass(frozen=True)
class Recipe:
    """A network and its training. rate: Muon's peak. passes: through the training digits."""

    layer: Callable[[int], nn.Module]
    width: int
    depth: int
    passes: int
    batch: int = 16
    rate: float = 1e-2


RECIPES = {
    CNN: Recipe(Bottleneck, 48, 7, passes=6, rate=8e-3),
    CNN + SMALL: Recipe(Bottleneck, 48, 7, passes=5, batch=32),
    ROW + SMALL: Recipe(RowLSTM, 48, 2, passes=5, batch=32),
    DIAGONAL + SMALL: Recipe(DiagonalBiLSTM, 32, 2, passes=5, batch=32),
}


def train(run: Run, name: str, sets: DigitSets) -> tuple[PixelNetwork, ValidationCurve]:
    """Train the network of this name. Returns it with the best validation weights, and its likelihood over time."""
    recipe, greys = RECIPES[name], torch.from_numpy(sets.train)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = PixelNetwork(recipe.layer, recipe.width, recipe.depth, sets.train.shape[1:])
    network.offsets.data.copy_(greys.mean(dim=0, keepdim=True).logit(2e-3))
    watched = sets.validation.take(slice(run.pick(smoke=20, lecture=300)))
    curve = ValidationCurve(lambda network: float(network_nats(network, watched).sum(axis=(1, 2)).mean()))
    history = Training(
        run.pick(smoke=1, lecture=2 * recipe.passes, full=40), recipe.rate, recipe.batch, Muon,
        lambda net: hidden_filters(net, [net.last]), loss, 0.1, device=run.device, validate=curve,
        checkpoint=run.checkpoint(name), say=run.say_step,
    )(network, FreshDigits(greys, rounds=2), run.seed)  # fmt: skip
    return network.cpu(), curve.complete(history, len(greys) // 2)


# --- The lesson ------------------------------------------------------------------------------------------------------


def study_networks(run: Run, sets: DigitSets, small: bool) -> dict[str, ValidationCurve]:
    """Train and score the networks for digits of this size."""
    curves = {}
    for name in (name for name in RECIPES if name.endswith(SMALL) == small):
        with run.method(name, kind="deep") as method:
            method.model, curve = method.make_shared(shared(name), lambda name=name: train(run, name, sets))
            score(method, sets.test, network_nats(method.model, sets.test), small)
            each = 1000 * curve.seconds[-1] / (len(curve.seconds) * (len(sets.train) // 2))
            run.fact(f"{name}, milliseconds of training per digit", each, "ms")
            curves[name.removesuffix(SMALL)] = curve
    return curves


def state_verdicts(run: Run, claims: PaperClaims) -> None:
    """Compare the networks with the trees, and with each other."""
    small = [(SMALL_NATS, name, TREES + SMALL) for name in RECIPES if name.endswith(SMALL)]
    for metric, name, rival in ((NATS, CNN, TREES), (LOWER, CNN, TREES), *small):
        run.compare(name, rival, metric)
        run.claim(f"{name} beats {rival} in {metric}.", beats(name, rival, metric))
    mixture, bits = "79.20 against 137.64 nats (50,000 digits, other binarisation)", "bits per channel (CIFAR-10)"
    for text, table, paper, ours, against, metric in (
        ("A pixel network needs fewer nats than a mixture", 4, mixture, CNN, MIXTURE, NATS),
        (f"{DIAGONAL} is better than {ROW}", 5, f"3.00 against 3.07 {bits}", DIAGONAL + SMALL, ROW + SMALL, SMALL_NATS),
        (f"{ROW} is better than {CNN}", 5, f"3.07 against 3.14 {bits}", ROW + SMALL, CNN + SMALL, SMALL_NATS),
    ):
        claims.compared(text, source=f"Table {table}", paper=paper, ours=ours, against=against, metric=metric)
    run.floor(CNN, NATS, at_most=86.8)


def lesson(run: Run) -> None:
    claims, panels = PaperClaims(run), {}
    for small, size in ((False, "28 × 28"), (True, "14 × 14")):
        sets = digit_sets(run, small, run.pick(smoke=30, lecture=1000, full=10_000))
        run.fact(f"entropy of the binarisation, {size} test digits", sets.test_entropy, "nats")
        rivals = score_rivals(run, sets, small, loss)
        panels[f"{size} pixels"] = study_networks(run, sets, small), rivals
        if not small:
            show_digits(run, sets.test, *(run.methods[name].model for name in (CNN, MIXTURE, TREES)))
    run.figure("curves", draw_curves, panels, caption=CAPTIONS["curves"])
    run.figure("skewing", draw_skewing, caption=CAPTIONS["skewing"])
    layers = {CNN: (Bottleneck, 7), ROW: (RowLSTM, 2), DIAGONAL: (DiagonalBiLSTM, 2)}
    study_fields(run, {name: PixelNetwork(layer, 8, depth) for name, (layer, depth) in layers.items()}, claims)
    with torch.device("meta"):  # §5.5: h = 16 units, 2h features
        published = parameters_of(PixelNetwork(DiagonalBiLSTM, width=32, depth=7))
    run.fact("the paper's Diagonal BiLSTM for digits", published, "parameters")
    state_verdicts(run, claims)
