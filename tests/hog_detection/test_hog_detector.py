"""The classical detector against scikit-image's HOG, torch's convolution, and pictures whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skimage.feature import hog
from torch.nn.functional import conv2d
from torchvision.ops import box_convert, box_iou

from common.errors import Problem
from common.hog_detection import detector as hog_detector
from common.hog_detection import windows as hog_windows
from common.hog_detection.dense_hog import Cells, scores_everywhere, windows_at
from common.hog_detection.detector import HOGDetector, beside_objects, owners_of
from common.hog_detection.image_pyramid import level_size, resized, scales
from common.hog_detection.windows import Found, Window, crops, describe, jitter_windows, place_windows


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def plus_signs(n: int, seed: int, size: int = 96) -> tuple[np.ndarray, list[dict]]:
    """Pictures of weak noise, each with a white frame of 30 to 50 pixels, and its box."""
    rng = np.random.default_rng(seed)
    images, targets = rng.integers(80, 120, (n, size, size, 3)).astype(np.uint8), []
    for image in images:
        side = int(rng.integers(30, 50))
        x, y = rng.integers(2, size - side - 2, 2)
        image[y : y + side, x : x + side] = 255
        image[y + side // 4 : y + 3 * side // 4, x + side // 4 : x + 3 * side // 4] = 30
        targets.append({"boxes": torch.tensor([[x, y, x + side, y + side]]).float(), "labels": torch.tensor([1])})
    return images, targets


def small_detector(**settings) -> HOGDetector:
    settings = {"images": 24, "random": 12, "mined": 12, "negatives": 100, "window": 36, "rounds": 1} | settings
    return HOGDetector(**settings)


@pytest.fixture(scope="module")
def fitted() -> HOGDetector:
    return small_detector().fit(*plus_signs(24, seed=0))


# --- the pyramid ------------------------------------------------------------------------------------------------------


def test_scales_are_steps_apart_and_reach_both_ends():
    found = scales(0.4, 1.9, 1.2)
    assert_allclose(np.divide(found[:-1], found[1:]), 1.2)
    assert found[0] == 1.9
    assert 0.4 / np.sqrt(1.2) <= found[-1] <= 0.4 * np.sqrt(1.2)


@pytest.mark.parametrize("wrong", [(0.4, 1.9, 1.0), (0.4, 1.9, 0.5), (1.9, 0.4, 1.2), (0.0, 1.0, 1.2)])
def test_scales_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        scales(*wrong)


def test_a_level_is_pillow_s():
    from PIL import Image

    image = noise(90, 70, 3)
    theirs = np.asarray(Image.fromarray(image).resize((40, 50), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(resized(image[None], (50, 40))[0] - theirs).max() <= 1
    assert level_size((3, 100), 0.01) == (1, 1)


# --- dense HOG --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [Cells(pixels=8), Cells(pixels=6, orientations=7, norm="L1-sqrt", block=3)])
def test_dense_scores_are_those_of_scikit_image_s_windows(cells):
    """A window is cut out with a pixel more on every side, for HOG has no gradient at a picture's border."""
    image, rng = noise(97, 83, 3), np.random.default_rng(1)
    template = rng.normal(size=(4, 3, cells.numbers)).astype(np.float32)
    dense = scores_everywhere(cells.blocks(image[None]), template)[0]
    p, high, wide = cells.pixels, 3 + cells.block, 2 + cells.block
    settings = {"orientations": cells.orientations, "pixels_per_cell": (p, p), "block_norm": cells.norm}
    settings |= {"cells_per_block": (cells.block,) * 2, "channel_axis": -1, "feature_vector": False}
    for row, column in [(1, 1), (3, 4), (dense.shape[0] - 2, 2)]:
        top, left = (row - 1) * p, (column - 1) * p
        around = image[top : top + (high + 2) * p, left : left + (wide + 2) * p]
        theirs = hog(around, **settings)[1:-1, 1:-1].reshape(4, 3, -1)
        assert dense[row, column] == pytest.approx((theirs * template).sum(), abs=1e-3)


def test_dense_scores_are_a_convolution():
    blocks, template = (np.random.default_rng(0).normal(size=s).astype(np.float32) for s in ((2, 9, 8, 36), (4, 3, 36)))
    theirs = conv2d(torch.from_numpy(blocks).movedim(-1, 1), torch.from_numpy(template).movedim(-1, 0)[None])
    assert_allclose(scores_everywhere(blocks, template), theirs[:, 0], atol=1e-4)


def test_windows_are_what_the_scores_are_made_of():
    blocks, template = (np.random.default_rng(0).normal(size=s).astype(np.float32) for s in ((2, 9, 8, 36), (4, 3, 36)))
    image, row, column = (np.array(v) for v in ([0, 1, 1], [0, 5, 2], [5, 0, 3]))
    windows = windows_at(blocks, (4, 3), image, row, column)
    assert_allclose(windows @ template.ravel(), scores_everywhere(blocks, template)[image, row, column], atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (16, 16)])
def test_a_picture_smaller_than_the_window_has_no_windows(size):
    cells = Cells(pixels=8)
    blocks = cells.blocks(noise(2, *size, 3))
    assert scores_everywhere(blocks, np.ones((4, 3, 36), np.float32)).size == 0
    nothing = np.zeros(0, int)
    assert windows_at(blocks, (4, 3), nothing, nothing, nothing).shape == (0, 432)


def test_padding_repeats_the_border_or_is_empty():
    image = noise(1, 32, 32, 3)
    bare = Cells(pixels=8).histograms(image)
    edge, empty = (Cells(pixels=8, padding=2, outside=outside).histograms(image) for outside in ("edge", "constant"))
    assert_array_equal(edge[:, 2:-2, 2:-2], bare)
    assert_array_equal(edge[0, 0, 2:-2], bare[0, 0])
    assert_array_equal(empty[0, :2], 0)


@pytest.mark.parametrize("wrong", [{"norm": "L3"}, {"pixels": 0}, {"padding": -1}, {"outside": "wrap"}])
def test_cells_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r"norm|cells|outside"):
        Cells(**wrong)


# --- windows ----------------------------------------------------------------------------------------------------------


def test_a_window_has_the_shape_of_its_class():
    window = Window.of_aspect(2.0, Cells(pixels=4, padding=1), area=50, margin=1)
    assert (window.rows, window.columns, window.shape) == (7, 12, (6, 11))
    assert (window.height, window.width) == pytest.approx((20, 40))
    box = window.boxes(
        np.array([1]), np.array([1]), (2.0, 2.0)
    )  # the first that lies in the picture, at twice its size
    assert_allclose(box, [[2, 2, 22, 12]])


def test_a_crop_shows_what_the_dense_window_shows():
    """An object that lies on the grid, at scale 1, has the very same descriptor either way."""
    cells = Cells(pixels=4)
    window = Window.of_aspect(1.0, cells, area=36, margin=1)
    images = noise(2, 64, 64, 3)
    box = torch.from_numpy(window.boxes(np.array([3]), np.array([2]), (1.0, 1.0)))
    middles, stay = place_windows(window, box, 0.9)
    assert stay.all()
    cut = crops(images, torch.tensor([1]), middles, window)
    place = (np.array([1]), np.array([3]), np.array([2]))
    assert_allclose(describe(cut, window, False), windows_at(cells.blocks(images), window.shape, *place), atol=1e-5)
    twice = describe(cut, window, True)
    assert_allclose(twice[1], describe(np.ascontiguousarray(cut[:, :, ::-1]), window, False)[0], atol=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_crops_and_descriptors_do_not_depend_on_how_many_are_at_work(monkeypatch, mirrored):
    window = Window.of_aspect(0.8, Cells(pixels=4), area=36, margin=1)
    images, owners = noise(9, 64, 64, 3), torch.tensor([7, 2, 2, 5])  # not in order, and not of all images
    middles = torch.tensor([[30.0, 28, 20, 25], [5, 60, 40, 50], [33, 31, 12, 15], [20, 20, 24, 30]])
    together = crops(images, owners, middles, window)
    alone = [crops(images[owner, None], torch.tensor([0]), middles[[k]], window)[0] for k, owner in enumerate(owners)]
    assert_allclose(together.astype(int), np.stack(alone), atol=1)
    descriptors = describe(together, window, mirrored)
    assert descriptors.shape == (8 if mirrored else 4, window.shape[0] * window.shape[1] * 36)
    monkeypatch.setattr(hog_windows, "CHUNK", 1)
    assert_array_equal(describe(together, window, mirrored), descriptors)


def test_objects_of_another_aspect_are_no_positives():
    window = Window.of_aspect(1.0, Cells(), area=36, margin=1)
    boxes = torch.tensor([[0.0, 0.0, 40.0, 40.0], [0.0, 0.0, 80.0, 10.0]])
    middles, stay = place_windows(window, boxes, 0.65)
    assert stay.tolist() == [True, False]
    assert_allclose(middles, [[20, 20, 40, 40]])


@pytest.mark.parametrize("least", [0.5, 0.65, 0.8])
def test_how_well_a_window_fits_is_the_iou_with_its_middle(least):
    window = Window.of_aspect(0.7, Cells(), area=36, margin=1)
    corners = 50 * torch.rand((200, 2), generator=torch.Generator().manual_seed(0))
    sizes = 5 + 40 * torch.rand((200, 2), generator=torch.Generator().manual_seed(1))
    boxes = torch.cat([corners, corners + sizes], dim=1)
    middles, _ = place_windows(window, boxes, 0.0)
    overlaps = box_iou(box_convert(middles, "cxcywh", "xyxy"), boxes).diagonal()
    stay = place_windows(window, boxes, least)[1]
    assert 20 < stay.sum() < 180
    assert_array_equal(stay, overlaps >= least)


def test_jittered_windows_stay_within_half_a_cell_and_half_a_step():
    middles = torch.tensor([[50.0, 50.0, 40.0, 20.0]]).repeat(50, 1)
    moved = jitter_windows(middles, torch.full((50,), 4.0), 3, 1.2, seed=0).reshape(50, 4, 4)
    assert_array_equal(moved[:, 0], middles)
    assert (moved[..., :2] - 50).abs().max() <= 2
    assert ((moved[..., 2] / 40).log().abs() <= np.log(1.2) / 2 + 1e-6).all()
    assert_allclose(moved[..., 2], 2 * moved[..., 3], rtol=1e-5)
    assert len(moved[:, 1:].reshape(-1, 4).unique(dim=0)) == 150


def test_negatives_lie_beside_objects_of_their_class_only():
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    targets = [{"boxes": box, "labels": torch.tensor([1])}, {"boxes": box[:0], "labels": torch.tensor([]).long()}]
    zeros = torch.zeros(3).long()
    labels, images = torch.tensor([1, 2, 1]), torch.tensor([0, 0, 1])
    found = Found(box.repeat(3, 1), torch.zeros(3), labels, images, zeros, zeros, zeros)
    assert beside_objects(found, targets, 0.3).tolist() == [False, True, True]
    assert owners_of(targets).tolist() == [0]


# --- the detector -----------------------------------------------------------------------------------------------------


def test_it_finds_what_it_has_learned(fitted):
    images, targets = plus_signs(12, seed=1)
    found = fitted.predict(images)
    first = [box_iou(said["boxes"][:1], target["boxes"]).item() for said, target in zip(found, targets, strict=True)]
    assert np.mean(np.array(first) > 0.5) > 0.9
    for said in found:
        assert (said["scores"].diff() <= 0).all()
        assert said["labels"].dtype == torch.int64
        assert said["boxes"].dtype == torch.float32
        assert said["boxes"].min() >= 0
        assert said["boxes"].max() <= 96
        assert not (box_iou(said["boxes"], said["boxes"]).triu(1) > fitted.suppression + 1e-6).any()


def test_images_do_not_depend_on_their_neighbours_and_none_is_no_matter(fitted):
    images, _ = plus_signs(20, seed=2)  # more than a chunk
    together, alone = fitted.predict(images), fitted.predict(images[17:18])[0]
    assert_allclose(together[17]["boxes"], alone["boxes"], atol=1e-4)
    assert_allclose(together[17]["scores"], alone["scores"], atol=1e-4)
    assert len(together) == 20
    assert fitted.predict(images[:0]) == []


def test_an_image_smaller_than_every_window_has_no_detections(fitted):
    bare = replace(fitted, cells=replace(fitted.cells, padding=0))
    bare.windows_, bare.coef_, bare.intercept_, bare.scales_ = fitted.windows_, fitted.coef_, fitted.intercept_, [1.0]
    answer = bare.predict(noise(1, 8, 8, 3))[0]
    assert answer["boxes"].shape == (0, 4)
    assert len(answer["scores"]) == len(answer["labels"]) == 0


def test_windows_are_counted_as_they_are_scored(fitted):
    images, _ = plus_signs(1, seed=3)
    everything = replace(fitted, floor=-np.inf)
    everything.windows_, everything.coef_ = fitted.windows_, fitted.coef_
    everything.intercept_, everything.scales_ = fitted.intercept_, fitted.scales_
    assert len(everything.every_window(images[0])["scores"]) <= fitted.windows_of((96, 96))
    shapes = [everything.cells.blocks(resized(images, level_size((96, 96), s))) for s in fitted.scales_]
    scored = sum(scores_everywhere(blocks, fitted.coef_[0]).size for blocks in shapes)
    assert scored == fitted.windows_of((96, 96))


def test_hard_negatives_are_false_and_score_higher_than_those_at_random(fitted):
    images, targets = plus_signs(12, seed=4)
    hard = fitted.false_windows(images, targets)[0] @ fitted.coef_[0].ravel()
    untaught = small_detector()
    untaught.windows_, untaught.scales_, untaught.coef_ = fitted.windows_, fitted.scales_, []
    easy = untaught.false_windows(images, targets)[0] @ fitted.coef_[0].ravel()
    assert len(easy) > 20
    assert hard.mean() > easy.mean() + easy.std()


def test_the_same_seed_gives_the_same_templates():
    data = plus_signs(12, seed=5)
    a, b = (small_detector(seed=3).fit(*data) for _ in range(2))
    assert_array_equal(a.coef_[0], b.coef_[0])


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_and_of_images_at_work_changes_nothing(monkeypatch, threads):
    images, targets = plus_signs(12, seed=5)
    monkeypatch.setattr(hog_detector, "PIXELS", 2 * 96 * 96)
    two = small_detector(negatives=40).fit(images, targets)
    monkeypatch.setattr(hog_detector, "THREADS", threads)
    other = small_detector(negatives=40).fit(images, targets)
    assert_array_equal(two.coef_[0], other.coef_[0])
    for a, b in zip(two.predict(images), other.predict(images), strict=True):
        assert_array_equal(a["boxes"], b["boxes"])
        assert_array_equal(a["scores"], b["scores"])


def test_of_negatives_the_highest_scoring_are_kept_in_whatever_portions_they_come():
    rng = np.random.default_rng(0)
    some = [(rng.random(n, np.float32), rng.random((n, 3), np.float32)) for n in (7, 0, 5, 9)]
    scores, features = hog_detector.highest_scoring(some, 6)
    bit_by_bit = hog_detector.highest_scoring([hog_detector.highest_scoring(some[:3], 6), some[3]], 6)
    assert_array_equal(scores, np.sort(np.concatenate([s for s, _ in some]))[::-1][:6])
    assert_array_equal(features, bit_by_bit[1])


def test_images_without_objects_are_refused():
    images, _ = plus_signs(4, seed=0)
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
    with pytest.raises(Problem, match="without objects"):
        small_detector().fit(images, [empty] * 4)


def test_objects_cut_off_by_the_border_will_do_where_there_are_no_others():
    images, targets = plus_signs(8, seed=6)
    cut = [{**target, "boxes": target["boxes"] * torch.tensor([0.0, 1, 1, 1])} for target in targets]
    assert len(small_detector().fit(images, cut).coef_) == 1
