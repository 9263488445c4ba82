"""The recipes: what they promise about epochs, batches and networks."""

import numpy as np
import pytest

from ch05_cnn.models import recipes
from common import data
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run


@pytest.fixture
def run(tmp_path):
    return Run("recipes", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())


@pytest.mark.parametrize("key", recipes.RECIPES)
def test_fewer_images_are_seen_more_often_in_fewer_steps(key):
    recipe = recipes.RECIPES[key]
    assert recipe.epochs_of(recipe.images) == recipe.epochs
    sizes = [100, 300, 1000, 3000, recipe.images]
    epochs = [recipe.epochs_of(n) for n in sizes]
    assert epochs == sorted(epochs, reverse=True)
    assert max(epochs) <= recipes.MOST_EPOCHS
    seen = [n * count for n, count in zip(sizes, epochs, strict=True)]
    assert seen == sorted(seen)


@pytest.mark.parametrize("key", recipes.RECIPES)
@pytest.mark.parametrize("build", [recipes.modern, recipes.lenet5])
def test_a_network_learns_the_set_it_is_made_for(run, key, build):
    part = recipes.RECIPES[key].load(run.scale).train.take(slice(0, 40))
    model = build(run, key, len(part)).fit(part.images, part.labels)
    assert model.predict(part.images).shape == (40,)
    assert model.network_(model.pixels_(part.images)).shape == (40, 10)


def test_rows_are_the_pixels_from_0_to_1(run):
    images = data.cifar10(run.scale).test.images
    rows = recipes.as_rows(images)
    np.testing.assert_array_equal(rows.reshape(images.shape), images / 255)


def test_the_digits_that_leave_the_poses_are_still_in_the_frame():
    """The recipe's poses must not push a digit over the border: the ink that is left is that of the digit."""
    import torch

    images = torch.tensor(data.mnist(Scale("smoke")).train.images[:, None]).float()
    moved = recipes.DIGITS(images, torch.Generator().manual_seed(0))
    ink = moved.sum(dim=(1, 2, 3)) / images.sum(dim=(1, 2, 3))
    assert 0.7 < float(ink.quantile(0.01)) < float(ink.quantile(0.99)) < 1.4
