"""Default boxes are torchvision's, lie where a head's outputs refer to, and the lesson's numbers hold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.ops import box_iou

from ch06_detection.boxes import area
from ch06_detection.default_boxes import (
    GRIDS,
    NEAR,
    RATIOS,
    SIZE,
    SIZES,
    SSD300_COCO_SIZES,
    SSD300_GRIDS,
    SSD300_RATIOS,
    SSD300_SIZES,
    SSD300_STEPS,
    best_overlaps,
    box_sizes,
    choose_scene,
    default_boxes,
    flatten_head,
    lesson,
    scatter,
    torchvision_boxes,
)
from ch06_detection.drawings.boxes import outline
from ch06_detection.drawings.default_boxes import draw_maps
from common import plots
from common.console import Console
from common.data import Scale
from common.data.boxed import BoxedImages
from common.record import LessonRecord
from common.run import Run


def test_ssd300_has_8732_boxes_and_torchvision_s():
    ours = default_boxes((300, 300), SSD300_GRIDS, SSD300_SIZES, SSD300_RATIOS)
    assert len(ours) == 5776 + 2166 + 600 + 150 + 36 + 4 == 8732
    how = {"steps": SSD300_STEPS, "clip": True}
    ours = default_boxes((300, 300), SSD300_GRIDS, SSD300_COCO_SIZES, SSD300_RATIOS, **how)
    assert_close(ours, torchvision_boxes(), rtol=0, atol=2e-4)


def test_of_torchvision_is_what_its_ssd300_has():
    import inspect

    from torchvision.models.detection import ssd

    source = inspect.getsource(ssd.ssd300_vgg16)
    assert f"scales={[round(size / 300, 2) for size in SSD300_COCO_SIZES]}" in source
    assert f"steps={[int(step) for step in SSD300_STEPS]}" in source
    assert f"{[[int(ratio) for ratio in ratios] for ratios in SSD300_RATIOS]}" in source


@settings(deadline=None, max_examples=30)
@given(st.tuples(st.integers(1, 6), st.integers(1, 6)), st.integers(20, 300), st.integers(20, 300))
def test_any_image_and_grid_as_torchvision_has_them(grid, height, width):
    """There sizes are a share of the image, which stretches boxes with it; ours are pixels, of the width here."""
    sizes = [0.3 * width, 0.5 * width, 0.9 * width]
    ours = default_boxes((height, width), [grid, (2, 3)], sizes, [[2], [3, 1.5]])
    generator = DefaultBoxGenerator([[2], [3, 1.5]], scales=[0.3, 0.5, 0.9], clip=False)
    centres, shares = generator._grid_default_boxes([list(grid), [2, 3]], [height, width]).split(2, dim=1)
    centres, half = centres * torch.tensor([width, height]), shares * width / 2
    assert_close(ours, torch.cat([centres - half, centres + half], dim=1), rtol=1e-5, atol=1e-3)
    cut = default_boxes((height, width), [grid, (2, 3)], sizes, [[2], [3, 1.5]], clip=True)
    half = half.minimum(torch.tensor([width, height]) / 2)
    assert_close(cut, torch.cat([centres - half, centres + half], dim=1), rtol=1e-5, atol=1e-3)


def test_a_head_s_answers_are_in_the_order_of_the_boxes():
    """A head that outputs row, column and number of the box: each output arrives at that box."""
    rows, columns, boxes = 3, 5, 4
    row, column, box = torch.meshgrid(*map(torch.arange, (rows, columns, boxes)), indexing="ij")
    said = torch.stack([row, column, box], dim=-1).permute(2, 3, 0, 1).reshape(1, boxes * 3, rows, columns)
    said = flatten_head(said.float(), 3)[0]
    defaults = default_boxes((30, 50), [(rows, columns)], [8.0, 12.0], [[2.0]])
    centres, sizes = (defaults[:, :2] + defaults[:, 2:]) / 2, defaults[:, 2:] - defaults[:, :2]
    assert_close(centres, (said[:, [1, 0]] + 0.5) * 10)
    shapes = torch.tensor([[8, 8], [96**0.5, 96**0.5], [8 * 2**0.5, 8 / 2**0.5], [8 / 2**0.5, 8 * 2**0.5]])
    assert_close(sizes, shapes[said[:, 2].long()])


def test_boxes_of_a_ratio_keep_their_area():
    boxes = default_boxes((100, 100), [(1, 1)], [30.0, 40.0], [[2.0, 3.0]])
    assert_close(area(boxes), torch.tensor([900.0, 1200.0, 900.0, 900.0, 900.0, 900.0]))


@pytest.mark.parametrize(
    ("sizes", "ratios", "steps"),
    [([30.0], [[2.0]], None), ([30.0, 60.0], [], None), ([30.0, 60.0], [[2.0]], [8.0, 16.0])],
)
def test_what_does_not_fit_together_is_refused(sizes, ratios, steps):
    with pytest.raises(ValueError, match="1 grids need 2 sizes, 1 lists of aspect ratios and 1 steps"):
        default_boxes((100, 100), [(4, 4)], sizes, ratios, steps=steps)


def test_scales_are_equation_4():
    assert box_sizes(0.2, 0.9, 6) == pytest.approx([0.2, 0.34, 0.48, 0.62, 0.76, 0.9])


def test_boxes_elsewhere_have_the_same_sizes_and_centres_in_the_scene():
    boxes = default_boxes((SIZE, SIZE), GRIDS, SIZES, RATIOS)
    moved = scatter(boxes, np.random.default_rng(0))
    assert_close(moved[:, 2:] - moved[:, :2], boxes[:, 2:] - boxes[:, :2], rtol=0, atol=1e-4)
    centres = (moved[:, :2] + moved[:, 2:]) / 2
    assert (centres >= 0).all()
    assert (centres <= SIZE).all()
    assert len(centres.unique(dim=0)) == len(boxes)


def scenes_of(*targets):
    images = np.zeros((len(targets), SIZE, SIZE, 3), np.uint8)
    made = tuple({"boxes": torch.tensor(boxes), "labels": torch.ones(len(boxes)).long()} for boxes in targets)
    return BoxedImages(images, made, ("thing",))


def test_best_overlaps_are_torchvision_s():
    part = scenes_of([[4.0, 4, 40, 30], [50, 60, 90, 120]], [[10.0, 20, 30, 44]])
    defaults = default_boxes((SIZE, SIZE), GRIDS, SIZES, RATIOS)
    expected = [box_iou(target["boxes"], defaults).max(dim=1).values for target in part.targets]
    assert_close(torch.tensor(best_overlaps(part, defaults)).float(), torch.cat(expected))


def test_a_telling_scene_has_an_object_for_each_map():
    maps = [default_boxes((SIZE, SIZE), GRIDS[k : k + 1], SIZES[k : k + 2], RATIOS[k : k + 1]) for k in (1, 2)]
    small, large = [20.0, 20, 60, 60], [24.0, 24, 94, 94]
    part = scenes_of([small, small], [large], [large, small], [[20.0, 20, 64, 64], large])
    assert choose_scene(part, maps) == 2


def test_near_boxes_are_drawn_in_colour():
    part = scenes_of([[20.0, 20, 56, 56], [30.0, 30, 100, 100]])
    boxes = default_boxes((SIZE, SIZE), GRIDS[1:2], SIZES[1:3], RATIOS[1:2])
    figure = draw_maps(part.images[0], part.targets[0], {8: boxes}, NEAR)
    near = (box_iou(part.targets[0]["boxes"], boxes) >= NEAR).sum(dim=1).tolist()
    drawn = [len(lines.get_paths()) for lines in figure.axes[1].collections]
    assert drawn[-2:] == near
    assert near[0] > 0


def test_an_outline_goes_round_the_box():
    figure, axis = plots.panels()
    outline(axis, torch.tensor([[1.0, 2, 5, 9]]), plots.BLUE)
    assert axis.collections[0].get_paths()[0].vertices.tolist() == [[1, 2], [5, 2], [5, 9], [1, 9], [1, 2]]
    assert figure.axes == [axis]


def test_what_the_lesson_says(tmp_path):
    run = Run("default_boxes", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())
    lesson(run)
    value = {row.method: row.value for row in run.record.rows}
    assert value["three maps"] > 90
    assert value["three maps"] > value["three maps, squares alone"] > value["finest map alone"]
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts["default boxes of SSD300"] == 8732
    assert facts["boxes, three maps"] == (16 * 16 + 8 * 8 + 4 * 4) * 4
    assert {picture.name for picture in run.record.pictures} == {"maps", "coverage"}
