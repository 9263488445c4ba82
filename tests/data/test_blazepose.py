"""BlazePose's file: where it is missing or damaged one line says so, and its package's archive is found."""

import pytest

from common.data import Scale, mirrors
from common.data.blazepose import BLAZEPOSE, blazepose_or_none


def test_without_its_file_one_line_says_so(tmp_path):
    pytest.importorskip("cv2")
    lines = []
    assert blazepose_or_none(Scale("smoke", tmp_path), lines.append) is None
    assert len(lines) == 1
    assert "BlazePose" in lines[0]


def test_a_damaged_file_is_refused(tmp_path):
    pytest.importorskip("cv2")
    (tmp_path / BLAZEPOSE.file).write_bytes(b"nothing")
    lines = []
    assert blazepose_or_none(Scale("smoke", tmp_path), lines.append) is None
    assert "damaged" in lines[0]


def test_the_archive_that_npm_leaves_is_found(tmp_path):
    assert mirrors.find(BLAZEPOSE.package, tmp_path) is None
    archive = tmp_path / "mediapipe-pose-0.5.1675469404.tgz"  # what `npm pack @mediapipe/pose@…` writes
    archive.write_bytes(b"")
    assert mirrors.find(BLAZEPOSE.package, tmp_path) == archive
