"""Grounding: the region that each word is aligned with, word by word or smoothed along the sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torchvision.ops import box_iou

from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS
from ch07_applications.images_and_text.picture_regions import RegionedScenes
from common.method import Method

OVERLAP = 0.5  # a word's region is right above this IoU with the box of its object
KINDS = ("class", "colour", "size")


def smooth(products: Float[Tensor, "words regions"], bond: float) -> Int64[Tensor, "words"]:
    """The regions a_t with the largest Σ_t v_{a_t} · s_t + bond · Σ_t [a_t = a_{t+1}], by dynamic programming.

    Eqs. 10–12, Viterbi's algorithm. The paper minimises an energy with the opposite sign. bond 0: the best of each
    word. Raises ValueError for a negative bond.
    """
    if bond < 0:
        raise ValueError(f"a bond holds neighbours together: it is at least 0, not {bond}")
    total, back = products[0], []
    for now in products[1:]:
        best, where = total.max(dim=0)
        stays = total + bond >= best
        back.append(torch.where(stays, torch.arange(len(total)), where))
        total = torch.where(stays, total + bond, best) + now
    chosen = [int(total.argmax())]
    for came in reversed(back):
        chosen.append(int(came[chosen[-1]]))
    return torch.tensor(chosen[::-1])


def kind_of(word: str) -> str:
    """The kind of attribute that a word names."""
    return "class" if word in NOUNS else "colour" if word in COLOURS else "size"


def judge_grounding(
    products: Sequence[Float[Tensor, "_ regions"]], scenes: RegionedScenes, bond: float = 0.0
) -> dict[str, Float[np.ndarray, "n"]]:
    """For every scene, the share in per cent of its first caption's words of each kind whose region is right.

    products: of each word with each region, scene by scene. A region is right if it overlaps the box of the object that
    the word names by an IoU above one half.
    """
    found = {kind: np.zeros(len(scenes)) for kind in KINDS}
    for item, (table, caption) in enumerate(zip(products, scenes.captions, strict=True)):
        chosen = smooth(table, bond).tolist()
        boxes = (torch.tensor(each[item]) for each in (scenes.regions.boxes, scenes.part.boxes))
        overlaps = box_iou(*boxes).numpy()
        right = {kind: [] for kind in KINDS}
        for word, owner, region in zip(caption.words, caption.owners, chosen, strict=True):
            if owner >= 0:
                right[kind_of(word)].append(overlaps[region, owner] > OVERLAP)
        for kind, values in right.items():
            found[kind][item] = 100 * np.mean(values)
    return found


def score_grounding(
    method: Method, products: Sequence[Float[Tensor, "_ regions"]], scenes: RegionedScenes, bond: float = 0.0
) -> None:
    """Score the grounding of words for classes, colours and sizes, scene by scene."""
    for kind, shares in judge_grounding(products, scenes, bond).items():
        method.score_items(grounding_name(kind), shares, scenes.part, unit="%", higher_is_better=True)


def grounding_name(kind: str) -> str:
    """The metric's name."""
    return f"grounding of {kind} words"


def score_guess(method: Method, scenes: RegionedScenes) -> None:
    """Score the expected result of a random choice among the boxes that contain objects."""
    shares = 100.0 / (scenes.part.labels >= 0).sum(axis=1)
    for kind in KINDS:
        method.score_items(grounding_name(kind), shares, scenes.part, unit="%", higher_is_better=True)
