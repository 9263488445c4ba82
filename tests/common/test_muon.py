"""Muon against torch's own, against the singular value decomposition, and against AdamW where it hands over to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from common.image_classifier import LabelledImages
from common.muon import Muon, hidden_filters, orthogonalised
from common.train import Training


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(rows=st.integers(1, 24), columns=st.integers(1, 24), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_directions_stay_and_lengths_become_alike(rows, columns, seed):
    matrix = random(rows, columns, seed=seed)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    seen = u.mT @ orthogonalised(matrix, rounds=5) @ v.mT
    large = s > 0.02 * s.norm()  # what is nearly nothing takes longer to grow
    lengths = seen.diagonal()
    assert ((lengths[large] > 0.6) & (lengths[large] < 1.3)).all()
    assert (seen - torch.diag(lengths)).abs().max() < 1e-3


def test_three_rounds_leave_large_directions_about_alike():
    matrix = random(32, 200)
    lengths = torch.linalg.svdvals(orthogonalised(matrix))
    assert lengths.min() > 0.5
    assert lengths.max() < 1.3
    before = torch.linalg.svdvals(matrix)
    assert lengths.max() / lengths.min() < before.max() / before.min()


def test_nothing_stays_nothing():
    assert not orthogonalised(torch.zeros(3, 5)).any()


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_the_scale_of_a_gradient_does_not_matter(scale):
    matrix = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonalised(scale * matrix), orthogonalised(matrix), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_made_orthogonal_in_single(dtype):
    matrix = (1000 * torch.randn(40, 60, generator=torch.Generator().manual_seed(0))).to(dtype)  # its squares overflow
    found = orthogonalised(matrix)
    assert found.dtype == dtype
    torch.testing.assert_close(found, orthogonalised(matrix.float()).to(dtype))


@pytest.mark.parametrize("momentum", [-0.1, 1.0, 1.5, float("nan")])
def test_a_momentum_that_never_forgets_is_refused(momentum):
    with pytest.raises(ValueError, match=f"momentum must be from 0 to below 1, got {momentum}"):
        Muon([torch.nn.Parameter(torch.ones(2, 2))], lr=0.1, momentum=momentum)


def test_a_matrix_goes_where_torchs_muon_takes_it(monkeypatch):
    theirs_class = getattr(torch.optim, "Muon", None)
    if theirs_class is None:
        pytest.skip("this torch has no Muon")
    monkeypatch.setattr("common.muon.orthogonalised", lambda m: orthogonalised(m, rounds=5))
    ours, theirs = (nn.Parameter(random(12, 30)) for _ in range(2))
    rates = {"lr": 0.02, "weight_decay": 0.1, "momentum": 0.9}
    mine = Muon([{"params": [ours], "orthogonal": True}], **rates)
    other = theirs_class([theirs], **rates, adjust_lr_fn="match_rms_adamw")
    for step in range(6):
        for p, optimiser in ((ours, mine), (theirs, other)):
            p.grad = random(12, 30, seed=10 + step)
            optimiser.step()
    moved = (theirs - random(12, 30)).norm()
    assert (ours - theirs).norm() < 0.02 * moved  # theirs multiplies in bfloat16


def test_what_is_not_orthogonal_goes_where_adamw_takes_it():
    ours, theirs = (nn.Parameter(random(7, 3)) for _ in range(2))
    mine = Muon([ours], lr=0.1, weight_decay=0.3)
    other = torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.3)
    for step in range(5):
        for p, optimiser in ((ours, mine), (theirs, other)):
            p.grad = random(7, 3, seed=step)
            optimiser.step()
    torch.testing.assert_close(ours, theirs)


def network() -> nn.Module:
    torch.manual_seed(0)
    body = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False), nn.ReLU()]
    depthwise = nn.Conv2d(8, 8, 3, groups=8)
    return nn.Sequential(*body, depthwise, nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.Flatten())


def test_groups_are_hidden_filters_and_the_rest():
    whole = network()
    filters, others = hidden_filters(whole, last=[whole[7]])
    assert [p is whole[3].weight for p in filters["params"]] == [True]
    assert filters["orthogonal"]
    assert not others["orthogonal"]
    assert len(others["params"]) + 1 == len(list(whole.parameters()))
    assert [p is w for p, w in zip(hidden_filters(whole)[0]["params"], (whole[3].weight, whole[7].weight), strict=True)]
    whole.requires_grad_(False)[1].requires_grad_(True)
    assert [group["orthogonal"] for group in hidden_filters(whole)] == [False]


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match="no directions"):
        Muon([{"params": [nn.Parameter(torch.zeros(3))], "orthogonal": True}], lr=0.1)


def test_filters_without_a_gradient_stay():
    p = nn.Parameter(random(4, 3, 3, 3))
    Muon([{"params": [p], "orthogonal": True}], lr=0.1).step()
    torch.testing.assert_close(p.data, random(4, 3, 3, 3))


def trained(epochs: int, **settings: object) -> nn.Module:
    rng = np.random.default_rng(0)
    data = LabelledImages(torch.tensor(rng.normal(size=(24, 3, 9, 9)), dtype=torch.float32), torch.arange(24) % 4)
    own = network()
    training = Training(epochs, 0.01, 8, Muon, groups=hidden_filters, half=False, **settings)
    training(own, data, 0)
    return own


def test_a_training_that_is_cut_off_goes_on_to_the_same_weights(tmp_path):
    whole = trained(3)
    file = tmp_path / "muon.pt"

    class Stopped(Exception):
        pass

    def stop(text: str) -> None:
        if text.startswith("epoch 3"):
            raise Stopped

    with pytest.raises(Stopped):
        trained(3, checkpoint=file, say=stop)
    again = trained(3, checkpoint=file)
    for name, weights in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weights, rtol=0, atol=0)
