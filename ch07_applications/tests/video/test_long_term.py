"""Long-term convolutions: published counts, clips, what short clips cannot show, and reduced maps."""

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.tests.synthesis.small_runs import run_of
from ch07_applications.video import long_term as module
from ch07_applications.video.hardwired import FLOW, GREY, KINDS, hardwired
from ch07_applications.video.long_term import (
    CELLS,
    ClipBatches,
    ClipClassifier,
    ClipNetwork,
    PublishedNetwork,
    clip_starts,
    cut,
    train,
)
from ch07_applications.video.motions import COUNTS, SPANS
from ch07_applications.video.people import Studio
from ch07_applications.video.reduced_films import (
    CLASSES,
    EVERY,
    FRAMES,
    KEPT,
    LARGE,
    SIDES,
    ClipMaps,
    LongFilms,
    area_weights,
    coarse_flow,
    reduce,
    shoot_long,
    studio,
)
from common.errors import Problem


@pytest.fixture(scope="module")
def long_films():
    return shoot_long("train", 6, seed=5)


def flow_maps(count=5, frames=16, side=16, seed=0):
    maps = torch.randn(count, 2, frames, side, side, generator=torch.Generator().manual_seed(seed)).half()
    return ClipMaps(maps, tuple(FLOW))


def classifier(length=8, kinds=2):
    """A network with measured batch norms, so that clips differ in their scores."""
    torch.manual_seed(0)
    network = ClipNetwork(kinds, length)
    network(torch.randn(8, kinds, length, 16, 16))
    return ClipClassifier(network.eval(), length, torch.full((kinds, 1, 1, 1), 0.5))


# --- The published network --------------------------------------------------------------------------------------------


def test_the_published_network_has_the_authors_parameters_layer_by_layer():
    with torch.device("meta"):
        network = PublishedNetwork()
    counts = {name: parameters_of(layer) for name, layer in network.named_children() if parameters_of(layer)}
    assert counts == {
        "conv1": 5248, "conv2": 221_312, "conv3": 884_992, "conv4": 1_769_728, "conv5": 1_769_728,
        "fc6": 3_147_776, "fc7": 4_196_352, "fc8": 206_949,
    }  # fmt: skip
    assert sum(counts.values()) == 12_202_085
    assert network.fc6.in_features == 1536


@pytest.mark.parametrize(
    ("frames", "side", "inputs"), [(100, 58, 1536), (60, 58, 768), (16, 112, 2304), (35, 71, 2048)]
)
def test_the_clip_decides_over_fc6_and_nothing_else(frames, side, inputs):
    with torch.device("meta"):
        network, published = PublishedNetwork(frames, side), PublishedNetwork()
        assert network(torch.empty(1, 3, frames, side, side)).shape == (1, 101)
    assert network.fc6.in_features == inputs
    assert parameters_of(network) - parameters_of(published) == (inputs - 1536) * 2048


def test_its_maps_are_those_of_the_authors_code():
    shapes = []
    with torch.device("meta"):
        network = PublishedNetwork()
        for layer in (network.first, network.pool):
            layer.register_forward_hook(lambda _, __, found: shapes.append(tuple(found.shape[1:])))
        network(torch.empty(2, 3, 100, 58, 58))
    assert shapes == [(64, 100, 29, 29), (128, 50, 14, 14), (256, 25, 7, 7), (256, 12, 3, 3), (256, 6, 1, 1)]


@pytest.mark.parametrize(("frames", "side"), [(15, 58), (100, 31)])
def test_a_clip_of_which_pools_leave_nothing_is_refused(frames, side):
    with pytest.raises(Problem, match=f"{frames} frames of {side}² pixels is too small"):
        PublishedNetwork(frames, side)


# --- The small network ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [*SIDES, 12, 5])
def test_the_small_network_takes_any_clip_with_nearly_as_many_parameters(length):
    network = ClipNetwork(2, length)
    assert network(torch.randn(2, 2, length, 18, 18)).shape == (2, len(CLASSES))
    assert 1 <= network.cells <= CELLS
    assert parameters_of(network) > 0.99 * parameters_of(ClipNetwork(2, FRAMES))


def test_lengths_have_equally_many_pixels_times_frames():
    sizes = np.array([length * side**2 for length, side in SIDES.items()])
    assert sizes.max() / sizes.min() < 1.05
    assert FRAMES // EVERY * SIDES[FRAMES // EVERY] ** 2 == FRAMES * SIDES[FRAMES] ** 2


def test_a_film_and_its_reverse_have_other_scores():
    model, films = classifier(16), flow_maps()
    backwards = ClipMaps(films.maps.flip(2), films.kinds)
    assert np.abs(model.clip_probabilities(films) - model.clip_probabilities(backwards)).max() > 1e-3


# --- Clips ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "length"), [(64, 64), (64, 16), (64, 8), (21, 8), (9, 2), (8, 4)])
def test_clips_cover_the_film_and_overlap_by_half(frames, length):
    starts = clip_starts(frames, length)
    seen = np.zeros(frames, int)
    for start in starts:
        seen[start : start + length] += 1
    assert seen.min() >= 1
    assert (starts[0], starts[-1]) == (0, frames - length)
    assert max(np.diff(starts), default=0) <= max(1, length // 2)
    assert sorted(set(starts)) == starts


@pytest.mark.parametrize("length", [1, 17])
def test_clips_longer_than_the_film_and_of_one_frame_are_refused(length, tmp_path):
    with pytest.raises(Problem, match=f"a film of 16 frames has no clips of {length}"):
        clip_starts(16, length)
    with pytest.raises(Problem, match="a film of 16 frames has no clips"):
        train(run_of("video/long_term", tmp_path), flow_maps(), np.zeros(5, np.int64), length, 1)


def test_a_clip_s_maps_depend_on_its_own_frames_alone():
    """They are the maps of a film that has nothing but these frames."""
    films = Studio(classes=CLASSES, frames=20, side=24).shoot(4).films
    whole, alone = hardwired(films)[:, FLOW], hardwired(films[:, 5:13])[:, FLOW]
    torch.testing.assert_close(cut(whole, 5, 8), alone)
    assert not torch.equal(whole[:, :, 12], alone[:, :, 7])  # for the film's map there shows the frame after
    torch.testing.assert_close(cut(whole, 12, 8), whole[:, :, 12:])


def test_a_film_s_score_is_the_mean_over_its_clips_and_their_mirror_images():
    model, films = classifier(), flow_maps()
    found, wanted = model.clip_probabilities(films), []
    for start in (0, 4, 8):
        clip = films.maps[:, :, start : start + 8].float().clone()
        if start < 8:
            clip[:, :, 7] = clip[:, :, 6]
        mirror = clip.flip(4)
        mirror[:, 0] *= -1  # flow to the right becomes flow to the left
        with torch.no_grad():
            wanted.append(((model.network(clip / 0.5) + model.network(mirror / 0.5)) / 2).softmax(dim=1))
    np.testing.assert_allclose(found, torch.stack(wanted, dim=1), atol=1e-5)
    np.testing.assert_array_equal(model.predict(films), found.mean(axis=1).argmax(axis=1))
    np.testing.assert_allclose(model.clip_probabilities(ClipMaps(films.maps[3:4], films.kinds)), found[3:4], atol=1e-5)


def test_predictions_are_blind_to_mirrors():
    model, films = classifier(), flow_maps()
    mirror = ClipMaps((films.maps.flip(4) * films.signs).half(), films.kinds)
    np.testing.assert_allclose(model.clip_probabilities(films), model.clip_probabilities(mirror), atol=1e-4)


def test_batches_are_clips_of_their_films_mirrored_and_moved_with_their_labels():
    films, scale = flow_maps(side=8, frames=6), torch.tensor([2.0, 4.0])[:, None, None, None]
    data = ClipBatches(films, torch.arange(5), 4, scale)
    index = torch.tensor([4, 1, 1, 0, 3, 2])
    found, labels = data.batch(index, torch.Generator().manual_seed(3))
    assert labels.tolist() == index.tolist()
    begun = set()
    for clip, film in zip(found, index.tolist(), strict=True):
        options = {}
        for start in range(3):
            own = cut(films.maps[film : film + 1], start, 4)[0].float() / scale
            for each in (own, own.flip(3) * films.signs):
                for down, right in np.ndindex(3, 3):
                    options[start, len(options)] = torch.roll(each, (down - 1, right - 1), (2, 3))
        same = [start for (start, _), option in options.items() if torch.allclose(clip, option, atol=1e-3)]
        assert len(same) == 1
        begun.add(same[0])
    assert len(begun) > 1


# --- What short clips cannot show -------------------------------------------------------------------------------------


def gestures_of(name, seed):
    """What each frame of a film shows, from joints: 1 where a hand is up, 2 where the body is turned, 0 at rest."""
    from ch07_applications.video.motions import Habits, motion_of, resting

    rng = np.random.default_rng(seed)
    start, phase = rng.uniform(0, 0.2), rng.uniform()
    habits = Habits(*(np.full((1, 1), value) for value in (start, 0.7, phase, 2.0, 1.0, rng.choice([-1.0, 1.0]))))
    pose, still = resting(1, FRAMES), resting(1, FRAMES)
    motion_of(name)(pose, np.linspace(0, 1, FRAMES)[None], habits)
    waved = np.abs(pose.arms - still.arms).max(axis=(0, 2, 3, 4)) > 1e-9
    turned = np.abs(pose.turn - still.turn)[0] > 1e-9
    return waved * 1 + turned * 2


@pytest.mark.parametrize("name", SPANS)
def test_a_quarter_of_a_film_never_sees_both_gestures(name):
    for seed in range(20):
        seen = gestures_of(name, seed)
        moving = np.flatnonzero(seen)
        gap = np.diff(moving).max()
        first, second = np.split(moving, [np.diff(moving).argmax() + 1])
        assert gap >= 0.24 * (FRAMES - 1)
        for start in range(FRAMES - 16 + 1):
            window = set(range(start, start + 16))
            assert not (window & set(first)) or not (window & set(second))
        assert len(set(range(24, 40)) & set(moving)) == 0


def test_films_of_either_order_have_the_same_windows_shorter_than_the_gap():
    """The whole film determines the order; 16 frames determine only the gesture and its progress."""
    one, other = gestures_of("wave, turn", 3), gestures_of("turn, wave", 3)
    assert not np.array_equal(one, other)
    windows = [{tuple(seen[start : start + 16]) for start in range(FRAMES - 15)} for seen in (one, other)]
    assert windows[0] == windows[1]
    longer = [{tuple(seen[start : start + 40]) for start in range(FRAMES - 39)} for seen in (one, other)]
    assert longer[0] != longer[1]


# --- Reduced maps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("large", "small"), [(46, 23), (12, 4), (16, 16)])
def test_whole_ratios_are_those_of_average_pooling(large, small):
    maps = torch.randn(2, 3, large, large)
    wanted = nn.functional.avg_pool2d(maps, large // small)
    torch.testing.assert_close(reduce(maps, small), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("large", "small"), [(46, 16), (46, 32), (7, 5)])
def test_other_ratios_are_means_over_areas(large, small):
    """The means equal those over pixels subdivided so finely that every area contains whole ones."""
    maps = torch.rand(1, large, large)
    fine = maps.repeat_interleave(small, dim=1).repeat_interleave(small, dim=2)
    wanted = nn.functional.avg_pool2d(fine[:, None], large)[:, 0]
    torch.testing.assert_close(reduce(maps, small), wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(area_weights(large, small).sum(dim=1), torch.ones(small))
    assert float(reduce(maps, small).mean()) == pytest.approx(float(maps.mean()), abs=1e-5)


@pytest.mark.parametrize("side", [0, 47])
def test_nothing_is_enlarged(side):
    with pytest.raises(ValueError, match="cannot be reduced"):
        reduce(torch.zeros(1, 46, 46), side)


def test_films_of_one_frame_have_no_flow(monkeypatch):
    from ch07_applications.video import reduced_films

    with pytest.raises(ValueError, match="one frame"):
        hardwired(np.zeros((2, 1, 16, 16, 3), np.uint8))
    monkeypatch.setattr(reduced_films, "FRAMES", 1)
    with pytest.raises(ValueError, match="at least 2 frames"):
        studio("train")


def test_films_of_unequal_length_and_without_labels_are_refused(long_films):
    small = {16: long_films.by_side[16]}
    shorter = small | {23: ClipMaps(long_films.by_side[23].maps[:, :, :60], tuple(FLOW))}
    with pytest.raises(Problem, match=r"equally long at all sides, not \[60, 64\] frames"):
        LongFilms(shorter, long_films.thinned, long_films.labels, long_films.groups)
    with pytest.raises(Problem, match="a label and a person"):
        LongFilms(small, long_films.thinned, long_films.labels[:5], long_films.groups)


def test_all_sides_are_reductions_of_the_same_maps(long_films):
    films = studio("train").shoot(6, 5000)
    np.testing.assert_array_equal(long_films.labels, films.labels)
    np.testing.assert_array_equal(long_films.groups, films.groups)
    whole = hardwired(films.films)
    for side, kinds in KEPT.items():
        kept = long_films.by_side[side]
        assert kept.maps.shape == (6, len(kinds), FRAMES, side, side)
        torch.testing.assert_close(kept.maps.float(), reduce(whole[:, kinds], side), atol=0.1, rtol=1e-2)
    thin = reduce(hardwired(films.films[:, ::EVERY])[:, FLOW], 32)
    torch.testing.assert_close(long_films.thinned.of(FLOW).maps.float(), thin, atol=0.02, rtol=1e-2)


def test_chunks_change_nothing_but_which_films_are_drawn(monkeypatch, long_films):
    from ch07_applications.video import reduced_films

    monkeypatch.setattr(reduced_films, "FEW", 5)
    torch.testing.assert_close(shoot_long("train", 3, seed=5).by_side[16].maps, long_films.by_side[16].maps[:3])


def test_coarse_flow_is_the_flow_of_reduced_films(long_films):
    grey = long_films.by_side[16].of(GREY)
    found = coarse_flow(grey).maps.float()
    assert found.shape == (6, 2, FRAMES, 16, 16)
    medians = found.flatten(3).median(dim=3).values
    assert medians.abs().max() < 1e-2
    fine = long_films.by_side[16].of(FLOW).maps.float() * (16 / LARGE)
    moving = fine.abs() > 0.3
    assert np.corrcoef(found[moving], fine[moving])[0, 1] > 0.5


def test_kinds_are_taken_by_name_and_mirrored_by_their_signs():
    maps = ClipMaps(torch.arange(5.0).reshape(1, 5, 1, 1, 1).expand(2, 5, 4, 3, 3).half(), tuple(range(len(KINDS))))
    assert maps.of(FLOW).maps[0, :, 0, 0, 0].tolist() == [3, 4]
    assert maps.of(FLOW).signs.flatten().tolist() == [-1, 1]
    assert maps.of(GREY).signs.flatten().tolist() == [1]
    assert maps.of(FLOW).maps.data_ptr() == maps.maps[:, 3:].data_ptr()
    with pytest.raises(ValueError, match="not in"):
        maps.of(FLOW).of(GREY)
    with pytest.raises(ValueError, match="do not follow"):
        maps.of([0, 2])


def test_less_its_mean_a_film_has_nothing_that_stands_still():
    maps = torch.rand(2, 1, 6, 1, 1).expand(2, 1, 6, 5, 5) + torch.rand(2, 1, 1, 5, 5)
    found = ClipMaps(maps.half(), tuple(GREY)).less_mean()
    assert found.kinds == tuple(GREY)
    torch.testing.assert_close(found.maps.float(), maps - maps.mean(dim=2, keepdim=True), atol=2e-3, rtol=1e-2)
    assert found.maps.float().std(dim=(3, 4)).max() < 2e-3


def test_classes_differ_by_order_or_number():
    assert {*SPANS, *COUNTS} == {*CLASSES}
    assert LongFilms.classes == CLASSES


# --- Training ---------------------------------------------------------------------------------------------------------


def test_long_clips_learn_an_order_that_short_ones_do_not(tmp_path, monkeypatch):
    """Two bright moments: the upper half before the lower one, or after it. Clips of four frames see one at most."""
    monkeypatch.setattr(module, "BATCH", 16)
    labels, maps = np.arange(96) % 2, 0.3 * torch.randn(96, 2, 32, 16, 16, generator=torch.Generator().manual_seed(0))
    for film, label in enumerate(labels):
        for place, time in enumerate((9, 21)):
            rows = slice(0, 8) if place == label else slice(8, 16)
            maps[film, 1, time : time + 3, rows] += 3
    films, run = ClipMaps(maps.half(), tuple(FLOW)), run_of("video/long_term", tmp_path)
    part, held = ClipMaps(films.maps[:64], films.kinds), ClipMaps(films.maps[64:], films.kinds)
    right = {}
    for length in (32, 4):
        model = train(run, part, labels[:64], length, 12)
        right[length] = (model.predict(held) == labels[64:]).mean()
        assert not model.network.training
    assert right[32] > 0.9
    assert right[4] < 0.8
    twice = train(run, part, labels[:64], 4, 12).clip_probabilities(held)
    np.testing.assert_array_equal(twice, model.clip_probabilities(held))
