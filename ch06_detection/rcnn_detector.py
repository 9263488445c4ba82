"""R-CNN: a network looks at every proposal; linear SVMs say what it saw, and ridge regression mends its box.

Method     Girshick et al. 2014: §2.1 warped proposals; §2.3 fine-tuning with a quarter of objects in each batch, then
           one linear SVM a class with hard negatives; appendix C, Eq. (1)–(5), box regression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ch06_detection.boxes import Boxes, clip, decode, encode, iou, nms_by_class
from ch06_detection.first_lessons import in_other_light, learn_to_classify
from ch06_detection.proposal_sets import LabelledProposals, Pictures, Proposals, draw
from ch06_detection.ssd_network import Residual, convolution
from ch06_detection.warped_crops import CONTEXT, Crops, warp, warp_all, with_context
from common.data.boxed import Target
from common.image_classifier import Pixels
from common.train import History, Training, half_pays

FOREGROUND = 0.5  # IoU with an object, from which on a proposal is one: in fine-tuning
NEGATIVE = 0.3  # IoU with every object of a class, up to which a proposal is a negative of the class's SVM
NEAR = 0.6  # IoU with an object, from which on a proposal teaches box regression
LENGTH = 20.0  # mean length of the features that SVMs and regression are given, as in the paper's program


class RCNNNetwork(nn.Module):
    """The trunk of Fast R-CNN here, two layers, and scores of the classes; background comes first."""

    def __init__(self, classes: int, width: int = 24, side: int = 32, hidden: int = 256, dropout: float = 0.2) -> None:
        super().__init__()
        self.side = side
        self.trunk = nn.Sequential(
            convolution(3, width, 2),
            convolution(width, 2 * width, 2),
            convolution(2 * width, 4 * width, 2),
            Residual(4 * width),
        )
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(4 * width * (side // 8) ** 2, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.score = nn.Linear(hidden, classes + 1)

    def forward(self, crops: Crops) -> Float[Tensor, "n scores"]:
        return self.score(self.layers(self.trunk(crops)))

    def features(self, crops: Crops):
        """The trunk's map, averaged to 2x2, and what the last layer sees, and scores."""
        maps = self.trunk(crops)
        seen = self.layers(maps)
        return nn.functional.adaptive_avg_pool2d(maps, 2).flatten(1), seen, self.score(seen)


@dataclass
class CropBatches:
    """Labelled proposals, as common.train.Batches: a quarter of each batch are objects, drawn from all images. §2.3."""

    images: Pictures
    proposals: LabelledProposals
    pixels: Pixels
    side: int
    crops: int
    share: float = 0.25

    def __post_init__(self) -> None:
        object_ = self.proposals.overlap >= FOREGROUND
        self.foreground, self.background = object_.nonzero()[:, 0], (~object_).nonzero()[:, 0]

    def __len__(self) -> int:
        return self.crops if len(self.proposals) else 0

    def batch(self, index: Int64[Tensor, "batch"], generator: torch.Generator):
        chosen = draw(self.foreground, self.background, len(index), self.share, generator)
        chosen = chosen[torch.randperm(len(chosen), generator=generator)]
        images = self.pixels(self.images[self.proposals.image[chosen].numpy()])
        crops = warp(images, with_context(self.proposals.boxes[chosen]), self.side)
        turned = torch.rand(len(crops), generator=generator) < 0.5
        crops = in_other_light(torch.where(turned[:, None, None, None], crops.flip(3), crops), generator)
        labels = self.proposals.label[chosen] * (self.proposals.overlap[chosen] >= FOREGROUND)
        return crops.contiguous(memory_format=torch.channels_last), labels


class Looks(NamedTuple):
    """What the network saw in boxes: the trunk's map, the last layer's features, scores before the softmax."""

    boxes: Boxes
    maps: Float[Tensor, "n maps"]
    features: Float[Tensor, "n features"]
    logits: Float[Tensor, "n scores"]


class RidgeBoxes:
    """Offsets of boxes as linear functions of features, class by class. Girshick et al. 2014, appendix C, Eq. (1)–(5)."""

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty

    def fit(
        self, features: Float[Tensor, "n d"], offsets: Float[Tensor, "n 4"], labels: Int64[Tensor, "n"], classes: int
    ) -> RidgeBoxes:
        """Eq. (5): argmin Σ ‖t − Wᵀφ‖² + λ‖W‖², solved for each class; a class without boxes moves none."""
        self.weights_ = torch.zeros(classes, features.shape[1] + 1, 4)
        for label in labels.unique().tolist():
            own = with_one(features[labels == label]).double()
            gram = own.T @ own + self.penalty * torch.eye(own.shape[1], dtype=torch.double)
            self.weights_[label - 1] = torch.linalg.solve(gram, own.T @ offsets[labels == label].double()).float()
        return self

    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n classes 4"]:
        """Every class's offsets."""
        return torch.einsum("nd,cdo->nco", with_one(features), self.weights_)


def with_one(features: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
    """The features, and a 1 for the intercept."""
    return torch.cat([features, features.new_ones(len(features), 1)], dim=1)


@dataclass
class RCNN:
    """A detector with fit and predict. proposals: of images. training: of the network on warped proposals.

    warm_up: how the network first learns to classify objects. searched: images whose proposals are learned from, the
    first ones. mined: of these, those that SVMs and regression learn from. crops: of an epoch. C: of the SVMs.
    penalty: of box regression, λ. scorer: "svm" or "softmax". regress: whether boxes are mended.
    """

    proposals: Callable[[Pictures], list[Tensor]]
    training: Training
    classes: int
    build: Callable[[int], RCNNNetwork] = RCNNNetwork
    warm_up: Training | None = None
    searched: int | None = None
    mined: int | None = None
    crops: int = 20_000
    C: float = 0.01
    penalty: float = 1000.0
    suppression: float = 0.3
    keep: int = 100
    scorer: str = "svm"
    regress: bool = True
    seed: int = 0

    def fit(self, images: Pictures, targets: Sequence[Target]) -> RCNN:
        self.pixels_ = Pixels.of(images[:: max(1, len(images) // 500)])
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = self.build(self.classes)
            if self.warm_up:
                learn_to_classify(
                    self.network_, images, targets, self.pixels_, self.warm_up, self.network_.side, CONTEXT, self.seed
                )
        images, targets = images[: self.searched], targets[: self.searched]
        labelled = LabelledProposals.of(self.proposals(images), targets)
        data = CropBatches(images, labelled, self.pixels_, self.network_.side, self.crops)
        self.history_: History = self.training(self.network_, data, self.seed)
        self.fit_heads(images[: self.mined], targets[: self.mined])
        return self

    def fit_heads(self, images: Pictures, targets: Sequence[Target]) -> None:
        proposals = [torch.cat([t["boxes"], boxes]) for t, boxes in zip(targets, self.proposals(images), strict=True)]
        looks = list(self.looks(images, proposals))
        features = torch.cat([look.features for look in looks])
        maps = torch.cat([look.maps for look in looks])
        self.scales_ = LENGTH / features.norm(dim=1).mean(), LENGTH / maps.norm(dim=1).mean()
        features, maps = features * self.scales_[0], maps * self.scales_[1]
        overlap = torch.cat([overlap_by_class(b, t, self.classes) for b, t in zip(proposals, targets, strict=True)])
        truth = torch.cat([torch.arange(len(b)) < len(t["boxes"]) for b, t in zip(proposals, targets, strict=True)])
        own = torch.cat([torch.cat([t["labels"], torch.zeros(len(b) - len(t["labels"]), dtype=torch.long)]) for b, t in zip(proposals, targets, strict=True)])
        self.svms_ = torch.zeros(self.classes, features.shape[1] + 1)
        for k in range(self.classes):
            self.svms_[k] = svm_with_hard_negatives(features[own == k + 1], features[(overlap[:, k] < NEGATIVE) & ~truth | (truth & (own != k + 1) & (overlap[:, k] < NEGATIVE))], self.C, self.seed)
        labelled = LabelledProposals.of([b[len(t["boxes"]):] for b, t in zip(proposals, targets, strict=True)], targets)
        near = labelled.overlap >= NEAR
        offsets = encode(labelled.truth[near], labelled.boxes[near], (1.0, 1.0))
        self.ridge_ = RidgeBoxes(self.penalty).fit(maps[near], offsets, labelled.label[near], self.classes)

    def looks(self, images: Pictures, proposals: Sequence[Boxes], chunk: int = 4) -> Iterator[Looks]:
        """What the network sees in each image's boxes."""
        device, side = next(self.network_.parameters()).device, self.network_.side
        self.network_.eval()
        for start in range(0, len(images), chunk):
            own = proposals[start : start + chunk]
            inputs = self.pixels_(images[start : start + chunk])
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device)):
                crops = torch.cat([warp_all(image, with_context(boxes), side) for image, boxes in zip(inputs, own, strict=True)])
                seen = self.network_.features(crops.to(device, memory_format=torch.channels_last))
            counts = [len(boxes) for boxes in own]
            yield from map(Looks, own, *(part.float().cpu().split(counts) for part in seen))

    def predict(self, images: Pictures) -> list[Target]:
        return [self.detections(look, images.shape[1:3]) for look in self.looks(images, self.proposals(images))]

    def detections(self, look: Looks, size, scorer: str | None = None, regress: bool | None = None) -> Target:
        regress = self.regress if regress is None else regress
        if (scorer or self.scorer) == "svm":
            margins = with_one(look.features * self.scales_[0]) @ self.svms_.T
            scores, least = margins.sigmoid(), 0.2
        else:
            scores, least = look.logits.softmax(1)[:, 1:], 0.01
        where, label = (scores > least).nonzero().unbind(1)
        sure = scores[where, label]
        boxes = look.boxes[where]
        if regress:
            offsets = self.ridge_.predict(look.maps * self.scales_[1])
            boxes = clip(decode(offsets[where, label], boxes, (1.0, 1.0)), *size)
        stays = nms_by_class(boxes, sure, label + 1, self.suppression)[: self.keep]
        return {"boxes": boxes[stays], "labels": label[stays] + 1, "scores": sure[stays]}

    def parameters(self):
        yield from self.network_.parameters()
        yield from (self.svms_, self.ridge_.weights_)


def overlap_by_class(boxes: Boxes, target: Target, classes: int) -> Float[Tensor, "n classes"]:
    """IoU of each box with the object of each class that it overlaps most; 0 where there is none."""
    best = torch.zeros(len(boxes), classes)
    for label in target["labels"].unique().tolist():
        best[:, label - 1] = iou(boxes, target["boxes"][target["labels"] == label]).amax(dim=1)
    return best


def svm_with_hard_negatives(
    positives: Float[Tensor, "p d"], negatives: Float[Tensor, "q d"], C: float, seed: int, first: int = 3000
) -> Float[Tensor, "e"]:
    """A linear SVM of some negatives, then once more with those of all that lie within its margin. §2.3."""
    from sklearn.svm import LinearSVC

    if not len(positives) or not len(negatives):
        return torch.cat([positives.new_zeros(positives.shape[1]), positives.new_tensor([-9.0])])
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(negatives), generator=generator)[:first]
    for _ in range(2):
        x = torch.cat([positives, negatives[chosen]]).numpy()
        y = np.arange(len(x)) < len(positives)
        svm = LinearSVC(C=C, loss="hinge", dual=True, intercept_scaling=10.0, random_state=seed, max_iter=2000).fit(x, y)
        weights = torch.tensor(np.append(svm.coef_[0], svm.intercept_[0]), dtype=torch.float32)
        margins = with_one(negatives) @ weights
        chosen = torch.cat([chosen, (margins > -1).nonzero()[:, 0]]).unique()
    return weights
