"""Networks at their papers' sizes, of lessons that do not count them: parameters by formula, and the shapes of outputs.

The sizes are the papers'. Where a class differs from its paper by more than sizes, the test says in what.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import vgg19

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.classification.alexnet import AlexNet
from ch07_applications.images_and_text.alignments import Aligner, WordNetwork, score_pairs
from ch07_applications.images_and_text.photograph_regions import FeatureNetwork
from ch07_applications.images_and_text.show_and_tell import ImageCaptioner
from ch07_applications.images_and_text.vocabulary import words_there
from ch07_applications.segmentation.column_maps import Map
from ch07_applications.segmentation.convex_fits import LinearSVMs
from ch07_applications.segmentation.hypercolumns import hypercolumns, middles
from ch07_applications.segmentation.region_crops import GRID, Described
from ch07_applications.segmentation.trunks import vgg16_stages
from ch07_applications.style.gatys import CONTENT, STYLE, Activations, gram
from ch07_applications.video import summarization
from ch07_applications.video.activity import DeepLSTM, Recipe
from common.data.vgg import Vgg, layer_names

COCO = 8791  # words that at least five captions of MSCOCO's training part have: Karpathy & Fei-Fei 2015, §4


def lstm(inputs, cells):
    """Four gates, each of the inputs and of the state before, and torch's two biases."""
    return 4 * cells * (inputs + cells + 2)


# --- Images and text --------------------------------------------------------------------------------------------------


def test_show_and_tell_s_decoder():
    """Embeddings and LSTM of 512 (Vinyals et al. 2014, §4.3.1), of GoogLeNet's 1024 numbers.

    W_I: 1025 · 512 = 524,800. W_e: 8791 · 512 = 4,500,992. LSTM: 4 · 512 · (512 + 512 + 2) = 2,101,248. Scores of the
    words: 513 · 8791 = 4,509,783. Together 11,636,823. The hidden layer before the scores is this lesson's own.
    """
    with torch.device("meta"):
        network = ImageCaptioner(torch.zeros(2, 1024), COCO, hidden=512)
        assert parameters_of(network.lstm) == lstm(512, 512) == parameters_of(nn.LSTM(512, 512)) == 2_101_248
        seen, state = network.start(torch.zeros(3, 1024))
        scores, (cells, memory) = network.step(torch.zeros(3, dtype=torch.long), seen, state)
    formula = 1025 * 512 + COCO * 512 + lstm(512, 512) + 513 * COCO
    assert parameters_of(network) - parameters_of(network.leave) == formula == 11_636_823
    assert (seen.shape, scores.shape) == ((3, 512), (3, COCO))
    assert cells.shape == memory.shape == (1, 3, 512)


@pytest.mark.parametrize(("shared", "wanted"), [(1000, 10_038_300), (1600, 17_358_900)])
def test_alignments_two_networks(shared, wanted):
    """Regions of 4096 numbers, 20 per picture, words of 300, a common space of 1000 to 1600 (Karpathy & Fei-Fei 2015,
    §3.1.1 and 3.1.2).

    Regions: 4097 h. Words: 300 · 8791, and 301 h into the recurrent layer; both directions and the way out: h (h + 1)
    each. The four numbers of a region's place are this lesson's own: 4 h.
    """
    with torch.device("meta"):
        network = Aligner(FeatureNetwork(torch.zeros(2, 20, 4096), shared), COCO)
        network.words = WordNetwork(COCO, width=300, shared=shared)
        regions = network.regions(torch.zeros(2, 20, 4096), torch.zeros(2, 20, 4))
        numbers, lengths = torch.zeros(3, 7, dtype=torch.long), torch.zeros(3, dtype=torch.long)
        words = network.words(numbers, lengths)
        scores = score_pairs(regions, words, words_there(numbers, lengths))
    formula = 4097 * shared + 300 * COCO + 301 * shared + 3 * shared * (shared + 1)
    assert parameters_of(network) - 4 * shared == formula
    assert (regions.shape, words.shape, scores.shape) == ((2, 20, shared), (3, 7, shared), (2, 3))
    assert formula == wanted


# --- Segmentation -----------------------------------------------------------------------------------------------------


def test_sds_has_two_alexnets_and_a_hyperplane_per_class():
    """4096 numbers of the box and as many of the region (Hariharan et al. 2014, §3.2) make 8192, of which VOC's 20
    classes have 20 · 8193 = 163,860 weights. The lesson cuts crops of 64 pixels: AlexNet stands beside the system."""
    with torch.device("meta"):
        last = [layer for layer in layers_of(AlexNet(), (3, 227, 227)) if layer.map == (4096,)]
    assert len({layer.map for layer in last}) == 1, "fc6 and fc7"
    rng = np.random.default_rng(0)
    box, region = (torch.from_numpy(rng.normal(size=(30, *last[-1].map))).float() for _ in range(2))
    described = Described(box, region, torch.zeros(30, GRID**2), torch.zeros(30, 4))
    features = described.features(("box", "region"))
    svms = LinearSVMs().fit(features, np.where(np.arange(30)[:, None] % 20 == np.arange(20), 1, -1).astype(np.int8))
    assert features.shape == (30, 8192)
    assert svms.weights_.numel() + svms.offsets_.numel() == 20 * 8193 == 163_860
    assert svms.scores(features).shape == (30, 20)
    assert described.grid.shape[1] == 100, "a grid of 10 × 10, §3.4"


def test_hypercolumns_of_vgg_16():
    """Columns of three layers of VGG-16, fc7 among them (Hariharan et al. 2015, §4): 256 + 512 + 4096 numbers.

    The trunk has 14,714,688 parameters in its convolutions, and fc6 and fc7 as convolutions: 4096 · (49 · 512 + 1) and
    4096 · 4097.
    """
    with torch.device("meta"):
        stages, maps = vgg16_stages(), [torch.zeros(1, 3, 224, 224)]
        for stage in stages:
            maps.append(stage.eval()(maps[-1]))
    assert [each.shape[1:] for each in maps[1:]] == [(256, 28, 28), (512, 14, 14), (4096, 7, 7)]
    assert sum(map(parameters_of, stages)) == 14_714_688 + 4096 * (49 * 512 + 1) + 4096 * 4097
    found = {f"layer {k}": Map(torch.zeros(each.shape)) for k, each in enumerate(maps[1:])}
    columns = hypercolumns(found, middles(torch.arange(50)[None], (224, 224)), list(found))
    assert columns.shape == (1, 256 + 512 + 4096, 1, 50)


# --- Style ------------------------------------------------------------------------------------------------------------


def test_neural_style_in_vgg_19():
    """Sixteen convolutions (Gatys et al. 2015, Methods), 20,024,384 parameters, of which style and content need those
    up to conv5_1: nine weights per pair of maps and a bias per map. Gram matrices of 64, 128, 256, 512 and 512 maps."""
    with torch.device("meta"):
        features = vgg19().features
        network = Activations(Vgg("VGG-19", features, layer_names(features)), [CONTENT, *STYLE])
        found = network(torch.zeros(1, 3, 224, 224))
        grams = [gram(found[name]).shape for name in STYLE]
    assert parameters_of(features) == 20_024_384
    widths = [3, 64, 64, 128, 128, *[256] * 4, *[512] * 5]
    assert parameters_of(network) == sum(9 * a * b + b for a, b in pairwise(widths)) == 12_944_960
    assert grams == [(n, n) for n in (64, 128, 256, 512, 512)]
    assert found[CONTENT].shape == (1, 512, 28, 28)


# --- Video ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [32, 64, 128])
@pytest.mark.parametrize(
    "both", [(False,) * 4, (True,) * 4, (True, False, False, False)], ids=["one way", "both ways", "cascaded"]
)
def test_four_recurrent_layers_for_uci_har(both, cells):
    """Four layers, 9 channels, 128 steps and 6 classes (Murad & Pyun 2017, §4 and 5); h cells, whose number was not at
    hand. The first layer has 4 h (9 + h + 2) numbers per direction, a further one 4 h (i + h + 2), where i is h, or 2 h
    above a layer of both directions; the classes have 6 (i + 1)."""
    network = DeepLSTM(torch.zeros(9), torch.ones(9), Recipe(both, classes=6, width=cells, frame=1)).eval()
    inputs, formula = 9, 0
    for ways in (1 + each for each in both):
        formula, inputs = formula + ways * lstm(inputs, cells), ways * cells
    assert parameters_of(network) == formula + 6 * (inputs + 1)
    if len(set(both)) == 1:
        stacked = nn.LSTM(9, cells, 4, bidirectional=both[0])
        assert parameters_of(network.layers) == parameters_of(stacked)
    with torch.inference_mode():
        per_step, there = network.per_step(torch.zeros(2, 128, 9))
        assert (per_step.shape, there.sum()) == ((2, 128, 6), 2 * 128)
        assert network(torch.zeros(2, 128, 9)).shape == (2, 6)


def test_vs_lstm_s_two_directions_and_its_last_layers(monkeypatch):
    """256 cells per direction, 256 units in the layer above them, frames of 1024 numbers (Zhang et al. 2016, §4.1).

    Both directions: 2 · 4 · 256 · (256 + 256 + 2) = 1,052,672; in the paper they read the 1024 numbers themselves,
    2 · 4 · 256 · (1024 + 256 + 2), here what a first layer makes of them, 1025 · 256. The last layers see both
    directions and the frame: (512 + 256 + 1) · 256 + 257.
    """
    monkeypatch.setattr(summarization, "WIDTH", 256)
    monkeypatch.setattr(summarization, "CELLS", 256)
    network = summarization.ImportanceScorer(torch.zeros(1024), torch.ones(1024), recurrent=True).eval()
    recurrent = nn.LSTM(256, 256, bidirectional=True)
    assert parameters_of(network.both) == 2 * lstm(256, 256) == parameters_of(recurrent) == 1_052_672
    assert parameters_of(network) == 1025 * 256 + 2 * lstm(256, 256) + 769 * 256 + 257
    with torch.inference_mode():
        assert network(torch.zeros(2, 40, 1024)).shape == (2, 40)
