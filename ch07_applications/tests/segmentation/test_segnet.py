"""SegNet: places survive the way down and up, counts are the paper's, and only unpooling depends on places."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torchvision.models import vgg16_bn

from ch07_applications.segmentation import segnet as lesson
from ch07_applications.segmentation.camvid_drives import HELD_OUT, drives, scored_part
from ch07_applications.segmentation.scoring import score_semantic
from ch07_applications.segmentation.segnet import (
    SMALL,
    Bilinear,
    CopiedMaps,
    Deconvolution,
    Kept,
    SegNet,
    ToPlaces,
    bytes_kept,
    pool,
    segnet,
    segnet_basic,
    unpool,
)
from common.console import Console
from common.data import Scale
from common.data.camvid import CamVid
from common.data.segmented import SegmentedImages
from common.errors import Problem
from common.record import LessonRecord
from common.run import Run

WAYS = (ToPlaces, Bilinear, Deconvolution, CopiedMaps)
SIZES = [(16, 16), (17, 23), (30, 45), (31, 64)]
TINY = ((4, 4), (6, 6), (8, 8))


def parameters(network):
    return sum(weights.numel() for weights in network.parameters())


def maps_of(*size, seed=0):
    return torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(seed)) + 0.1


def small(rise, **settings):
    torch.manual_seed(0)
    return SegNet(TINY, 5, rise=rise, **settings).eval()


# --- Eq. (1) ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_unpooling_keeps_each_maximum_at_its_place_and_zeros_elsewhere(size):
    maps = maps_of(*size)
    pooled, places = pool(maps)
    back = unpool(pooled, places, size)
    height, width = (side // 2 * 2 for side in size)
    inside = maps[..., :height, :width]
    largest = functional.interpolate(functional.max_pool2d(inside, 2), scale_factor=2.0)
    wanted = torch.zeros_like(maps)
    wanted[..., :height, :width] = torch.where(inside == largest, inside, 0.0)
    assert torch.equal(back, wanted)
    assert (back > 0).sum() == pooled.numel()


def test_a_maximum_that_moves_by_one_pixel_moves_what_comes_back_by_one():
    for place, value in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        maps = torch.zeros(1, 1, 2, 2)
        maps[0, 0][value] = 5.0
        pooled, places = pool(maps)
        assert pooled.item() == 5
        assert places.item() == place
        assert torch.equal(unpool(pooled, places, (2, 2)), maps)


@pytest.mark.parametrize("size", SIZES)
def test_pooling_what_was_unpooled_gives_the_same_again(size):
    pooled, places = pool(maps_of(*size))
    again, same = pool(unpool(pooled, places, size))
    assert torch.equal(again, pooled)
    assert torch.equal(same, places)


def test_the_size_cannot_be_guessed_from_what_was_pooled():
    maps = torch.zeros(1, 1, 7, 7)
    maps[..., 5, 5] = 1
    pooled, places = pool(maps)
    with pytest.raises(RuntimeError, match="invalid max index"):  # the known fault of code without output_size
        functional.max_unpool2d(pooled, places, 2)
    assert torch.equal(unpool(pooled, places, (7, 7)), maps)


# --- Four ways up -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rise", WAYS)
@pytest.mark.parametrize("size", SIZES)
def test_each_way_up_gives_maps_of_the_size_that_was_pooled(rise, size):
    maps = maps_of(*size)
    pooled, places = pool(maps)
    assert rise(3)(pooled, Kept(maps, places)).shape == maps.shape


def test_only_unpooling_depends_on_places_and_only_copying_on_maps():
    maps = maps_of(8, 8)
    pooled, places = pool(maps)
    moved = pool(maps.flip(3))[1]  # other places in the same windows
    for rise in WAYS:
        torch.manual_seed(0)
        way = rise(3)
        before = way(pooled, Kept(maps, places))
        assert torch.equal(before, way(pooled, Kept(maps, moved))) == (rise is not ToPlaces)
        assert torch.equal(before, way(pooled, Kept(maps + 1, places))) == (rise is not CopiedMaps)


@pytest.mark.parametrize("rise", WAYS)
def test_a_network_s_answer_depends_on_the_places_of_its_maxima_if_it_unpools(rise, monkeypatch):
    """Most public code that calls itself SegNet has no unpooling: there, moving all maxima changes nothing."""
    network, images = small(rise), maps_of(24, 32)
    with torch.no_grad():
        before = network(images)

        def moved(maps):
            values, places = pool(maps)
            width = maps.shape[-1]
            return values, places ^ 1 if width % 2 == 0 else places  # the other column of the same window

        monkeypatch.setattr(lesson, "pool", moved)
        after = network(images)
    assert torch.equal(before, after) == (rise is not ToPlaces)


def test_a_deconvolution_starts_as_bilinear_interpolation_map_by_map():
    maps = maps_of(16, 12)
    pooled, places = pool(maps)
    kept = Kept(maps, places)
    ours, theirs = Deconvolution(3)(pooled, kept), Bilinear(3)(pooled, kept)
    assert torch.allclose(ours[..., 1:-1, 1:-1], theirs[..., 1:-1, 1:-1], atol=1e-6)
    pooled[:, 1:] = 0
    assert not Deconvolution(3)(pooled, kept)[:, 1:].any()  # no map reaches another one


def test_copied_maps_are_added_to_the_interpolation():
    maps = maps_of(9, 12)
    kept = Kept(maps, pool(maps)[1])
    values = pool(maps)[0]
    assert torch.equal(CopiedMaps(3)(values, kept) - Bilinear(3)(values, kept), maps) or torch.allclose(
        CopiedMaps(3)(values, kept) - Bilinear(3)(values, kept), maps, atol=1e-6
    )


# --- Networks ---------------------------------------------------------------------------------------------------------


def test_the_published_network_is_counted_as_published():
    with torch.device("meta"):
        network, vgg = segnet(11), vgg16_bn().features
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 26
    assert parameters(network) == 29_449_355
    assert parameters(network.encoder) == parameters(vgg) == 14_723_136
    assert parameters(network.decoder) + parameters(network.score) == 14_726_219
    own = [layer for layer in network.encoder.modules() if isinstance(layer, nn.Conv2d)]
    assert sum(map(parameters, own)) == 14_714_688


def test_the_encoder_takes_vgg_s_weights_and_gives_its_maps():
    torch.manual_seed(0)
    stages, vgg = ((8, 8), (12, 12)), nn.Sequential()
    for a, b in ((3, 8), (8, 8), (8, 12), (12, 12)):
        vgg += nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU())
        vgg += nn.Sequential(nn.MaxPool2d(2)) if a == b else nn.Sequential()
    network = SegNet(stages, 4)
    network.encoder.load_state_dict(
        dict(zip(network.encoder.state_dict(), vgg.state_dict().values(), strict=True)), strict=True
    )
    maps = images = maps_of(20, 24)
    for stage in network.encoder:
        maps = pool(stage(maps))[0]
    assert torch.equal(maps, vgg(images))


def test_segnet_basic_is_counted_as_the_paper_describes_it():
    with torch.device("meta"):
        network = segnet_basic(11)
    assert parameters(network) == 1_416_331
    assert abs(parameters(network) / 1.425e6 - 1) < 0.007
    assert not any(isinstance(layer, nn.ReLU) for layer in network.decoder.modules())
    assert network.score.kernel_size == (1, 1)


def test_maps_of_the_published_network_on_its_own_frames():
    with torch.device("meta"):
        network = segnet(11)
    seen = []
    for stage in (*network.encoder, *network.decoder):
        stage.register_forward_hook(lambda _, __, maps: seen.append(tuple(maps.shape[1:])))
    scores = network.eval()(torch.zeros(1, 3, 360, 480, device="meta"))
    assert scores.shape == (1, 11, 360, 480)
    down = [(64, 360, 480), (128, 180, 240), (256, 90, 120), (512, 45, 60), (512, 22, 30)]  # 45 rows: odd
    up = [(512, 22, 30), (256, 45, 60), (128, 90, 120), (64, 180, 240), (64, 360, 480)]
    assert seen == down + up


@pytest.mark.parametrize("rise", WAYS)
@pytest.mark.parametrize("stem", [0, 4])
@pytest.mark.parametrize("size", SIZES)
def test_scores_have_the_image_s_size(rise, stem, size):
    with torch.no_grad():
        assert small(rise, stem=stem)(maps_of(*size)).shape == (2, 5, *size)


def test_an_image_that_does_not_last_through_all_poolings_is_refused():
    with pytest.raises(ValueError, match="8 pixels"):
        small(ToPlaces)(maps_of(7, 30))


@pytest.mark.parametrize("stem", [0, 4])
def test_bytes_are_those_of_the_windows_that_are_pooled(stem, monkeypatch):
    windows = []

    def counting(maps):
        values, places = pool(maps)
        windows.append(places[0].numel())
        return values, places

    monkeypatch.setattr(lesson, "pool", counting)
    network = small(ToPlaces, stem=stem)
    with torch.no_grad():
        network(maps_of(37, 50))
    assert bytes_kept(network, (37, 50)) == sum(windows) * 2 // 8
    assert bytes_kept(small(Bilinear, stem=stem), (37, 50)) == bytes_kept(small(Deconvolution), (37, 50)) == 0


def test_places_need_a_64th_of_the_maps_and_the_first_stage_what_the_paper_says():
    with torch.device("meta"):
        places, maps = segnet_basic(11), segnet_basic(11, CopiedMaps)
    assert bytes_kept(maps, (180, 240)) == 64 * bytes_kept(places, (180, 240))
    first = SegNet(((64,),), 11)
    assert round(bytes_kept(first, (180, 240)) / 1e6, 2) == 0.17
    assert round(bytes_kept(SegNet(((64,),), 11, rise=CopiedMaps), (180, 240)) / 1e6) == 11


def test_variants_differ_in_nothing_but_the_way_up():
    same = {parameters(SegNet(SMALL, 11, rise=rise)) for rise in WAYS if rise is not Deconvolution}
    assert len(same) == 1
    assert parameters(SegNet(SMALL, 11, rise=Deconvolution)) - same.pop() == 16 * sum(w[-1] ** 2 for w in SMALL)


# --- CamVid's parts ---------------------------------------------------------------------------------------------------


def frames(names, size=(20, 24)):
    n = len(names)
    images, labels = np.zeros((n, *size, 3), np.uint8), np.zeros((n, *size), np.uint8)
    return SegmentedImages(images, labels, ("sky", "road"), tuple(names), np.arange(n))


def test_the_held_out_drive_is_not_trained_on():
    names = [f"{film}_{k:05d}" for film in ("0001TP", HELD_OUT, "0016E5") for k in range(4)]
    train, held = drives(frames(names))
    assert [name.split("_")[0] for name in train.names] == ["0001TP"] * 4 + ["0016E5"] * 4
    assert held.names == (f"{HELD_OUT}_00000", f"{HELD_OUT}_00002")


@pytest.mark.parametrize("films", [("0001TP", "0016E5"), (HELD_OUT,)])
def test_training_frames_of_one_kind_alone_are_refused(films):
    with pytest.raises(Problem, match=HELD_OUT):
        drives(frames([f"{film}_1" for film in films]))


def test_the_test_part_is_scored_where_there_is_one_and_val_else():
    parts = [frames([f"a_{k}"]) for k in range(3)]
    assert scored_part(CamVid(*parts, ("sky", "road"), "")) is parts[2]
    assert scored_part(CamVid(*parts[:2], None, ("sky", "road"), "")) is parts[1]


def a_run(folder, seed=0, data=None):
    return Run("segmentation/segnet", seed, Scale("smoke", data), LessonRecord("", ""), folder, Console())


def test_the_network_that_all_lessons_share_learns_from_windows_of_scenes_and_has_the_run_s_seed(tmp_path):
    made = lesson.scenes_segnet(a_run(tmp_path, seed=7), 11)
    assert made.seed == 7
    assert made.items.keywords == lesson.SCENE_WINDOWS
    assert lesson.segmenter(a_run(tmp_path), 11, 1).items.keywords == lesson.FILM_WINDOWS


# --- The lesson on CamVid ---------------------------------------------------------------------------------------------


@pytest.fixture
def camvid_folder(tmp_path):
    """A tiny CamVid with a test part: a light upper half of sky, a dark lower half of road."""
    labels = np.where(np.arange(18)[:, None] < 9, 0, 3) * np.ones((1, 24))
    images = np.where(labels == 0, 200, 60)[..., None].repeat(3, axis=2)
    films = {"train": ("0001TP", HELD_OUT), "val": ("0016E5",), "test": ("Seq05VD",)}
    for part, names in films.items():
        for kind, picture in ((part, images), (f"{part}annot", labels)):
            (tmp_path / "CamVid" / kind).mkdir(parents=True)
            for film in names:
                for k in range(2):
                    Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "CamVid" / kind / f"{film}_{k:05d}.png")
    return tmp_path


def test_variants_are_judged_on_the_held_out_drive_and_the_rest_on_the_test_part(camvid_folder, tmp_path, monkeypatch):
    judged, fitted = {}, {}

    class Fake:
        def __init__(self, name):
            self.name = name

        def fit(self, images, labels):
            fitted.setdefault(self.name, []).append(len(images))
            return self

        def predict(self, images):
            judged.setdefault(self.name, []).append(len(images))
            return np.zeros(images.shape[:3], np.uint8)

    monkeypatch.setattr(lesson, "segmenter", lambda *_, rise=None, **__: Fake("network"))
    monkeypatch.setattr(lesson, "ContextForest", lambda *_, **__: Fake("forest"))
    seen = []
    monkeypatch.setattr(lesson, "judge_semantic", lambda method, part: seen.append(part) or note(method, part))
    monkeypatch.setattr(lesson, "judge_frames", lambda method, part: seen.append(part) or note(method, part))

    def note(method, part):
        labels = method.model.predict(part.images)
        score_semantic(method, part, labels)
        return labels

    run = a_run(tmp_path, data=camvid_folder)
    lesson.lesson(run)
    films = [{name.split("_")[0] for name in part.names} for part in seen]
    assert films == [{HELD_OUT}] * 4 + [{"Seq05VD"}] * 2
    assert fitted == {"network": [2] * 4 + [4], "forest": [4]}  # 4 frames to train on, 2 without the held-out drive
    assert set(run.pairs) >= {("places", "bilinear", "boundary F1"), ("SegNet", lesson.FOREST, "mean IoU")}
    assert [picture.name for picture in run.record.pictures] == ["places", "ways_up", "street"]
