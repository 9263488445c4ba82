"""BlazePose (Bazarevsky et al. 2020): a network for the pose of people in photographs, trained by others. A reference.

MediaPipe's package for the web carries it (Apache-2.0). OpenCV runs it; it is installed with the extra `video`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float32

from common.data import mirrors
from common.data.scale import LECTURE, Scale
from common.data.weights import Weights, kept_file
from common.errors import Problem, first_line

if TYPE_CHECKING:
    from torch import Tensor

BLAZEPOSE = Weights(
    name="BlazePose",
    model="",
    torchvision=None,
    file="pose_landmark_full.tflite",
    sha256="e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    megabytes=6.4,
    package=mirrors.Package(
        client="npm",
        name="@mediapipe/pose",
        version="0.5.1675469404",
        megabytes=41.0,
        sha256="8bb349a7b3a3ba699df23be804ddd3b3eab810b50b15406894be257859388a84",
        suffix=".tgz",
    ),
    member="package/pose_landmark_full.tflite",
)
SIDE, LANDMARKS = 256, 33  # pixels of its input; six more, which describe the next frame's box, are left out
EACH = 5  # x, y, z, visibility, presence


@dataclass(frozen=True, eq=False)
class BlazePose:
    """network: OpenCV's."""

    network: Any

    def landmarks(self, crops: Float[Tensor, "people 3 256 256"]) -> Float32[np.ndarray, "people 33 2"]:
        """(x, y) of each landmark in pixels of the crop. crops: RGB from 0 to 1, one person in each.

        In MediaPipe's order: 11 is the left shoulder, 12 the right one; a person's own left and right.
        """
        outputs = list(self.network.getUnconnectedOutLayersNames())
        found = np.empty((len(crops), LANDMARKS, 2), np.float32)
        for place, crop in enumerate(crops.numpy()):  # the file is for one picture at a time
            self.network.setInput(crop[None])
            numbers = self.network.forward(outputs)[outputs.index("Identity")]
            found[place] = numbers.reshape(-1, EACH)[:LANDMARKS, :2]
        return found


def blazepose(scale: Scale = LECTURE) -> BlazePose:
    """The network, downloaded the first time, but not at the smoke preset. Raises Problem where it can't be had."""
    try:
        import cv2
    except ImportError as error:
        raise Problem("BlazePose needs OpenCV: pip install 'vision-by-reading-code[video]'") from error
    path = kept_file(BLAZEPOSE, scale)
    try:
        return BlazePose(cv2.dnn.readNetFromTFLite(str(path)))
    except (cv2.error, AttributeError) as error:
        raise Problem(f"{path} cannot be read by OpenCV ({first_line(error)})") from error


def blazepose_or_none(scale: Scale, say: Callable[[str], None]) -> BlazePose | None:
    """The same for a lesson that can do without: where it can't be had, say(why) in one line, and None."""
    try:
        return blazepose(scale)
    except Problem as problem:
        say(f"Left out: {problem}")
        return None
