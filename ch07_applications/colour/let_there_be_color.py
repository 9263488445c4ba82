"""Let there be color: local features that are fused with features of the whole picture, and learn its class as well.

Question   A patch of grey can be a lawn or a lake. Does a network colour it better if it also sees the whole picture,
           and better still if it has to predict what is shown?
Method     Iizuka, Simo-Serra & Ishikawa 2016. Low-level features feed two branches: mid-level features v_mid(u, v) at
           each place, and one vector v_global of the whole picture. The fusion layer joins them at each place,

               y(u, v) = σ(b + W [v_global; v_mid(u, v)])                          (1)

           from which two chroma maps are predicted. v_global also goes to a classifier; both losses are minimised:

               L = ‖y − y*‖² − α (y_class[l] − log Σ_i exp y_class[i])             (2)

           The second term's gradient reaches the classifier, the global and the low-level features, and no other layer.
           As v_global is a vector, that of another picture can replace it: colours in the style of that picture.
Rival      The nearest pictures by HOG, a global descriptor, whose pixels give their colours (Welsh 2002): global and
           local without a network. And nearest neighbours among pixels of all pictures.
Differs    32 × 32 pixels, 10 classes and 4000 pictures in place of 224 × 224, 205 classes of places and 2.3 million; 12
           3×3 convolutions in place of 17. The mean squared error is in units of 25²; α is chosen on validation.
Costs      140 s on two cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.colour.ab_bins import Colours
from ch07_applications.colour.colorful import GREY, shared
from ch07_applications.colour.drawn_colour import draw_gallery
from ch07_applications.colour.lab_pictures import (
    Chroma,
    ColourParts,
    LabPictures,
    Lightness,
    Pictures,
    colour_parts,
    doubled,
    rgb_of,
)
from ch07_applications.colour.luminance_rivals import PIXELS, rivals
from ch07_applications.colour.network_colouriser import NetworkColouriser, colour_training, network_inputs
from ch07_applications.colour.scoring import ERROR, Judgement
from ch07_applications.colour.similar_pictures import SimilarPictures
from common.claims import beats
from common.method import Method
from common.paper_claims import PaperClaims
from common.run import Run

LIMIT = 100.0  # of |a| and |b|, the range of the sigmoid's outputs
UNIT = 25.0  # of chroma in the loss
ALPHA = 0.3  # weight of the class loss, chosen on validation among 0, .03, .1 and .3
LOCAL, GLOBAL, LABELS = "local", "local + global", "local + global + classes"
NEIGHBOURS, SIMILAR, CLASSES = "nearest neighbours", "similar pictures", "class accuracy"
VARIANTS = {LOCAL: (False, 0.0), GLOBAL: (True, 0.0), LABELS: (True, ALPHA)}  # with v_global?, α
CLAIMS = (  # text, source, the paper's finding, ours, rival, metric
    ("Global features and classes help colours", "§4.2, user study", "natural: 92.6, not 69.8 %", LABELS, LOCAL, ERROR),
    ("… global features alone", "Fig. 7", "pictures", GLOBAL, LOCAL, ERROR),
    ("… and classes beyond them", "§3.3", "pictures", LABELS, GLOBAL, ERROR),
    ("Learning classes puts them into v_global", "§3.3", "no number", LABELS, GLOBAL, CLASSES),
)  # fmt: skip
SHOWN, STYLES = 6, (0, 1, 6, 8)  # pictures; classes: aeroplane, car, frog, ship
Maps = Float[Tensor, "n channels _ _"]


# --- The network -----------------------------------------------------------------------------------------------------


def convolution(channels: int, out: int, stride: int = 1) -> list[nn.Module]:
    """A 3×3 convolution, BatchNorm and ReLU."""
    layer = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
    return [layer, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def dense(units: int, out: int) -> list[nn.Module]:
    """A dense layer, BatchNorm and ReLU."""
    return [nn.Linear(units, out, bias=False), nn.BatchNorm1d(out), nn.ReLU(inplace=True)]


class Fusion(nn.Module):
    """σ(b + W [v_global; v_mid(u, v)]) at every place, Eq. (1), with ReLU as σ.

    W [g; m] is W_g g + W_m m: the global half is computed once per picture, not once per place. It equals a 1×1
    convolution of the maps with the vector repeated at every place.
    """

    def __init__(self, mid: int, whole: int, out: int) -> None:
        super().__init__()
        self.mid, self.whole = nn.Conv2d(mid, out, 1), nn.Linear(whole, out, bias=False)

    def forward(self, mid: Maps, whole: Float[Tensor, "n units"] | None) -> Float[Tensor, "n out _ _"]:
        """whole: v_global; None leaves it out."""
        fused = self.mid(mid)
        return functional.relu(fused if whole is None else fused + self.whole(whole)[:, :, None, None])


class ColourNetwork(nn.Module):
    """Lightness is mapped to chroma at half resolution, as shares of its range 0 … 1, and to class scores.

    low, mid, whole, colour: channels of the convolutions of each part. In low and whole every other one has stride 2,
    starting with the first; in colour upsampling precedes the second and the fourth. units: of the dense layers, the
    last of which is v_global. side: of the input of the global branch. with_global: whether v_global is fused. The
    defaults are the paper's, Table 1.
    """

    def __init__(
        self,
        low: Sequence[int] = (64, 128, 128, 256, 256, 512),
        mid: Sequence[int] = (512, 256),
        whole: Sequence[int] = (512, 512, 512, 512),
        units: Sequence[int] = (1024, 512, 256),
        colour: Sequence[int] = (128, 64, 64, 32),
        *,
        classes: int = 205,
        side: int = 224,
        with_global: bool = True,
    ) -> None:
        super().__init__()
        self.side, self.with_global = side, with_global

        def stack(channels: int, widths: Sequence[int], halving: bool) -> nn.Sequential:
            pairs = enumerate(pairwise((channels, *widths)))
            strides = [(*pair, 2 if halving and k % 2 == 0 else 1) for k, pair in pairs]
            return nn.Sequential(*(layer for sizes in strides for layer in convolution(*sizes)))

        self.low, self.mid = stack(1, low, halving=True), stack(low[-1], mid, halving=False)
        self.whole = stack(low[-1], whole, halving=True)
        left = side // 2 ** (-(-len(low) // 2) - (-len(whole) // 2))
        self.dense = nn.Sequential(
            *(layer for pair in pairwise((whole[-1] * left**2, *units)) for layer in dense(*pair))
        )
        self.classify = nn.Sequential(*dense(units[-1], units[-1]), nn.Linear(units[-1], classes))
        self.fusion = Fusion(mid[-1], units[-1], mid[-1])
        layers = []
        for k, pair in enumerate(pairwise((mid[-1], *colour))):
            layers += [nn.Upsample(scale_factor=2)] if k in (1, 3) else []
            layers += convolution(*pair)
        self.colour = nn.Sequential(*layers, nn.Conv2d(colour[-1], 2, 3, padding=1), nn.Sigmoid())

    def global_features(self, lightness: Float[Tensor, "n 1 _ _"]) -> Float[Tensor, "n units"]:
        """v_global of the picture, resized to the size that the dense layers require. §3.2."""
        if lightness.shape[2:] != (self.side, self.side):
            lightness = functional.interpolate(lightness, (self.side, self.side), mode="bilinear", antialias=True)
        return self.dense(self.whole(self.low(lightness)).flatten(1))

    def forward(
        self, lightness: Float[Tensor, "n 1 _ _"], vector: Float[Tensor, "n units"] | None = None
    ) -> tuple[Float[Tensor, "n 2 _ _"], Float[Tensor, "n classes"]]:
        """vector: replaces the picture's own v_global in the fusion."""
        vector = self.global_features(lightness) if vector is None else vector
        fused = self.fusion(self.mid(self.low(lightness)), vector if self.with_global else None)
        return self.colour(fused), self.classify(vector)


def small_network(with_global: bool) -> ColourNetwork:
    """The network for 32 × 32 pixels: features at a quarter of the resolution, chroma at half."""
    return ColourNetwork(
        (32, 64, 64, 64), (96, 64), (96, 96), (128, 64), (64, 48, 48), classes=10, side=32, with_global=with_global
    )


def joint_loss(
    outputs: tuple[Maps, Float[Tensor, "n classes"]], chroma: Maps, labels: Int[Tensor, "n"], alpha: float = ALPHA
) -> Float[Tensor, ""]:
    """Eq. (2), the squared error as a mean over pixels in units of UNIT². alpha: α; 0 leaves classes out."""
    predicted, scores = outputs
    error = functional.mse_loss(chroma_of(predicted.float()) / UNIT, chroma / UNIT)
    return error + alpha * functional.cross_entropy(scores.float(), labels)


def chroma_of(shares: Maps) -> Maps:
    """The chroma (a, b) of outputs in 0 … 1."""
    return LIMIT * (2 * shares - 1)


def fused_colouriser(run: Run, labels: Int64[np.ndarray, "n"], with_global: bool, alpha: float) -> NetworkColouriser:
    """The network, unfitted. labels: of the training pictures."""
    epochs, name = run.pick(smoke=1, lecture=12, full=60), f"global_{with_global}_alpha_{alpha:g}"
    training = colour_training(run, partial(joint_loss, alpha=alpha), epochs, name)
    build = partial(small_network, with_global)
    return NetworkColouriser(build, training, lambda found: chroma_of(found[0]), labels, run.seed)


# --- The lesson ------------------------------------------------------------------------------------------------------


def vectors_of(model: NetworkColouriser, lightness: Lightness) -> Float[np.ndarray, "n units"]:
    """v_global of each picture."""
    network = model.network_.eval()
    with torch.inference_mode():
        inputs = network_inputs(lightness).to(next(network.parameters()).device).split(500)
        return torch.cat([network.global_features(chunk).cpu() for chunk in inputs]).numpy()


def in_the_style_of(model: NetworkColouriser, lightness: Lightness, other: Float[np.ndarray, "1 _ _"]) -> Chroma:
    """The chroma of pictures with the global features of another one. §3.5. other: one picture."""
    network = model.network_.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        vector = network.global_features(network_inputs(other).to(device)).expand(len(lightness), -1)
        return doubled(chroma_of(network(network_inputs(lightness).to(device), vector)[0]).cpu())


def score_classes(method: Method, model: NetworkColouriser, parts: ColourParts) -> None:
    """Score a linear classifier of v_global on test pictures: how well the vector predicts the class."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    probe.fit(vectors_of(model, parts.train.lightness), parts.train.labels)
    right = probe.predict(vectors_of(model, parts.test.lightness)) == parts.test.labels
    method.score_items(CLASSES, 100.0 * right, parts.test, unit="%", higher_is_better=True)


def restyle(run: Run, model: NetworkColouriser, test: LabPictures, classes: Sequence[str]) -> dict[str, Pictures]:
    """The first test pictures, with their own global features and with those of the first picture of other classes."""
    shown = test.take(slice(SHOWN))
    columns, own = {GREY: rgb_of(shown.lightness, np.zeros_like(shown.chroma))}, model.predict(shown.lightness)
    columns["own v_global"], changes = rgb_of(shown.lightness, own), []
    for label in STYLES:
        donor = test.lightness[test.labels == label][:1]
        chroma = in_the_style_of(model, shown.lightness, donor)
        columns[f"that of: {classes[label]}"] = rgb_of(shown.lightness, chroma)
        changes.append(np.linalg.norm(chroma - own, axis=-1).mean())
    run.fact("change of chroma by another picture's v_global", np.mean(changes))
    run.fact("chroma with the own v_global", np.linalg.norm(own, axis=-1).mean())
    return columns


def lesson(run: Run) -> None:
    parts, claims = colour_parts(run), PaperClaims(run)
    judgement, pictures, models = Judgement(parts.test, Colours.of(parts.train.chroma)), {}, {}
    run.fact("parameters of the published network", parameters_of(ColourNetwork()) / 1e6, "million")
    pixels = run.pick(smoke=2000, lecture=PIXELS)
    for name, model in {NEIGHBOURS: rivals(run.seed, pixels)[NEIGHBOURS], SIMILAR: SimilarPictures()}.items():
        with run.method(name, kind="classical") as method:
            fitted = method.fit_shared(shared(name), lambda model=model: model, parts.train)
            pictures[name] = judgement.score(method, fitted.predict(parts.test.lightness))
    for name, (with_global, alpha) in VARIANTS.items():
        with run.method(name, kind="deep") as method:
            build = partial(fused_colouriser, run, parts.train.labels, with_global, alpha)
            models[name] = method.fit_shared(shared(name), build, parts.train)
            pictures[name] = judgement.score(method, models[name].predict(parts.test.lightness))
            if with_global:
                score_classes(method, models[name], parts)

    for text, source, paper, ours, against, metric in CLAIMS:
        claims.compared(text, source=source, paper=paper, ours=ours, against=against, metric=metric)
    for rival in (NEIGHBOURS, SIMILAR):
        run.compare(LABELS, rival, ERROR)
        run.claim(f"The fused network beats {rival} in {ERROR}.", beats(LABELS, rival, ERROR))
    run.floor(LABELS, ERROR, at_most=12.9)
    rows = [int(np.flatnonzero(parts.test.labels == k)[0]) for k in np.unique(parts.test.labels)]
    columns = {GREY: rgb_of(parts.test.lightness, np.zeros_like(parts.test.chroma)), **pictures}
    run.figure(
        "gallery", draw_gallery, {**columns, "truth": parts.test.images}, rows,
        caption="The first test picture of each class: grey, coloured by two rivals and three networks, and the truth.",
    )  # fmt: skip
    run.figure(
        "styles", draw_gallery, restyle(run, models[LABELS], parts.test, parts.classes), range(SHOWN),
        caption="The first test pictures, coloured with their own global features, and with those of the first test "
        "picture of other classes.",
    )  # fmt: skip
