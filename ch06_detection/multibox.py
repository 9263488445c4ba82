"""Matching default boxes to objects, the multibox loss, and hard negative mining.

Question   1344 default boxes, three objects: which box is trained towards which object, and how does training survive
           that 99 % of the boxes lie on background?
Method     Liu et al. 2016 (SSD), §2.2: matching (matching.py); the multibox loss, Eq. (1)–(3); hard negatives at three
           to one. A network that is small enough to train here (first_glance.py) learns with it.
Rival      The same network with every background box in its loss. torchvision's SSDMatcher and SSD.compute_loss are
           the reference that the tests hold matching and loss to.
Differs    An image without objects learns from its three hardest boxes; the paper's loss is 0 where nothing matches.
Costs      16 s on two cores, besides the scenes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import functional

from ch06_detection.boxes import Boxes, area, iou
from ch06_detection.default_boxes import GRIDS, RATIOS, SIZE, SIZES, default_boxes
from ch06_detection.drawn_boxes import outline
from ch06_detection.first_glance import answers, trained
from ch06_detection.matching import THRESHOLD, match, match_batch
from common import plots
from common.data import Images
from common.data.boxed import BoxedImages, Target
from common.data.scenes import scenes
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEGATIVES = 3.0  # mined for every positive
MINED, EVERY, METRIC = "hard negatives, 3 : 1", "every background box", "AP of positives among default boxes"


def hard_negative_mining(
    losses: Float[Tensor, "batch n"], labels: Int[Tensor, "batch n"], negatives: float = NEGATIVES
) -> Bool[Tensor, "batch n"]:
    """The background boxes of each image with the highest losses, a fixed number for every positive. §2.2.

    An image without positives counts as if it had one, so that it still contributes negatives.
    """
    positive = labels > 0
    wanted = (negatives * positive.sum(dim=1).clamp(min=1)).ceil().long()
    wanted = torch.minimum(wanted, (~positive).sum(dim=1))
    most = int(wanted.max())
    hardest = losses.masked_fill(positive, -torch.inf).topk(most, dim=1).indices
    taken = torch.arange(most, device=labels.device) < wanted[:, None]
    return torch.zeros_like(positive).scatter_(1, hardest, taken)


def multibox_losses(
    offsets: Float[Tensor, "batch n 4"],
    logits: Float[Tensor, "batch n classes"],
    target_offsets: Float[Tensor, "batch n 4"],
    target_labels: Int[Tensor, "batch n"],
    negatives: float = NEGATIVES,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Location's loss (Eq. 2) and confidence's (Eq. 3), each over the number of matched default boxes of the batch."""
    location, confidence, n = multibox_sums(offsets, logits, target_offsets, target_labels, negatives)
    return location / n.clamp(min=1), confidence / n.clamp(min=1)


def multibox_sums(
    offsets: Float[Tensor, "batch n 4"],
    logits: Float[Tensor, "batch n classes"],
    target_offsets: Float[Tensor, "batch n 4"],
    target_labels: Int[Tensor, "batch n"],
    negatives: float = NEGATIVES,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Int[Tensor, ""]]:
    """The sums of location's loss (Eq. 2) and of confidence's (Eq. 3); and N, the number of matched default boxes.

    In 32 bits, whatever the network ran in. logits: of background and the classes.
    """
    with torch.autocast(offsets.device.type, enabled=False):
        offsets, logits = offsets.float(), logits.float()
        positive = target_labels > 0
        with torch.no_grad():  # to choose needs no gradient: only what is chosen gets one
            background = logits.logsumexp(dim=2) - logits[..., 0]
            chosen = positive | hard_negative_mining(background, target_labels, negatives)
        location = functional.smooth_l1_loss(offsets[positive], target_offsets[positive], reduction="sum")
        confidence = functional.cross_entropy(logits[chosen], target_labels[chosen], reduction="sum")
        return location, confidence, positive.sum()


def multibox_loss(
    offsets: Float[Tensor, "batch n 4"],
    logits: Float[Tensor, "batch n classes"],
    target_offsets: Float[Tensor, "batch n 4"],
    target_labels: Int[Tensor, "batch n"],
    negatives: float = NEGATIVES,
) -> Float[Tensor, ""]:
    """Confidence's loss and location's, weighted alike: Eq. (1), Liu et al. 2016, §2.2, with α = 1."""
    location, confidence = multibox_losses(offsets, logits, target_offsets, target_labels, negatives)
    return confidence + location


def counted(part: BoxedImages, defaults: Boxes, threshold: float) -> Int[Tensor, "objects"]:
    """How many default boxes are matched to each object."""
    numbers = []
    for target in part.targets:
        said, which = match(target["boxes"], target["labels"], defaults, threshold)
        numbers.append(which[said > 0].bincount(minlength=len(target["boxes"])))
    return torch.cat(numbers)


def draw_answers(
    image: UInt8[np.ndarray, "size size 3"], target: Target, defaults: Boxes, mined: Bool[Tensor, "n"]
) -> Figure:
    """A scene's objects, the default boxes matched to each, and the hard negatives."""
    figure, axes = plots.panels(3, width=3.1, height=3.4)
    said, which = match(target["boxes"], target["labels"], defaults)
    titles = "objects", f"{int((said > 0).sum())} positives", f"{int(mined.sum())} hard negatives"
    for axis, title in zip(axes, titles, strict=True):
        axis.imshow(image, extent=(0, SIZE, SIZE, 0), alpha=1.0 if axis is axes[0] else 0.5)
        axis.set(title=title, xlim=(-14, SIZE + 14), ylim=(SIZE + 14, -14))
        axis.axis("off")
    for number, (box, colour) in enumerate(zip(target["boxes"], plots.CYCLE, strict=False)):
        outline(axes[0], box[None], colour, 2.5)
        outline(axes[1], defaults[(said > 0) & (which == number)], colour, 1.5)
        outline(axes[2], box[None], colour, 2.5)
    outline(axes[2], defaults[mined], plots.INK, 0.9)
    return figure


def draw_counts(sides: Float[np.ndarray, "objects"], numbers: dict[float, Int[np.ndarray, "objects"]]) -> Figure:
    """Positives an object by its size; and how they become fewer as the threshold rises."""
    figure, (left, right) = plots.panels(2, width=4.4, height=3.3)
    edges = np.quantile(sides, np.linspace(0, 1, 11))
    which = np.digitize(sides, edges[1:-1])
    middle = [sides[which == k].mean() for k in range(10)]
    for threshold, colour in zip((0.4, 0.5, 0.6), (plots.SKY, plots.BLUE, plots.PURPLE), strict=True):
        means = [numbers[threshold][which == k].mean() for k in range(10)]
        left.plot(middle, means, "o-", markersize=3.5, color=colour, label=f"IoU ≥ {threshold}")
    left.set(title="Positives an object", xlabel="√area of an object, pixels", ylim=(0, None))
    left.legend()
    right.plot(list(numbers), [number.mean() for number in numbers.values()], "o-", color=plots.BLUE)
    right.set(
        title="Fewer, the higher the threshold", xlabel="IoU from which a box answers", ylabel="positives an object"
    )
    right.set_ylim(0, None)
    return figure


def lesson(run: Run) -> None:
    everything = scenes(run.scale)
    train = everything.train.take(slice(0, run.pick(smoke=32, lecture=640, full=4000)))
    defaults = default_boxes((SIZE, SIZE), GRIDS, SIZES, RATIOS)
    numbers = {share / 10: counted(train, defaults, share / 10).numpy() for share in range(3, 9)}
    positives = numbers[THRESHOLD].sum() / len(train)
    run.fact("default boxes", len(defaults))
    run.fact("positives a scene", positives)
    run.fact("background, of all default boxes", 100 - 100 * positives / len(defaults), "%")
    for threshold, number in numbers.items():
        run.fact(f"positives an object, IoU ≥ {threshold}", number.mean())
        run.fact(f"objects with no box but their own, IoU ≥ {threshold}", 100 * (number == 1).mean(), "%")
    bests = [iou(target["boxes"], defaults).argmax(dim=1) for target in train.targets if len(target["boxes"])]
    run.fact("objects whose best box is another's best, too", sum(len(best) - len(best.unique()) for best in bests))

    # Both networks start from the same weights and see the same batches: only the negatives in the loss differ.
    test = everything.test.take(np.array([len(target["boxes"]) > 0 for target in everything.test.targets]))
    items = Images(test.images, np.zeros(len(test), np.int64), test.ids, test.groups)  # scenes
    said, _ = match_batch(test.targets, defaults)
    logits, epochs = {}, run.pick(smoke=1, lecture=5)
    for name, negatives in {MINED: NEGATIVES, EVERY: float(len(defaults))}.items():
        with run.method(name, kind="deep") as method:
            method.model = method.time(trained, train, partial(multibox_loss, negatives=negatives), epochs, run.seed)
            logits[name] = answers(method.model, test)
            surely = 1 - logits[name].softmax(dim=2)[..., 0]
            ranked = [
                100 * average_precision_score(*pair) for pair in zip((said > 0).numpy(), surely.numpy(), strict=True)
            ]
            method.score_items(METRIC, np.array(ranked), items, unit="%", higher_is_better=True)
    run.compare(MINED, EVERY)
    run.floor(MINED, METRIC, at_least=run.pick(smoke=0, lecture=21.5))

    losses = logits[MINED].logsumexp(dim=2) - logits[MINED][..., 0]
    mined = hard_negative_mining(losses, said)
    near = torch.stack([iou(target["boxes"], defaults).max(dim=0).values for target in test.targets])
    for name, these in {"mined negatives": mined, "all negatives": said == 0}.items():
        run.fact(f"{name}, a scene", int(these.sum()) / len(test))
        run.fact(f"{name} that overlap an object (IoU ≥ 0.2)", 100 * (near[these] >= 0.2).double().mean().item(), "%")
    share = losses[mined].sum() / losses[said == 0].sum()
    run.fact("background's loss that the mined negatives have", 100 * share.item(), "%")

    shown = next((k for k, target in enumerate(test.targets) if len(target["boxes"]) == 3), 0)
    run.figure(
        "answers",
        draw_answers,
        test.images[shown],
        test.targets[shown],
        defaults,
        mined[shown],
        caption="A test scene; the default boxes that answer for its objects; and, black, the background boxes that "
        "the small network is least sure of.",
    )
    sides = torch.cat([area(target["boxes"]) for target in train.targets]).sqrt().double().numpy()
    run.figure(
        "counts",
        draw_counts,
        sides,
        numbers,
        caption="How many default boxes answer for an object. Left: by its size, at three thresholds. Right: on "
        "average, by the threshold.",
    )
