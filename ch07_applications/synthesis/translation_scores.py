"""Scores of translations: against hidden partners, by a recogniser, and by their distribution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, UInt8

from ch07_applications.synthesis.sample_judge import SampleJudge, frechet_distance
from ch07_applications.synthesis.striped_clothes import HiddenPairs, StripedClothes
from ch07_applications.synthesis.unpaired_rivals import TRANSPORT, Rival, Transport, rivals
from common.data import Images
from common.method import Method
from common.run import Run
from common.tuning import choose

PSNR, RECOGNISED, FRECHET = "PSNR to the hidden partner", "recognised", "Fréchet distance of stripes"
BACK = "PSNR of the way back"
RANGE, LEAST = 255.0, 1e-2  # grey levels; the least mean square error, 68 dB
Grey = UInt8[np.ndarray, "n height width"]


def psnr_of_each(images: Grey, partners: Grey) -> Float[np.ndarray, "n"]:
    """Peak signal-to-noise ratio of each image, in dB; at most 68, for identical ones."""
    errors = (images.astype(np.float64) - partners).__pow__(2).mean(axis=(1, 2))
    return 10 * np.log10(RANGE**2 / np.maximum(errors, LEAST))


@dataclass(frozen=True, eq=False)
class TranslationScores:
    """judge: trained on grey and striped clothes. pairs: not used in training."""

    judge: SampleJudge
    pairs: HiddenPairs

    def score_grey(self, method: Method, translated: Grey) -> None:
        """Score removed stripes: PSNR to the hidden partner, and the share of correct recognition."""
        grey = self.pairs.grey
        method.score_items(PSNR, psnr_of_each(translated, grey.images), grey, unit="dB", higher_is_better=True)
        right = self.judge.predict(translated) == grey.labels
        method.score_items(RECOGNISED, 100.0 * right, grey, unit="%", higher_is_better=True)

    def score_striped(self, method: Method, translated: Grey) -> None:
        """Score added stripes: by their distribution, as there is no partner to compare with."""
        real, made = (self.judge.features(images) for images in (self.pairs.striped.images, translated))
        distance = frechet_distance(real, made)
        method.measure(FRECHET, distance, n=len(translated))
        method.run.fact(f"{FRECHET}, {method.name}", distance)
        right = self.judge.predict(translated) == self.pairs.grey.labels
        method.score_items(f"{RECOGNISED}, striped", 100.0 * right, self.pairs.grey, unit="%", higher_is_better=True)

    def score_back(self, method: Method, back: Grey) -> None:
        """Score grey clothes translated to striped and back."""
        grey = self.pairs.grey
        method.score_items(BACK, psnr_of_each(back, grey.images), grey, unit="dB", higher_is_better=True)


def learn_both(run: Run, clothes: StripedClothes) -> SampleJudge:
    """Train a recogniser of clothes in both domains, with labels unknown to translators. Scored on grey tests."""
    images, labels, ids = (
        np.concatenate([getattr(part, name) for part in (clothes.grey, clothes.striped)])
        for name in ("images", "labels", "ids")
    )
    with run.method("recogniser", kind="reference") as method:
        build = partial(SampleJudge, run.pick(smoke=1, lecture=5), run.seed, run.say_step, run.device)
        method.fit_shared("judge of grey and striped clothes", build, Images(images, labels, ids))
        method.score(clothes.test.grey)
    return method.model


def score_rivals(run: Run, clothes: StripedClothes, scores: TranslationScores) -> dict[str, Grey]:
    """Fit and score the rivals. Returns their translations of striped test images by name."""
    source, target, found = clothes.striped.images, clothes.grey.images, {}
    pairs, few = clothes.validation, run.pick(smoke=20, lecture=500)

    def held_out(rival: Rival) -> float:
        """The mean PSNR on validation pairs."""
        translated = rival.fit(source[:few], target[:few]).transform(pairs.striped.images[:few])
        return float(psnr_of_each(translated, pairs.grey.images[:few]).mean())

    for name, options in rivals().items():
        with run.method(name, kind="classical") as method:
            marks = method.time(lambda each=options: [held_out(rival) for rival in each])
            method.model = chosen = choose(options, marks, highest=True)
            if len(options) > 1:
                run.note(f"{name}: of {len(options)} settings, {chosen.setting} came nearest to validation partners.")
            method.time(chosen.fit, source[: 2 * few], target[: 2 * few])
            found[name] = method.model.transform(clothes.test.striped.images)
            scores.score_grey(method, found[name])
            if name == TRANSPORT:
                reverse = Transport().fit(target, source)
                scores.score_striped(method, reverse.transform(clothes.test.grey.images))
    return found
