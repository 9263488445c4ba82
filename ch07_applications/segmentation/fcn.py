"""A class for every pixel: a classifier made fully convolutional, and skips that refine its coarse scores.

Question   A classifier's last maps know what is there, but only every 16 or 32 pixels. How can it label each pixel?
Method     Long, Shelhamer, Darrell 2015 (FCN): dense layers become convolutions (§3.1), coarse scores are enlarged by
           transposed convolutions initialised as bilinear interpolation (§3.3), and scores of earlier, finer maps are
           added (§4.2). FCN-32s, -16s and -8s on VGG-16 are built at full size; a small FCN is trained on scenes, and
           one on MobileNetV2 (Sandler et al. 2018) on CamVid.
Differs    Scenes have 128×128 pixels, of which stride 32 would leave a grid of 4×4: the small network has strides 16, 8
           and 4. Its classifier was trained on objects of the training scenes, not on ImageNet. The losses of all
           strides are trained at once. Deconvolutions stay bilinear, as in the authors' later code. Images are padded
           at their border to whole strides; the authors pad by 100 pixels and crop. Muon with one cycle replaces
           momentum at a fixed rate. The background has half weight.
Rival      HOG + SVM boxes, each filled by GrabCut; fitted on the first 1500 of the 8000 scenes.
Costs      170 s on two cores, a third of it for the rival; with CamVid 35 s more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.segmentation.bilinear import Bilinear
from ch07_applications.segmentation.boundary_causes import measure_classes, measure_strides
from ch07_applications.segmentation.box_rival import RIVAL, score_rival
from ch07_applications.segmentation.drawn_fcn import draw_by_stride, draw_examples
from ch07_applications.segmentation.label_colours import examples
from ch07_applications.segmentation.labelled_scenes import LabelledScenes, labelled_scenes
from ch07_applications.segmentation.object_crops import ObjectCrops
from ch07_applications.segmentation.scoring import BOUNDARY, IOU, judge_semantic, score_semantic
from ch07_applications.segmentation.segmenter import LabelledPixels, PixelCrops, Segmenter, pixel_loss
from ch07_applications.segmentation.trunks import as_convolution, mobilenet_stages, small_stages, vgg16_stages
from common import data
from common.ablation import BASE
from common.claims import beats
from common.data.boxed import BoxedImages
from common.data.segmented import SegmentedImages
from common.data.weights import imagenet_statistics, mobilenet_v2_or_none
from common.image_classifier import Pixels
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

PUBLISHED = (32, 16, 8)  # strides
WIDTHS = (24, 48, 96, 160)  # channels of the small network at strides 2, 4, 8, 16
STREET_MAPS = (144, 192, 576, 1280)  # channels of MobileNetV2 at strides 4, 8, 16, 32
NAMES = ("FCN-16s", "FCN-8s", "FCN-4s")
AT_ONCE, STAGES = ((1, 1, 2),), ((1, 0, 0), (0, 1, 0), (0, 0, 1))  # weights of the strides' losses, stage by stage
IN_STAGES, SCRATCH, STREET = "in stages", "from scratch", "CamVid: FCN-4s"
SHARED = "FCN of the scenes"  # for fit_shared, by which other lessons reuse it
BIASES = (-0.5, 0.0, 0.5, 1.0)


def bilinear_kernel(stride: int, size: int) -> Float[Tensor, "size size"]:
    """The filter with which a transposed convolution of this stride interpolates bilinearly: a tent per axis. §3.3.

    size: 2 · stride if a cell's centre is the middle of its stride × stride pixels, 2 · stride − 1 if it is on a pixel.
    """
    tent = 1 - (torch.arange(size) - (size - 1) / 2).abs() / stride
    return tent[:, None] * tent


class Deconvolution(nn.ConvTranspose2d):
    """Maps enlarged `stride` times by a transposed convolution initialised as bilinear interpolation. §3.3.

    A transposed convolution writes its filter, times each cell's value, around the cell's place, and adds up what
    overlaps. The kernel is diagonal at first, so that channels do not mix. centred: cell i's centre is pixel
    stride · i, as after 3×3 convolutions of stride 2; otherwise it is the middle of its pixels, as after pooling.
    Raises ValueError for an odd stride, which has no such middle.
    """

    def __init__(self, channels: int, stride: int, centred: bool = False) -> None:
        if stride % 2 and not centred:
            raise ValueError(f"the middle of {stride} pixels is a pixel: take centred=True")
        size = 2 * stride - centred
        super().__init__(channels, channels, size, stride, bias=False)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[range(channels), range(channels)] = bilinear_kernel(stride, size).to(self.weight)
        self.first = 2 * stride - 1 if centred else 3 * stride // 2  # where pixel 0 lies, including the added cell

    def forward(
        self, maps: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        rows, columns = (self.stride[0] * length for length in maps.shape[2:])
        whole = super().forward(functional.pad(maps, (1, 1, 1, 1), mode="replicate"))  # beyond the border: its cells
        return whole[:, :, self.first : self.first + rows, self.first : self.first + columns]


class FCN(nn.Module):
    """Scores of all classes from maps of several strides, coarse ones enlarged and added to finer ones. §4.2, Fig. 3.

    stages: the trunk. channels, strides: of the scored maps, which end the last stages; each stride is twice the one
    before. centred: for the deconvolutions. learned: whether these are trained, or stay bilinear. every: return the
    scores of every stride, coarsest first, not the finest alone. All score maps have the images' size. Score layers are
    initialised with 0, so that all classes are equal.
    """

    def __init__(
        self, stages: Sequence[nn.Module], channels: Sequence[int], strides: Sequence[int], classes: int, *,
        centred: bool = True, learned: bool = False, every: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.stages, self.strides = nn.ModuleList(stages), tuple(strides)
        self.scores = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in channels)
        for layer in self.scores:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        enlarging = Deconvolution if learned else Bilinear
        self.doublings = nn.ModuleList(enlarging(classes, 2, centred) for _ in strides[1:])
        scored = strides if every else strides[:1]
        self.enlarge = nn.ModuleList(enlarging(classes, stride, centred) for stride in scored)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch classes height width"], ...]:
        """If the coarsest stride does not divide the sides, images are padded below and on the right."""
        height, width = images.shape[2:]
        right, below = (-length % self.strides[-1] for length in (width, height))
        maps, taps = functional.pad(images, (0, right, 0, below), mode="replicate"), []
        for stage in self.stages:
            maps = stage(maps)
            taps.append(maps)
        taps = taps[-len(self.scores) :]
        scores = [self.scores[-1](taps[-1])]
        for tap, layer, double in reversed(list(zip(taps, self.scores, self.doublings, strict=False))):
            scores.append(double(scores[-1]) + layer(tap))
        found = zip(scores[::-1], self.enlarge, strict=False)
        return tuple(enlarge(maps)[:, :, :height, :width] for maps, enlarge in found)[::-1]


def vgg_fcn(stride: int, classes: int = 21) -> FCN:
    """FCN-32s, -16s or -8s on VGG-16, as published except for the padding. §4.1–4.2."""
    skips = {32: 1, 16: 2, 8: 3}[stride]
    stages = vgg16_stages((17, 24, 31)[-skips:])
    return FCN(stages, (256, 512, 4096)[-skips:], (8, 16, 32)[-skips:], classes, centred=False, learned=True)


def small_fcn(classes: int) -> FCN:
    """FCN-4s for images of 128×128; it returns the scores of FCN-16s and FCN-8s before its own."""
    return FCN(small_stages(WIDTHS), WIDTHS[1:], (4, 8, 16), classes, every=True)


class Classifier(nn.Module):
    """The small network's stages, global average pooling and a dense layer: one class per image."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stages, self.dense = nn.Sequential(*small_stages(WIDTHS)), nn.Linear(WIDTHS[-1], classes)

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        return self.dense(self.stages(images).mean(dim=(2, 3)))

    def fully_convolutional(self) -> FCN:
        """FCN-4s with a copy of these stages; rows of the dense layer score all classes except the background. §3.1.

        The mean of its coarsest scores over all places is the classifier's output: mean and dense layer commute.
        """
        network, layer = small_fcn(1 + self.dense.out_features), as_convolution(self.dense, WIDTHS[-1], 1)
        network.stages.load_state_dict(self.stages.state_dict())
        with torch.no_grad():
            network.scores[-1].weight[1:], network.scores[-1].bias[1:] = layer.weight, layer.bias
        return network


def hidden_and_last(network: nn.Module) -> list[dict[str, Any]]:
    """Parameter groups for Muon: hidden filters, and all others, which include the score layers."""
    return hidden_filters(network, network.scores if isinstance(network, FCN) else [network.dense])


def train_classifier(run: Run, scenes: BoxedImages, pixels: Pixels) -> Classifier:
    """Train a classifier of object crops from the training scenes; it replaces §4.1's ImageNet classifier."""
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = Classifier(len(scenes.classes))
    how = {"device": run.device, "checkpoint": run.checkpoint("classifier"), "say": run.say_step}
    training = Training(run.pick(smoke=1, lecture=1, full=4), 0.02, 16, Muon, hidden_and_last, warm_up=0.15, **how)
    training(network, ObjectCrops.of(scenes, pixels, side=48), run.seed)
    return network


def train_fcn(
    run: Run, part: SegmentedImages, classifier: Classifier | None, epochs: int, stages: Sequence[Sequence] = AT_ONCE,
    *, checkpoint: str = NAMES[-1],
) -> Segmenter:  # fmt: skip
    """The small FCN from the classifier's weights (None: from random ones), each stage so many epochs."""
    weights = torch.tensor([0.5] + [1.0] * (len(part.classes) - 1))
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = classifier.fully_convolutional() if classifier else small_fcn(len(part.classes))
    crops = partial(LabelledPixels, crops=PixelCrops(run.pick(smoke=(48, 48), lecture=(96, 96)), around=0.8))
    for k, shares in enumerate(stages):
        loss, kept = partial(pixel_loss, weights=weights, shares=shares, every=2), run.checkpoint(f"{checkpoint} {k}")
        how = {"warm_up": 0.2, "device": run.device, "checkpoint": kept, "say": run.say_step}
        training = Training(epochs, 0.02, 32, Muon, hidden_and_last, loss, **how)
        model = Segmenter(lambda classes: network, len(part.classes), training, crops, seed=run.seed)
        model.fit(part.images, part.labels)
    return model


def train_street_fcn(run: Run, part: SegmentedImages, trunk: nn.Module) -> Segmenter:
    """Train FCN-4s on a trunk pretrained on ImageNet; the rate of new layers is ten times as high. §4.3."""
    standard = Pixels(*(tuple(255 * value for value in values) for values in imagenet_statistics()))
    half = None if run.device.type == "cuda" else False  # depthwise convolutions are slower in 16 bits on CPUs
    how = {"warm_up": 0.1, "half": half, "device": run.device, "say": run.say_step}
    epochs, how["checkpoint"] = run.pick(smoke=1, lecture=8, full=60), run.checkpoint("CamVid")
    training = Training(epochs, 1e-3, 8, torch.optim.AdamW, trunk_and_scores, partial(pixel_loss, every=2), **how)
    crops = partial(LabelledPixels, crops=PixelCrops(run.pick(smoke=(64, 64), lecture=(120, 160))))
    build = partial(FCN, mobilenet_stages(trunk), STREET_MAPS, (4, 8, 16, 32))
    model = Segmenter(build, len(part.classes), training, crops, 0.5, standard, seed=run.seed)
    return model.fit(part.images, part.labels)


def trunk_and_scores(network: FCN) -> list[dict[str, Any]]:
    """Two learning rates: one for pretrained layers, one for new layers."""
    return [{"params": network.stages.parameters()}, {"params": network.scores.parameters(), "lr": 1e-2}]


def count_full_size(run: Run, claims: PaperClaims) -> None:
    """Count FCN-32s, -16s and -8s on VGG-16, which take no memory for their weights here."""
    for stride in PUBLISHED:
        with torch.device("meta"):
            network = vgg_fcn(stride)
        run.fact(f"FCN-{stride}s on VGG-16, 21 classes", parameters_of(network), "parameters")
        if stride == max(PUBLISHED):
            dense = sum(network.stages[-1][place].weight.numel() for place in (-6, -3))
            within = parameters_of(network) - parameters_of(network.enlarge)
    claims.counted(
        "the convolutional VGG-16 has 134 M parameters", source="§4.1, Table 1", paper="134 M",
        ours=f"{within / 1e6:.1f} M without the deconvolution", against=f"{dense / 1e6:.1f} M in two once dense layers",
        holds=round(within / 1e6) == 134,
    )  # fmt: skip


def study_scenes(run: Run, sets: LabelledScenes, claims: PaperClaims) -> None:
    """Compare the small FCN with its rival, at each stride, and by its initialisation."""
    few, chosen = run.pick(smoke=(8, 8), lecture=(1200, 100))
    judged = sets.validation.take(slice(chosen, None))
    with run.method(NAMES[-1], kind="deep") as method:
        standard = Pixels.of(sets.train.images[:500])
        classifier = method.time(train_classifier, run, sets.objects.train, standard)
        run.fact("the classifier's seconds", method.fit_seconds, "s")
        method.model = model = method.time(train_fcn, run, sets.train, classifier, run.pick(smoke=1, lecture=2, full=8))
        run.fact("background's bias", method.time(model.choose_bias, sets.validation.take(slice(chosen)), BIASES))
        method.share(SHARED, model)
        labels = judge_semantic(method, sets.test)
    rival, _ = score_rival(run, sets, instances=False)
    measure_strides(run, sets.test, (4, 8, 16), RIVAL, rival)
    measure_classes(run, sets.test, {NAMES[-1]: labels, RIVAL: rival}, {NAMES[-1]: model})
    names = [f"{name}, validation" for name in NAMES]
    for name, found in zip(names, model.predict_all(judged.images), strict=True):
        with run.method(name, kind="deep") as method:
            method.model = model
            score_semantic(method, judged, found)

    starts = {BASE: (classifier, AT_ONCE), IN_STAGES: (classifier, STAGES), SCRATCH: (None, AT_ONCE)}
    for name, (start, stages) in starts.items():
        with run.method(name, kind="deep") as method:
            epochs, part = 3 // len(stages), sets.train.take(slice(few))
            method.model = method.time(train_fcn, run, part, start, epochs, stages, checkpoint=name)
            judge_semantic(method, judged)

    claims_of_paper(claims, names)
    for metric in (IOU, BOUNDARY):
        run.compare(NAMES[-1], RIVAL, metric)
        run.claim(f"On test scenes FCN-4s beats {RIVAL} in {metric}.", beats(NAMES[-1], RIVAL, metric))
        run.claim(f"On test scenes {RIVAL} beats FCN-4s in {metric}.", beats(RIVAL, NAMES[-1], metric))
    run.floor(NAMES[-1], IOU, at_least=38)
    caption = f"The small FCN's three score maps on {len(judged)} validation scenes, with 95 % intervals."
    run.figure_over_seeds("strides", draw_by_stride, names, caption=caption)
    best = examples(sets.test, labels)
    shown = dict(zip(NAMES, model.predict_all(sets.test.images[best]), strict=True))
    columns = {"truth": sets.test.labels[best], **shown, RIVAL: rival[best]}
    caption = "The test scenes on which FCN-4s is best, median and worst, by the mean IoU of the scene."
    run.figure("scenes", draw_examples, sets.test.take(best), columns, caption=caption)


def claims_of_paper(claims: PaperClaims, names: Sequence[str]) -> None:
    """The paper's claims about strides (here one step finer), and about how skips and trunks are trained."""
    steps = ((0, 1, IOU, "62.4 against 59.4"), (1, 2, IOU, "62.7 against 62.4"), (0, 2, BOUNDARY, "not measured"))
    for coarse, fine, metric, paper in steps:
        text, ours = f"{NAMES[fine]} above {NAMES[coarse]} in {metric}", names[fine]
        claims.compared(text, source="§4.2, Table 2", paper=paper, ours=ours, against=names[coarse], metric=metric)
    text, sides = "skips learned at once are as good as in stages", {"ours": BASE, "against": IN_STAGES}
    claims.compared(text, source="authors' code", paper="65.4, 65.5", metric=IOU, expects="level", margin=2.0, **sides)
    text, paper = "a classifier's weights are needed", "no training from scratch"
    claims.compared(text, source="§4.3", paper=paper, ours=BASE, against=SCRATCH, metric=IOU)


def study_street(run: Run) -> None:
    """Real pictures: CamVid, with a trunk trained on ImageNet. Skipped if either is missing."""
    roads, trunk = data.camvid_or_none(run.scale, run.note), mobilenet_v2_or_none(run.scale, run.note)
    if roads is None or trunk is None:
        return
    part = roads.test or roads.validation
    train, part = (every.take(slice(run.pick(smoke=4, lecture=None))) for every in (roads.train, part))
    with run.method(STREET, kind="deep") as method:
        method.model = method.time(train_street_fcn, run, train, trunk)
        labels = judge_semantic(method, part)
    run.floor(STREET, IOU, at_least=56)
    best = examples(part, labels)
    run.figure(
        "street", draw_examples, part.take(best), {"truth": part.labels[best], NAMES[-1]: labels[best]},
        caption="The frames of CamVid on which FCN-4s is best, median and worst, by the mean IoU of the frame. White "
        "pixels of the truth do not count.",
    )  # fmt: skip


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    count_full_size(run, claims)
    study_scenes(run, labelled_scenes(run, train=run.pick(smoke=32, lecture=None)), claims)
    study_street(run)
