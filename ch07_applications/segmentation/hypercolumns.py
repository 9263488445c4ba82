"""Hypercolumns: a pixel described by the activations above it in several layers of a network, and a linear classifier.

Question   The last layer of a classifier encodes which class is there but hardly where; the first layers the reverse.
           Is a pixel classified better from all layers together, and how much better than from the best single one?
Method     Hariharan, Arbeláez, Girshick and Malik 2015, §3: the hypercolumn of a pixel is the vector of the activations
           of all chosen layers at its place, each map interpolated bilinearly. §3.2: a linear classifier on it is the
           sum of one classifier per layer, computed at the layer's own resolution and then upsampled. The trunk is
           MobileNetV2, trained on ImageNet and frozen; the classifier is multinomial logistic regression on sampled
           pixels.
Differs    The paper refines the masks of detected objects (AP^r), with AlexNet and VGG and a grid of classifiers; here
           every pixel of a picture gets a class, by one classifier for all places. The picture is enlarged to twice
           its size, so that a map of stride 8 has a value per 4 pixels.
Rival      The same classifier on hand-made columns: blurred colours, and HOG of three sizes of cells with their
           neighbours. And HOG + SVM boxes filled by GrabCut.
Costs      105 s on two cores if an earlier lesson has run the rival, else 50 s more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.segmentation.boundary_causes import measure_classes
from ch07_applications.segmentation.box_rival import RIVAL, score_rival
from ch07_applications.segmentation.checked_pictures import Pictures, check_pictures
from ch07_applications.segmentation.column_maps import Images, MakeMaps, Map, Maps, TrunkMaps, hand_made_maps
from ch07_applications.segmentation.drawn_hypercolumns import draw_sums
from ch07_applications.segmentation.drawn_labels import draw_strips
from ch07_applications.segmentation.drawn_scores import draw_scores
from ch07_applications.segmentation.label_colours import examples
from ch07_applications.segmentation.labelled_scenes import LabelledScenes, labelled_scenes
from ch07_applications.segmentation.pixel_samples import Found, Sample, sample_pixels
from ch07_applications.segmentation.scoring import BOUNDARY, IOU, judge_semantic, score_semantic
from common.claims import beats
from common.data.segmented import IGNORE, SegmentedImages
from common.data.weights import mobilenet_v2_or_none
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from common.paper_claims import PaperClaims
from common.run import Run
from common.tuning import choose

CHUNK = 20  # images in the trunk at once
PENALTY = 1e-2  # of the squared weights on standardised features: the best of 1e-3, 3e-3, 1e-2 on validation scenes
ALL, TWO, SINGLE = "all layers", "strides 16 and 32", "stride 16 alone"  # scored on validation scenes
OURS, HAND_MADE = "hypercolumns", "hand-made columns"  # scored on test scenes
CAPTIONS = {
    "layers": "Mean IoU and boundary F1 of classifiers on single layers, on two and on all, on validation scenes: "
    "means over seeds with 95 % intervals.",
    "sums": "The validation scene with the largest object, and what each layer adds to the score of its class over the "
    "background's, less its median over the scene: red adds, blue subtracts, all on one scale; the last is the sum.",
    "strip": "The test scenes on which hypercolumns are best, at the median and worst, by the mean IoU of the scene.",
}
BIASES = np.linspace(-1, 4, 11)  # candidates for the background's bias

Labels = UInt8[np.ndarray, "n height width"]


# --- A hypercolumn is a vector of bilinear samples -------------------------------------------------------------------


def sampled(layer: Map, places: Float[Tensor, "n rows columns 2"]) -> Float[Tensor, "n channels rows columns"]:
    """A map's activations at places (x, y), interpolated bilinearly; −1 and 1 are the outer edges of the image.

    Beyond the centre of an outermost cell, that cell's value is repeated.
    """
    moved = places + layer.shift * 2 / torch.tensor(layer.values.shape[:1:-1])
    return functional.grid_sample(layer.values.contiguous(), moved, padding_mode="border", align_corners=False)


def hypercolumns(
    maps: Maps, places: Float[Tensor, "n rows columns 2"], layers: Sequence[str]
) -> Float[Tensor, "n features rows columns"]:
    """The layers' activations at these places, concatenated. Hariharan et al. 2015, §3."""
    return torch.cat([sampled(maps[name], places) for name in layers], dim=1)


def middles(pixels: Int64[Tensor, "n k"], size: tuple[int, int]) -> Float[Tensor, "n 1 k 2"]:
    """The centres of pixels, numbered row by row, as places. size: height and width of the image."""
    height, width = size
    x, y = (2 * (pixels % width) + 1) / width - 1, (2 * (pixels // width) + 1) / height - 1
    return torch.stack([x, y], dim=-1)[:, None]


def all_middles(n: int, size: tuple[int, int]) -> Float[Tensor, "n height width 2"]:
    """The centres of all pixels of n images."""
    return middles(torch.arange(size[0] * size[1])[None], size).reshape(1, *size, 2).expand(n, -1, -1, -1)


def columns_at(make_maps: MakeMaps, images: Images, pixels: Int64[np.ndarray, "n k"]) -> Found:
    """The hypercolumns of these pixels of each image, (n, k, features), and the number of features per layer."""
    maps, places = make_maps(images), middles(torch.from_numpy(pixels), images.shape[1:3])
    columns = hypercolumns(maps, places, list(maps))[:, :, 0].transpose(1, 2)
    return columns, {name: layer.values.shape[1] for name, layer in maps.items()}


# --- The classifier --------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class LinearColumns:
    """Multinomial logistic regression on hypercolumns, and a background bias chosen on validation images.

    make_maps: computes the maps of images by layer. layers: those used. classes: their number with the background (0).
    penalty: on the squared weights, for standardised features.
    """

    make_maps: MakeMaps
    layers: tuple[str, ...]
    classes: int
    penalty: float = PENALTY
    bias: float = 0.0  # added to the background's logit
    weights_: dict[str, Float[Tensor, "classes channels"]] = field(default_factory=dict, init=False)

    def fit(self, sample: Sample) -> LinearColumns:
        """Fit to sampled pixels by L-BFGS. A class without pixels is never predicted."""
        x = sample.of(self.layers)
        mean, deviation = x.mean(dim=0), x.std(dim=0, correction=0).clamp(min=1e-6)
        x.sub_(mean).div_(deviation)  # in place: x takes a gigabyte
        weights = torch.zeros(self.classes, x.shape[1], requires_grad=True)
        offsets = torch.zeros(self.classes, requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [weights, offsets], max_iter=80, history_size=10, line_search_fn="strong_wolfe", tolerance_grad=1e-5
        )

        def loss() -> Tensor:
            optimiser.zero_grad()
            entropy = functional.cross_entropy(x @ weights.T + offsets, sample.labels)
            total = entropy + self.penalty * weights.square().sum()
            total.backward()
            return total

        optimiser.step(loss)
        # Standardisation is linear, too, so it is folded into the weights, and maps are used as they are.
        with torch.no_grad():
            raw = weights / deviation
            self.offsets_ = offsets - raw @ mean
            absent = torch.bincount(sample.labels, minlength=self.classes) == 0
            self.offsets_[absent] = -torch.inf
            self.weights_ = dict(zip(self.layers, raw.split([sample.widths[k] for k in self.layers], 1), strict=True))
        return self

    def scores_of(self, maps: Maps, size: tuple[int, int]) -> Float[Tensor, "n classes height width"]:
        """The scores of all pixels as a sum over layers: classify at each layer's resolution, then upsample. §3.2.

        It equals weights · hypercolumn + offsets, because a linear map and bilinear interpolation commute.
        """
        places = all_middles(len(next(iter(maps.values())).values), size)
        total = self.offsets_.clone()
        total[0] += self.bias
        scores = total[:, None, None]
        for name, weights in self.weights_.items():
            coarse = functional.conv2d(maps[name].values, weights[:, :, None, None])
            scores = scores + sampled(Map(coarse, maps[name].shift), places)
        return scores

    def predict(self, images: Pictures) -> Labels:
        """The class of every pixel."""
        return predict_all([self], images)[0]

    def parameters(self) -> Iterator[Tensor]:
        """The weights of the classifier and of its trunk, if any, which common.model_size counts."""
        yield from (self.offsets_, *self.weights_.values())
        if isinstance(self.make_maps, TrunkMaps):
            yield from self.make_maps.extract.parameters()


def scored(
    models: Sequence[LinearColumns], images: Pictures, multiple: int = 16
) -> Iterator[list[Float[np.ndarray, "n classes height width"]]]:
    """The scores of models that share their maps, chunk by chunk; the maps are computed once.

    multiple: images are padded at the right and below with their border until it divides their sides; predictions there
    are cropped. Raises ValueError for grey images and for none.
    """
    check_pictures(images)
    height, width = images.shape[1:3]
    beyond = ((0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0))
    for start in range(0, len(images), CHUNK):
        chunk = np.pad(images[start : start + CHUNK], beyond, mode="edge")
        maps = models[0].make_maps(chunk)
        with torch.inference_mode():
            scores = [model.scores_of(maps, chunk.shape[1:3]) for model in models]
        yield [each[:, :, :height, :width].numpy() for each in scores]


def predict_all(models: Sequence[LinearColumns], images: Pictures) -> list[Labels]:
    """The predictions of each model, (n, height, width)."""
    chunks = [[scores.argmax(axis=1).astype(np.uint8) for scores in each] for each in scored(models, images)]
    return [np.concatenate(labels) for labels in zip(*chunks, strict=True)]


def choose_biases(models: Sequence[LinearColumns], part: SegmentedImages) -> None:
    """Set each model's background bias to the one with the highest mean IoU on these scenes, unseen in fitting.

    Objects are more frequent among the sampled pixels than in scenes: without a bias, too many pixels become objects.
    """
    found: list[list[tuple]] = [[] for _ in models]
    for model in models:
        model.bias = 0.0
    for chunk in scored(models, part.images):
        for own, scores in zip(found, chunk, strict=True):
            things = scores[:, 1:]
            own.append((1 + things.argmax(axis=1), things.max(axis=1) - scores[:, 0]))
    for model, own in zip(models, found, strict=True):
        thing, ahead = (np.concatenate(column) for column in zip(*own, strict=True))
        values = []
        for bias in BIASES:
            matrix = ConfusionMatrix(model.classes, ignore=IGNORE)
            matrix.add(part.labels, np.where(ahead > bias, thing, 0))
            values.append(mean_iou(matrix.total))
        model.bias = float(choose(BIASES, values, highest=True))


def fit_variants(
    run: Run, sample: Sample, make_maps: MakeMaps, layers: Mapping[str, Sequence[str]], part: SegmentedImages
) -> dict[str, LinearColumns]:
    """Fit and time a classifier per entry of layers, by name; their biases are chosen on the part."""
    models = {}
    for name, chosen in layers.items():
        with run.method(name, kind="classical" if name == HAND_MADE else "deep") as method:
            method.model = models[name] = LinearColumns(make_maps, tuple(chosen), len(part.classes))
            method.time(models[name].fit, sample)
            method.fit_seconds += sample.seconds
    choose_biases(list(models.values()), part)
    return models


def study_layers(run: Run, sets: LabelledScenes, trunk: nn.Module, choosing: int) -> LinearColumns:
    """Fit classifiers on one, two and all layers to the same pixels, and score them on validation scenes.

    choosing: the number of these scenes that choose the biases; the rest give the scores. Returns the classifier on all
    layers.
    """
    claims, make_maps = PaperClaims(run), TrunkMaps(trunk)
    every = list(make_maps.strides)
    sample = sample_pixels(partial(columns_at, make_maps), sets.train, run.seed)
    run.fact("features of a pixel", sum(sample.widths.values()))
    layers = {f"{name} alone": [name] for name in every} | {TWO: every[-2:], ALL: every}
    choose_on, judged = sets.validation.take(slice(choosing)), sets.validation.take(slice(choosing, None))
    models = fit_variants(run, sample, make_maps, layers, choose_on)
    for name, labels in zip(models, predict_all(list(models.values()), judged.images), strict=True):
        score_semantic(run.methods[name], judged, labels)

    claims.compared(
        "All layers together are better than the last one", source="abstract", metric=IOU,
        paper="AP^r 49.7 → 60.0, with all changes", ours=ALL, against=f"{every[-1]} alone",
    )  # fmt: skip
    for metric in (IOU, BOUNDARY):
        claims.compared(
            f"All layers together are better than the best single one ({metric})", source="§3", metric=metric,
            paper="no number", ours=ALL, against=SINGLE,
        )  # fmt: skip
    run.figure_over_seeds(
        "layers", draw_scores, {metric: list(models) for metric in (IOU, BOUNDARY)}, caption=CAPTIONS["layers"]
    )
    run.figure("sums", draw_sums, *sums_of(models[ALL], judged), caption=CAPTIONS["sums"])
    return models[ALL]


def sums_of(model: LinearColumns, part: SegmentedImages) -> tuple[np.ndarray, str, dict[str, np.ndarray]]:
    """The scene with the largest object: its image, the object's class, and each layer's contribution to its score."""
    sizes = np.stack([np.bincount(labels.ravel(), minlength=256)[1:IGNORE] for labels in part.labels])
    scene, label = np.unravel_index(sizes.argmax(), sizes.shape)
    image, maps = part.images[scene], model.make_maps(part.images[[scene]])
    places, added = all_middles(1, image.shape[:2]), {}
    for name, weights in model.weights_.items():
        row = (weights[label + 1] - weights[0])[None, :, None, None]
        added[name] = sampled(Map(functional.conv2d(maps[name].values, row), maps[name].shift), places)[0, 0].numpy()
    return image, part.classes[label + 1], added


def lesson(run: Run) -> None:
    sets = labelled_scenes(run, train=run.pick(smoke=24, lecture=1200), validation=run.pick(smoke=8, lecture=250))
    choosing = run.pick(smoke=4, lecture=70)
    trunk = mobilenet_v2_or_none(run.scale, run.note)
    predicted = {}
    if trunk is not None:
        model = study_layers(run, sets, trunk, choosing)
        with run.method(OURS, kind="deep") as method:
            method.model, method.fit_seconds = model, run.methods[ALL].fit_seconds
            method.share(OURS, model)
            predicted[OURS] = judge_semantic(method, sets.test)
        measure_classes(run, sets.test, {OURS: predicted[OURS]})

    sample = sample_pixels(partial(columns_at, hand_made_maps), sets.train, run.seed)
    choose_on = sets.validation.take(slice(choosing))
    fit_variants(run, sample, hand_made_maps, {HAND_MADE: list(sample.widths)}, choose_on)
    predicted[HAND_MADE] = judge_semantic(run.methods[HAND_MADE], sets.test)
    predicted[RIVAL], _ = score_rival(run, sets, instances=False)
    if trunk is not None:
        for rival, metric in ((HAND_MADE, IOU), (RIVAL, IOU), (RIVAL, BOUNDARY)):
            run.compare(OURS, rival, metric)
            run.claim(f"Hypercolumns of the trunk beat {rival} in {metric}.", beats(OURS, rival, metric))
            run.claim(f"{rival} beats hypercolumns of the trunk in {metric}.", beats(rival, OURS, metric))
        run.floor(OURS, IOU, at_least=31.0)
    places = examples(sets.test, next(iter(predicted.values())))
    shown = {"truth": sets.test.labels[places]} | {name: labels[places] for name, labels in predicted.items()}
    run.figure(
        "strip", draw_strips, sets.test.images[places], shown, sets.classes, ("best", "median", "worst"),
        caption=CAPTIONS["strip"],
    )  # fmt: skip
