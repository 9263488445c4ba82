"""R-CNN: a network computes features of every proposal; linear SVMs score them, ridge regression corrects the box.

Method     Girshick et al. 2014: §2.3 fine-tuning with a quarter of objects per batch, then one linear SVM per class;
           appendix C, box regression; non-maximum suppression class by class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float16, Int64
from torch import Tensor

from ch06_detection.boxes import Boxes, clip, decode, encode
from ch06_detection.frames import HalfSize
from ch06_detection.naming import Trunk, scenes_trunk, varied
from ch06_detection.proposal_sets import PEOPLE, LabelledProposals, draw, shared_proposals, spaced
from ch06_detection.rcnn_heads import RidgeBoxes, overlap_by_class, svm_with_hard_negatives, with_one
from ch06_detection.region_network import RegionNetwork
from ch06_detection.square_crops import Crops, Pictures, cut, cut_from
from ch06_detection.thinning import thinned_out
from common.data.boxed import Target
from common.data.checked_inputs import Given, colour_pictures, to_learn_from
from common.data.scenes import scenes
from common.image_classifier import Pixels
from common.muon import Muon, hidden_filters
from common.run import Run
from common.train import History, Training, half_pays

NEGATIVE = 0.3  # IoU with all objects of a class, below which a proposal is a negative of its SVM: §2.3
NEAR = 0.6  # IoU with an object, from which on a proposal teaches box regression: appendix C
LENGTH = 20.0  # mean length of features before SVMs and regression, as in the paper's program
BARE = (1.0, 1.0)  # Eq. (1)–(4) are the chapter's offsets without variances
LEAST = {"svm": 0.1, "softmax": 0.01}  # scores from which on a box is a detection


@dataclass
class CropBatches:
    """Proposals cut out once, as common.train.Batches: of each batch a quarter are objects, drawn from all. §2.3.

    crops: in 16 bits, to save memory. labels: 0 for background. length: crops of an epoch.
    """

    crops: Float16[Tensor, "n 3 side side"]
    labels: Int64[Tensor, "n"]
    length: int
    share: float = 0.25

    def __post_init__(self) -> None:
        self.foreground, self.background = self.labels.nonzero()[:, 0], (self.labels == 0).nonzero()[:, 0]

    @classmethod
    def of(
        cls, images: Pictures, proposals: LabelledProposals, pixels: Pixels, *, side: int, length: int, seed: int = 0
    ) -> CropBatches:
        """Cut out `length` of the proposals, or all, a third of them objects; squares of so many pixels."""
        labels, generator = proposals.labels(), torch.Generator().manual_seed(seed)
        objects, background = (labels > 0).nonzero()[:, 0], (labels == 0).nonzero()[:, 0]
        some = draw(objects, background, min(length, len(labels)), 1 / 3, generator).unique()
        counts = torch.bincount(proposals.image[some], minlength=len(images)).tolist()
        crops = cut_from(images, proposals.boxes[some].split(counts), pixels, side, torch.float16)
        return cls(crops, labels[some], length)

    def __len__(self) -> int:
        return self.length

    def batch(self, index: Int64[Tensor, "batch"], generator: torch.Generator) -> tuple[Crops, Int64[Tensor, "batch"]]:
        chosen = draw(self.foreground, self.background, len(index), self.share, generator)
        chosen = chosen[torch.randperm(len(chosen), generator=generator)]
        return varied(self.crops[chosen].float(), generator, shift=0), self.labels[chosen]


class Looks(NamedTuple):
    """What the network saw in boxes: the last map, whole; its mean, the features; scores (no softmax)."""

    boxes: Boxes
    maps: Float[Tensor, "n maps"]
    features: Float[Tensor, "n features"]
    logits: Float[Tensor, "n scores"]


@dataclass
class RCNN:
    """A detector with fit and predict. proposals: of images. training: of the network on cut out proposals.

    trunk: what the network starts from. searched: of how many images proposals are learned from. mined: of how many of
    these SVMs and regression are given proposals. crops: of an epoch. side: of a crop, in pixels. C: of the SVMs.
    penalty: of box regression, λ. scorer: "svm" or "softmax". regress: whether boxes are mended.
    """

    proposals: Callable[[Pictures], list[Tensor]]
    training: Training
    classes: int
    trunk: Trunk | None = None
    searched: int | None = None
    mined: int | None = None
    crops: int = 20_000
    side: int = 32
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
        self.pixels_ = Pixels.of(images[:: max(1, len(images) // 500)])
        some = spaced(len(images), self.searched)
        searched, there = images[some], targets[some]
        labelled = LabelledProposals.of(self.proposals(searched), there)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = RegionNetwork(self.classes)
        if self.trunk:
            self.network_.start_from(self.trunk(images, targets))
        data = CropBatches.of(searched, labelled, self.pixels_, side=self.side, length=self.crops, seed=self.seed)
        self.history_: History = self.training(self.network_, data, self.seed)
        truths = list(self.looks(images, [target["boxes"] for target in targets], chunk=40))
        scale = LENGTH / torch.cat([look.features for look in truths]).norm(dim=1).mean()
        self.scale_ = float(scale.nan_to_num(1.0, posinf=1.0))  # where there is no object
        self.fit_heads(searched[: self.mined], there[: self.mined], truths, targets)
        return self

    def fit_heads(self, images: Pictures, targets: Sequence[Target], truths: list[Looks], of: Sequence[Target]) -> None:
        """SVMs: objects of all images (truths, of) against proposals of some. Regression: of proposals near objects."""
        proposals = self.proposals(images)
        looks = list(self.looks(images, proposals))
        features = torch.cat([look.features for look in looks]) * self.scale_
        overlaps = zip(proposals, targets, strict=True)
        overlap = torch.cat([overlap_by_class(boxes, target, self.classes) for boxes, target in overlaps])
        objects = torch.cat([look.features for look in truths]) * self.scale_
        labels = torch.cat([target["labels"] for target in of])
        self.svms_ = torch.stack([
            svm_with_hard_negatives(objects[labels == k + 1], features[overlap[:, k] < NEGATIVE], self.C, self.seed)
            for k in range(self.classes)
        ])  # fmt: skip
        labelled = LabelledProposals.of(proposals, targets, with_truths=False)
        maps, near = torch.cat([look.maps for look in looks]), labelled.overlap >= NEAR
        offsets = encode(labelled.truth[near], labelled.boxes[near], BARE)
        self.ridge_ = RidgeBoxes(self.penalty).fit(self.long(maps[near]), offsets, labelled.label[near], self.classes)

    def long(self, maps: Float[Tensor, "n maps"]) -> Float[Tensor, "n maps"]:
        """Every map at the same length."""
        return LENGTH * torch.nn.functional.normalize(maps, dim=1)

    def looks(self, images: Pictures, proposals: Sequence[Tensor], chunk: int = 1) -> Iterator[Looks]:
        """What the network sees in each image's boxes."""
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
            yield from map(Looks, own, *(part.clone().split(counts) for part in seen))

    def predict(self, images: Given) -> list[Target]:
        """The objects of each image, highest score first. A score is the logistic function of a margin, or a softmax.

        Raises Problem for pictures of the wrong kind.
        """
        size = colour_pictures(images).shape[1:3]
        looks = self.looks(images, self.proposals(images))
        return [self.detections(look, size, self.scorer, self.regress) for look in looks]

    def detections(self, look: Looks, size: tuple[int, int], scorer: str, regress: bool) -> Target:
        """What an image's boxes are called, moved or not, and thinned out."""
        by_svm = (with_one(look.features * self.scale_) @ self.svms_.T).sigmoid()
        scores = by_svm if scorer == "svm" else look.logits.softmax(dim=1)[:, 1:]
        boxes = look.boxes
        if regress:
            boxes = clip(decode(self.ridge_.predict(self.long(look.maps)), boxes[:, None], BARE), *size)
        return thinned_out(boxes, scores, least=LEAST[scorer], suppression=self.suppression, keep=self.keep)

    def parameters(self) -> Iterator[Tensor]:
        """The network's, the SVMs' and the regression's, for common.model_size."""
        yield from self.network_.parameters()
        yield from (self.svms_, self.ridge_.weights_)


def scenes_rcnn(run: Run) -> RCNN:
    """The detector of the scenes, not yet fitted; settings were chosen on validation scenes."""
    epochs, file = run.pick(smoke=1, lecture=1, full=4), run.checkpoint("rcnn")
    return RCNN(
        shared_proposals(run),
        Training(epochs, 0.005, 128, Muon, hidden_filters, device=run.device, checkpoint=file, say=run.say_step),
        len(scenes(run.scale).classes),
        scenes_trunk(run),
        searched=run.pick(smoke=6, lecture=1000, full=4000),
        mined=run.pick(smoke=3, lecture=300, full=1000),
        crops=run.pick(smoke=64, lecture=25_000),
        seed=run.seed,
    )


def pedestrians_rcnn(run: Run) -> HalfSize:
    """The detector of pedestrians, of frames at half size: one class, so that there is nothing to name first."""
    epochs, file = run.pick(smoke=1, lecture=2), run.checkpoint("rcnn")
    training = Training(epochs, 0.005, 128, Muon, hidden_filters, device=run.device, checkpoint=file, say=run.say_step)
    searched, mined = run.pick(smoke=(4, 2), lecture=(60, 30), full=(None, 60))
    crops = run.pick(smoke=64, lecture=8000)
    proposals = shared_proposals(run, PEOPLE, most=300)
    return HalfSize(RCNN(proposals, training, 1, searched=searched, mined=mined, crops=crops, seed=run.seed))
