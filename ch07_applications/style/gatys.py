"""Neural style transfer: a picture with the deep features of a photograph and their statistics from a painting.

Question   A network that recognises objects has never been trained on style. Do its activations separate what is shown
           from how it is painted?
Method     Gatys, Ecker and Bethge 2015. In layer l, F_ik is the activation of filter i at place k, of N filters and
           M places; P is F of the photograph. Content is the activations themselves. Style is their correlations over
           all places, the Gram matrix, in which places no longer occur; A is that of the painting:

               L_content = ½ Σ_ik (F_ik − P_ik)²                                  (1)
               G_ij = Σ_k F_ik F_jk,   E_l = 1 / (4 N² M²) Σ_ij (G_ij − A_ij)²    (3), (4)
               L = L_content + w Σ_l w_l E_l                                      (5), (7)

           The network's weights stay fixed: the gradient goes to the pixels, and L-BFGS changes them. Content is
           compared in relu4_2, style in relu1_1, relu2_1, … relu5_1. Gatys, Ecker and Bethge 2016 describe the same
           method; their §4 examines the choices (layer, start, size), which are the ablation here.
Rival      Two methods without a network: Monge–Kantorovich colour transfer (colour_transfer.py), and texture transfer
           by image quilting (quilting.py; Efros and Freeman 2001). All are scored in a network that none optimised.
Differs    VGG-16 replaces VGG-19 if that is not available. Its weights were fine-tuned for edges, and the activations
           of its blocks differ by a factor of 25. So the weights w_l are not 1/5: each term is divided by its value for
           activations of zero. A total variation term removes colour noise. The search starts from the photograph with
           the style's colours: from the photograph itself it ends farther from the style.
Costs      100 s on two cores; one picture of 128 × 128 pixels takes 4 s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.style.colour_transfer import transfer_colours
from ch07_applications.style.drawn_style import draw_layers, draw_plane, draw_rows
from ch07_applications.style.own_photo import restyle_own
from ch07_applications.style.pixels import Picture, Pixels, inputs_of, noise, picture_of, total_variation
from ch07_applications.style.quilting import quilt
from ch07_applications.style.style_judge import TO_CONTENT, TO_STYLE, Judge, score
from ch07_applications.style.styles import Pairs, judged_pairs, reduced
from ch07_applications.style.tiled_loss import TILE, TiledLoss
from common.claims import beats
from common.data.squeezenet import squeezenet_or_none
from common.data.vgg import Vgg, vgg_or_none
from common.paper_claims import PaperClaims
from common.run import Method, Run

CONTENT = "relu4_2"
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
WEIGHTS = (0.1, 1.0, 10.0)  # w: of style
SMOOTHNESS = 1e-2  # weight of the total variation
RATE = 0.05  # Adam's, in standard deviations of the pixels
SIDE = 128  # of the scored pictures
OURS = {f"neural style, w = {weight:g}": weight for weight in WEIGHTS}
LIGHT, MIDDLE, HEAVY = OURS
COLOURS, QUILTING, LOSS = "colour transfer", "image quilting", "last loss"
CLAIMS = (
    ("Nearer to the style than with its colours alone", "2015, Fig. 2", MIDDLE, COLOURS, TO_STYLE),
    ("… and nearer to the photograph than quilting", "2015, Fig. 2", MIDDLE, QUILTING, TO_CONTENT),
    ("The weight trades one for the other: more of it, nearer to the style", "2015, Fig. 3", HEAVY, LIGHT, TO_STYLE),
    ("… and less of it, nearer to the photograph", "2015, Fig. 3", LIGHT, HEAVY, TO_CONTENT),
)
CAPTIONS = {
    "layers": "Reconstructions from noise. Above: of a photograph from the activations of one layer. Below: of a "
    "painting from the Gram matrices of all layers up to one.",
    "plane": "Distance from the style against distance from the photograph, by SqueezeNet: means over pairs and seeds "
    "with 95 % intervals. Left and below is better.",
    "gallery": "The first test photograph of each style: colours transferred, quilted, and neural style with growing "
    "weight of the style. ",
}
Maps = Float[Tensor, "1 filters rows columns"]
Gram = Float[Tensor, "filters filters"]


# --- Activations and their statistics --------------------------------------------------------------------------------


class Activations(nn.Module):
    """The activations of a stack of layers by name, up to the last of `layers`.

    average: average pooling replaces max pooling, so that gradients reach all four pixels of a window. 2015, Methods.
    """

    def __init__(self, network: Vgg, layers: Sequence[str], average: bool = True) -> None:
        super().__init__()
        self.names = {network.layers[name]: name for name in layers}
        stack = list(network.features)[: max(self.names) + 1]
        self.stack = nn.ModuleList(
            nn.AvgPool2d(2) if average and isinstance(layer, nn.MaxPool2d) else layer for layer in stack
        )

    def forward(self, pixels: Pixels) -> dict[str, Maps]:
        found = {}
        for place, layer in enumerate(self.stack):
            pixels = layer(pixels)
            if place in self.names:
                found[self.names[place]] = pixels
        return found


def gram(maps: Maps) -> Gram:
    """G_ij = Σ_k F_ik F_jk: how much two filters respond at the same places, summed over places. 2015, Eq. (3)."""
    filters = maps[0].flatten(1)
    return filters @ filters.T


def content_error(maps: Maps, wanted: Maps) -> Float[Tensor, ""]:
    """½ Σ (F − P)². 2015, Eq. (1)."""
    return 0.5 * (maps - wanted).square().sum()


def style_error(maps: Maps, wanted: Gram, places: int) -> Float[Tensor, ""]:
    """E_l = 1 / (4 N² M²) Σ (G − A)², 2015, Eq. (4). places: M of the style.

    The two pictures may differ in size, so each Gram matrix is divided by its own M; in the paper both M are equal.
    """
    n, m = len(wanted), maps.shape[2] * maps.shape[3]
    return (gram(maps) / m - wanted / places).square().sum() / (4 * n * n)


# --- The loss, and the search for the picture with the lowest ---------------------------------------------------------


class Loss:
    """L of the pixels of a picture, Eq. (7). For a picture of zeros, content is 1 and style `weight`.

    Without a content or without a style (None), only the other term remains: a reconstruction. weight: w. smoothness:
    the weight of the total variation.
    """

    def __init__(
        self,
        network: Vgg,
        content: Picture | None = None,
        style: Picture | None = None,
        weight: float = 1.0,
        *,
        layers: tuple[Sequence[str], Sequence[str]] = ((CONTENT,), STYLE),
        average: bool = True,
        smoothness: float = SMOOTHNESS,
    ) -> None:
        content_layers, style_layers = (
            () if each is None else own for each, own in zip((content, style), layers, strict=True)
        )
        self.activations = Activations(network, (*content_layers, *style_layers), average)
        self.weight, self.smoothness = weight, smoothness
        with torch.no_grad():
            seen = self.activations(inputs_of(content)) if content is not None else {}
            painted = self.activations(inputs_of(style)) if style is not None else {}
        self.content = {name: seen[name] for name in content_layers}
        self.style = {name: (gram(maps := painted[name]), maps[0, 0].numel()) for name in style_layers}

    def terms(self, pixels: Pixels) -> tuple[Tensor, Tensor]:
        """The relative errors of content and of style, each a mean over its layers; 1 for activations of zero."""
        found, zero = self.activations(pixels), torch.zeros(())
        content = [content_error(found[name], own) / (0.5 * own.square().sum()) for name, own in self.content.items()]
        style = []
        for name, (own, places) in self.style.items():
            of_zeros = (own / places).square().sum() / (4 * len(own) ** 2)
            style.append(style_error(found[name], own, places) / of_zeros)
        return (*(torch.stack(errors).mean() if errors else zero for errors in (content, style)),)

    def __call__(self, pixels: Pixels) -> Float[Tensor, ""]:
        content, style = self.terms(pixels)
        return content + self.weight * style + self.smoothness * total_variation(pixels)


def search(
    loss: Callable[[Pixels], Tensor], start: Pixels, evaluations: int, optimiser: str = "L-BFGS"
) -> tuple[Pixels, list[float]]:
    """Minimise the loss with `evaluations` evaluations of it and its gradient. Returns the last pixels and all losses.

    optimiser: "L-BFGS", the authors' choice, or "Adam". Pixels are unconstrained here, and are clipped to 0 … 255 only
    in the result: clipping at each step would invalidate L-BFGS's estimate of the curvature. The last loss is that of
    the last pixels: L-BFGS may have rejected those that it tried at last, and Adam evaluates before its steps.
    """
    pixels, losses = start.clone(memory_format=torch.contiguous_format).requires_grad_(), []
    if optimiser == "L-BFGS":
        steps, method = 1, torch.optim.LBFGS(
            [pixels], max_iter=evaluations, max_eval=evaluations, history_size=20, tolerance_grad=0,
            tolerance_change=0, line_search_fn="strong_wolfe",
        )  # fmt: skip
    else:
        steps, method = evaluations, torch.optim.Adam([pixels], lr=RATE)

    def evaluate() -> Tensor:
        method.zero_grad()
        value = loss(pixels)
        value.backward()
        losses.append(float(value.detach()))
        return value

    for _ in range(steps):
        method.step(evaluate)
    with torch.no_grad():
        losses.append(float(loss(pixels)))
    return pixels.detach(), losses


@dataclass(frozen=True)
class Recipe:
    """The settings of restyling. The defaults are the base of the ablation.

    weight: w, of style. evaluations: of the loss. content: the layer in which content is compared. average: pooling.
    start: "colours", the photograph with the style's colours; "photograph"; or "noise". sizes: shares of the picture's
    size for successive searches, each from the enlarged result of the one before; they share evaluations evenly. tile:
    the tile side in pixels for large pictures, whose loss is computed tile by tile.
    """

    weight: float = WEIGHTS[1]
    evaluations: int = 40
    optimiser: str = "L-BFGS"
    content: str = CONTENT
    average: bool = True
    smoothness: float = SMOOTHNESS
    start: str = "colours"
    sizes: tuple[float, ...] = (1.0,)
    tile: int | None = None

    def restyle(self, network: Vgg, content: Picture, style: Picture, seed: int = 0) -> tuple[Picture, list[float]]:
        """Restyle the content. Returns the picture and the losses of the last search, before pixels are clipped."""
        starts = {
            "colours": lambda: inputs_of(transfer_colours(content, style)),
            "photograph": lambda: inputs_of(content),
            "noise": lambda: noise(content.shape[:2], seed),
        }
        pixels = starts[self.start]()
        for share in self.sizes:
            small, painted = (reduced(each, share) for each in (content, style))
            loss = Loss(
                network, small, painted, self.weight, layers=((self.content,), STYLE), average=self.average,
                smoothness=self.smoothness,
            )  # fmt: skip
            loss = TiledLoss(loss, self.tile) if self.tile else loss
            start = functional.interpolate(pixels, small.shape[:2], mode="bilinear", antialias=True)
            pixels, losses = search(loss, start, self.evaluations // len(self.sizes), self.optimiser)
        return picture_of(pixels), losses


def reconstruct(run: Run, network: Vgg, layers: Sequence[str], size: tuple[int, int], **wanted: Picture) -> Picture:
    """A picture from noise with these layers' activations of a content, or Gram matrices of a style. 2015, Fig. 1."""
    loss, start = Loss(network, **wanted, layers=(layers, layers)), noise(size, run.seed)
    return picture_of(search(loss, start, run.pick(smoke=2, lecture=60, full=300))[0])


# --- The lesson ------------------------------------------------------------------------------------------------------


def study_layers(run: Run, network: Vgg, pairs: Pairs, claims: PaperClaims) -> None:
    """Show what each layer keeps of a photograph, and what the Gram matrices up to a layer keep of a painting."""
    content, style, size = pairs.inputs[0], pairs.answers[0], pairs.inputs[0].shape[:2]
    of_content = {name: reconstruct(run, network, (name,), size, content=content) for name in STYLE}
    of_style = {
        f"up to {name}": reconstruct(run, network, STYLE[: k + 1], size, style=style) for k, name in enumerate(STYLE)
    }
    for name, picture in of_content.items():
        run.fact(f"photograph from {name}, PSNR", peak_signal_noise_ratio(content, picture), "dB")
    claims.measured(
        "Reconstructions from lower layers are almost perfect, from higher ones not", source="2015, Fig. 1",
        paper="pictures", ours=f"photograph from {STYLE[0]}, PSNR", against=f"photograph from {STYLE[-1]}, PSNR",
        expects="higher",
    )  # fmt: skip
    given = {"photograph": content, "painting": style}
    run.figure("layers", draw_layers, given, of_content, of_style, caption=CAPTIONS["layers"])


def restyle_all(method: Method, network: Vgg, pairs: Pairs, recipe: Recipe) -> list[Picture]:
    """Restyle every pair's photograph, with the last loss as a metric."""
    both = zip(pairs.inputs, pairs.answers, strict=True)
    made = [method.time(recipe.restyle, network, *pair, method.run.seed) for pair in both]
    method.score_items(LOSS, np.array([losses[-1] for _, losses in made]), pairs)
    return [picture for picture, _ in made]


def state_verdicts(run: Run, claims: PaperClaims) -> None:
    """Compare every weight with both rivals. Better means nearer to both the style and the photograph."""
    for name in OURS:
        for rival in (COLOURS, QUILTING):
            for metric in (TO_STYLE, TO_CONTENT):
                run.compare(name, rival, metric)
            both = [beats(name, rival, metric) for metric in (TO_STYLE, TO_CONTENT)]
            run.claim(f"{name} is nearer than {rival} to the style and to the photograph.", *both)
    for text, source, ours, against, metric in CLAIMS:
        claims.compared(text, source=source, paper="pictures", ours=ours, against=against, metric=metric)
    run.floor(MIDDLE, TO_STYLE, at_most=1.0)


def lesson(run: Run) -> None:
    pairs = judged_pairs(run.pick(smoke=48, lecture=SIDE, full=256), run.pick(smoke=2, lecture=None))
    network, claims = vgg_or_none(run.scale, run.note), PaperClaims(run)
    judge = Judge.of(squeezenet_or_none(run.scale, run.note))
    shown = {"photograph": pairs.inputs, "style": pairs.answers}
    rivals = {COLOURS: transfer_colours, QUILTING: partial(quilt, seed=run.seed)}
    for name, transfer in rivals.items():
        with run.method(name, kind="classical") as method:
            shown[name] = [method.time(transfer, *both) for both in zip(pairs.inputs, pairs.answers, strict=True)]
            score(method, judge, pairs, shown[name])
    if network:
        recipe = Recipe(evaluations=run.pick(smoke=3, lecture=40, full=300))
        for name, weight in OURS.items():
            with run.method(name, kind="deep") as method:
                shown[name] = restyle_all(method, network, pairs, replace(recipe, weight=weight))
                score(method, judge, pairs, shown[name])
        study_layers(run, network, judged_pairs(run.pick(smoke=32, lecture=96, full=224), 1), claims)
    if network and judge:
        others = [judge.content_distance(*both) for both in pairwise(pairs.inputs)]
        run.fact("content distance of two photographs", np.mean(others))
        state_verdicts(run, claims)
        run.figure_over_seeds(
            "plane", draw_plane, list(OURS), list(rivals), (TO_STYLE, TO_CONTENT), caption=CAPTIONS["plane"]
        )
    run.figure("gallery", draw_rows, shown, pairs.one_of_each, caption=CAPTIONS["gallery"] + pairs.credits)
    if run.photo is not None and network:
        own = Recipe(evaluations=run.pick(smoke=2, lecture=50), sizes=(0.5, 1.0), tile=TILE)
        restyle_own(run, partial(own.restyle, network))
