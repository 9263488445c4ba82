"""Composed scenes: the same whenever they are made, exact boxes and masks, nothing shared by training and test."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from skimage.measure import regionprops

from common.data import Images, Scale
from common.data import scene_composer as composing
from common.data import scene_items as things
from common.data import scene_places as places
from common.data import scenes as sets
from common.data.scene_composer import CHUNK, SEEN, SHARPNESS
from common.data.scene_items import SIDE, Items, clothes, silhouettes, with_distractors
from common.data.scene_places import DISTRACTORS, HIDDEN, OBJECTS, OUTSIDE, SIZE, place

SMOKE = Scale("smoke")


@pytest.fixture(scope="module")
def composer():
    return sets.composers(SMOKE)[0]


@pytest.fixture(scope="module")
def made(composer):
    return composer.compose(2 * CHUNK + 6, seed=5)


def same(a, b):
    assert_array_equal(a.images, b.images)
    for one, other in zip(a.targets, b.targets, strict=True):
        assert torch.equal(one["boxes"], other["boxes"])
        assert torch.equal(one["labels"], other["labels"])


# The same scenes


@pytest.mark.parametrize("n", [1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_the_first_scenes_do_not_depend_on_how_many_there_are(composer, made, n):
    fewer = composer.compose(n, seed=5)
    same(fewer, made.take(slice(n)))
    for item in range(n):
        assert_array_equal(fewer.masks[item], made.masks[item])


def test_scenes_depend_on_the_seed(composer, made):
    other = composer.compose(CHUNK, seed=6)
    assert (other.images != made.images[:CHUNK]).any(axis=(1, 2, 3)).all()
    assert len(np.unique(made.images.reshape(len(made), -1), axis=0)) == len(made)


def test_scenes_do_not_depend_on_threads(composer, made):
    threads = torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        same(composer.compose(CHUNK, seed=5), made.take(slice(CHUNK)))
        assert torch.get_num_threads() == count
    torch.set_num_threads(threads)


def test_a_composer_made_anew_makes_the_same(made):
    same(sets.composers.__wrapped__(SMOKE)[0].compose(CHUNK, seed=5), made.take(slice(CHUNK)))


# Boxes and masks


def test_boxes_end_where_masks_end(made):
    seen = 0
    for item, target in enumerate(made.targets):
        masks = made.masks[item]
        assert len(masks) == len(target["boxes"])
        assert (masks.sum(axis=0) <= 1).all()  # a pixel shows one thing
        for mask, box in zip(masks, target["boxes"].tolist(), strict=True):
            top, left, bottom, right = regionprops(mask.astype(int))[0].bbox
            assert [left, top, right, bottom] == box
            seen += 1
    assert seen > 2 * len(made)


def naive(composer, canvas, layers, scene):
    """A scene, layer by layer over the whole picture with SciPy's sampling; and who is seen where, and all areas."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    picture, owner, areas = canvas[scene].copy(), np.full((SIZE, SIZE), -1), []
    for layer in range(layers.count):
        item, size = layers.items[scene, layer], layers.sizes[scene, layer]
        if item < 0:
            areas.append(0)
            continue
        away = np.stack([x, y], axis=-1) - layers.centres[scene, layer]
        at = away @ layers.poses[scene, layer] / size + SIDE / 2 - 0.5
        value, alpha = (
            ndimage.map_coordinates(thing[item].astype(float), [at[..., 1], at[..., 0]], order=1, mode="grid-constant")
            for thing in (composer.items.values, composer.items.alphas)
        )
        alpha = ((alpha / 255 - 0.5) * SHARPNESS * size + 0.5).clip(0, 1)
        dark, light = layers.tints[scene, layer][..., None, None]
        picture = (1 - alpha) * picture + alpha * (dark + (light - dark) * value / 255)
        owner[alpha > 0.5] = layer
        areas.append((alpha > 0.5).sum())
    return picture, owner, areas


def test_windows_show_all_that_there_is(composer):
    canvas, layers = composer.prepared(np.random.default_rng(0))
    photographs = canvas.copy()
    owner, areas = composer.lay(canvas, layers)
    for scene in range(CHUNK):
        picture, who, own = naive(composer, photographs, layers, scene)
        assert_allclose(canvas[scene], picture, atol=0.05)
        assert np.mean(owner[scene] != who) < 2e-4  # single precision decides at a coverage of a half
        assert_allclose(areas[scene], own, atol=3)


def test_objects_are_the_clothes_of_which_enough_is_seen(composer):
    rng = np.random.default_rng((5, 0))
    canvas, layers = composer.prepared(rng)
    owner, areas = composer.lay(canvas, layers)
    targets = composer.compose(CHUNK, seed=5).targets
    few = 0
    for scene in range(CHUNK):
        expected = []
        for layer, item in enumerate(layers.items[scene]):
            seen = (owner[scene] == layer).sum()
            if item >= 0 and composer.items.labels[item] > 0:
                few += 0 < seen <= SEEN * areas[scene, layer]
                if seen > SEEN * areas[scene, layer]:
                    expected.append(composer.items.labels[item])
        assert targets[scene]["labels"].tolist() == expected
    assert few < CHUNK


def test_an_object_that_is_covered_is_none():
    """Two things upon each other: the lower one is an object as long as more than SEEN of it is seen."""
    items = Items(np.zeros((2, SIDE, SIDE), np.uint8), np.zeros((2, SIDE, SIDE), np.uint8), np.array([3, 7]))
    numbers, areas = np.array([[0, 1]]), np.array([[100, 50]])
    for seen, expected in [(41, [3, 7]), (40, [7]), (0, [7])]:
        owner = np.full((1, SIZE, SIZE), -1, np.int8)
        owner[0, 10, 20 : 20 + seen] = 0
        owner[0, 11:13, 90:115] = 1
        (target,), (layers,) = composing.objects(owner, areas, items.labels, numbers)
        assert target["labels"].tolist() == expected
        assert target["boxes"][-1].tolist() == [90, 11, 115, 13]
        assert layers.tolist() == [label // 6 for label in expected]


# Places


def test_no_box_hides_much_of_another_and_none_is_far_outside(composer):
    items = composer.items
    chosen, sizes, centres = place(items, 200, np.random.default_rng(0))
    halves = items.extents[chosen] * sizes[..., None] / 2
    assert ((centres >= (1 - 2 * OUTSIDE) * halves - 1e-6) | (chosen < 0)[..., None]).all()
    assert ((centres <= SIZE - (1 - 2 * OUTSIDE) * halves + 1e-6) | (chosen < 0)[..., None]).all()
    low, high = centres - halves, centres + halves
    layers = chosen.shape[1]
    for a in range(layers):
        for b in range(a):
            both = (chosen[:, a] >= 0) & (chosen[:, b] >= 0)
            common = (np.minimum(high[:, a], high[:, b]) - np.maximum(low[:, a], low[:, b])).clip(0).prod(axis=1)
            smaller = 4 * np.minimum(halves[:, a].prod(axis=1), halves[:, b].prod(axis=1))
            assert (common[both] <= HIDDEN * smaller[both] + 1e-6).all()
    counts = ((chosen >= 0) & (items.labels[chosen] > 0)).sum(axis=1)
    assert counts.min() >= 1
    assert counts.max() == OBJECTS[1]
    assert ((chosen >= 0) & (items.labels[chosen] == 0)).sum(axis=1).max() == DISTRACTORS[1]


def test_turns_are_small_and_half_of_them_mirrored():
    poses = places.turns((40, 8), np.random.default_rng(0))
    assert_allclose(poses @ poses.swapaxes(2, 3), np.broadcast_to(np.eye(2), poses.shape), atol=1e-12)
    mirrored = np.linalg.det(poses) < 0
    assert 0.4 < mirrored.mean() < 0.6
    assert np.degrees(np.arccos(poses[..., 1, 1])).max() <= places.ANGLE + 1e-6


# Items


def one_item(draw):
    image = np.zeros((1, 28, 28), np.uint8)
    draw(image[0])
    return image


def ring(image, hole=0, inner=slice(9, 19)):
    image[4:24, 4:24] = 200
    image[inner, inner] = hole


@pytest.mark.parametrize(
    ("hole", "inner", "filled"), [(0, slice(9, 19), False), (12, slice(9, 19), True), (0, slice(13, 15), True)]
)
def test_one_looks_through_a_handle_but_not_through_dark_cloth(hole, inner, filled):
    found = silhouettes(one_item(lambda image: ring(image, hole, inner)))
    assert found[0, 14, 14] == filled
    assert found.sum() == 400 - (0 if filled else 100)


def test_a_dark_item_is_more_than_its_collar():
    def shirt(image):
        image[4:24, 4:24] = 12
        image[4:6, 12:16] = 150

    assert silhouettes(one_item(shirt)).sum() == 400


def test_an_outline_lies_between_pixels_where_the_rim_is_mixed_with_black():
    """A thing of brightness 200, ten and a half pixels wide: its last column is half covered."""

    def bar(image):
        image[2:26, 8:18], image[2:26, 18] = 200, 100

    items = clothes(Images(one_item(bar), np.array([4])))
    assert items.labels.tolist() == [5]
    assert_allclose(items.alphas[0, 15].sum() / 255, 10.5, atol=0.05)
    assert (items.values[0, 15, 7:22] == 200).all()  # beyond the outline, too


def test_straps_do_not_vanish():
    def strap(image):
        image[14, 3:25] = 180

    alphas = clothes(Images(one_item(strap), np.array([5]))).alphas[0]
    assert (alphas[15, 6:24] > 127).all()


def test_shapes_have_no_class_and_go_their_own_way(composer):
    items = with_distractors(replace(composer.items), seed=3)
    new = slice(len(composer.items.labels), None)
    assert len(items.labels[new]) == things.SHAPES
    assert (items.labels[new] == 0).all()
    assert (items.alphas[new].reshape(things.SHAPES, -1).max(axis=1) == 255).all()
    assert_array_equal(items.values[: new.start], composer.items.values)


# The camera


def test_the_camera_blurs_and_adds_noise(composer, monkeypatch):
    monkeypatch.setattr(composing, "NOISE", 0.0)
    rng = np.random.default_rng(3)
    canvas, images = rng.uniform(0, 255, (4, 3, SIZE, SIZE)).astype(np.float32), np.empty((4, SIZE, SIZE, 3), np.uint8)
    before = canvas.copy()
    composer.develop(canvas, images, np.random.default_rng(7))
    blurs = np.random.default_rng(7).uniform(0, 1, (2, CHUNK))[0] * composing.BLUR
    for picture, image, blur in zip(before, images, blurs, strict=False):
        soft = picture.astype(float)
        for axis in (2, 1):
            soft = ndimage.correlate1d(soft, [blur, 1 - 2 * blur, blur], axis=axis)
        inside = slice(2, -2)
        off = np.rint(soft).transpose(1, 2, 0)[inside, inside] - image[inside, inside]
        assert np.abs(off).max() <= 1
        assert np.abs(off).mean() < 0.01


def test_noise_is_normal_and_of_every_strength(composer):
    canvas, images = np.full((CHUNK, 3, SIZE, SIZE), 128, np.float32), np.empty((CHUNK, SIZE, SIZE, 3), np.uint8)
    composer.develop(canvas, images, np.random.default_rng(1))
    spread = images.std(axis=(1, 2, 3))
    assert spread.max() < composing.NOISE * 1.05
    assert spread.min() < 1 < 0.8 * composing.NOISE < spread.max()
    flat = images[spread.argmax()].astype(float).ravel() - 128
    assert abs(np.mean(flat**4) / np.mean(flat**2) ** 2 - 3) < 0.1  # as of a normal distribution


def test_without_the_camera_photographs_are_photographs(composer):
    plain = replace(composer, camera=False)
    part = plain.compose(CHUNK, seed=5)
    canvas, _ = plain.prepared(np.random.default_rng((5, 0)))
    free = ndimage.binary_erosion(part.masks.owners < 0, np.ones((1, 13, 13)))  # coverage has run out there
    assert free.mean() > 0.3
    assert_array_equal(part.images[free], np.floor(canvas.transpose(0, 2, 3, 1)[free] + 0.5).clip(0, 255))


# The set


def test_scenes_upon_one_photograph_are_a_group(monkeypatch):
    """Photographs of one colour each, which nothing but the light changes: what is seen between things tells which."""
    grey = [np.full((3, 300, 300), level, np.uint8) for level in (10, 100, 250)]
    plain = replace(
        sets.composers(SMOKE)[1], photos=(*grey, grey[2][:, ::2, ::2]), camera=False, originals=(0, 1, 2, 2)
    )
    monkeypatch.setattr("common.data.scene_composer.LIGHT", (1.0, 1.0))
    part = plain.compose(CHUNK + 8, seed=3)
    owners = part.masks.owners
    levels = [int(np.median(image[owner < 0])) for image, owner in zip(part.images, owners, strict=True)]
    assert part.groups.tolist() == [(10, 100, 250).index(level) for level in levels]
    assert set(part.groups.tolist()) == {0, 1, 2}
    assert replace(plain, originals=None).compose(CHUNK, seed=3).groups.max() == 3


def test_a_photograph_made_smaller_is_still_that_photograph():
    for composer, names in zip(sets.composers(SMOKE), (sets.TRAIN_PHOTOS, sets.TEST_PHOTOS), strict=True):
        assert composer.originals[: len(names)] == tuple(range(len(names)))
        assert len(composer.originals) == len(composer.photos) > len(names)
        for number, small in zip(composer.originals[len(names) :], composer.photos[len(names) :], strict=True):
            assert_array_equal(composer.photos[number][:, ::2, ::2], small)
    small = sets.scenes(SMOKE)
    assert small.test.groups.max() < len(sets.TEST_PHOTOS)
    assert small.train.take([5, 3]).groups.tolist() == small.train.groups[[5, 3]].tolist()


def test_training_and_test_share_no_photograph_and_no_item():
    assert not set(sets.TRAIN_PHOTOS) & set(sets.TEST_PHOTOS)
    training, testing = sets.composers(SMOKE)
    for one in training.photos:
        for other in testing.photos:
            assert one.shape != other.shape or (one != other).any()
    fashion = sets.fashion_mnist(SMOKE)
    for composer, part in ((training, fashion.train), (testing, fashion.test)):
        assert len(composer.items.labels) == len(part) + things.SHAPES
        assert_array_equal(composer.items.labels[: len(part)], part.labels + 1)


def test_the_set_has_its_parts_and_says_where_it_comes_from():
    small = sets.scenes(SMOKE)
    assert [len(part) for part in (small.train, small.validation, small.test)] == [96, 16, 8]
    assert small.train.images.shape[1:] == (SIZE, SIZE, 3)
    assert len(small.classes) == 10
    assert "composed" in small.source
    assert "not photographed" in sets.__doc__
    assert small.train.masks == ()
    assert len(small.test.masks) == 8
    with_masks = sets.scenes(SMOKE, train_masks=True)
    same(with_masks.train, small.train)
    assert len(with_masks.train.masks) == 96
    assert (small.train.images[:16] != small.validation.images).any(axis=(1, 2, 3)).all()
