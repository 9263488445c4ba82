"""Matching default boxes to objects, the multibox loss, and hard negative mining.

Question   There are 1344 default boxes and three objects. Which box is trained towards which object, and how does
           training cope with 99 % of the boxes on background?
Method     Liu et al. 2016 (SSD), §2.2: each object is matched to the default box that overlaps it most, and to all
           others that overlap it enough; the multibox loss, Eq. (1)–(3); hard negatives at three to one. A network
           small enough to be trained here (single_shot/tiny_network.py) uses it.
Rival      The same network with every background box in its loss. torchvision's SSDMatcher and SSD.compute_loss are
           the reference with which tests compare matching and loss.
Differs    If two objects have the same best box, one gets its next best; torchvision's SSDMatcher gives the box to
           the object that comes later, and may leave the other without any. From an image without objects, the three
           hardest boxes are trained; the paper's loss is 0 if nothing matches.
Costs      10 s on two cores, besides the scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Real
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import functional

from ch06_detection.boxes import Boxes, area, encode, iou
from ch06_detection.default_boxes import GRIDS, RATIOS, SIZE, SIZES, default_boxes
from ch06_detection.drawings.multibox import draw_matching, draw_positives
from ch06_detection.single_shot.tiny_network import predict_logits, train
from common.data import Images
from common.data.boxed import BoxedImages, Target
from common.data.checked_inputs import as_many, precise
from common.data.scenes import scenes
from common.run import Run

THRESHOLD = 0.5  # IoU from which a default box is matched to an object
NEGATIVES = 3.0  # mined per positive
MINED, EVERY, METRIC = "hard negatives, 3 : 1", "every background box", "AP of positives among default boxes"


def match_boxes(
    boxes: Real[Tensor, "m 4"], labels: Int[Tensor, "..."], defaults: Real[Tensor, "n 4"], threshold: float = THRESHOLD
) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"]]:
    """The target of each default box of an image: a label, 0 for background; and the object's index, 0 if none. §2.2.

    Raises ValueError unless there are as many labels as boxes.
    """
    as_many(boxes, labels=labels)
    matched = labels.new_zeros(len(defaults))
    which = torch.zeros_like(matched, dtype=torch.long)
    if len(boxes):
        objects, cells = match_pairs(boxes, torch.zeros_like(labels), defaults, threshold)
        matched[cells], which[cells] = labels[objects], objects
    return matched, which


def match_batch(
    targets: Sequence[Target], defaults: Boxes, threshold: float = THRESHOLD
) -> tuple[Int[Tensor, "batch n"], Float[Tensor, "batch n 4"]]:
    """The targets of the default boxes of each image: labels, 0 for background, and offsets, 0 for background.

    Raises ValueError unless there are as many labels as boxes.
    """
    n, defaults = len(defaults), precise(defaults)
    for target in targets:
        as_many(target["boxes"], labels=target["labels"])
    boxes = torch.cat([target["boxes"] for target in targets]).to(defaults)
    labels = torch.cat([target["labels"] for target in targets]).to(defaults.device)
    matched, offsets = labels.new_zeros(len(targets) * n), defaults.new_zeros(len(targets) * n, 4)
    if len(boxes):
        counts = torch.tensor([len(target["boxes"]) for target in targets], device=defaults.device)
        images = torch.repeat_interleave(torch.arange(len(targets), device=defaults.device), counts)
        objects, cells = match_pairs(boxes, images, defaults, threshold)
        matched[cells], offsets[cells] = labels[objects], encode(boxes[objects], defaults[cells % n])
    return matched.reshape(-1, n), offsets.reshape(-1, n, 4)


def match_pairs(
    boxes: Real[Tensor, "m 4"], images: Int[Tensor, "m"], defaults: Real[Tensor, "n 4"], threshold: float
) -> tuple[Int[Tensor, "pairs"], Int[Tensor, "pairs"]]:
    """Objects of several images and the default boxes matched to them: (object, image · n + default box). §2.2.

    Each object has its own default box. Every other default box whose IoU with an object is at least the threshold is
    matched to the object that it overlaps most.
    """
    overlaps = iou(boxes, defaults)
    objects, near = (overlaps >= threshold).nonzero().unbind(1)
    order = overlaps[objects, near].argsort(descending=True, stable=True)
    own = own_boxes(overlaps, images)
    there = (own >= 0).nonzero()[:, 0]
    objects, near = torch.cat([there, objects[order]]), torch.cat([own[there], near[order]])
    cells = images[objects] * len(defaults) + near
    first = is_first(cells)
    return objects[first], cells[first]


def own_boxes(overlaps: Float[Tensor, "m n"], images: Int[Tensor, "m"]) -> Int[Tensor, "m"]:
    """Each object's own default box, for any IoU; the objects of an image have different ones. §2.2.

    overlaps: IoU of objects and default boxes; it is overwritten. images: the image of each object. −1: an object that
    overlaps no remaining box. Greedy by IoU, computed as a stable matching (Gale & Shapley 1962): each object
    claims its best box; if two claim the same one, the higher IoU wins, and the other object claims its next best.
    """
    best, chosen = overlaps.max(dim=1)
    while True:
        order = best.argsort(descending=True, stable=True)
        order = order[best[order] > 0]
        refused = order[~is_first(images[order] * overlaps.shape[1] + chosen[order])]
        if not len(refused):
            return chosen.where(best > 0, -1)
        overlaps[refused, chosen[refused]] = 0
        best[refused], chosen[refused] = overlaps[refused].max(dim=1)


def is_first(cells: Int[Tensor, "k"]) -> Bool[Tensor, "k"]:
    """Whether each entry is the first one with its value."""
    _, place = cells.unique(return_inverse=True)
    ranks = torch.arange(len(cells), device=cells.device)
    return ranks == torch.full_like(ranks, len(cells)).scatter_reduce_(0, place, ranks, "amin")[place]


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


def multibox_loss(
    offsets: Float[Tensor, "batch n 4"],
    logits: Float[Tensor, "batch n classes"],
    target_offsets: Float[Tensor, "batch n 4"],
    target_labels: Int[Tensor, "batch n"],
    negatives: float = NEGATIVES,
) -> Float[Tensor, ""]:
    """The sum of the confidence loss and the location loss: Eq. (1), Liu et al. 2016, §2.2, with α = 1."""
    location, confidence = multibox_losses(offsets, logits, target_offsets, target_labels, negatives)
    return confidence + location


def multibox_losses(
    offsets: Float[Tensor, "batch n 4"],
    logits: Float[Tensor, "batch n classes"],
    target_offsets: Float[Tensor, "batch n 4"],
    target_labels: Int[Tensor, "batch n"],
    negatives: float = NEGATIVES,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The location loss (Eq. 2) and the confidence loss (Eq. 3), each divided by the batch's matched default boxes."""
    location, confidence, n = multibox_sums(offsets, logits, target_offsets, target_labels, negatives)
    return location / n.clamp(min=1), confidence / n.clamp(min=1)


def multibox_sums(
    offsets: Float[Tensor, "batch n 4"],
    logits: Float[Tensor, "batch n classes"],
    target_offsets: Float[Tensor, "batch n 4"],
    target_labels: Int[Tensor, "batch n"],
    negatives: float = NEGATIVES,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Int[Tensor, ""]]:
    """The sums of the location loss (Eq. 2) and of the confidence loss (Eq. 3); and N, the matched default boxes.

    They are computed in 32 bits, whatever the network's precision. logits: of background and the classes.
    """
    with torch.autocast(offsets.device.type, enabled=False):
        offsets, logits = offsets.float(), logits.float()
        positive = target_labels > 0
        with torch.no_grad():  # selection needs no gradient: only selected boxes get one
            background = logits.logsumexp(dim=2) - logits[..., 0]
            chosen = positive | hard_negative_mining(background, target_labels, negatives)
        location = functional.smooth_l1_loss(offsets[positive], target_offsets[positive], reduction="sum")
        confidence = functional.cross_entropy(logits[chosen], target_labels[chosen], reduction="sum")
        return location, confidence, positive.sum()


def count_positives(part: BoxedImages, defaults: Boxes, threshold: float) -> Int[Tensor, "objects"]:
    """The number of default boxes matched to each object."""
    numbers = []
    for target in part.targets:
        labels, which = match_boxes(target["boxes"], target["labels"], defaults, threshold)
        numbers.append(which[labels > 0].bincount(minlength=len(target["boxes"])))
    return torch.cat(numbers)


def lesson(run: Run) -> None:
    everything = scenes(run.scale)
    part = everything.train.take(slice(0, run.pick(smoke=32, lecture=640, full=4000)))
    defaults = default_boxes((SIZE, SIZE), GRIDS, SIZES, RATIOS)
    numbers = {share / 10: count_positives(part, defaults, share / 10).numpy() for share in range(3, 9)}
    positives = numbers[THRESHOLD].sum() / len(part)
    run.fact("default boxes", len(defaults))
    run.fact("positives a scene", positives)
    run.fact("background, of all default boxes", 100 - 100 * positives / len(defaults), "%")
    for threshold, number in numbers.items():
        run.fact(f"positives an object, IoU ≥ {threshold}", number.mean())
        run.fact(f"objects with no box but their own, IoU ≥ {threshold}", 100 * (number == 1).mean(), "%")
    bests = [iou(target["boxes"], defaults).argmax(dim=1) for target in part.targets if len(target["boxes"])]
    run.fact("objects whose best box is another's best, too", sum(len(best) - len(best.unique()) for best in bests))

    # Both networks start from the same weights and see the same batches: only the negatives in the loss differ.
    test = everything.test.take(np.array([len(target["boxes"]) > 0 for target in everything.test.targets]))
    items = Images(test.images, np.zeros(len(test), np.int64), test.ids, test.groups)  # scenes
    labels, _ = match_batch(test.targets, defaults)
    logits, epochs = {}, run.pick(smoke=1, lecture=5)
    for name, negatives in {MINED: NEGATIVES, EVERY: float(len(defaults))}.items():
        with run.method(name, kind="deep") as method:
            loss = partial(multibox_loss, negatives=negatives)
            method.model = method.time(
                train, part, match_batch(part.targets, defaults), loss, epochs=epochs, seed=run.seed
            )
            logits[name] = predict_logits(method.model, test)
            scores = 1 - logits[name].softmax(dim=2)[..., 0]
            ranked = [
                100 * average_precision_score(*pair) for pair in zip((labels > 0).numpy(), scores.numpy(), strict=True)
            ]
            method.score_items(METRIC, np.array(ranked), items, unit="%", higher_is_better=True)
    run.compare(MINED, EVERY)
    run.floor(MINED, METRIC, at_least=run.pick(smoke=0, lecture=21.5))

    losses = logits[MINED].logsumexp(dim=2) - logits[MINED][..., 0]
    mined = hard_negative_mining(losses, labels)
    near = torch.stack([iou(target["boxes"], defaults).max(dim=0).values for target in test.targets])
    for name, these in {"mined negatives": mined, "all negatives": labels == 0}.items():
        run.fact(f"{name}, a scene", int(these.sum()) / len(test))
        run.fact(f"{name} that overlap an object (IoU ≥ 0.2)", 100 * (near[these] >= 0.2).double().mean().item(), "%")
    share = losses[mined].sum() / losses[labels == 0].sum()
    run.fact("background's loss that the mined negatives have", 100 * share.item(), "%")

    shown = next((k for k, target in enumerate(test.targets) if len(target["boxes"]) == 3), 0)
    run.figure(
        "answers",
        draw_matching,
        test.images[shown],
        test.targets[shown],
        defaults,
        match_boxes(test.targets[shown]["boxes"], test.targets[shown]["labels"], defaults),
        (mined[shown], losses[shown]),
        caption="A test scene; the default boxes matched to its objects; and the background boxes with the highest "
        "loss: the hardest of the mined negatives.",
    )
    sides = torch.cat([area(target["boxes"]) for target in part.targets]).sqrt().double().numpy()
    run.figure(
        "counts",
        draw_positives,
        sides,
        numbers,
        caption="How many default boxes are matched to an object. Left: by its size, at three thresholds. Right: on "
        "average, by the threshold.",
    )
