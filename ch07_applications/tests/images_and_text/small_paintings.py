"""A few placed scenes and an untrained DAMSM of their captions, for the tests of AttnGAN and its parts."""

from __future__ import annotations

from functools import cache

import torch

from ch07_applications.images_and_text.placed_scenes import PlacedSets, placed_scenes
from ch07_applications.images_and_text.vocabulary import Vocabulary
from ch07_applications.images_and_text.word_region_matching import SimilarityModel
from common.data import Scale


@cache
def small_sets() -> PlacedSets:
    """Scenes of all parts."""
    return placed_scenes(Scale("smoke"), (96, 48, 160, 48, 64))


@cache
def small_language() -> tuple[SimilarityModel, Vocabulary]:
    """A model whose weights are random, and the words of the training captions."""
    torch.manual_seed(3)
    words = Vocabulary.of(caption.words for captions in small_sets().train.captions for caption in captions)
    return SimilarityModel(len(words)).eval().requires_grad_(False), words
