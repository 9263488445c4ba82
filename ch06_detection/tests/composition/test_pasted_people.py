"""People cut out of a film of rectangles and pasted elsewhere: the boxes lie where the pixels are."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from ch06_detection.composition import pasted_people
from ch06_detection.composition.pasted_people import (
    CutOut,
    PastedPeople,
    cut_out,
    empty_yard,
    overlap,
    paste_people,
)
from common.data.boxed import BoxedImages

HIGH, WIDE = 200, 300


def walker(image, left, top, width=24, height=70):
    """A bright ellipse, and its box."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    inside = ((x - left - width / 2) / (width / 2)) ** 2 + ((y - top - height / 2) / (height / 2)) ** 2 <= 1
    image[inside] = (250, 240, 230)
    return [left, top, left + width, top + height]


@pytest.fixture(scope="module")
def film():
    """Sixteen frames of a striped yard that one person crosses; from the ninth on, two more stand together."""
    ground = np.zeros((HIGH, WIDE, 3), np.uint8) + (np.arange(WIDE) // 10 % 2 * 40 + 60).astype(np.uint8)[:, None]
    frames, targets = np.stack([ground] * 16), []
    for number, frame in enumerate(frames):
        boxes = [walker(frame, 16 * number + 10, 20)]
        if number >= 9:
            boxes += [walker(frame, 100, 120), walker(frame, 112, 124)]
        targets.append({"boxes": torch.tensor(boxes).float(), "labels": torch.ones(len(boxes)).long()})
    return BoxedImages(frames, tuple(targets), ("pedestrian",)), ground


def test_the_median_of_the_frames_is_the_yard_without_people(film):
    part, ground = film
    np.testing.assert_array_equal(empty_yard(part.images, part.targets), ground)


def test_who_stands_still_in_most_frames_is_no_part_of_the_yard(film):
    part, ground = film
    last = slice(8, None)  # seven of these eight frames have the two who stand together
    np.testing.assert_array_equal(empty_yard(part.images[last], part.targets[last]), ground)
    always = slice(9, None)  # nothing is known of the place behind them: the median of all frames
    hidden = np.zeros((HIGH, WIDE), bool)
    hidden[120:195, 100:137] = True
    yard = empty_yard(part.images[always], part.targets[always])
    np.testing.assert_array_equal(yard[~hidden], ground[~hidden])
    np.testing.assert_array_equal(yard[150, 112], (250, 240, 230))


def test_who_stands_apart_is_cut_out_along_the_outline(film):
    part, ground = film
    people = cut_out(part.images, part.targets, ground)
    assert len(people) == 16  # one in each frame; of the two who overlap, neither
    for person in people:
        box = person.box
        area = float(person.alpha.sum())
        assert area == pytest.approx(np.pi / 4 * 24 * 70, rel=0.22)  # and a rim; the rectangle: 27 % more
        rows, columns = (person.alpha[0] > 0.5).nonzero().T
        seen = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert_allclose(seen, box, atol=3)


def test_who_is_hidden_or_cut_off_is_not_cut_out(film):
    part, ground = film
    frame, target = part.images[:1].copy(), part.targets[:1]
    frame[:, 40:] = ground[40:]  # two thirds stand behind something that looks like the yard
    assert cut_out(frame, target, ground) == []
    border = {"boxes": torch.tensor([[0.0, 20, 24, 90]]), "labels": torch.ones(1).long()}
    assert cut_out(part.images[:1], [border], ground) == []
    nobody = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
    assert cut_out(part.images[:1], [nobody], ground) == []


@pytest.mark.parametrize(
    ("left", "top"), [(0, 60), (WIDE - 24, 60), (100, 0), (100, HIGH - 70)], ids=["left", "right", "top", "bottom"]
)
def test_who_touches_the_border_of_the_frame_may_be_cut_off_and_is_left_out(left, top):
    ground = np.full((HIGH, WIDE, 3), 60, np.uint8)
    for shift, count in ((0, 0), (4, 1)):
        frame = ground.copy()
        inwards = np.sign([150 - left, 65 - top]) * shift
        box = walker(frame, left + inwards[0], top + inwards[1])
        target = {"boxes": torch.tensor([box]).float(), "labels": torch.ones(1).long()}
        assert len(cut_out(frame[None], [target], ground)) == count


def white(height=40, width=16):
    """A cut-out that fills its box but for a margin of four pixels."""
    alpha = torch.zeros(1, height + 8, width + 8)
    alpha[:, 4:-4, 4:-4] = 1
    return CutOut(torch.full((3, height + 8, width + 8), 255.0), alpha, torch.tensor([4.0, 4, 4 + width, 4 + height]))


def pasted(**settings):
    dark = torch.zeros(3, 120, 160)
    given = {"heights": (30.0, 60.0), "most": 1, "crowding": 0.0, "hiding": 0.0, "yards": 1.0} | settings
    return PastedPeople([white()], dark, [dark], rng=np.random.default_rng(0), **given)


def test_boxes_lie_where_the_pixels_are():
    part = pasted().compose(60, (96, 128))
    found = 0
    for image, target in zip(part.images, part.targets, strict=True):
        for box in target["boxes"]:
            bright = image.max(axis=2) > 90  # light and gains leave at least that of white, and less of black
            rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
            assert_allclose([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], box, atol=1.6)
            found += 1
    assert found > 40


def test_a_mirrored_person_takes_its_box_along():
    alpha = torch.zeros(1, 48, 40)
    alpha[:, 4:44, 4:20] = 1  # on the left of the cut-out
    person, sides = CutOut(torch.full((3, 48, 40), 255.0), alpha, torch.tensor([4.0, 4, 20, 44])), []
    people = pasted()
    for changed in (people.changed(person) for _ in range(40)):
        rows, columns = (changed.alpha[0] > 0.5).nonzero().T
        seen = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert_allclose(seen, changed.box, atol=1.1)
        sides.append(float(changed.box[0] + changed.box[2]) > changed.alpha.shape[2])
    assert 10 < sum(sides) < 30


def test_pixels_that_belong_half_to_a_person_are_mixed_half_and_half():
    half = CutOut(torch.full((3, 48, 24), 255.0), torch.full((1, 48, 24), 0.5), torch.tensor([4.0, 4, 20, 44]))
    part = replace(pasted(), people=[half]).compose(20, (96, 128))
    assert 60 < part.images.max() <= (255 + 15) / 2 + 1  # the yard is black, its light adds 15 at most


class Placed(PastedPeople):
    """A person of whom only so many columns are in the frame."""

    columns = 0

    def place(self, person, boxes, size):
        return size[1] - int(person.box[0]) - self.columns, 20


@pytest.mark.parametrize(("wide", "columns", "count"), [(40, 8, 0), (40, 20, 8), (16, 5, 0), (16, 8, 8)])
def test_who_stands_mostly_outside_the_frame_or_is_very_narrow_there_does_not_count(wide, columns, count):
    """Of 40 columns 8 are less than a quarter; of 16 columns 5 are more, but of fewer than 6 pixels."""
    dark = torch.zeros(3, 120, 160)
    people = Placed(
        [white(40, wide)], dark, [dark], heights=(40.0, 40.0), most=1, hiding=0.0, rng=np.random.default_rng(0)
    )
    object.__setattr__(people, "columns", columns)
    assert sum(len(target["boxes"]) for target in people.compose(8, (96, 128)).targets) == count


def test_sizes_lie_between_the_limits_and_no_picture_is_enlarged_too_far():
    people = pasted(heights=(20.0, 60.0))
    heights = [float(person.box[3] - person.box[1]) for person in (people.changed(white()) for _ in range(300))]
    assert 0.55 * 40 - 1 <= min(heights) < 24
    assert 56 < max(heights) <= 61


def test_later_people_hide_earlier_ones_and_the_hidden_do_not_count():
    crowd = pasted(most=12, crowding=1.0, visible=0.6, heights=(38.0, 42.0)).compose(20, (96, 128))
    every = pasted(most=12, crowding=1.0, visible=0.0, heights=(38.0, 42.0)).compose(20, (96, 128))
    few, all_of_them = (sum(len(target["boxes"]) for target in part.targets) for part in (crowd, every))
    assert 0.2 * all_of_them < few < 0.8 * all_of_them


class Queue(PastedPeople):
    """A small person, and in half of the frames a large one before it."""

    def frame(self, size):
        object.__setattr__(self, "queue", [white(40, 16), white(60, 30)])
        return super().frame(size)

    def changed(self, person):
        return self.queue.pop(0)

    def place(self, person, boxes, size):
        return 50 - 4 * len(boxes), 40 - 10 * len(boxes)


def test_who_comes_later_stands_in_front():
    dark = torch.zeros(3, 120, 160)
    people = Queue([white()], dark, [dark], most=2, hiding=0.0, rng=np.random.default_rng(0))
    shown = [target["boxes"].tolist() for target in people.compose(20, (110, 128)).targets]
    small, large = [[54.0, 44, 70, 84]], [[50.0, 34, 80, 94]]
    assert shown.count(small) > 3
    assert shown.count(large) == 20 - shown.count(small) > 3


def test_patches_hide_a_part_of_people():
    def bright(hiding):
        part = pasted(hiding=hiding).compose(60, (96, 128))
        whole = sum(float((b[2] - b[0]) * (b[3] - b[1])) for target in part.targets for b in target["boxes"])
        return (part.images.max(axis=3) > 90).sum() / whole

    assert bright(0.0) == pytest.approx(1.0, abs=0.08)
    assert 0.4 < bright(1.0) < 0.9


def test_what_a_patch_covers_belongs_to_nobody():
    people = pasted()
    for _ in range(20):
        image, owner = torch.full((3, 96, 128), 999.0), torch.zeros(96, 128, dtype=torch.int64)
        people.hide(image, owner, torch.tensor([40.0, 30, 60, 80]))
        covered = (image != 999).all(dim=0)
        assert covered.any()
        assert torch.equal(owner == -1, covered)


def test_the_same_seed_gives_the_same_frames_and_another_one_others():
    one, same = pasted().compose(3, (96, 128)), pasted().compose(3, (96, 128))
    np.testing.assert_array_equal(one.images, same.images)
    other = replace(pasted(), rng=np.random.default_rng(1)).compose(3, (96, 128))
    assert not np.array_equal(other.images, one.images)


@pytest.mark.parametrize("corner", [(-5, -7), (90, 120), (10, 20), (-300, 400)])
def test_overlap_is_what_slicing_gives(corner):
    image, patch = np.zeros((96, 128)), np.arange(20 * 30).reshape(20, 30) + 1.0
    rows, columns, inner = overlap(patch.shape, corner, image.shape)
    image[rows, columns] = patch[inner]
    large = np.zeros((1000, 1000))
    large[400 + corner[0] : 420 + corner[0], 400 + corner[1] : 430 + corner[1]] = patch
    np.testing.assert_array_equal(image, large[400:496, 400:528])


def test_half_of_the_new_frames_show_the_yard_and_the_film_comes_first(film, monkeypatch):
    part, _ = film
    red = SimpleNamespace(image=np.full((60, 80, 3), (255, 0, 0), np.uint8))
    monkeypatch.setattr(pasted_people, "photographs", lambda: SimpleNamespace(train=[red]))
    mixed = paste_people(part, 60, seed=0)
    assert len(mixed) == len(part) + 60
    np.testing.assert_array_equal(mixed.images[: len(part)], part.images)
    colours = np.median(mixed.images[len(part) :].reshape(60, -1, 3), axis=1)
    assert 20 <= (colours[:, 0] > colours[:, 1] + 100).sum() <= 40
    assert all(len(target["labels"]) == len(target["boxes"]) for target in mixed.targets)
    for target, own in zip(mixed.targets, part.targets, strict=False):
        assert torch.equal(target["boxes"], own["boxes"])
    other = paste_people(part, 1, seed=1)
    assert not np.array_equal(other.images[-1], mixed.images[len(part)])


def test_where_nobody_stands_apart_the_film_is_all_there_is(film):
    part, _ = film
    nobody = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
    alone = BoxedImages(part.images, (nobody,) * len(part), part.classes)
    assert paste_people(alone, 5, seed=0) is alone
