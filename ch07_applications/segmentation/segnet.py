"""SegNet: a decoder that puts values back to the places that max-pooling took them from.

Question   Pooling gains context and loses places. Two bits per window store where a maximum was: are they enough to
           draw the borders of a segmentation, without keeping the encoder's maps as FCN does?
Method     Badrinarayanan, Kendall and Cipolla 2017 (SegNet), §3. The encoder is VGG-16's thirteen convolutions; each of
           five poolings keeps the places p of its maxima, and the decoder's unpooling writes value v to place p, zeros
           elsewhere:

               pooled(w) = max over the window w of x,  p(w) = argmax,   unpooled(q) = v(w) if q = p(w), else 0   (1)

           Thirteen convolutions of the decoder make these sparse maps dense. The loss weights classes by median
           frequency balancing (Eigen and Fergus 2015, §6.3.2). The paper's Table 1 is repeated: four upsamplings.
Rival      On CamVid a forest on filter responses, with a second one on the predictions of the first (forest.py).
Differs    A convolution of stride 2, then four poolings, 16 to 128 maps, on windows of 120 × 160 pixels from frames of
           180 × 240. All variants of Table 1 have the same decoder; the paper's bilinear one has none. Class weights
           are the square root of the balancing's. The optimiser is Muon. Without CamVid: composed scenes.
Costs      170 s on two cores: 60 s for the upsamplings, 55 s for SegNet, 40 s for the forest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.segmentation import drawn_segnet as drawn
from ch07_applications.segmentation.camvid_drives import drives, judge_frames, scored_part
from ch07_applications.segmentation.drawn_scores import draw_scores
from ch07_applications.segmentation.forest import ContextForest
from ch07_applications.segmentation.labelled_scenes import labelled_scenes
from ch07_applications.segmentation.scoring import BOUNDARY, IOU, judge_semantic
from ch07_applications.segmentation.segmenter import Segmenter, pixel_loss
from ch07_applications.segmentation.windows import Windows
from common import data
from common.data.camvid import CamVid
from common.data.segmented import SegmentedImages
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

Maps = Float[Tensor, "n channels height width"]
Pooled = Float[Tensor, "n channels rows columns"]
Places = Int64[Tensor, "n channels rows columns"]
Stages = Sequence[Sequence[int]]
VGG16: Stages = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
BASIC: Stages = ((64,), (64,), (64,), (64,))
SMALL: Stages = ((16, 16), (32, 32), (64, 64), (128, 128))
STEM = 16  # maps of a first convolution of stride 2, without which a step takes three times as long
FILM_WINDOWS = {"size": (120, 160), "shares": (0.5, 0.95), "light": 0.15}
SCENE_WINDOWS = {"size": (128, 128), "shares": (0.7, 1.0), "light": 0.15}
SCENES_SEGNET = "SegNet of the scenes"  # for fit_shared: trained once per run
BASE, FOREST = "places", "forest with context"
TABLE_1 = {  # of the paper: with median frequency balancing, on CamVid's test frames
    IOU: {BASE: 47.7, "bilinear": 43.3, "deconvolution": 45.9, "copied maps": 48.5},
    BOUNDARY: {BASE: 35.8, "bilinear": 20.8, "deconvolution": 30.5, "copied maps": 35.9},
}


def pool(maps: Maps) -> tuple[Pooled, Places]:
    """The maxima of 2×2 windows, and their places: each maximum's pixel number in its map, row by row. Eq. (1).

    An odd last row or column belongs to no window.
    """
    return functional.max_pool2d(maps, 2, return_indices=True)


def unpool(values: Pooled, places: Places, size: tuple[int, int]) -> Maps:
    """Maps of this height and width with each value at its place, 0 elsewhere. Eq. (1).

    size: of the maps that were pooled. The values do not determine it: 7 rows come from 14 or from 15.
    """
    return functional.max_unpool2d(values, places, 2, output_size=size)


class Kept(NamedTuple):
    """What a stage of the encoder passes to the decoder: its maps, and the places of their maxima."""

    maps: Maps
    places: Places


class ToPlaces(nn.Module):
    """SegNet's upsampling: unpooling without parameters. It keeps 2 bits per window from the encoder."""

    bits_per_window = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, values: Pooled, kept: Kept) -> Maps:
        return unpool(values, kept.places, kept.maps.shape[-2:])


Rise = Callable[[int], ToPlaces]


class Bilinear(ToPlaces):
    """Bilinear interpolation, without parameters and without memory of the encoder."""

    bits_per_window = 0

    def forward(self, values: Pooled, kept: Kept) -> Maps:
        return functional.interpolate(values, kept.maps.shape[-2:], mode="bilinear")


class Deconvolution(ToPlaces):
    """A learned transposed convolution of stride 2 that starts as bilinear interpolation; it keeps nothing."""

    bits_per_window = 0

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.rise = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
        tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
        with torch.no_grad():  # each output map from its own input map: with all pairs, it would sum over maps
            self.rise.weight.copy_(torch.eye(channels)[:, :, None, None] * torch.outer(tent, tent))

    def forward(self, values: Pooled, kept: Kept) -> Maps:
        return self.rise(values, output_size=kept.maps.shape[-2:])


class CopiedMaps(ToPlaces):
    """Bilinear interpolation plus the encoder's maps, which are kept in single precision: four numbers per window."""

    bits_per_window = 4 * 32

    def forward(self, values: Pooled, kept: Kept) -> Maps:
        return functional.interpolate(values, kept.maps.shape[-2:], mode="bilinear") + kept.maps


def chain(widths: Sequence[int], kernel: int, linear: bool = False) -> nn.Sequential:
    """Convolution, BatchNorm and ReLU from each width to the next. linear: no ReLU, and no biases."""
    layers: list[nn.Module] = []
    for channels, maps in pairwise(widths):
        layers += [nn.Conv2d(channels, maps, kernel, padding=kernel // 2, bias=not linear), nn.BatchNorm2d(maps)]
        layers += [] if linear else [nn.ReLU()]
    return nn.Sequential(*layers)


class SegNet(nn.Module):
    """Encoder, decoder, and a convolution that scores classes. §3, Fig. 2.

    stages: the widths of the encoder's convolutions, pooling by pooling; the decoder mirrors them. rise: makes the
    upsampling, given the number of channels. stem: maps of a first convolution of stride 2, after which all layers run
    at half resolution and the scores are upsampled last; 0: none. basic: SegNet-Basic, with kernels of 7 × 7, a decoder
    without ReLU and biases, and scores that are linear in each pixel's last maps.
    """

    def __init__(self, stages: Stages, classes: int, rise: Rise = ToPlaces, stem: int = 0, basic: bool = False) -> None:
        super().__init__()
        kernel = 7 if basic else 3
        inputs = [stem or 3, *(widths[-1] for widths in stages)]
        into = [[before, *widths] for before, widths in zip(inputs, stages, strict=False)]
        back = [widths[::-1] for widths in into]
        back[0][-1:] = [stages[0][0]] if basic else []  # otherwise the very last convolution is the scoring one
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, 2, 1), nn.BatchNorm2d(stem), nn.ReLU()) if stem else None
        self.encoder = nn.ModuleList(chain(widths, kernel) for widths in into)
        self.rises = nn.ModuleList(rise(widths[-1]) for widths in reversed(stages))
        self.decoder = nn.ModuleList(chain(widths, kernel, basic) for widths in reversed(back))
        last = 1 if basic else kernel
        self.score = nn.Conv2d(stages[0][0], classes, last, padding=last // 2)

    def forward(self, images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n classes height width"]:
        """The class scores of each pixel. Raises ValueError for a side that is too short for all poolings."""
        least = 2 ** (len(self.encoder) + bool(self.stem))
        if min(images.shape[-2:]) < least:
            raise ValueError(f"images of {tuple(images.shape[-2:])} pixels: no side may be below {least} pixels")
        maps, kept = self.stem(images) if self.stem else images, []
        for stage in self.encoder:
            maps = stage(maps)
            pooled, places = pool(maps)
            kept.append(Kept(maps, places))
            maps = pooled
        for rise, stage in zip(self.rises, self.decoder, strict=True):
            maps = stage(rise(maps, kept.pop()))
        scores = self.score(maps)
        return functional.interpolate(scores, images.shape[-2:], mode="bilinear") if self.stem else scores


def segnet(classes: int) -> SegNet:
    """The published network: 26 convolutions, 29,449,355 parameters for CamVid's 11 classes. §3."""
    return SegNet(VGG16, classes)


def segnet_basic(classes: int, rise: Rise = ToPlaces) -> SegNet:
    """SegNet-Basic, 1,416,331 parameters for 11 classes; the paper states 1.425 million. §3.1."""
    return SegNet(BASIC, classes, rise, basic=True)


def bytes_kept(network: SegNet, size: tuple[int, int]) -> int:
    """The bytes that the decoder needs from the encoder per image: bits per window times windows. §3.1, §3.3."""
    height, width = (-(-side // 2) for side in size) if network.stem else size
    bits = 0
    for rise in reversed(network.rises):
        height, width = height // 2, width // 2
        bits += rise.bits_per_window * rise.channels * height * width
    return bits // 8


def segmenter(
    run: Run, classes: int, epochs: int, rise: Rise = ToPlaces, *, scenes: bool = False, batch: int = 8,
    checkpoint: str = "SegNet",
) -> Segmenter:  # fmt: skip
    """The small network, not yet fitted. AdamW has the first and the scoring convolution, Muon the others."""
    training = Training(
        epochs, 0.02, batch, Muon, lambda network: hidden_filters(network, [network.score]), pixel_loss,
        warm_up=0.15, device=run.device, checkpoint=run.checkpoint(checkpoint), say=run.say_step,
    )  # fmt: skip
    build, windows = partial(SegNet, SMALL, rise=rise, stem=STEM), SCENE_WINDOWS if scenes else FILM_WINDOWS
    return Segmenter(build, classes, training, partial(Windows, **windows), balance=0.5, seed=run.seed)


def scenes_segnet(run: Run, classes: int) -> Segmenter:
    """The network for composed scenes, which lessons share by fit_shared under SCENES_SEGNET."""
    return segmenter(run, classes, run.pick(smoke=1, lecture=3, full=30), scenes=True, batch=16)


def table_1(
    run: Run, claims: PaperClaims, train: SegmentedImages, judged: SegmentedImages, build: Callable[..., Segmenter]
) -> None:
    """Run the same training with each upsampling, and score it on images that are not for testing."""
    ways = {BASE: ToPlaces, "bilinear": Bilinear, "deconvolution": Deconvolution, "copied maps": CopiedMaps}
    labels = {}
    for name, rise in ways.items():
        with run.method(name, kind="deep") as method:
            method.fit(build(rise=rise, checkpoint=name), train)
            labels[name] = judge_semantic(method, judged)
    for better, worse, text in [
        (BASE, "bilinear", "Unpooling beats bilinear interpolation"),
        (BASE, "deconvolution", "Unpooling beats a learned deconvolution"),
        ("copied maps", BASE, "Copied maps, at 64 times the memory, beat places"),
    ]:
        for metric, values in TABLE_1.items():
            paper = f"{values[better]} against {values[worse]} %"
            claims.compared(
                f"{text}: {metric}", source="Table 1", paper=paper, ours=better, against=worse, metric=metric
            )
    run.figure_over_seeds(
        "scores", draw_scores, {metric: list(ways) for metric in (IOU, BOUNDARY)},
        caption=f"The four ways up on {len(judged)} images that were not trained on: means over seeds with their 95 % "
        "intervals.",
    )  # fmt: skip
    run.figure(
        "ways_up", drawn.draw_answers, judged, labels,
        caption="Images that were not trained on, and their labels by the four ways up: best, median and worst of "
        f"{len(judged)} by the pixels that unpooling labels right. White pixels do not count.",
    )  # fmt: skip


def count(run: Run, claims: PaperClaims) -> None:
    """Count parameters of the published networks, and what decoders keep of a frame of 180 × 240 pixels."""
    with torch.device("meta"):
        full, basic, copied = segnet(11), segnet_basic(11), segnet_basic(11, CopiedMaps)
    for name, part in (("SegNet", full), ("its encoder", full.encoder), ("SegNet-Basic", basic)):
        run.fact(f"parameters of {name}", sum(weights.numel() for weights in part.parameters()))
    places = run.fact("kept of a frame by SegNet-Basic: places", bytes_kept(basic, (180, 240)) / 1e6, "MB")
    maps = run.fact("kept of a frame by SegNet-Basic: maps", bytes_kept(copied, (180, 240)) / 1e6, "MB")
    claims.counted(
        "places need 1/64 of the memory of the maps", source="§3.1, Table 1", paper="0.17 against 11 MB, first stage",
        ours=f"{places:.2f} MB, all stages", against=f"{maps:.1f} MB", holds=round(maps / places) == 64,
    )  # fmt: skip


def film_lesson(run: Run, film: CamVid, claims: PaperClaims) -> None:
    """CamVid: upsamplings on a held-out drive; then SegNet and the forest on all training frames, scored once."""
    classes, epochs = len(film.classes), run.pick(smoke=1, lecture=10, full=100)
    table_1(run, claims, *drives(film.train), partial(segmenter, run, classes, epochs))
    test, labels = scored_part(film).take(slice(run.pick(smoke=4, lecture=None))), {}
    network = segmenter(run, classes, run.pick(smoke=1, lecture=30, full=200))
    forest = ContextForest(classes, seed=run.seed, **run.pick(smoke={"trees": 2, "pixels": 40}, lecture={}))
    for name, kind, model in (("SegNet", "deep", network), (FOREST, "classical", forest)):
        with run.method(name, kind=kind) as method:
            method.fit(model, film.train)
            labels[name] = judge_frames(method, test)
    claims.compared(
        "SegNet beats methods without a deep network", source="Table 2", paper="60.1 % mean IoU, with more images",
        ours="SegNet", against=FOREST, metric=IOU,
    )  # fmt: skip
    run.floor("SegNet", IOU, at_least=46)
    run.figure(
        "street", drawn.draw_answers, test, labels,
        caption=f"Best, median and worst of {len(test)} test frames by the pixels that SegNet labels right.",
    )  # fmt: skip


def scenes_lesson(run: Run, claims: PaperClaims) -> None:
    """Composed scenes, if CamVid is missing: upsamplings on validation scenes. The comparison scores SegNet itself."""
    sets = labelled_scenes(run)
    train = sets.train.take(slice(run.pick(smoke=32, lecture=3000, full=16_000)))
    judged = sets.validation.take(slice(run.pick(smoke=8, lecture=200, full=500)))
    epochs = run.pick(smoke=1, lecture=3, full=10)
    table_1(run, claims, train, judged, partial(segmenter, run, len(sets.classes), epochs, scenes=True, batch=8))
    run.floor(BASE, IOU, at_least=15)


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    count(run, claims)
    encoder = torch.from_numpy(run.rng.permutation(16).reshape(1, 1, 4, 4)).float()
    pooled, places = pool(encoder)
    ways = {"to places": ToPlaces(1), "bilinear": Bilinear(1), "copied maps": CopiedMaps(1)}
    back = {name: rise(pooled, Kept(encoder, places))[0, 0].numpy() for name, rise in ways.items()}
    run.figure(
        "places", drawn.draw_places, encoder[0, 0].numpy(), places[0, 0].numpy(), back,
        caption="A map of 16 numbers, its maxima in windows of 2 × 2, and three ways back up.",
    )  # fmt: skip
    if film := data.camvid_or_none(run.scale, run.note):
        film_lesson(run, film, claims)
    else:
        scenes_lesson(run, claims)
