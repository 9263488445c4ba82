"""n-grams of captions, counted. A caption is a sequence of tokens; how text is cut into them is the caller's choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Caption = Sequence[str]
MOST = 4  # words in the longest n-gram, in BLEU and CIDEr alike


def ngrams(caption: Caption, n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n tokens occurs in the caption."""
    return Counter(zip(*(caption[k:] for k in range(n)), strict=False))


def check_captions(candidates: Sequence[Caption], references: Sequence[Sequence[Caption]]) -> None:
    """Raises ValueError for another number of candidates than of images with references, an image without a reference,
    and a caption that is a string: its tokens would be letters."""
    if len(candidates) != len(references):
        raise ValueError(f"{len(candidates)} candidates but references of {len(references)} images")
    for image, (candidate, own) in enumerate(zip(candidates, references, strict=True)):
        if isinstance(own, str) or not len(own):
            raise ValueError(f"image {image}: there must be at least one reference, in a list, not {own!r}")
        for caption in (candidate, *own):
            if isinstance(caption, str):
                raise ValueError(f"image {image}: the caption {caption!r} is a string; a caption is a list of tokens")
