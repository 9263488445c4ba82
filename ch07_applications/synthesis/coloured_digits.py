"""Where CycleGAN fails: coloured digits on photographs to grey ones, and back to colours that nothing determines.

Question   The cycle loss keeps a translation close to its source image. What does it do if images of one domain cannot
           contain most of what those of the other show?
Method     CycleGAN (Zhu et al. 2017, Eq. (3)) as in the last lesson, with weights λ of its cycle loss:

               λ (‖F(G(x)) − x‖₁ + ‖G(F(y)) − y‖₁)          x a grey digit, y a coloured one on a photograph

           For G to restore y, F(y) must contain the photograph and the digit's colour; for D_X, it must look like a
           white digit on black. How F meets both demands is measured on validation pairs: by a recogniser, by the
           light left on the ground, and by the way back from F(y), from F(y) under noise, and from y's partner.
Rival      The distance of each pixel's colour to the colours at the image's border. It learns nothing.
Differs    The identity loss has one weight, the paper's for λ = 10, at all λ, so that they differ in the cycle loss
           only. Digits of 32 × 32 pixels, small networks, one pass over the images.
Costs      85 s on two cores.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int, Int64
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from ch07_applications.synthesis.border_colours import BorderColours, options
from ch07_applications.synthesis.cyclegan import TO_GREY, TO_STRIPED, CycleGan, train
from ch07_applications.synthesis.cyclegan_plans import SMALL, Recipe
from ch07_applications.synthesis.digits_on_photographs import (
    ColouredDigits,
    DigitPairs,
    Grey,
    Pixels,
    colour_of,
    digits_on_photographs,
    grey_of,
    pixels_of,
)
from ch07_applications.synthesis.drawn_coloured_digits import CAPTIONS, draw_confusions, draw_rows
from ch07_applications.synthesis.drawn_cyclegan import draw_bars
from ch07_applications.synthesis.hidden_message import (
    LEFT,
    LOST,
    NOISES,
    PARTNER,
    UNTOUCHED,
    disturbed,
    error,
    state_shares,
    under_noise,
)
from ch07_applications.synthesis.sample_judge import SampleJudge
from ch07_applications.synthesis.striped_clothes import UnpairedBatches
from ch07_applications.synthesis.translation_scores import PSNR, RECOGNISED, psnr_of_each
from common import data
from common.data import Images
from common.method import Method
from common.paper_claims import PaperClaims
from common.run import Run
from common.tuning import choose

TO_COLOURED = TO_STRIPED  # the second domain of cyclegan.py
NO_CYCLE, WEAK, STRONG = "no cycle loss", "cycle loss, λ = 1", "cycle loss, λ = 10"
RECIPE = Recipe(replace(SMALL, channels=3), steps=365, batch_size=8, cycle=10.0, identity=5.0)
VARIANTS = {name: replace(RECIPE, cycle=cycle) for name, cycle in ((NO_CYCLE, 0.0), (WEAK, 1.0), (STRONG, 10.0))}
RIVAL, UNCHANGED, READER = "border's colours", "no translation", "recogniser"
LIGHT, LOUDEST = (0.5, 1.0), 40.0  # of disturbed digits: the share of light that is kept; the most noise in grey levels
COARSE = 2.0  # pixels, the deviation of the Gaussian that makes half of the noise smooth
BLACKENED = "the translation, its ground black"
TRUE_GROUND, TRUE_DIGIT = "recognised with the true ground", "recognised with the true digit"
SHOWN = 10  # images per row


def prepare(run: Run) -> ColouredDigits:
    """Load MNIST's digits and the carried photographs; fewer at smoke."""
    photographs = data.photographs()
    return digits_on_photographs(data.mnist(run.scale), photographs.train, photographs.test, run.seed)


def disturb(images: Grey, seed: int) -> Grey:
    """Make every other image darker and noisy, rough or smooth, like readable remains of a translation."""
    rng, found = np.random.default_rng(seed), images.copy()
    half = images[1::2]
    noise = rng.normal(size=half.shape)
    smooth = ndimage.gaussian_filter(rng.normal(size=half.shape), (0, COARSE, COARSE))
    noise = np.where(rng.random((len(half), 1, 1)) < 0.5, noise, smooth / (smooth.std() if smooth.size else 1.0))
    light, loud = rng.uniform(*LIGHT, (len(half), 1, 1)), rng.uniform(0, LOUDEST, (len(half), 1, 1))
    found[1::2] = np.rint(np.clip(light * half + loud * noise, 0, 255))
    return found


def learn_to_read(run: Run, digits: ColouredDigits) -> SampleJudge:
    """Train a recogniser of grey digits, half of them disturbed. It is scored on undisturbed test digits.

    A recogniser trained on black ground only would misread digits with a faint remainder of the photograph.
    """
    with run.method(READER, kind="reference") as method:
        learned = Images(disturb(digits.readable.images, run.seed), digits.readable.labels, digits.readable.ids)
        method.fit(SampleJudge(run.pick(smoke=1, lecture=3), run.seed, run.say_step, run.device), learned)
        score(method, method.model, digits.test, digits.test.grey.images)
    return method.model


def score(method: Method, reader: SampleJudge, pairs: DigitPairs, translated: Grey) -> None:
    """Score the share of translations read as their digit, and the PSNR to the hidden partners."""
    grey = pairs.grey
    right = reader.predict(translated) == grey.labels
    method.score_items(RECOGNISED, 100.0 * right, grey, unit="%", higher_is_better=True)
    if translated is not grey.images:
        method.score_items(PSNR, psnr_of_each(translated, grey.images), grey, unit="dB", higher_is_better=True)


def choose_rival(run: Run, method: Method, reader: SampleJudge, pairs: DigitPairs) -> BorderColours:
    """The setting whose translations of validation images have the best recognition rate."""
    few = slice(run.pick(smoke=30, lecture=500))
    wanted, coloured = pairs.grey.labels[few], pairs.coloured.images[few]
    shares = method.time(lambda: [float((reader.predict(o.transform(coloured)) == wanted).mean()) for o in options()])
    chosen = choose(options(), shares, highest=True)
    run.note(f"Of {len(shares)} settings of the rival, this one is read best on validation images: {chosen.setting}.")
    return chosen


# --- The effects of the cycle loss ------------------------------------------------------------------------------------


def count_readings(labels: Int64[np.ndarray, "n"], read: Int[np.ndarray, "n"]) -> Int64[np.ndarray, "10 10"]:
    """The confusion matrix: how often each digit (row) is read as each (column)."""
    return np.bincount(10 * labels + read, minlength=100).reshape(10, 10).astype(np.int64)


def relabelled(confusion: Int64[np.ndarray, "classes classes"]) -> float:
    """The share of correct readings in per cent, after the best renaming of classes.

    Generators that take 3 to 8, 8 to 5 … throughout would score 100: permuted, but still distinct.
    """
    rows, columns = linear_sum_assignment(confusion, maximize=True)
    return 100.0 * float(confusion[rows, columns].sum() / confusion.sum())


def half_true(translated: Grey, partners: Grey) -> dict[str, Grey]:
    """Translations with their partners' pixels on the ground, where partners are black, or on the digit, elsewhere.

    With the true ground, all that is left of an error is in the strokes; with the true digit, on the ground.
    """
    digit = partners > 0
    return {TRUE_GROUND: np.where(digit, translated, partners), TRUE_DIGIT: np.where(digit, partners, translated)}


def ways_back(gan: CycleGan, pairs: DigitPairs, translation: Pixels, seed: int) -> dict[str, Pixels]:
    """G of F(y) as it is, under noise, and with black ground; and G of y's hidden partner."""
    partners, noisy = pixels_of(pairs.grey.images), under_noise(NOISES[-1])
    starts = {UNTOUCHED: translation, noisy: disturbed(translation, seed)[noisy]}
    starts |= {BLACKENED: torch.where(partners > -1, translation, -1.0), PARTNER: partners}
    return {name: gan.translate(TO_COLOURED, pixels) for name, pixels in starts.items()}


def price_of_truth(pairs: DigitPairs) -> float:
    """‖G(F(y)) − y‖₁ if F(y) is y's partner: then G knows only the digit's place, and its best predictions are medians.

    Pixels are from -1 to 1. λ times this is the cost of right translations; being detected by the discriminator, with
    the score 0, costs 1.
    """
    coloured, digit = pairs.coloured.images / 127.5, pairs.grey.images > 127
    off = [np.abs(each - np.median(each, axis=0)) for each in (coloured[digit], coloured[~digit])]
    return float(np.concatenate(off).mean())


def explain(run: Run, name: str, gan: CycleGan, reader: SampleJudge, pairs: DigitPairs) -> Int64[np.ndarray, "10 10"]:
    """State facts about the translations of validation images. Returns their confusion matrix."""
    coloured, partners = pixels_of(pairs.coloured.images), pairs.grey.images
    translation = gan.translate(TO_GREY, coloured)
    grey = grey_of(translation)
    confusion = count_readings(pairs.grey.labels, reader.predict(grey))
    run.fact(f"recognised on validation images, {name}", 100.0 * float(np.trace(confusion) / confusion.sum()), "%")
    run.fact(f"recognised after the best renaming of classes, {name}", relabelled(confusion), "%")
    for part, mixed in half_true(grey, partners).items():
        run.fact(f"{part}, {name}", 100.0 * float((reader.predict(mixed) == pairs.grey.labels).mean()), "%")
    run.fact(f"light left on the ground, {name}", float(grey[partners == 0].mean()), "grey levels")
    errors = {k: error(back, coloured) for k, back in ways_back(gan, pairs, translation, run.seed).items()}
    for start, value in errors.items():
        run.fact(f"error of the way back from {start}, {name}", value, "grey levels")
    if name == STRONG:
        state_shares(run, errors)
    return confusion


def claim_all(claims: PaperClaims) -> None:
    """Test the paper's claim, the rival, and the effect of the cycle loss on translations."""
    claims.compared(
        "With the cycle loss, translations show the same image", source="Table 5", paper="IoU 0.16 against 0.07",
        ours=STRONG, against=NO_CYCLE,
    )  # fmt: skip
    claims.compared("… also with a weaker one", source="–", paper="–", ours=WEAK, against=NO_CYCLE)
    claims.compared("… more than by the rival", source="–", paper="not compared", ours=STRONG, against=RIVAL)
    way = "error of the way back from"
    claims.measured(
        "The translation holds what the grey partner does not", source="Chu et al. 2017, §3", paper="pictures",
        ours=f"{way} {UNTOUCHED}, {STRONG}", against=f"{way} {PARTNER}, {STRONG}", expects="lower", as_ratio=True,
    )  # fmt: skip
    claims.measured(
        "… in differences that a little noise destroys", source="Chu et al. 2017, Fig. 4", paper="a curve",
        ours=LOST, against=LEFT, expects="higher",
    )  # fmt: skip
    claims.measured(
        "… in light that the cycle loss leaves on the ground", source="–", paper="–",
        ours=f"light left on the ground, {STRONG}", against=f"light left on the ground, {NO_CYCLE}",
        expects="higher", as_ratio=True,
    )  # fmt: skip


def lesson(run: Run) -> None:
    claims, digits = PaperClaims(run), prepare(run)
    reader = learn_to_read(run, digits)
    coloured = digits.test.coloured.images
    with run.method(UNCHANGED, kind="reference") as method:
        score(method, reader, digits.test, grey_of(pixels_of(coloured)))
    with run.method(RIVAL, kind="classical") as method:
        method.model = choose_rival(run, method, reader, digits.validation)
        rows = {"coloured": coloured, RIVAL: method.model.transform(coloured)}
        score(method, reader, digits.test, rows[RIVAL])
    learned = slice(run.pick(smoke=32, lecture=None))
    batches = UnpairedBatches(pixels_of(digits.grey.images[learned]), pixels_of(digits.coloured.images[learned]))
    confusions, gans = {}, {}
    for name, recipe in VARIANTS.items():
        with run.method(name, kind="deep") as method:
            recipe = replace(recipe, steps=run.pick(smoke=1, lecture=recipe.steps, full=50_000))
            method.model = gans[name] = method.time(train, run, batches, recipe, f"cycle {recipe.cycle:g}")
            rows[name] = grey_of(gans[name].translate(TO_GREY, pixels_of(coloured)))
            score(method, reader, digits.test, rows[name])
            confusions[name] = explain(run, name, gans[name], reader, digits.validation)
    claim_all(claims)
    run.floor(RIVAL, RECOGNISED, at_least=80.0)
    run.floor(NO_CYCLE, RECOGNISED, at_least=60.0)
    run.fact("cycle loss of right translations", price_of_truth(digits.validation))
    rows["hidden partner"] = digits.test.grey.images
    back = ways_back(gans[STRONG], digits.test, gans[STRONG].translate(TO_GREY, pixels_of(coloured)), run.seed)
    rows |= {f"back from {start}": colour_of(back[start]) for start in (UNTOUCHED, PARTNER)}
    credits = "; ".join(dict.fromkeys(digits.test.credits[:SHOWN]))
    shown = {name: images[:SHOWN] for name, images in rows.items()}
    run.figure("rows", draw_rows, shown, caption=f"{CAPTIONS['rows']} Photographs: {credits}.")
    run.figure("confusions", draw_confusions, confusions, caption=CAPTIONS["confusions"])
    names = (UNCHANGED, RIVAL, *VARIANTS)
    run.figure_over_seeds("bars", draw_bars, names, tuple(VARIANTS), (RECOGNISED, PSNR), caption=CAPTIONS["bars"])
