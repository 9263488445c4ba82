"""Band-passed reconstruction: a network that sees patches of k-space, and puts images of any size together from them.

Question   A scan is shorter if only a quarter of k-space is measured. A network can fill in the rest, but training one
           on whole volumes takes a volume's memory. Can it work on small pieces, although each number of k-space
           depends on the whole image?
Method     Cheng, Chen, Alley, Pauly and Vasanawala 2018 (and ISMRM 2018, abstract 3369). A patch of 64 × 64 numbers of
           k-space, moved to frequency 0 and transformed back, is an image as well: the part of x in one band, on a
           grid of 64 × 64 pixels. Its measured numbers are known exactly, so that data consistency needs no other
           patch. Unrolled steps of ISTA alternate between the two terms:

               z = x_k − t_k F^H M_b (F x_k − y_b)       a gradient step, whose length t_k is learned            (1)
               x_{k+1} = z + P_k(z, low band, place)     a proximal step, which is a convolutional network       (2)
               F x = Σ_b v_b F x_b,   Σ_b v_b = 1        overlapping bands are combined                          (3)

           A band alone shows stripes. The image of the low frequencies shows where edges are, and the patch's place
           identifies the band.
Rival      Compressed sensing with wavelets (wavelet_fista.py), and the same network on whole images: a single window,
           which needs neither low band nor place.
Differs    One coil and slices, where the paper has many coils and volumes; six steps in place of eight. Networks start
           from FISTA's image. Each patch is divided by the root mean square of its measured numbers, because high
           bands are weaker. Training draws bands in proportion to the error that FISTA leaves in them. Each step
           passes its features to the next.
Costs      100 s on two cores, 40 of them for the scored network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from jaxtyping import Bool, Complex, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.reconstruction import drawn_bandpass as drawn
from ch07_applications.reconstruction.band_windows import SIDE, Window, middle_of, windows_of
from ch07_applications.reconstruction.fista_rival import choose_fista
from ch07_applications.reconstruction.head_slices import Augmented, Scans, head_scans, magnitudes, other_scans, places
from ch07_applications.reconstruction.k_space import check_measured, inverse, power, residual, transform
from ch07_applications.reconstruction.kept_bytes import bytes_to_train
from ch07_applications.reconstruction.shown_bands import measure_errors, show_bands, show_slices
from ch07_applications.reconstruction.slice_scores import score_parts
from ch07_applications.reconstruction.wavelet_fista import reconstruct as reconstruct_by_fista
from common import data
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

STEPS, WIDTH = 6, 48  # of the unrolled network; channels of its convolutions, at half resolution
PUBLISHED_STEPS = 8
RATE, BATCH, FIXED = 1e-3, 16, 0.5  # peak rate; bands per step; share of training images with the test mask
START, ROUNDS = 0.004, 40  # FISTA's weight and iterations, where a network starts
SIZE, LARGE = 128, 192
MARGIN = 0.4  # dB: the margin of "as good as"
ZERO_FILLED, FISTA, WHOLE, OURS = "zero-filled", "wavelet FISTA", "whole images", "band-passed"
BASE, NO_POWER, NO_GUIDES = "base", "bands not normalised", "without low band and place"
HELD_OUT = "held-out slices"
CHANGES = {NO_POWER: {"normalised": False}, NO_GUIDES: {"guided": False}}
CLAIMS = (  # text, source, the paper's finding, better, worse, which part; None: held-out slices
    ("Learned reconstruction beats ℓ1-wavelet compressed sensing", "paper", "no number", OURS, FISTA, 0),
    ("… and on another head", "not measured", "–", OURS, FISTA, 1),
    ("… and on larger images than it was trained on", "abstract", "any size", OURS, FISTA, 2),
    ("The low band and the patch's place help", "ISMRM abstract 3369", "no number", BASE, NO_GUIDES, None),
    ("Dividing each band by its power helps", "ours", "–", BASE, NO_POWER, None),
)
Maps = Complex[Tensor, "batch _ _"]


# --- Bands ------------------------------------------------------------------------------------------------------------


def band_image(k_space: Complex[Tensor, "*batch _ _"], window: Window) -> Complex[Tensor, "*batch _ _"]:
    """exp(−2πi c·r) x, low-passed: a patch by itself has its middle, frequency c of the image x, at frequency 0."""
    return inverse(window.cut(k_space))


def inputs_of(
    measured: Maps, masks: Bool[Tensor, "batch _"], start: Maps, window: Window, middle: Window
) -> Complex[Tensor, "batch 5 _ _"]:
    """The network's input for a band. start: k-space of the initial images."""
    patch = window.cut(measured)
    mask = masks[:, None, window.corner[1] : window.corner[1] + patch.shape[-1]].expand(patch.shape)
    place = torch.full_like(patch, window.place)
    return torch.stack([patch, mask.to(patch.dtype), band_image(start, window), band_image(start, middle), place], 1)


# --- The network ------------------------------------------------------------------------------------------------------


def channels(image: Maps) -> Float[Tensor, "batch 2 _ _"]:
    """The real and the imaginary part as two channels."""
    return torch.view_as_real(image).movedim(-1, 1)


class Proximal(nn.Module):
    """P_k of Eq. (2): three convolutions at half the resolution. It starts at 0. Features go to the next step."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(4 * inputs, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.last = nn.Conv2d(width, 8, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(
        self, maps: Float[Tensor, "batch _ tall wide"], carried: Tensor | float
    ) -> tuple[Complex[Tensor, "batch tall wide"], Float[Tensor, "batch _ _ _"]]:
        tall, wide = maps.shape[2:]
        features = self.first(pixel_unshuffle(pad(maps, (0, wide % 2, 0, tall % 2)), 2)).relu() + carried
        features = features + self.second(features).relu()
        change = pixel_shuffle(self.last(features), 2).float()[..., :tall, :wide]
        return torch.complex(change[:, 0], change[:, 1]), features


class Unrolled(nn.Module):
    """Steps of Eqs. (1) and (2). side: of its windows; None for whole images.

    guided: the low band and the patch's place are inputs. normalised: each band is divided by its measured power, so
    that scaling a band by c scales its image by c. fista: start from FISTA's image, not from the zero-filled one.
    """

    def __init__(
        self, steps: int = STEPS, width: int = WIDTH, side: int | None = SIDE, *, guided: bool = True,
        normalised: bool = True, fista: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.side, self.guided, self.normalised, self.fista = side, guided, normalised, fista
        self.lengths = nn.Parameter(torch.ones(steps))
        self.proximal = nn.ModuleList(Proximal(6 if guided else 2, width) for _ in range(steps))

    def forward(self, bands: Complex[Tensor, "batch 5 tall wide"]) -> Complex[Tensor, "batch tall wide"]:
        measured, mask, image, low, place = bands.unbind(1)
        mask = mask[:, 0].real > 0.5
        scale = power(measured, mask)[:, None, None] if self.normalised else 1.0
        measured, image, carried = measured / scale, image / scale, 0.0
        low = low / low.abs().square().mean((1, 2), keepdim=True).sqrt().clamp(min=1e-12)
        guides = [channels(low), channels(place)] if self.guided else []
        for length, proximal in zip(self.lengths, self.proximal, strict=True):
            image = image - length * residual(image, measured, mask)  # (1)
            change, carried = proximal(torch.cat([channels(image), *guides], 1), carried)
            image = image + change  # (2)
        return image * scale

    def begin(self, measured: Maps, masks: Bool[Tensor, "*batch _"]) -> Maps:
        """The k-space of the initial images."""
        return transform(reconstruct_by_fista(measured, masks, START, ROUNDS)) if self.fista else measured

    @torch.inference_mode()
    def reconstruct(self, measured: Maps, mask: Bool[Tensor, "_"]) -> Maps:
        """Images at least as large as a window, combined from bands; Eq. (3). Raises what check_measured raises."""
        check_measured(measured, mask)
        start, masks = self.begin(measured, mask), mask.expand(len(measured), -1)
        windows, found = windows_of(*measured.shape[1:], self.side), torch.zeros_like(measured)
        for window in windows:
            bands = inputs_of(measured, masks, start, window, middle_of(windows)).to(self.lengths.device)
            window.cut(found).add_(window.weights * transform(self.eval()(bands).cpu()))
        return inverse(found)


# --- The loss, and training -------------------------------------------------------------------------------------------


def band_loss(found: Maps, truths: Maps, weights: Float[Tensor, "batch _ _"]) -> Float[Tensor, ""]:
    """Squared errors of k-space, weighted like the combination of bands, in which edges of a patch hardly count."""
    return (weights * transform(found - truths).abs().square()).mean()


@dataclass
class TrainingBands:
    """Bands of augmented training slices, in `count` draws (common.train.Batches).

    A band is drawn with a probability in proportion to its initial error, and its loss is divided by that error. In
    expectation this is the error of the whole image.
    """

    truths: Maps = field(repr=False)
    measured: Maps = field(repr=False)
    masks: Bool[Tensor, "images _"] = field(repr=False)
    start: Maps = field(repr=False)
    side: int | None
    count: int

    def __post_init__(self) -> None:
        self.windows = windows_of(*self.truths.shape[1:], self.side)
        self.truths = transform(self.truths)
        missed = (self.truths - self.start).abs().square().mean(0)
        self.errors = torch.stack([(window.weights * window.cut(missed)).mean() for window in self.windows])

    @classmethod
    def of(cls, network: Unrolled, source: Augmented, images: int, count: int, seed: int) -> TrainingBands:
        """Draw `images` different images, and measure and initially reconstruct each once."""
        generator = torch.Generator().manual_seed(seed)
        index = torch.arange(images) % len(source.fine)
        drawn = [source.draw(some, generator) for some in index.split(20)]
        truths, measured, masks = (torch.cat(each) for each in zip(*drawn, strict=True))
        start = torch.cat([network.begin(*some) for some in zip(measured.split(20), masks.split(20), strict=True)])
        return cls(truths, measured, masks, start, network.side, count)

    def __len__(self) -> int:
        return self.count

    def batch(self, index: Int64[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, ...]:
        """Inputs, true band images, and weights of the loss."""
        images = torch.randint(len(self.truths), (len(index),), generator=generator)
        chosen = torch.multinomial(self.errors, len(index), replacement=True, generator=generator)
        parts, middle = [], middle_of(self.windows)
        for k in chosen.unique().tolist():
            window, own = self.windows[k], images[chosen == k]
            bands = inputs_of(self.measured[own], self.masks[own], self.start[own], window, middle)
            weights = (window.weights / self.errors[k]).expand(len(own), -1, -1)
            parts.append((bands, band_image(self.truths[own], window), weights))
        return tuple(torch.cat(each) for each in zip(*parts, strict=True))


@dataclass(frozen=True)
class Recipe:
    """Numbers of steps and of different images; bands per step; peak rate."""

    steps: int
    images: int
    batch: int = BATCH
    rate: float = RATE


def train(
    run: Run, build: Callable[[], Unrolled], fine: Float[Tensor, "slices _ _"], recipe: Recipe, checkpoint: str
) -> Unrolled:
    """A network whose first weights are the seed's, trained on bands of these slices."""
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = build()
    epochs, source = run.pick(smoke=1, lecture=4), Augmented(fine, run.pick(smoke=64, lecture=SIZE), FIXED)
    bands = TrainingBands.of(network, source, recipe.images, recipe.batch * recipe.steps // epochs, run.seed)
    Training(
        epochs, recipe.rate, recipe.batch, torch.optim.AdamW, loss=band_loss, warm_up=0.1, device=run.device,
        checkpoint=run.checkpoint(checkpoint), say=run.say_step,
    )(network, bands, run.seed)  # fmt: skip
    return network


# --- The lesson -------------------------------------------------------------------------------------------------------


def reconstruct_all(run: Run, parts: list[Scans], held_out: Scans) -> tuple[dict[str, list[Maps]], dict[str, Unrolled]]:
    """Reconstruct and score every part by every method. Returns the results and the networks."""
    found, networks = {}, {}
    with run.method(ZERO_FILLED, kind="classical") as method:
        found[ZERO_FILLED] = score_parts(method, parts, lambda measured, mask: inverse(measured))
    with run.method(FISTA, kind="classical") as method:
        weight, rounds = method.time(choose_fista, run, held_out)
        found[FISTA] = score_parts(method, parts, partial(reconstruct_by_fista, weight=weight, iterations=rounds))
    images = run.pick(smoke=6, lecture=240, full=2000)
    steps = run.pick(smoke=(2, 2), lecture=(400, 650), full=(20_000, 20_000))
    builds = {
        WHOLE: (partial(Unrolled, side=None, guided=False), Recipe(steps[0], images, batch=4, rate=2e-3)),
        OURS: (partial(Unrolled, side=run.pick(smoke=32, lecture=SIDE)), Recipe(steps[1], images)),
    }
    fine = magnitudes(data.head().slices)[places("train")]
    for name, (build, recipe) in builds.items():
        with run.method(name, kind="deep") as method:
            networks[name] = method.model = method.time(train, run, build, fine, recipe, name)
            found[name] = score_parts(method, parts, networks[name].reconstruct)
    return found, networks


def study_choices(run: Run, held_out: Scans) -> None:
    """Train shorter on a part of the training slices with one change at a time, and score on the other slices."""
    fine = magnitudes(data.head().slices)[places("learned")]
    side, recipe = run.pick(smoke=32, lecture=SIDE), run.pick(smoke=Recipe(1, 4), lecture=Recipe(170, 120))
    for name, change in ({BASE: {}} | CHANGES).items():
        with run.method(name, kind="deep") as method:
            build = partial(Unrolled, side=side, **change)
            method.model = method.time(train, run, build, fine, recipe, name)
            score_parts(method, [held_out], method.model.reconstruct)


def count_costs(run: Run, networks: Mapping[str, Unrolled], claims: PaperClaims) -> None:
    """Count the memory per training item, a whole image or a band; and parameters with the paper's steps."""
    sides = run.pick(smoke=(64, 128), lecture=(128, 192, 256))
    whole = [bytes_to_train(networks[WHOLE], side, band_loss) / 2**20 for side in sides]
    band = bytes_to_train(networks[OURS], SIDE, band_loss) / 2**20
    run.fact("memory of a band", band, "MiB")
    for side, value in zip(sides, whole, strict=True):
        run.fact(f"memory of an image of {side} × {side}", value, "MiB")
    run.fact("parameters with eight steps", parameters_of(Unrolled(PUBLISHED_STEPS)))
    claims.counted(
        "Bands are trained in a fraction of the memory", source="abstract", paper="scalable", ours=f"{band:.1f} MiB",
        against=f"{whole[-1]:.1f} MiB for {sides[-1]} × {sides[-1]}", holds=band < whole[-1] / 4,
    )  # fmt: skip
    run.figure("memory", drawn.draw_memory, sides, whole, band, caption=drawn.LOOKS["memory"])


def lesson(run: Run) -> None:
    size, large = run.pick(smoke=(64, 96), lecture=(SIZE, LARGE))
    most, claims = run.pick(smoke=4, lecture=None), PaperClaims(run)
    larger = replace(head_scans("test", large, most), where=f"{large} × {large}")
    parts = [head_scans("test", size, most), other_scans(size, most), larger]
    held_out = replace(head_scans("held out", size, most), where=HELD_OUT)
    found, networks = reconstruct_all(run, parts, held_out)
    study_choices(run, held_out)
    for text, source, paper, better, worse, metric in CLAIMS:
        where = parts[metric].metric("PSNR") if metric is not None else held_out.metric("PSNR")
        claims.compared(text, source=source, paper=paper, ours=better, against=worse, metric=where)
    for part in (parts[0], larger):
        claims.compared(
            f"Bands give images as good as whole images do ({part.where or 'same size'})", source="abstract",
            paper="accuracy is maintained", ours=OURS, against=WHOLE, metric=part.metric("PSNR"), expects="level",
            margin=MARGIN,
        )  # fmt: skip
    run.floor(OURS, "PSNR", at_least=28.0)
    own = {name: images[0] for name, images in found.items()}
    count_costs(run, networks, claims)
    measure_errors(run, parts[0], own)
    show_slices(run, parts[0], own, OURS)
    show_bands(run, parts[0], networks[OURS].side)
