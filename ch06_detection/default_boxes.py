"""Default boxes in place of proposals: a fixed set of boxes at every cell of feature maps, from fine to coarse.

Question   Which boxes can a detector start from, so that every object has one near it and no image has to be searched?
Method     Default boxes: Liu et al. 2016 (SSD), §2.2. A cell of map k has a square of side s_k, another of side
           √(s_k s_{k+1}), and for each ratio a, boxes s_k √a wide and s_k / √a high, and vice versa.
Rival      Boxes of the very same sizes at random places; torchvision's DefaultBoxGenerator as the reference.
Differs    Pixels and corners, as everywhere in this chapter. SSD300's sizes are those of the authors' program, which
           rounds the step of Eq. (4) down to 17 %; the scenes of 128 pixels have three maps of their own.
Costs      1 s on two cores, besides the scenes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ch06_detection.boxes import Boxes, area, iou
from ch06_detection.drawings.default_boxes import draw_coverage, draw_maps
from common.data import Images
from common.data.boxed import BoxedImages, groups_of_objects
from common.data.scenes import scenes
from common.run import Run

SSD300_GRIDS = ((38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1))
SSD300_SIZES = (30.0, 60.0, 111.0, 162.0, 213.0, 264.0, 315.0)  # for VOC
SSD300_COCO_SIZES = (21.0, 45.0, 99.0, 153.0, 207.0, 261.0, 315.0)  # COCO's objects are smaller: §3.4
SSD300_RATIOS = ((2.0,), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0), (2.0,), (2.0,))
SSD300_STEPS = (8.0, 16.0, 32.0, 64.0, 100.0, 300.0)  # of the authors' program: not quite 300 / 38, 300 / 19, …
SIZE = 128  # pixels, the side of a scene
GRIDS, SIZES, RATIOS = ((16, 16), (8, 8), (4, 4)), (24.0, 40.0, 60.0, 84.0), ((2.0,),) * 3
NEAR = 0.5  # IoU


def box_sizes(low: float, high: float, maps: int) -> list[float]:
    """Sizes of the maps' boxes, evenly from low to high: Eq. (4), Liu et al. 2016, §2.2."""
    return [low + (high - low) * k / (maps - 1) for k in range(maps)]


def sizes_of_a_cell(size: float, next_size: float, ratios: Sequence[float]) -> Float[Tensor, "boxes 2"]:
    """Width and height of a cell's default boxes: two squares, then a and 1 / a for every ratio a. §2.2."""
    between = (size * next_size) ** 0.5
    shapes = [(size, size), (between, between)]
    for ratio in ratios:
        wide = size * ratio**0.5, size / ratio**0.5
        shapes += [wide, wide[::-1]]
    return torch.tensor(shapes)


def default_boxes(
    image_size: tuple[int, int],
    grids: Sequence[tuple[int, int]],
    sizes: Sequence[float],
    aspect_ratios: Sequence[Sequence[float]],
    *,
    steps: Sequence[float] | None = None,
    clip: bool = False,
) -> Float[Tensor, "n 4"]:
    """Every default box of an image (height, width), xyxy in pixels: by map, row, column, and box of the cell. §2.2.

    grids: rows and columns of each map. sizes: s_k of each map in pixels, and one more. aspect_ratios: of each map,
    besides 1; 1 / a is added to each a. steps: pixels between centres; default: the image's size over the grid's. clip:
    limit width and height to the image's. Raises ValueError if these don't fit together.
    """
    maps = len(grids)
    if len(sizes) != maps + 1 or len(aspect_ratios) != maps or (steps is not None and len(steps) != maps):
        raise ValueError(
            f"{maps} grids need {maps + 1} sizes, {maps} lists of aspect ratios and {maps} steps, if any; got "
            f"{len(sizes)}, {len(aspect_ratios)} and {'none' if steps is None else len(steps)}"
        )
    shapes = [sizes_of_a_cell(sizes[k], sizes[k + 1], aspect_ratios[k]) for k in range(maps)]
    if clip:
        shapes = [torch.minimum(shape, torch.tensor(image_size[::-1])) for shape in shapes]
    return boxes_of_shapes(image_size, grids, shapes, steps)


def boxes_of_shapes(
    image_size: tuple[int, int],
    grids: Sequence[tuple[int, int]],
    shapes: Sequence[Float[Tensor, "_ 2"]],
    steps: Sequence[float] | None = None,
) -> Float[Tensor, "n 4"]:
    """The boxes (x1, y1, x2, y2) of these widths and heights around the centre of every cell of each map."""
    height, width = image_size
    boxes = []
    for k, ((rows, columns), shape) in enumerate(zip(grids, shapes, strict=True)):
        down, right = (height / rows, width / columns) if steps is None else (steps[k], steps[k])
        y, x = torch.meshgrid((torch.arange(rows) + 0.5) * down, (torch.arange(columns) + 0.5) * right, indexing="ij")
        half = shape / 2
        centres = torch.stack([x, y], dim=-1)[:, :, None]  # (rows, columns, 1, 2)
        boxes.append(torch.cat([centres - half, centres + half], dim=-1).reshape(-1, 4))
    return torch.cat(boxes)


def flatten_head(x: Float[Tensor, "batch channels rows columns"], numbers: int) -> Float[Tensor, "batch n numbers"]:
    """Reorder a head's output row by row, column by column, box by box, like default_boxes."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, numbers)


def scatter(boxes: Boxes, rng: np.random.Generator) -> Boxes:
    """The boxes at random places of a scene, their centres anywhere: a rival with the same sizes but without a grid."""
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    centres = torch.tensor(SIZE * rng.random((len(boxes), 2)), dtype=torch.float32)
    return torch.cat([centres - half, centres + half], dim=1)


def best_overlaps(part: BoxedImages, defaults: Boxes) -> Float[np.ndarray, "objects"]:
    """The IoU of each object of all scenes with the default box that overlaps it most."""
    boxes = torch.cat([target["boxes"] for target in part.targets])
    return torch.cat([iou(some, defaults).max(dim=1).values for some in boxes.split(128)]).double().numpy()


def choose_scene(part: BoxedImages, maps: Sequence[Float[Tensor, "_ 4"]]) -> int:
    """Choose the scene with two or three objects off the border, each near boxes of one map, with fewest such boxes."""
    counts = np.full(len(part), len(torch.cat(list(maps))))
    for item, target in enumerate(part.targets):
        if 2 <= len(target["boxes"]) <= 3 and (target["boxes"] - SIZE / 2).abs().max() < SIZE / 2 - 3:
            near = torch.stack([(iou(target["boxes"], boxes) >= NEAR).sum(dim=1) for boxes in maps])
            if ((near > 0).sum(dim=0) == 1).all() and (near > 0).any(dim=1).all():
                counts[item] = near.sum()
    return int(counts.argmin())


def torchvision_boxes() -> Boxes:
    """The default boxes of torchvision's ssd300_vgg16, which were designed for COCO."""
    from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
    from torchvision.models.detection.image_list import ImageList

    shares = [size / 300 for size in SSD300_COCO_SIZES]
    generator = DefaultBoxGenerator([list(map(int, r)) for r in SSD300_RATIOS], scales=shares, steps=SSD300_STEPS)
    maps = [torch.zeros(1, 1, rows, columns) for rows, columns in SSD300_GRIDS]
    return generator(ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)]), maps)[0]


def lesson(run: Run) -> None:
    paper = default_boxes((300, 300), SSD300_GRIDS, SSD300_SIZES, SSD300_RATIOS)
    run.fact("default boxes of SSD300", len(paper))
    run.fact("of them reach beyond the image", int(((paper < 0) | (paper > 300)).any(dim=1).sum()))
    exact = [300 * share for share in box_sizes(0.2, 0.9, 5)]  # except conv4_3, which has 0.1
    apart = [abs(a - b) for a, b in zip(exact, SSD300_SIZES[1:], strict=False)]
    run.fact("sizes differ from Eq. (4) by at most", max(apart), "pixels")
    stepped = default_boxes((300, 300), SSD300_GRIDS, SSD300_SIZES, SSD300_RATIOS, steps=SSD300_STEPS)
    run.fact("the program's steps shift boxes by at most", (stepped - paper).abs().max().item(), "pixels")
    if run.pick(smoke=False, lecture=True):  # because its import takes seconds
        how = {"steps": SSD300_STEPS, "clip": True}
        clipped = default_boxes((300, 300), SSD300_GRIDS, SSD300_COCO_SIZES, SSD300_RATIOS, **how)
        apart = (clipped - torchvision_boxes()).abs().max().item()
        run.fact("ours with COCO's sizes, clipped, differ from torchvision's by at most", apart, "pixels")

    everything = scenes(run.scale)
    labels = torch.cat([target["labels"] for target in everything.test.targets]).numpy()
    photographs = groups_of_objects(everything.test)
    items = Images(np.zeros((len(labels), 1, 1), np.uint8), labels, groups=photographs)  # objects, without their pixels
    squares, extent = ((),) * len(GRIDS), (SIZE, SIZE)
    maps = [default_boxes(extent, GRIDS[k : k + 1], SIZES[k : k + 2], RATIOS[k : k + 1]) for k in range(len(GRIDS))]
    three = torch.cat(maps)
    sets = {
        "three maps": three,
        "three maps, squares alone": default_boxes(extent, GRIDS, SIZES, squares),
        "finest map alone": maps[0],
        "coarsest map alone": maps[-1],
        "random places": scatter(three, run.rng),
    }
    for name, boxes in sets.items():
        with run.method(name, kind="classical" if name == "random places" else "from scratch") as method:
            best = method.time(best_overlaps, everything.test, boxes)
            method.score_items(
                "objects with a box near", 100.0 * (best >= NEAR), items, unit="%", higher_is_better=True
            )
            run.fact(f"boxes, {name}", len(boxes))
    for name in list(sets)[1:]:
        run.compare("three maps", name)
    run.floor("three maps", "objects with a box near", at_least=96.8)

    train = everything.train
    shown = choose_scene(train, maps[1:])
    run.figure(
        "maps",
        draw_maps,
        train.images[shown],
        train.targets[shown],
        {grid: boxes for (grid, _), boxes in zip(GRIDS[1:], maps[1:], strict=True)},
        NEAR,
        caption="In each object's colour: all default boxes of the map whose IoU with it is "
        f"{NEAR} or more. Dashed: the other default boxes in the cell of the best one.",
    )
    sides = torch.cat([area(target["boxes"]) for target in train.targets]).sqrt().numpy().astype(float)
    alone = {f"{rows}×{rows}": boxes for (rows, _), boxes in zip(GRIDS, maps, strict=True)} | {"all three": three}
    run.figure(
        "coverage",
        draw_coverage,
        sides,
        {name: best_overlaps(train, boxes) for name, boxes in alone.items()},
        NEAR,
        caption="Training scenes: the share of objects with a default box near, by the object's size: for each "
        "map alone, and for all three.",
    )
