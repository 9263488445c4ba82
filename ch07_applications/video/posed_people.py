"""Pictures of one person each with known joints, and the share of joints that is found (PCK).

Frames of films of drawn people (people.py) are the items. The metric is PCK@0.2, the percentage of correct keypoints
(Yang & Ramanan 2013, §8; relative to the torso as in Sapp & Taskar 2013, §5): a joint is found if it is predicted
within 0.2 of the distance from the left shoulder to the right hip. Joints outside the picture do not count, and a
person without any joint inside is not scored. Left and right are the person's own: if a method confuses the two arms,
it has found neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8

from ch07_applications.video.bodies import JOINTS
from ch07_applications.video.films import Films
from common.data.parts import numbered, read_only

SHARE = 0.2  # of the torso
PCK = "PCK@0.2"
MIRRORED = (5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13)  # each joint's index in a mirror image
SHOULDER, HIP = 9, 2  # left and right, the ends of the torso
KINDS = {  # of joints
    "head and neck": (13, 12), "shoulders": (8, 9), "elbows": (7, 10), "wrists": (6, 11), "hips": (2, 3),
    "knees": (1, 4), "ankles": (0, 5),
}  # fmt: skip
Joints = Float32[np.ndarray, "items 14 2"]


@dataclass(frozen=True, eq=False)
class PosedPeople:
    """Pictures and their people's joints, (x, y) in pixels, read-only.

    boxes: xyxy around the pixels of the person and of objects in their hands; zeros if no one is visible. groups: the
    person. Raises ValueError if lengths differ, and for joints that are not finite: unknown joints must lie outside the
    picture, where they do not count.
    """

    images: UInt8[np.ndarray, "items side side 3"]
    joints: Joints
    boxes: Float32[np.ndarray, "items 4"]
    groups: Int64[np.ndarray, "items"]
    credits: tuple[str, ...] = ()
    ids: Int64[np.ndarray, "items"] | None = None

    def __post_init__(self) -> None:
        count = len(self.images)
        for name in ("joints", "boxes", "groups"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{count} pictures but {len(getattr(self, name))} {name}")
        if not np.isfinite(self.joints).all():
            raise ValueError("joints have to be finite: put a joint that is not known outside the picture")
        object.__setattr__(self, "ids", numbered(self.ids, count))
        for name in ("images", "joints", "boxes", "groups", "ids"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def inputs(self) -> UInt8[np.ndarray, "items side side 3"]:
        return self.images

    @property
    def answers(self) -> Joints:
        return self.joints

    @property
    def side(self) -> int:
        return self.images.shape[1]

    @property
    def visible(self) -> Bool[np.ndarray, "items 14"]:
        """A mask of the joints within the picture; limbs may hide them."""
        return ((self.joints >= 0) & (self.joints < self.side)).all(axis=-1)

    @property
    def torsos(self) -> Float32[np.ndarray, "items"]:
        """The distance from the left shoulder to the right hip, in pixels."""
        return np.linalg.norm(self.joints[:, SHOULDER] - self.joints[:, HIP], axis=-1)

    def take(self, indices: np.ndarray | Sequence[int] | slice) -> PosedPeople:
        """The items at these indices, in that order."""
        arrays = (getattr(self, name)[indices] for name in ("images", "joints", "boxes", "groups"))
        return PosedPeople(*arrays, self.credits, self.ids[indices])


def frames_of(films: Films) -> PosedPeople:
    """Every frame of every film, as a picture of its own."""
    arrays = (array.reshape(-1, *array.shape[2:]) for array in (films.films, films.joints, films.boxes))
    return PosedPeople(*arrays, np.repeat(films.groups, films.films.shape[1]), films.credits)


def found_joints(found: Joints, people: PosedPeople, share: float = SHARE) -> Bool[np.ndarray, "items 14"]:
    """A mask of the joints predicted within this share of the torso."""
    return np.linalg.norm(found - people.joints, axis=-1) <= share * people.torsos[:, None]


def pck(
    found: Joints, people: PosedPeople, joints: Sequence[int] | None = None, share: float = SHARE
) -> tuple[Float[np.ndarray, "scored"], PosedPeople]:
    """For each person, the percentage of these joints (None: all) within the picture that are found.

    Also returns the people with any such joint: others are left out.
    """
    joints = list(range(len(JOINTS)) if joints is None else joints)
    seen, right = people.visible[:, joints], found_joints(found, people, share)[:, joints]
    some = np.flatnonzero(seen.any(axis=1))
    shares = (right & seen)[some].sum(axis=1) / seen[some].sum(axis=1)
    return 100 * shares, people.take(some)


def pck_curve(found: Joints, people: PosedPeople, shares: Sequence[float]) -> Float[np.ndarray, "shares"]:
    """The PCK of all joints, for each share of the torso."""
    return np.array([pck(found, people, share=share)[0].mean() for share in shares])


def ranked(found: Joints, people: PosedPeople) -> Int64[np.ndarray, "scored"]:
    """People in the order of their mean error in torsos over the joints within the picture, the smallest first.

    People without any joint in the picture are left out.
    """
    seen, away = people.visible, np.linalg.norm(found - people.joints, axis=-1) / people.torsos[:, None]
    some = np.flatnonzero(seen.any(axis=1))
    errors = (away * seen)[some].sum(axis=1) / seen[some].sum(axis=1)
    return some[np.argsort(errors, kind="stable")]


def merged_ankles(found: Joints, people: PosedPeople) -> float:
    """For people whose ankles are in the picture and more than 0.4 of the torso apart, the percentage with predicted
    ankles within 0.2 of the torso of each other. NaN if there are no such people.
    """
    right, left = KINDS["ankles"]
    true, predicted = (np.linalg.norm(each[:, right] - each[:, left], axis=-1) for each in (people.joints, found))
    apart = (true > 2 * SHARE * people.torsos) & people.visible[:, [right, left]].all(axis=1)
    return float(100 * (predicted <= SHARE * people.torsos)[apart].mean()) if apart.any() else np.nan
