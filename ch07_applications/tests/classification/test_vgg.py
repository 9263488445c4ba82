"""VGG: the published counts, torchvision's outputs, receptive fields by perturbation, small networks of equal cost."""

import pytest
import torch
import torchvision
from torch import nn

from ch07_applications.blocks.counting import layers_of, multiplications_of, parameters_of
from ch07_applications.classification.vgg import (
    DEPTHS,
    LARGE_FILTERS,
    SMALL,
    TABLE_1,
    VGG,
    last_loss,
    receptive_field,
    share_of_dense,
    small_network,
)
from ch07_applications.classification.weight_starts import stages_of, weighted


def on_meta(row, **settings):
    with torch.device("meta"):
        return VGG(row, **settings)


# --- The published networks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "parameters", "layers"),
    [
        ("A", 132_863_336, 11),
        ("A-LRN", 132_863_336, 11),
        ("B", 133_047_848, 13),
        ("C", 133_638_952, 16),
        ("D", 138_357_544, 16),
        ("E", 143_667_240, 19),
    ],
)
def test_the_counts_of_table_1(row, parameters, layers):
    network = on_meta(row)
    assert parameters_of(network) == parameters
    assert len(weighted(network)) == layers


def test_the_counts_round_to_table_2():
    """The paper's Table 2, in millions."""
    millions = {name: round(parameters_of(on_meta(name)) / 1e6) for name in TABLE_1}
    assert millions == {"A": 133, "A-LRN": 133, "B": 133, "C": 134, "D": 138, "E": 144}


def test_where_the_parameters_of_d_are():
    network = on_meta("D")
    assert parameters_of(network.features) == 14_714_688
    assert parameters_of(network.classifier) == 123_642_856
    assert share_of_dense(network, "parameters") == pytest.approx(0.8937, abs=1e-4)
    assert multiplications_of(network, (3, 224, 224)) == 15_470_264_320
    assert share_of_dense(network, "multiplications") < 0.01


def test_the_maps_of_d():
    layers = layers_of(on_meta("D"), (3, 224, 224))
    pools = [layer.map for layer in layers if layer.kind == "MaxPool2d"]
    assert pools == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    convolutions = [layer.map for layer in layers if layer.kind == "Conv2d"]
    assert convolutions == [
        *[(64, 224, 224)] * 2, *[(128, 112, 112)] * 2, *[(256, 56, 56)] * 3, *[(512, 28, 28)] * 3, *[(512, 14, 14)] * 3
    ]  # fmt: skip
    assert [layer.map for layer in layers if layer.kind == "Linear"] == [(4096,), (4096,), (1000,)]


def test_the_third_layers_of_c_are_1_by_1_and_those_of_d_are_not():
    kernels = {row: [conv.kernel_size[0] for stage in stages_of(on_meta(row)) for conv in stage] for row in "CD"}
    assert kernels["C"] == [3, 3, 3, 3, 3, 3, 1, 3, 3, 1, 3, 3, 1]
    assert kernels["D"] == [3] * 13


@pytest.mark.parametrize(("row", "name"), [("A", "vgg11"), ("B", "vgg13"), ("D", "vgg16"), ("E", "vgg19")])
def test_torchvisions_convolutions_have_the_same_weights_and_outputs(row, name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)().features
    theirs, ours = theirs.to_empty(device="cpu"), on_meta(row).features
    torch.manual_seed(0)
    for layer in theirs:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=(2 / layer.weight[0].numel()) ** 0.5)
            nn.init.uniform_(layer.bias, -0.1, 0.1)
    ours.load_state_dict(theirs.state_dict(), assign=True)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = theirs(images)
        assert expected.std() > 0.1
        torch.testing.assert_close(ours(images), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19"])
def test_torchvisions_state_fits_name_by_name(name):
    row = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}[name]
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)().state_dict()
    assert {key: value.shape for key, value in on_meta(row).state_dict().items()} == {
        key: value.shape for key, value in theirs.items()
    }


def test_the_whole_of_a_gives_torchvisions_outputs():
    with torch.device("meta"):
        theirs = torchvision.models.vgg11()
    theirs = theirs.to_empty(device="cpu").eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            inputs = parameter[0].numel() if parameter.ndim > 1 else 1
            parameter.uniform_(-1, 1).mul_((6 / inputs) ** 0.5 if parameter.ndim > 1 else 0.1)
    ours = on_meta("A").eval()
    ours.load_state_dict(theirs.state_dict(), assign=True)
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        expected = theirs(images)
        assert expected.std() > 0.1
        torch.testing.assert_close(ours(images), expected, atol=1e-5, rtol=1e-5)


def test_normalisation_stands_after_the_first_relu_with_the_papers_alpha():
    """(k + α Σ a²)^β over five channels, Σ not divided by five as torch's is."""
    layers = list(VGG("8 LRN 8", classes=2, side=8, dense=()).features)
    assert [type(layer).__name__ for layer in layers[:3]] == ["Conv2d", "ReLU", "LocalResponseNorm"]
    a = torch.rand(1, 8, 1, 1) * 100
    squares = torch.stack([a[0, max(0, i - 2) : i + 3, 0, 0].square().sum() for i in range(8)])
    torch.testing.assert_close(layers[2](a).flatten(), a.flatten() / (2 + 1e-4 * squares) ** 0.75)
    assert [type(layer).__name__ for layer in on_meta("A-LRN").features][:3] == ["Conv2d", "ReLU", "LocalResponseNorm"]


def test_dropout_follows_both_hidden_dense_layers():
    kinds = [type(layer).__name__ for layer in on_meta("D").classifier]
    assert kinds == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"]


# --- Receptive fields -------------------------------------------------------------------------------------------------


def field_by_gradient(layers, side):
    """The sides of the square of pixels that move the middle output, found by its gradient at positive weights."""
    network = nn.Sequential(*layers).double()
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.uniform_(layer.weight, 0.1, 1)
    pixels = torch.rand(1, layers[0].in_channels, side, side, dtype=torch.double, requires_grad=True)
    maps = network(pixels)
    maps[0, 0, maps.shape[2] // 2, maps.shape[3] // 2].backward()
    moved = pixels.grad[0].abs().sum(0) > 0
    return int(moved.any(1).sum()), int(moved.any(0).sum())


def field_by_perturbation(layers, side):
    """The same by changing one pixel after the other: a unit in the middle either moves or does not."""
    network = nn.Sequential(*layers).double()
    pixels = torch.rand(1, 1, side, side, dtype=torch.double)
    others = pixels.repeat(side * side, 1, 1, 1)
    others.view(side * side, -1)[range(side * side), range(side * side)] += 1
    with torch.inference_mode():
        middle = [network(images)[:, 0, side // 2, side // 2] for images in (pixels, others)]
    moved = (middle[1] != middle[0]).reshape(side, side)
    return int(moved.any(1).sum()), int(moved.any(0).sum())


def test_three_small_filters_see_what_one_large_one_sees():
    torch.manual_seed(0)
    stack, single = [nn.Conv2d(1, 1, 3, padding=1) for _ in range(3)], [nn.Conv2d(1, 1, 7, padding=3)]
    assert field_by_perturbation(stack, 11) == field_by_perturbation(single, 11) == (7, 7)
    assert receptive_field(stack) == receptive_field(single) == 7
    channels = 6
    sizes = [[nn.Conv2d(channels, channels, k, bias=False)] * n for k, n in ((3, 3), (7, 1))]
    assert [sum(map(parameters_of, layers)) / channels**2 for layers in sizes] == [27, 49]


def test_two_small_filters_see_what_one_of_five_sees():
    assert receptive_field([nn.Conv2d(1, 1, 3)] * 2) == receptive_field([nn.Conv2d(1, 1, 5)]) == 5


def test_the_receptive_field_of_d_is_212():
    assert receptive_field(on_meta("D").features) == 212


def test_the_receptive_field_of_a_small_stack_is_the_gradients():
    """Average in place of maximum pooling: the maximum passes a gradient to one pixel of four."""
    row = "2 2 | 2 2 | 2 2 2"
    network = VGG(row, classes=2, side=96, dense=())
    layers = [nn.AvgPool2d(2) if isinstance(layer, nn.MaxPool2d) else layer for layer in network.features]
    layers = [layer for layer in layers if not isinstance(layer, nn.ReLU)]
    expected = receptive_field(network.features)
    assert field_by_gradient(layers, 96) == (expected, expected)


# --- The small networks -----------------------------------------------------------------------------------------------


def test_the_small_network_is_small_plain_and_deep():
    network = small_network(SMALL)
    assert parameters_of(network) <= 300_000
    assert len(weighted(network)) == 8
    assert not [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {layer.kernel_size for layer in network.modules() if isinstance(layer, nn.Conv2d)} == {(3, 3)}


def test_depths_have_as_many_layers_as_they_are_named_for():
    assert {depth: len(weighted(small_network(row))) for depth, row in DEPTHS.items()} == {d: d for d in DEPTHS}
    widths = [
        {conv.out_channels for stage in stages_of(small_network(row)) for conv in stage} for row in DEPTHS.values()
    ]
    assert widths == [{16, 32, 64}] * len(DEPTHS)


def test_large_filters_see_as_far_and_cost_as_much_as_the_stacks():
    stacks, large = small_network(DEPTHS[8]), small_network(LARGE_FILTERS)
    assert receptive_field(stacks.features) == receptive_field(large.features)
    for ours, theirs in zip(stages_of(stacks), stages_of(large), strict=True):
        assert receptive_field(ours) == receptive_field(theirs)
        assert len(theirs) == 1
    assert parameters_of(large) == pytest.approx(parameters_of(stacks), rel=0.01)
    counts = [multiplications_of(network, (3, 32, 32)) for network in (large, stacks)]
    assert counts[0] == pytest.approx(counts[1], rel=0.01)


def test_images_of_another_size_are_refused():
    network = small_network(SMALL)
    with pytest.raises(ValueError, match="expects images of 3×32×32, got 3×64×64"):
        network(torch.zeros(1, 3, 64, 64))
    with pytest.raises(ValueError, match="got 1×32×32"):
        network(torch.zeros(1, 1, 32, 32))


def test_a_side_that_poolings_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="5 poolings need a side that 32 divides, got 100"):
        VGG("A", side=100)


def test_the_last_loss_is_the_mean_of_the_last_fifth():
    assert last_loss([9.0] * 8 + [1.0, 2.0]) == 1.5
    assert last_loss([3.0]) == 3.0
