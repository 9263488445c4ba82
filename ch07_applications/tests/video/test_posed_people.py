"""Pictures of people with joints, and PCK: counted and excluded joints, and the divisor."""

import numpy as np
import pytest

from ch07_applications.video.bodies import JOINTS
from ch07_applications.video.people import Studio
from ch07_applications.video.posed_people import (
    HIP,
    KINDS,
    SHARE,
    SHOULDER,
    PosedPeople,
    found_joints,
    frames_of,
    merged_ankles,
    pck,
    pck_curve,
    ranked,
)


@pytest.fixture(scope="module")
def people():
    return frames_of(Studio(side=64, frames=3, part="validation").shoot(12))


def moved(people, joints):
    return PosedPeople(people.images, joints.astype(np.float32), people.boxes, people.groups)


def test_every_frame_is_an_item_of_its_person(people):
    films = Studio(side=64, frames=3, part="validation").shoot(12)
    assert len(people) == 36
    np.testing.assert_array_equal(people.images[3 * 5 + 2], films.films[5, 2])
    np.testing.assert_array_equal(people.joints[3 * 5 + 2], films.joints[5, 2])
    np.testing.assert_array_equal(people.boxes[3 * 5 + 2], films.boxes[5, 2])
    assert people.groups[3 * 5 + 2] == films.groups[5]
    np.testing.assert_array_equal(people.visible, films.visible.reshape(36, 14))


def test_kinds_of_joints_and_the_torso_are_what_they_are_called():
    for kind, joints in KINDS.items():
        for joint in joints:
            name = kind.removesuffix("s") if kind not in ("feet", "head and neck") else "neck head top"
            assert name in JOINTS[joint] or JOINTS[joint] in name
    assert sorted(joint for joints in KINDS.values() for joint in joints) == list(range(14))
    assert (JOINTS[SHOULDER], JOINTS[HIP]) == ("left shoulder", "right hip")


def test_the_truth_is_found_everywhere_and_a_limit_of_infinity_finds_all(people):
    assert (pck(people.joints, people)[0] == 100).all()
    rng = np.random.default_rng(0)
    wild = people.joints + rng.normal(0, 50, people.joints.shape).astype(np.float32)
    assert (pck(wild, people, share=np.inf)[0] == 100).all()


def test_a_joint_counts_up_to_a_fifth_of_the_torso(people):
    for factor, right in ((0.199, True), (0.201, False)):
        away = np.zeros_like(people.joints)
        away[..., 0] = (factor * people.torsos)[:, None]
        assert (found_joints(people.joints + away, people) == right).all()


def test_left_for_right_is_wrong(people):
    swapped = people.joints.copy()
    swapped[:, [6, 11]] = swapped[:, [11, 6]]
    apart = np.linalg.norm(people.joints[:, 6] - people.joints[:, 11], axis=1) > 0.25 * people.torsos
    values, part = pck(swapped, people, KINDS["wrists"])
    assert len(part) == len(people)
    assert apart.sum() > 10
    assert (values[apart] == 0).all()


def test_joints_outside_the_picture_do_not_count(people):
    joints = people.joints.copy()
    joints[:, 6] = (-3, 10)
    outside = moved(people, joints)
    wrong = outside.joints.copy()
    wrong[:, 6] = 1000
    assert (pck(wrong, outside)[0] == 100).all()
    wrong[:, 5] = 1000
    np.testing.assert_allclose(pck(wrong, outside)[0], 100 * 12 / 13)


def test_a_person_of_whom_nothing_is_visible_is_not_scored(people):
    joints = people.joints.copy()
    joints[4] += 500
    values, part = pck(joints, moved(people, joints))
    assert len(values) == len(part) == len(people) - 1
    assert 4 not in part.ids
    values, part = pck(joints, moved(people, np.full_like(joints, -9)))
    assert len(values) == len(part) == 0


def test_the_curve_rises_from_nothing_to_all_and_is_pck_at_its_share(people):
    rng = np.random.default_rng(1)
    found = people.joints + rng.normal(0, 3, people.joints.shape).astype(np.float32)
    curve = pck_curve(found, people, (0.0, 0.1, SHARE, 1.0, 100.0))
    assert (np.diff(curve) > 0).all() or curve[3] == curve[4] == 100
    assert curve[0] == 0
    assert curve[-1] == 100
    assert curve[2] == pck(found, people)[0].mean()


def test_people_are_ranked_by_their_mean_error_in_torsos_over_joints_within_the_picture(people):
    joints, found = people.joints.copy(), people.joints.copy()
    joints[7, 6] = found[7, 6] = (-5, 5)
    found[7, 6] += 900  # outside the picture: of no account
    joints[4] += 500  # nobody
    share = np.random.default_rng(2).permutation(len(people)) / 10
    part = moved(people, joints)
    found[..., 0] += (share * part.torsos)[:, None]
    assert ranked(found, part).tolist() == [item for item in np.argsort(share) if item != 4]


def test_ankles_are_merged_where_they_are_predicted_at_one_place_and_are_apart(people):
    right, left = KINDS["ankles"]
    joints = people.joints.copy()
    joints[:, right] = (32, 50)
    joints[:, left] = joints[:, right]
    joints[:6, left, 0] += 0.5 * people.torsos[:6]  # the only six that are apart
    joints[5, left] = (-20, 50)  # and one of them is outside the picture
    part, found = moved(people, joints), joints.copy()
    assert merged_ankles(found, part) == 0
    found[1, left] = found[1, right] + (0.19 * part.torsos[1], 0)
    found[2, left] = found[2, right] + (0.21 * part.torsos[2], 0)
    assert merged_ankles(found, part) == 20
    assert np.isnan(merged_ankles(found[10:], part.take(slice(10, None))))


def test_parts_are_read_only_taken_by_place_and_of_one_length(people):
    with pytest.raises(ValueError, match="read-only"):
        people.joints[0] = 0
    taken = people.take([3, 1])
    assert taken.ids.tolist() == [3, 1]
    np.testing.assert_array_equal(taken.answers, people.joints[[3, 1]])
    unknown = people.joints.copy()
    unknown[2, 5] = np.nan
    with pytest.raises(ValueError, match="outside the picture"):
        moved(people, unknown)
    with pytest.raises(ValueError, match="36 pictures but 35 joints"):
        PosedPeople(people.images, people.joints[1:], people.boxes, people.groups)
