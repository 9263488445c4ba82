"""R-CNN: a network that classifies pictures becomes a detector by classifying proposals.

Question   A network can classify a picture. How does it find several objects in one, and what do the stages after the
           network add: SVMs, box regression?
Method     Girshick, Donahue, Darrell and Malik 2014. Selective search proposes boxes; each is cut out with some
           context and warped to a square (appendix A, trunk/crops.py). A network that has first learned to classify
           objects (trunk/pretraining.py) is fine-tuned on the crops and computes their features (§2.3); a linear SVM
           per class scores them, ridge regression corrects the box (appendix C), and non-maximum suppression follows.
Rival      The network's own softmax in place of the SVMs (appendix B); boxes that stay where they were proposed.
Differs    Crops of 32 × 32 pixels, and a network of half a percent of the size, not trained on ImageNet: it first
           learns to classify the objects of the training scenes. It ends in a mean over its last map (Lin et al. 2014,
           §3.2), not in dense layers.
Costs      120 s on two cores, a minute of them for proposals and 20 s for the trunk that others start from, too.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ch06_detection.boxes import Boxes, clip, decode, encode
from ch06_detection.drawings.rcnn import draw_regression, draw_stages
from ch06_detection.geometry.detections import select_detections
from ch06_detection.proposals.crop_batches import CropBatches
from ch06_detection.proposals.labelled import LabelledProposals, evenly_spaced
from ch06_detection.proposals.search import ProposalDetector, shared_proposals
from ch06_detection.scoring.judging import METRIC, STRICT, account, answers_of, learn
from ch06_detection.scoring.overlaps import overlap_by_class, overlaps_with_objects
from ch06_detection.scoring.protocol import training_scenes
from ch06_detection.trunk.building import measure_pixels
from ch06_detection.trunk.crops import Crops, Pictures, Side, cut
from ch06_detection.trunk.layers import small_trunk, stage_channels
from ch06_detection.trunk.pretraining import SIDE, PretrainedTrunk, Trunk, copy_class_rows, copy_weights, shared_trunk
from common.data.boxed import Target
from common.data.checked_inputs import Given, colour_pictures, to_learn_from
from common.data.scenes import scenes
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.muon import Muon, hidden_filters
from common.run import Run
from common.seeding import build_seeded
from common.train import History, Training, half_pays

NEGATIVE = 0.3  # IoU with all objects of a class, below which a proposal is a negative of its SVM: §2.3
NEAR = 0.6  # IoU with an object, from which on a proposal teaches box regression: appendix C
LENGTH = 20.0  # mean length of features before SVMs and regression, as in the paper's program
BARE = (1.0, 1.0)  # Eq. (1)–(4) are the chapter's offsets without variances
LEAST = {"svm": 0.1, "softmax": 0.01}  # scores from which on a box is a detection
FIRST = 3000  # negatives that an SVM starts with, before it looks for hard ones
SILENT = -9.0  # the margin of a class that nothing could be learned of
VARIANTS = {  # the scores, and whether boxes are moved
    "R-CNN": ("svm", True),
    "R-CNN, boxes as proposed": ("svm", False),
    "R-CNN, softmax": ("softmax", True),
    "R-CNN, softmax, boxes as proposed": ("softmax", False),
}


class RegionNetwork(nn.Module):
    """Crops to logits, background first: two stages, and a dense layer on their mean. classes: without background."""

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__()
        self.classes = classes
        self.stages = nn.Sequential(*small_trunk(width)[:2])
        self.score = nn.Linear(stage_channels(self.stages), classes + 1)

    def start_from(self, trunk: PretrainedTrunk) -> None:
        """Copy the weights of a network that has learned to classify objects."""
        copy_weights(trunk.stages, self.stages)
        copy_class_rows(self.score, trunk.score)

    def forward(self, crops: Crops) -> Float[Tensor, "n scores"]:
        return self.score(self.stages(crops).mean(dim=(2, 3)))


def svm_with_hard_negatives(
    positives: Float[Tensor, "p d"], negatives: Float[Tensor, "q d"], C: float, seed: int = 0
) -> Float[Tensor, "e"]:
    """Weights and intercept of a linear SVM: with some negatives, then with all that lie within its margin. §2.3."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    if not len(positives) or not len(negatives):
        return torch.cat([torch.zeros(positives.shape[1]), torch.tensor([SILENT])])
    chosen = torch.randperm(len(negatives), generator=torch.Generator().manual_seed(seed))[:FIRST]
    for _ in range(2):
        x = torch.cat([positives, negatives[chosen]]).numpy()
        svm = LinearSVC(C=C, intercept_scaling=10.0, random_state=seed, max_iter=300)  # scaled: hardly held back by C
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits of a margin change no order
            svm.fit(x, np.arange(len(x)) < len(positives))
        weights = torch.tensor(np.append(svm.coef_[0], svm.intercept_[0]), dtype=torch.float32)
        hard = (with_one(negatives) @ weights > -1).nonzero()[:, 0]
        chosen = torch.cat([chosen, hard]).unique()
    return weights


@dataclass
class RidgeBoxes:
    """Offsets of boxes as linear functions of features, class by class. Appendix C, Eq. (1)–(5). penalty: λ."""

    penalty: float
    weights_: Float[Tensor, "classes d 4"] = field(init=False, repr=False)

    def fit(
        self, features: Float[Tensor, "n d"], offsets: Float[Tensor, "n 4"], labels: Int64[Tensor, "n"], classes: int
    ) -> RidgeBoxes:
        """Eq. (5): argmin Σ ‖t − Wᵀφ − b‖² + λ ‖W‖² for each class. The intercept b is not penalised; the paper's code
        penalises it, but subtracts the mean of the targets first. A class without boxes moves none."""
        self.weights_ = torch.zeros(classes, features.shape[1] + 1, 4)
        penalties = self.penalty * torch.eye(features.shape[1] + 1, dtype=torch.double)
        penalties[-1, -1] = 0.0
        for label in labels.unique().tolist():
            own = with_one(features[labels == label]).double()
            wanted = own.T @ offsets[labels == label].double()
            self.weights_[label - 1] = torch.linalg.solve(own.T @ own + penalties, wanted).float()
        return self

    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n classes 4"]:
        """The offsets that each class would move the boxes by."""
        return torch.einsum("nd,cdo->nco", with_one(features), self.weights_)


def with_one(features: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
    """The features, and a 1 for the intercept."""
    return torch.cat([features, features.new_ones(len(features), 1)], dim=1)


class Features(NamedTuple):
    """Of each proposal: the network's last map, whole; its mean, the features; the logits."""

    boxes: Boxes
    maps: Float[Tensor, "n maps"]
    features: Float[Tensor, "n features"]
    logits: Float[Tensor, "n scores"]


@dataclass
class RCNN(ProposalDetector):
    """A detector with fit and predict. proposals: of images. training: of the network on cut out proposals.

    trunk: what the network starts from. searched: of how many images proposals are learned from. mined: of how many of
    these SVMs and regression are given proposals. crops: of an epoch. side: rows and columns of a crop. C: of the SVMs.
    penalty: of box regression, λ. scorer: "svm" or "softmax". regress: whether boxes are moved.
    """

    proposals: Callable[[Pictures], list[Tensor]]
    training: Training
    classes: int
    trunk: Trunk | None = None
    searched: int | None = None
    mined: int | None = None
    crops: int = 20_000
    side: Side = SIDE
    C: float = 0.01
    penalty: float = 1000.0
    scorer: str = "svm"
    regress: bool = True
    suppression: float = 0.3
    keep: int = 100
    seed: int = 0

    def fit(self, images: Given, targets: Sequence[Target]) -> RCNN:
        """Learn from images of one size and what is in them. Raises Problem where there is no box to learn from.

        Raises as to_learn_from for pictures and targets that cannot be.
        """
        targets = to_learn_from(images, targets)
        self.pixels_ = measure_pixels(images)
        some = evenly_spaced(len(images), self.searched)
        searched, there = images[some], targets[some]
        labelled = LabelledProposals.of(self.proposals(searched), there)
        self.network_ = build_seeded(lambda: RegionNetwork(self.classes), self.seed)
        if self.trunk:
            self.network_.start_from(self.trunk(images, targets))
        data = CropBatches.of(searched, labelled, self.pixels_, side=self.side, length=self.crops, seed=self.seed)
        self.history_: History = self.training(self.network_, data, self.seed)
        truths = list(self.compute_features(images, [target["boxes"] for target in targets], chunk=40))
        scale = LENGTH / torch.cat([seen.features for seen in truths]).norm(dim=1).mean()
        self.scale_ = float(scale.nan_to_num(1.0, posinf=1.0))  # where there is no object
        self.fit_heads(searched[: self.mined], there[: self.mined], truths, targets)
        return self

    def fit_heads(
        self, images: Pictures, targets: Sequence[Target], truths: list[Features], of: Sequence[Target]
    ) -> None:
        """SVMs: objects of all images (truths, of) against proposals of some. Regression: of proposals near objects."""
        proposals = self.proposals(images)
        seen = list(self.compute_features(images, proposals))
        features = torch.cat([part.features for part in seen]) * self.scale_
        overlaps = zip(proposals, targets, strict=True)
        overlap = torch.cat([overlap_by_class(boxes, target, self.classes) for boxes, target in overlaps])
        objects = torch.cat([seen.features for seen in truths]) * self.scale_
        labels = torch.cat([target["labels"] for target in of])
        self.svms_ = torch.stack([
            svm_with_hard_negatives(objects[labels == k + 1], features[overlap[:, k] < NEGATIVE], self.C, self.seed)
            for k in range(self.classes)
        ])  # fmt: skip
        labelled = LabelledProposals.of(proposals, targets, with_truths=False)
        maps, near = torch.cat([part.maps for part in seen]), labelled.overlap >= NEAR
        offsets = encode(labelled.truth[near], labelled.boxes[near], BARE)
        ridge = RidgeBoxes(self.penalty)
        self.ridge_ = ridge.fit(self.normalise(maps[near]), offsets, labelled.label[near], self.classes)

    def normalise(self, maps: Float[Tensor, "n maps"]) -> Float[Tensor, "n maps"]:
        """Every map at the same length."""
        return LENGTH * torch.nn.functional.normalize(maps, dim=1)

    def compute_features(self, images: Pictures, proposals: Sequence[Tensor], chunk: int = 1) -> Iterator[Features]:
        """What the network computes from each image's proposals, cut out."""
        device, network = next(self.network_.parameters()).device, self.network_.eval()
        for start in range(0, len(images), chunk):
            own = proposals[start : start + chunk]
            inputs = self.pixels_(images[start : start + chunk])
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device)):
                crops = cut(inputs, own, self.side)
                maps = network.stages(crops.to(device, memory_format=torch.channels_last))
                features = maps.mean(dim=(2, 3))
                seen = [part.float().cpu() for part in (maps.flatten(1), features, network.score(features))]
            counts = [len(boxes) for boxes in own]
            yield from map(Features, own, *(part.clone().split(counts) for part in seen))

    def predict(self, images: Given) -> list[Target]:
        """The objects of each image, highest score first. A score is the logistic function of a margin, or a softmax.

        Raises Problem for pictures of the wrong kind.
        """
        size = colour_pictures(images).shape[1:3]
        found = self.compute_features(images, self.proposals(images))
        return [self.detect(seen, size, self.scorer, self.regress) for seen in found]

    def detect(self, seen: Features, size: tuple[int, int], scorer: str, regress: bool) -> Target:
        """Score an image's proposals, move them or not, and suppress duplicates. size: of the image (height, width)."""
        margins = with_one(seen.features * self.scale_) @ self.svms_.T
        scores = margins.sigmoid() if scorer == "svm" else seen.logits.softmax(dim=1)[:, 1:]
        boxes = seen.boxes
        if regress:
            boxes = clip(decode(self.ridge_.predict(self.normalise(seen.maps)), boxes[:, None], BARE), *size)
        return select_detections(boxes, scores, least=LEAST[scorer], suppression=self.suppression, keep=self.keep)

    def parameters(self) -> Iterator[Tensor]:
        """The network's, the SVMs' and the regression's, for common.model_size."""
        yield from self.network_.parameters()
        yield from (self.svms_, self.ridge_.weights_)


def build_scenes_rcnn(run: Run) -> RCNN:
    """The detector of the scenes, not yet fitted; settings were chosen on validation scenes."""
    epochs, file = run.pick(smoke=1, lecture=1, full=4), run.checkpoint("rcnn")
    return RCNN(
        shared_proposals(run),
        Training(epochs, 0.005, 128, Muon, hidden_filters, device=run.device, checkpoint=file, say=run.say_step),
        len(scenes(run.scale).classes),
        shared_trunk(run),
        mined=run.pick(smoke=3, lecture=300, full=1000),
        crops=run.pick(smoke=64, lecture=40_000),
        seed=run.seed,
    )


def lesson(run: Run) -> None:
    train, test, proposals = training_scenes(run.scale), scenes(run.scale).test, shared_proposals(run)
    size = test.images.shape[1:3]
    run.say_step("selective search")
    run.fact("seconds for the training scenes' proposals", proposals.seconds(train.images), "s")
    each = run.fact("milliseconds a scene, proposals", 1000 * proposals.seconds(test.images) / len(test), "ms")
    run.fact("proposals a scene", float(np.mean([len(boxes) for boxes in proposals(test.images)])))

    found, scores, features, seconds = {}, {}, [], 0.0
    for name, (scorer, regress) in VARIANTS.items():
        with run.method(name, kind="deep") as method:
            detector = learn(method, "R-CNN, scenes", lambda: build_scenes_rcnn(run), train)
            if not features:  # they are computed once; the variants differ in what is made of them
                start = time.perf_counter()
                features = list(detector.compute_features(test.images, proposals(test.images)))
                seconds = time.perf_counter() - start
            start = time.perf_counter()
            found[name] = [detector.detect(seen, size, scorer, regress) for seen in features]
            method.predict_seconds = time.perf_counter() - start + seconds + each * len(test) / 1000
            evaluation = Evaluation(found[name], test.targets, len(test.classes), COCO_THRESHOLDS)
            evaluation = account(method, evaluation, test)
            if name == "R-CNN":
                run.shared[answers_of(method, "R-CNN, scenes", test)] = evaluation, method.predict_seconds
            scores[name] = [100 * evaluation.mean_average_precision(threshold) for threshold in COCO_THRESHOLDS]
    network = run.fact("milliseconds a scene, network on every proposal", 1000 * seconds / len(test), "ms")
    for metric in (METRIC, STRICT):
        run.compare("R-CNN", "R-CNN, softmax", metric)
        run.compare("R-CNN", "R-CNN, boxes as proposed", metric)
    run.floor("R-CNN", METRIC, at_least=59.0)
    right = [overlaps_with_objects([one], test.take([k]), 0.5) > 0.7 for k, one in enumerate(found["R-CNN"])]
    shown = int(np.argmax([some.sum() for some in right]))  # the scene with most objects found well
    run.figure(
        "stages", draw_stages, test.images[shown], proposals(test.images)[shown], test.targets[shown],
        found["R-CNN"][shown], test.classes,
        caption="A test scene: its proposals; some of them, on objects, on parts of objects and on background, cut "
        "out with some context and warped to squares, as the network receives them; the detections.",
    )  # fmt: skip
    moved = [overlaps_with_objects(found[name], test, 0.5) for name in ("R-CNN, boxes as proposed", "R-CNN")]
    run.figure(
        "boxes", draw_regression, *moved, scores,
        caption="Left: detections with a score from 0.5 on, before and after box regression. Right: mAP of the "
        "four variants, by the IoU from which on a box counts as found.",
    )  # fmt: skip
    run.note(
        f"Selective search takes {each:.0f} ms per scene, the network {network:.0f} ms for all proposals. Detections "
        f"have a mean IoU of {moved[0].mean():.2f} with their objects as proposed, and of {moved[1].mean():.2f} moved."
    )
    softmax, svm = scores["R-CNN, softmax"][0], scores["R-CNN"][0]
    run.note(
        f"SVMs give a mAP of {svm:.1f} %, the network's own softmax {softmax:.1f} %. In the paper, SVMs were ahead by "
        "three points (54.2 and 50.9 on VOC 2007); it suspects that fine-tuning is too lenient about what is an object."
    )
