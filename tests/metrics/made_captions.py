"""Random captions beside references that are like them; and a few for which COCO's caption code was asked."""

from __future__ import annotations

import numpy as np

WORDS = ["a", "the", "man", "dog", "runs", "on", "beach", "red", "ball", "plays", "two", "children", "in", "park"]

REFERENCES = [
    [caption.split() for caption in own]
    for own in (
        ["a dog runs on the beach", "a brown dog runs along the beach", "dog on the sand"],
        ["two children play with a red ball", "children playing with a ball in the park"],
        ["a man rides a horse", "a man on a horse in a field", "the man is riding a brown horse", "man on horse"],
        ["a red bus", "bus"],
        ["a woman in a red coat walks a dog in the park"],
    )
]
CANDIDATES = [
    caption.split()
    for caption in (
        "a dog runs on the sand",
        "two children play in the park with a dog",
        "a man a man a man a man",
        "red bus",
        "a woman walks",
    )
]
# What pycocoevalcap 1.2 answers: its Bleu(4), and per image its Cider(), which is CIDEr-D.
COCOS_BLEU = [0.6397292146201019, 0.5306632835786268, 0.41813295876110923, 0.300308680686248]
COCOS_CIDER = [4.206060389080824, 2.8852788951277453, 0.4152684522257417, 3.5827488070500086, 0.7730231808093022]


def made(seed: int, images: int = 30, shortest: int = 0) -> tuple[list, list]:
    """Candidates and references, one to five, made by changing words of one sentence per image.

    shortest: how many words each candidate has at least.
    """
    rng = np.random.default_rng(seed)

    def some(low: int, high: int) -> list[str]:
        return [WORDS[k] for k in rng.integers(0, len(WORDS), rng.integers(low, high))]

    candidates, references = [], []
    for _ in range(images):
        sentence = some(max(shortest, 4), 12)
        references.append(
            [[w for w in sentence if rng.random() < 0.8] + some(1, 4) for _ in range(rng.integers(1, 6))] + [sentence]
        )
        candidates.append([w for w in sentence if rng.random() < 0.8] + some(shortest, shortest + 3))
    return candidates, references
