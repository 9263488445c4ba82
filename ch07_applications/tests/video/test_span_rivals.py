"""Temporal pyramids and bags of clips: against sums over frames, and the information in each."""

import numpy as np
import pytest
import torch

from ch07_applications.video.motion_rivals import direction_histograms
from ch07_applications.video.reduced_films import ClipMaps
from ch07_applications.video.span_rivals import PARTS, STILL, bag_of_clips, parts_of


@pytest.fixture
def maps():
    return films_of(torch.randn(3, 3, 32, 16, 16, generator=torch.Generator().manual_seed(0)))


def films_of(maps):
    """Grey levels and flow."""
    return ClipMaps(maps.half(), (0, 3, 4))


def vectors_of(films):
    """Gradients of grey levels by numpy, and flow."""
    y, x = np.gradient(films.maps[:, 0].float().numpy(), axis=(2, 3))
    return torch.from_numpy(np.stack([x, y], axis=1)), films.maps[:, 1:].float()


def rows_of(maps, length=PARTS, levels=(1, 2, 4)):
    return bag_of_clips(parts_of(maps), length, levels)


def test_levels_of_a_pyramid_are_histograms_of_parts_of_the_film(maps):
    found, wanted = rows_of(maps), []
    for vectors, still in zip(vectors_of(maps), (None, STILL), strict=True):
        each = [direction_histograms(vectors, still, times).flatten(1) for times in (1, 2, 4)]
        wanted.append((torch.cat(each, dim=1) / each[0].sum(dim=1, keepdim=True)).sqrt())
    np.testing.assert_allclose(found, torch.cat(wanted, dim=1), rtol=1e-4, atol=1e-5)


def test_a_bag_is_the_mean_of_the_clips_pyramids(maps):
    found = rows_of(maps, 4, (1, 2))
    clips = []
    for start in range(0, 28, 4):  # frames: clips of eight, every half clip
        both = []
        for vectors, still in zip(vectors_of(maps), (None, STILL), strict=True):
            film = direction_histograms(vectors, still, 1).sum(dim=(1, 2, 3, 4))
            clip = vectors[:, :, start : start + 8]
            each = [direction_histograms(clip, still, times).flatten(1) for times in (1, 2)]
            both.append((torch.cat(each, dim=1) / film[:, None]).sqrt())
        clips.append(torch.cat(both, dim=1))
    np.testing.assert_allclose(found, torch.stack(clips).mean(dim=0), rtol=1e-4, atol=1e-5)


def test_a_bag_does_not_see_the_order_of_gestures_and_a_pyramid_does():
    """Two gestures a quarter apart, equal except for their order."""
    torch.manual_seed(0)
    first, second = torch.randn(2, 1, 3, 4, 16, 16)
    films = torch.zeros(2, 3, 64, 16, 16)
    films[0, :, 16:20], films[0, :, 40:44] = first[0], second[0]
    films[1, :, 16:20], films[1, :, 40:44] = second[0], first[0]
    bag, pyramid = rows_of(films_of(films), 4, (1, 2, 4)), rows_of(films_of(films))
    np.testing.assert_allclose(bag[0], bag[1], atol=1e-5)
    assert np.abs(pyramid[0] - pyramid[1]).max() > 0.02


def test_mirrored_parts_are_those_of_mirrored_maps(maps):
    mirror = maps.maps.float().flip(4)
    mirror[:, 1] *= -1  # flow to the right becomes flow to the left
    found, wanted = parts_of(maps, mirror=True), parts_of(films_of(mirror))
    torch.testing.assert_close(found.hog, wanted.hog, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found.hof, wanted.hof, rtol=1e-3, atol=1e-2)
    assert not torch.allclose(found.hof, parts_of(maps).hof, atol=0.1)


def test_films_do_not_depend_on_each_other(maps):
    np.testing.assert_allclose(rows_of(maps)[1:2], rows_of(films_of(maps.maps[1:2])), rtol=1e-5)


def test_parts_of_unequal_length_are_refused(maps):
    with pytest.raises(ValueError, match="16 parts cannot be added up to 1, 3"):
        rows_of(maps, PARTS, (1, 3))
