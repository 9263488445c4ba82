"""Coloured digits: pairs that the mask explains, disjoint parts, the rival on ideal images, and the measurements."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skimage.filters import threshold_otsu
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import confusion_matrix
from torch import nn

from ch07_applications.synthesis import border_colours
from ch07_applications.synthesis import coloured_digits as module
from ch07_applications.synthesis.border_colours import (
    AXIS,
    MAHALANOBIS,
    MEAN,
    NEAREST,
    SHARP,
    SOFT,
    WIDTH,
    BorderColours,
    border_of,
    moments,
    nearest,
    options,
    otsu,
)
from ch07_applications.synthesis.coloured_digits import (
    BLACKENED,
    LOUDEST,
    NO_CYCLE,
    RECIPE,
    STRONG,
    TO_COLOURED,
    TRUE_DIGIT,
    TRUE_GROUND,
    VARIANTS,
    WEAK,
    choose_rival,
    count_readings,
    disturb,
    explain,
    half_true,
    price_of_truth,
    relabelled,
    ways_back,
)
from ch07_applications.synthesis.cyclegan import TO_GREY, CycleGan, Discriminator, Generator, train
from ch07_applications.synthesis.cyclegan_plans import SMALL, Plan
from ch07_applications.synthesis.digits_on_photographs import (
    CONTRAST,
    LEVELS,
    SIDE,
    DigitPairs,
    colour_of,
    colours_for,
    cut,
    digits_on_photographs,
    framed,
    grey_of,
    in_colour,
    lay,
    pixels_of,
    reduce,
)
from ch07_applications.synthesis.hidden_message import NOISES, PARTNER, UNTOUCHED, under_noise
from ch07_applications.synthesis.sample_judge import SampleJudge
from ch07_applications.synthesis.striped_clothes import UnpairedBatches
from ch07_applications.tests.synthesis.small_runs import run_of
from common import data
from common.data import Images
from common.data.dataset import Dataset
from common.data.photo_pack import Photograph


def digits(n, start=0):
    """Filled rings and bars, with soft edges, that differ."""
    rng = np.random.default_rng(start)
    rows, columns = np.mgrid[:28, :28]
    places, widths = rng.uniform(10, 18, (n, 2)), rng.uniform(2, 4, n)
    radius = np.hypot(rows - places[:, 0, None, None], columns - places[:, 1, None, None])
    soft = np.clip(widths[:, None, None] - np.abs(radius - 5), 0, 1)
    labels = np.arange(n, dtype=np.int64) % 10
    return Images(np.rint(255 * soft).astype(np.uint8), labels, np.arange(start, start + n))


def photograph(name, seed=0, shape=(160, 200), author="somebody"):
    image = np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.uint8)
    return Photograph(name, image, name, author, "CC0")


def even(name, level, author="somebody"):
    return Photograph(name, np.full((160, 200, 3), level, np.uint8), name, author, "CC0")


def made(train=None, test=None, seed=0):
    train = train or [even(f"train {k}", 10 * k, f"author {k}") for k in range(8)]
    test = test or [even("test", 200), even("other", 220, "another")]
    whole = Dataset("rings", digits(100), digits(40, 1000), tuple("0123456789"), "ring", "none")
    return digits_on_photographs(whole, train, test, seed)


# Pairs


def test_the_digits_mask_explains_the_difference_of_partners():
    """Outside of the digit a patch of a photograph, inside one colour, between them the mixture given by the mask."""
    whole, photographs = data.mnist(data.Scale("smoke")), data.photographs().test
    pairs = in_colour(whole.test.take(slice(60)), photographs, 0)
    full, empty = pairs.grey.images == 255, pairs.grey.images == 0
    other = in_colour(Images(np.zeros((60, 28, 28), np.uint8), pairs.grey.labels, pairs.grey.ids), photographs, 0)
    patches = other.coloured.images
    for place in np.flatnonzero(full.any(axis=(1, 2))):
        shown, patch, cover = pairs.coloured.images[place], patches[place], pairs.grey.images[place, ..., None] / 255
        colour = np.unique(shown[full[place]], axis=0)
        assert len(colour) == 1
        np.testing.assert_array_equal(shown[empty[place]], patch[empty[place]])
        assert np.abs(shown - ((1 - cover) * patch + cover * colour[0])).max() <= 1.01
    pictures = [reduce(each.image, factor) for each in photographs for factor in LEVELS]
    assert all(any(same_patch(patch, picture) for picture in pictures) for patch in patches[:5])


def same_patch(patch, picture):
    """Whether the patch lies somewhere in the picture."""
    room = np.array(picture.shape[:2]) - SIDE + 1
    places = np.argwhere((picture[: room[0], : room[1]] == patch[0, 0]).all(axis=2))
    return any(np.array_equal(picture[y : y + SIDE, x : x + SIDE], patch) for y, x in places)


def test_partners_show_the_same_digits_and_groups_are_photographers():
    pairs = in_colour(digits(30), [even("a", 9, "x"), even("b", 80, "y"), even("c", 160, "x")], 0)
    for name in ("labels", "ids", "groups"):
        np.testing.assert_array_equal(getattr(pairs.grey, name), getattr(pairs.coloured, name))
    ground = pairs.coloured.images[:, 0, 0, 0]
    assert set(ground.tolist()) == {9, 80, 160}
    np.testing.assert_array_equal(pairs.grey.groups, ground == 80)
    names = {9: "“a”", 80: "“b”", 160: "“c”"}
    assert all(credit.startswith(names[int(level)]) for credit, level in zip(pairs.credits, ground, strict=True))


def test_no_digit_is_in_both_domains_and_the_reader_knows_no_held_out_one():
    parts = made()
    grey, coloured = set(parts.grey.ids.tolist()), set(parts.coloured.ids.tolist())
    assert not grey & coloured
    assert grey | coloured == set(range(80)) == set(parts.readable.ids.tolist())
    assert set(parts.validation.grey.ids.tolist()) == set(range(80, 100))
    assert len(parts.test.grey) == 40


def test_no_photograph_is_in_two_parts():
    parts = made()
    learned, chosen, judged = (
        set(part.images[:, 0, 0, 0].tolist())
        for part in (parts.coloured, parts.validation.coloured, parts.test.coloured)
    )
    assert learned == {0, 10, 20, 40, 50, 60}
    assert chosen == {30, 70}
    assert judged == {200, 220}


def test_images_depend_on_id_and_seed_alone():
    photographs, part = [photograph("a"), photograph("b", 1)], digits(12)
    whole = in_colour(part, photographs, 3)
    again = in_colour(part.take([7, 2, 5]), photographs, 3)
    np.testing.assert_array_equal(again.coloured.images, whole.coloured.images[[7, 2, 5]])
    assert (in_colour(part, photographs, 4).coloured.images != whole.coloured.images).mean() > 0.5
    assert len(in_colour(part.take(slice(0)), photographs, 3).grey) == 0


def test_colours_are_far_from_the_ground_brighter_and_darker():
    patches = np.random.default_rng(0).integers(90, 160, (400, SIDE, SIDE, 3)).astype(np.uint8)
    drawn = np.random.default_rng(1).uniform(0, 255, (400, 16, 3))
    colours, means = colours_for(patches, drawn), patches.mean(axis=(1, 2))
    away = colours - means
    assert np.sqrt((away**2).mean(axis=1)).min() >= CONTRAST
    assert 0.35 < (away.mean(axis=1) > 0).mean() < 0.65
    far = np.sqrt(((drawn - means[:, None]) ** 2).mean(axis=2)) >= CONTRAST
    np.testing.assert_array_equal(colours, drawn[np.arange(400), far.argmax(axis=1)])  # the first, not the farthest
    near = np.repeat(means[:, None], 3, axis=1) + np.array([1.0, 3.0, 2.0])[None, :, None]
    np.testing.assert_allclose(colours_for(patches, near), means + 3)


def test_patches_reach_all_corners_of_a_photograph_and_are_means_at_lower_levels():
    picture = photograph("a", shape=(141, 182)).image
    low, high = 0.0, 1 - 1e-9
    for level, factor in enumerate(LEVELS):
        draws = np.array([[(level + 0.5) / len(LEVELS), row, column] for row in (low, high) for column in (low, high)])
        small = reduce(picture, factor)
        wanted = [small[:SIDE, :SIDE], small[:SIDE, -SIDE:], small[-SIDE:, :SIDE], small[-SIDE:, -SIDE:]]
        np.testing.assert_array_equal(cut([picture], np.zeros(4, np.int64), draws), np.stack(wanted))
    assert reduce(picture, 4).shape == (35, 45, 3)
    np.testing.assert_allclose(reduce(picture, 2)[3, 4], picture[6:8, 8:10].mean(axis=(0, 1)), atol=0.5)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="4 and 1 are needed"):
        made(train=[even("a", 1)])
    with pytest.raises(ValueError, match="too small"):
        made(test=[photograph("a", shape=(100, 200))])
    with pytest.raises(ValueError, match="28 × 28"):
        framed(Images(np.zeros((2, 32, 32), np.uint8), np.zeros(2, np.int64)))
    with pytest.raises(ValueError, match="uint8"):
        BorderColours().transform(np.zeros((2, 32, 32), np.uint8))
    with pytest.raises(ValueError, match="all border"):
        BorderColours().transform(np.zeros((2, 8, 32, 3), np.uint8))


def test_pixels_go_to_networks_and_back():
    grey = np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.uint8)
    coloured = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(grey_of(pixels_of(grey)), grey)
    np.testing.assert_array_equal(colour_of(pixels_of(coloured)), coloured)
    assert np.abs(grey_of(pixels_of(coloured)) - coloured.mean(axis=3)).max() <= 0.51
    pixels = pixels_of(grey)
    assert torch.equal(pixels[:, 0], pixels[:, 2])
    assert float(pixels.min()) == -1
    assert float(pixels.max()) == 1


# The rival


@pytest.mark.parametrize("option", options(), ids=lambda option: option.setting)
def test_the_rival_finds_digits_on_an_even_ground(option):
    """For a uniform digit on a uniform ground, every distance is proportional to the mask, up to its threshold."""
    rings = framed(digits(20)).images
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (20, 1, 1, 3))
    patches = np.broadcast_to(ground, (20, 32, 32, 3)).astype(np.uint8)
    colours = colours_for(patches, rng.uniform(0, 255, (20, 16, 3)))
    found = option.transform(lay(rings, patches, colours)).astype(int)
    full, empty = rings == 255, rings == 0
    assert found[full].min() >= (255 if option.levels == SHARP else 225)
    assert found[empty].max() <= (0 if option.levels == SHARP else 30)
    if option.levels == SHARP:
        assert set(np.unique(found)) == {0, 255}
    else:
        assert np.abs(found - rings).mean() < 5


def test_thresholds_are_scikit_image_s_and_mahalanobis_is_by_definition():
    rng = np.random.default_rng(0)
    values = np.rint(np.concatenate([rng.normal(50, 10, (6, 300)), rng.normal(150, 20, (6, 80))], axis=1))
    for row, threshold in zip(values, otsu(values), strict=True):
        np.testing.assert_array_equal(row > threshold, row > threshold_otsu(row.astype(np.int64)))
    assert otsu(np.full((1, 9), 3.0)) == 3.0
    border = rng.normal(100, [5, 20, 40], (2, 400, 3))
    means, inverses = moments(border)
    for k in range(2):
        np.testing.assert_allclose(means[k], border[k].mean(axis=0))
        wanted = np.linalg.inv(np.cov(border[k], rowvar=False, bias=True) + 25 * np.eye(3))
        np.testing.assert_allclose(inverses[k], wanted)
    brute = np.linalg.norm(border[:, :50, None] - border[:, None, 50:], axis=3).min(axis=2)
    np.testing.assert_allclose(nearest(border[:, :50], border[:, 50:]), brute, atol=1e-4)


def test_mahalanobis_finds_a_digit_that_the_mean_colour_misses():
    """The ground goes from dark to bright; the digit has its mean brightness and another hue."""
    rings = framed(digits(10)).images
    ramp = np.broadcast_to(np.linspace(0, 255, 32)[:, None], (10, 32, 32))
    patches = np.repeat(ramp[..., None], 3, axis=3).astype(np.uint8)
    images = lay(rings, patches, np.tile([168.0, 88.0, 128.0], (10, 1)))
    right = {
        distance: (BorderColours(distance, SHARP).transform(images) > 0)[rings == 255].mean()
        - (BorderColours(distance, SHARP).transform(images) > 0)[rings == 0].mean()
        for distance in (MEAN, MAHALANOBIS, NEAREST)
    }
    assert right[MAHALANOBIS] > 0.95
    assert right[NEAREST] > 0.9
    assert right[MEAN] < 0.2


def test_the_axis_is_fisher_s_discriminant():
    """With the ridged border moments as covariance, it ranks pixels like scikit-learn's discriminant."""
    rng = np.random.default_rng(0)
    rings = framed(digits(1)).images
    patches = np.clip(rng.normal(100, [5, 15, 30], (1, 32, 32, 3)), 0, 255).astype(np.uint8)
    image = lay(rings, patches, np.array([[190.0, 60.0, 120.0]]))
    found = BorderColours(MAHALANOBIS, AXIS).transform(image)[0].ravel().astype(float)
    sides = (rings[0] > 127).ravel()
    pixels = image.reshape(-1, 3).astype(float)
    axis = LinearDiscriminantAnalysis().fit(pixels, sides).decision_function(pixels)
    between = (found > 0) & (found < 255)
    assert np.corrcoef(found[between], axis[between])[0, 1] > 0.97


def test_the_rival_reads_the_border_alone_and_all_images_alike():
    images = np.random.default_rng(0).integers(0, 256, (130, 32, 32, 3)).astype(np.uint8)
    rival = BorderColours(NEAREST, SOFT)
    np.testing.assert_array_equal(rival.transform(images)[100:103], rival.transform(images[100:103]))
    assert rival.transform(images[:0]).shape == (0, 32, 32)
    assert border_of(32, 32).sum() == 32**2 - (32 - 2 * WIDTH) ** 2
    assert border_colours.CHUNK < 130


# What is measured


def test_disturbed_digits_can_still_be_read_and_every_other_one_is_as_it_was():
    rings = framed(digits(40)).images
    found = disturb(rings, 0)
    np.testing.assert_array_equal(found[::2], rings[::2])
    assert (found[1::2] != rings[1::2]).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(found, disturb(rings, 0))
    assert (found != disturb(rings, 1)).any()
    ink, paper = rings[1::2] == 255, rings[1::2] == 0
    assert found[1::2][ink].mean() - found[1::2][paper].mean() > 100
    assert found[1::2][paper].mean() < LOUDEST / 2


def test_confusions_are_scikit_learn_s_and_a_permutation_can_be_undone():
    rng = np.random.default_rng(0)
    labels, read = rng.integers(0, 10, 500), rng.integers(0, 10, 500)
    np.testing.assert_array_equal(count_readings(labels, read), confusion_matrix(labels, read, labels=range(10)))
    permuted = count_readings(labels, rng.permutation(10)[labels])
    assert np.trace(permuted) < 250
    assert relabelled(permuted) == 100
    assert relabelled(count_readings(labels, np.zeros_like(labels))) == pytest.approx(
        100 * np.bincount(labels).max() / 500
    )


class Through(nn.Module):
    """A generator that is one function of the pixels."""

    def __init__(self, f):
        super().__init__()
        self.f, self.anything = f, nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.f(x)


def gan_of(to_grey, to_coloured):
    return CycleGan(nn.ModuleDict({TO_GREY: Through(to_grey), TO_COLOURED: Through(to_coloured)}))


def test_a_faint_message_is_lost_under_noise_and_an_open_one_is_not(tmp_path):
    """F writes y a five-hundredth as strong, or leaves it as it is; G undoes either. The partner contains neither."""
    pairs = in_colour(digits(20), [photograph("a")], 0)
    y, sigma = pixels_of(pairs.coloured.images), under_noise(NOISES[-1])
    errors = {}
    for name, share in (("faint", 500), ("open", 1)):
        gan = gan_of(lambda x, s=share: x / s, lambda x, s=share: s * x)
        back = ways_back(gan, pairs, gan.translate(TO_GREY, y), 0)
        errors[name] = {k: float((pixels - y).square().mean().sqrt()) for k, pixels in back.items()}
    assert errors["faint"][UNTOUCHED] < 1e-5
    assert errors["faint"][sigma] > 5
    assert errors["open"][sigma] < 0.1
    assert errors["open"][PARTNER] > 0.5


def test_a_message_on_the_ground_is_lost_with_the_ground_and_one_in_the_strokes_is_not():
    pairs = in_colour(digits(20), [even("a", 100)], 0)
    y, digit = pixels_of(pairs.coloured.images), pixels_of(pairs.grey.images) > -1
    for where, kept in ((digit, True), (~digit, False)):
        translation = torch.where(where, y, -1.0)  # the photograph and the colour, or one of the two
        back = ways_back(gan_of(lambda x: x, lambda x: x), pairs, translation, 0)
        assert torch.equal(back[UNTOUCHED], translation)
        assert torch.equal(back[BLACKENED], translation) is kept
        assert torch.equal(back[BLACKENED], torch.full_like(y, -1)) is not kept


def test_facts_tell_a_clean_translation_from_one_that_keeps_the_photograph(tmp_path):
    pairs = in_colour(digits(20), [even("a", 100)], 0)

    class Reader(SampleJudge):
        def predict(self, images):
            return pairs.grey.labels

    found = {}
    partner = pixels_of(pairs.grey.images)
    for name, to_grey in ((NO_CYCLE, lambda y: partner), (STRONG, lambda y: y)):
        run = run_of("synthesis/coloured_digits", tmp_path)
        confusion = explain(run, name, gan_of(to_grey, lambda x: x), Reader(), pairs)
        found |= {fact.name: fact.value for fact in run.record.facts}
        assert np.trace(confusion) == 20
    assert found[f"light left on the ground, {NO_CYCLE}"] == 0
    assert found[f"light left on the ground, {STRONG}"] == pytest.approx(100, abs=1)
    assert found[f"error of the way back from {UNTOUCHED}, {STRONG}"] == 0
    assert found[f"error of the way back from {PARTNER}, {STRONG}"] > 50
    assert found[f"recognised on validation images, {STRONG}"] == 100


def test_with_half_of_the_partner_errors_are_on_the_other_half():
    """Of a translation with stains on the ground and half as bright strokes, each is taken away by itself."""
    rings = framed(digits(20)).images
    ground, strokes = rings == 0, rings > 0
    stained = np.where(ground, 70, rings // 2).astype(np.uint8)
    found = half_true(stained, rings)
    assert list(found) == [TRUE_GROUND, TRUE_DIGIT]
    for name, true, kept in ((TRUE_GROUND, ground, strokes), (TRUE_DIGIT, strokes, ground)):
        np.testing.assert_array_equal(found[name][true], rings[true])
        np.testing.assert_array_equal(found[name][kept], stained[kept])


def test_a_reader_whom_stains_mislead_is_right_with_the_true_ground_alone(tmp_path):
    pairs = in_colour(digits(20), [even("a", 100)], 0)
    ground = pairs.grey.images == 0

    class Reader(SampleJudge):
        """Reads right what has no light on the ground."""

        def predict(self, images):
            return (pairs.grey.labels + np.where(ground, images, 0).any(axis=(1, 2))) % 10

    run = run_of("synthesis/coloured_digits", tmp_path)
    explain(run, WEAK, gan_of(lambda y: y, lambda x: x), Reader(), pairs)
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts[f"{TRUE_GROUND}, {WEAK}"] == 100
    assert facts[f"{TRUE_DIGIT}, {WEAK}"] == facts[f"recognised on validation images, {WEAK}"] == 0


def test_the_price_of_truth_is_the_mean_distance_to_the_median():
    """Grounds of 40 and 140, digits of one colour: 50 grey levels off on the ground, and nothing on digits."""
    grey = framed(digits(20))
    patches = np.where(np.arange(20) % 2, 40, 140)[:, None, None, None] * np.ones((1, 32, 32, 3))
    images = lay(255 * (grey.images > 127).astype(np.uint8), patches.astype(np.uint8), np.full((20, 3), 250.0))
    pairs = DigitPairs(grey, Images(images, grey.labels), ())
    ground = (grey.images <= 127).mean()
    assert price_of_truth(pairs) == pytest.approx(50 / 127.5 * ground, rel=0.02)
    everything = in_colour(digits(60), [photograph("a"), even("b", 20)], 0)
    assert 0.3 < price_of_truth(everything) < 1


# Recipes and training


def test_recipes_differ_in_the_cycle_loss_alone():
    assert [VARIANTS[name].cycle for name in (NO_CYCLE, WEAK, STRONG)] == [0, 1, 10]
    assert {VARIANTS[name].identity for name in VARIANTS} == {RECIPE.identity}
    assert RECIPE.plan.channels == 3
    assert (RECIPE.plan.widths, RECIPE.plan.judges) == (SMALL.widths, SMALL.judges)
    for network in (Generator(RECIPE.plan), Discriminator(RECIPE.plan)):
        assert network(torch.zeros(2, 3, 32, 32)).shape[0] == 2


def test_training_on_three_channels_gives_the_same_twice(tmp_path):
    parts = made([photograph(f"{k}", k, author=f"{k}") for k in range(4)])
    grey, coloured = pixels_of(parts.grey.images[:8]), pixels_of(parts.coloured.images[:8])
    recipe = module.replace(
        RECIPE, plan=Plan(widths=(4, 8), blocks=1, judges=(4, 8), channels=3), steps=2, batch_size=4
    )
    run = run_of("synthesis/coloured_digits", tmp_path)
    first, second = (train(run, UnpairedBatches(grey, coloured), recipe).translate(TO_GREY, coloured) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == coloured.shape


def test_the_rival_is_chosen_by_what_is_read_on_validation_pairs(tmp_path):
    pairs = in_colour(digits(30), [photograph("a"), even("b", 120)], 0)

    class Reader(SampleJudge):
        """Reads right what has two levels and was made by Mahalanobis's distance."""

        def predict(self, images):
            wanted = BorderColours(MAHALANOBIS, SHARP).transform(pairs.coloured.images[: len(images)])
            return pairs.grey.labels[: len(images)] + (0 if np.array_equal(images, wanted) else 1)

    run = run_of("synthesis/coloured_digits", tmp_path)
    with run.method("rival", kind="classical") as method:
        assert choose_rival(run, method, Reader(), pairs) == BorderColours(MAHALANOBIS, SHARP)
    settings = [(option.distance, option.levels) for option in options()]
    assert len(set(settings)) == len(settings) == 8
    assert all(a != b for a, b in pairwise(settings))
