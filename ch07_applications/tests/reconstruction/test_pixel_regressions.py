"""All logistic regressions as one triangular map: the same as scikit-learn's, pixel by pixel."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ch07_applications.reconstruction.pixel_regressions import PixelRegressions
from ch07_applications.reconstruction.pixel_rnn import loss
from common.train import Training


class Fixed:
    """Images as batches."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def batch(self, index, generator):
        return self.images[index], self.images[index]


def lively(size=(2, 3)):
    torch.manual_seed(0)
    network = PixelRegressions(torch.full(size, 0.3)).double()
    torch.nn.init.normal_(network.weight)
    return network


def test_the_probabilities_of_all_images_sum_to_1():
    every = torch.tensor(list(product([0.0, 1.0], repeat=6)), dtype=torch.float64).view(-1, 1, 2, 3)
    network = lively()
    with torch.no_grad():
        total = sum(float((-loss(network(image[None]).float(), image[None].float())).exp()) for image in every)
    assert total == pytest.approx(1, abs=1e-5)


def test_a_logit_depends_on_all_earlier_pixels_and_on_no_other():
    images = torch.rand(1, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    for pixel in range(6):
        (slope,) = torch.autograd.grad(lively()(images).flatten()[pixel], images)
        assert (slope.flatten() != 0).tolist() == [other < pixel for other in range(6)]


def test_it_starts_as_the_independent_pixels():
    start = torch.tensor([[0.1, 0.5], [0.7, 0.9]])
    logits = PixelRegressions(start)(torch.zeros(1, 1, 2, 2))
    assert torch.allclose(logits.sigmoid()[0, 0], start)


def test_each_is_scikit_learn_s_regression():
    rng = np.random.default_rng(0)
    shown = (rng.random((600, 4)) < 0.5).astype(np.float32)
    shown[:, 3] = np.where(rng.random(600) < 0.5, shown[:, 0], rng.random(600) < 0.4)
    images = torch.from_numpy(shown).view(-1, 1, 2, 2)
    network = PixelRegressions(images[:, 0].mean(dim=0))
    optimiser = partial(torch.optim.AdamW, weight_decay=0.0)
    Training(30, 0.05, 100, optimiser, loss=loss, half=False)(network, Fixed(images), 0)
    for pixel in range(1, 4):
        peer = LogisticRegression(C=1e6).fit(shown[:, :pixel], shown[:, pixel])
        assert np.allclose(network.weight[pixel, :pixel].detach(), peer.coef_[0], atol=0.05)
        ours = network(images).flatten(1)[:, pixel].sigmoid().detach()
        assert np.allclose(ours, peer.predict_proba(shown[:, :pixel])[:, 1], atol=0.01)
