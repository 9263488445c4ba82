"""Captions of photographs by people, where the reader has them: the decoder on features of a frozen network.

The picture's vector is the mean of MobileNetV2's last maps over the whole photograph. Beside the generator stand the
consensus of the nearest neighbours' captions, another photograph's vector, one fixed caption, and a human: the first
caption of each photograph against the other four. The others are judged by all five.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from ch07_applications.blocks.side_by_side import Made, Work
from ch07_applications.images_and_text.caption_rivals import NearestCaptions, fit_neighbours
from ch07_applications.images_and_text.photograph_regions import (
    SEEN,
    Photographs,
    PhotographSets,
    photographs_or_none,
)
from ch07_applications.images_and_text.stated_slots import BLEU, CIDER, PUBLISHED
from common import plots
from common.data.weights import imagenet_inputs, mobilenet_v2_or_none
from common.method import Method
from common.metrics.bleu import CorpusBleu
from common.metrics.cider import cider_d
from common.paper_claims import PaperClaims
from common.run import Run

if TYPE_CHECKING:
    from ch07_applications.images_and_text.show_and_tell import Captioner

LEARNED, NEAREST, SHUFFLED = "photographs: Show and Tell", "photographs: nearest neighbours", "photographs: shuffled"
FIXED, HUMAN = "photographs: one fixed caption", "photographs: a human, four references"
DROP, EPOCHS = 0.5, 40
COUNTS = (5, 10, 20, 40, 80)  # neighbours
SIDE = 224  # pixels
Words = tuple[str, ...]


def features_of(photographs: Photographs) -> Float32[np.ndarray, "n features"]:
    """The whole photographs' features."""
    return photographs.regions.crops[:, -1].numpy()


def sentences_of(photographs: Photographs) -> list[list[Words]]:
    """The words of each photograph's captions; those without words are left out."""
    return [[caption.words for caption in own if caption.words] for own in photographs.captions]


def score_photographs(
    method: Method, captions: Sequence[Words], photographs: Photographs, references: Sequence[Sequence[Words]]
) -> None:
    """BLEU-4, in per cent, and CIDEr-D of a caption of each photograph."""
    each = 100 * CorpusBleu(captions, references).by_image()
    method.score_items(BLEU, each, photographs.part, higher_is_better=True)
    method.score_items(CIDER, cider_d(captions, references), photographs.part, higher_is_better=True)
    method.run.fact(f"distinct captions, {method.name}", len(set(map(tuple, captions))))


def quality_on(photographs: Photographs) -> Callable[[list[Words]], float]:
    """CIDEr-D of captions of these photographs."""
    references = sentences_of(photographs)
    return lambda captions: float(cider_d(captions, references).mean())


def fixed_caption(sentences: Sequence[Sequence[Words]]) -> Words:
    """Of the first training captions the one with the highest CIDEr-D beside the first captions of all photographs."""
    firsts = [own[0] for own in sentences]
    pool = firsts[:40]
    found = [cider_d([words] * len(firsts), [[other] for other in firsts]).mean() for words in pool]
    return pool[int(np.argmax(found))]


def photographs_to_learn(run: Run, train: Callable[..., Captioner]) -> tuple[PhotographSets | None, dict[str, Work]]:
    """Photographs with captions by people, where they are there, and a training on them as work for side_by_side.

    train: a generator from vectors and sentences.
    """
    found = photographs_or_none(run)
    if found is None:
        return None, {}
    epochs = run.pick(smoke=1, lecture=EPOCHS, full=EPOCHS)
    how = {"least": SEEN, "drop": DROP, "fade": False, "memory": 0}  # chosen on validation photographs
    learned = {"vectors": features_of(found.train), "sentences": sentences_of(found.train)}
    return found, {LEARNED: partial(train, epochs=epochs, **learned, **how)}


def study_photographs(run: Run, claims: PaperClaims, found: PhotographSets | None, made: Mapping[str, Made]) -> None:
    """Captions of photographs, where they are there. made: the generator that has learned from them, by name."""
    if found is None:
        if run.photo is not None:
            run.note("Your photo gets no caption: that takes Flickr8k and MobileNetV2's weights in --data.")
        return
    run.fact("training photographs", len(found.train))
    sentences, references = sentences_of(found.train), sentences_of(found.test)
    held, test = features_of(found.validation), features_of(found.test)
    with run.method(LEARNED, kind="deep") as method:
        model, method.fit_seconds = made[LEARNED]
        method.model = method.time(model.choose_beam, held, quality_on(found.validation))
        score_photographs(method, model.predict(test), found.test, references)
    with run.method(SHUFFLED, kind="reference") as method:
        method.model = model
        score_photographs(method, model.predict(np.roll(test, 1, axis=0)), found.test, references)
    with run.method(NEAREST, kind="classical") as method:
        learned = [features_of(found.train)]
        quality = quality_on(found.validation)
        rival: NearestCaptions = method.time(fit_neighbours, learned, sentences, held, quality, COUNTS)
        method.model = rival
        score_photographs(method, rival.predict(test), found.test, references)
    with run.method(FIXED, kind="reference") as method:
        words = method.time(fixed_caption, sentences)
        score_photographs(method, [words] * len(found.test), found.test, references)
    with run.method(HUMAN, kind="reference") as method:
        humans, others = [own[0] for own in references], [own[1:] for own in references]
        score_photographs(method, humans, found.test, others)
    for against, source, what in (
        (SHUFFLED, "not tested", "another photograph's vector"), (NEAREST, "Table 1", "the nearest neighbours")
    ):  # fmt: skip
        for metric in (BLEU, CIDER):
            text = f"On photographs, {metric} is higher than with {what}"
            paper = PUBLISHED[metric] if against == NEAREST else "–"
            claims.compared(text, source=source, paper=paper, ours=LEARNED, against=against, metric=metric)
    if run.photo is not None:
        caption_photo(run, model)


def caption_photo(run: Run, model: Captioner) -> None:
    """The reader's own photograph with a generated sentence, in a figure and a note."""
    trunk = mobilenet_v2_or_none(run.scale, run.note)
    picture = resized(run.photo)
    with torch.inference_mode():
        maps = trunk.features.cpu().eval()(imagenet_inputs(picture[None]))
    caption = " ".join(model.predict(maps.mean(dim=(2, 3)).clone().numpy())[0])
    run.figure("photo", plots.gallery, [picture], [caption], size=4.0, caption="Your photo, with a generated sentence.")
    run.note(f"Your photo: “{caption}”. The generator has seen fewer than a thousand photographs: do not expect much.")


def resized(photo: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "224 224 3"]:
    """A photograph at the size of MobileNetV2's inputs, stretched to a square, as those of Flickr8k are."""
    from PIL import Image

    return np.asarray(Image.fromarray(photo).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
