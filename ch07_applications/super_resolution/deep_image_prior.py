"""Deep Image Prior: a network that has seen no other picture restores one from noise as its input.

Question   Networks restore pictures because they were trained on many. How much of that is in the data, and how much in
           the structure of a convolutional network, before any training?
Method     Ulyanov, Vedaldi and Lempitsky 2018 (2020 in IJCV). A network f with weights θ maps a fixed noise input z to
           a picture. All that is known of the picture x is an observation x₀ = A x, and

               θ* = argmin_θ E(f_θ(z); x₀),   E = ‖A f_θ(z) − x₀‖²,   x* = f_θ*(z)          (2)

           is found by gradient descent from random weights, with early stopping. A is the identity for denoising, a
           downsampler D for super-resolution (4), a mask m for inpainting (5). The network is an encoder and a decoder
           with narrow skips (supplement, Fig. 21). Each step adds new noise to z, and the result is a moving average
           of the network's outputs (supplement).
Rival      Methods without a network: bicubic, and least squares with the total variation (total_variation.py), for
           super-resolution; non-local means for denoising; the biharmonic equation for inpainting. Their settings are
           chosen on training photographs.
Differs    32 × 4 channels in place of 128 × 5, 96 × 96 pixels, and 200 to 300 steps in place of 2000 and more. Muon in
           place of Adam: on four training photographs with noise, Adam had 26.0 dB after 400 steps, Muon 26.8 at 300.
           The stopping step was chosen on these, once for all: a picture's best step is known only with its truth.
Costs      170 s on two cores; a step takes 25 ms on one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.super_resolution.classical_restoration import (
    BICUBIC,
    BIHARMONIC,
    NLM,
    RIVALS,
    TV,
    choose_setting,
)
from ch07_applications.super_resolution.damaged_photographs import (
    Damaged,
    Observation,
    Picture,
    Pixels,
    Squares,
    add_noise,
    choosing_squares,
    judged_squares,
    make_holes,
    picture_of,
    pixels_of,
    reduce,
)
from ch07_applications.super_resolution.drawn_deep_image_prior import CAPTIONS, draw_fits, draw_progress, draw_restored
from common.claims import beats
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Method, Run

FACTOR = 4
TASKS = {
    "super-resolution": lambda picture, _: reduce(picture, FACTOR),
    "denoising": add_noise,
    "inpainting": make_holes,
}
STEPS = {"super-resolution": 260, "denoising": 300, "inpainting": 200}  # the steps after which the result is taken
BEYOND = {"super-resolution": 0, "denoising": 20, "inpainting": 20}  # extra steps: would a later result be better?
EARLY = 125  # steps to fit a photograph, its shuffled pixels, and noise
FITTED = (0, 1, 2, 4)  # the test photographs for this: four by three photographers
EVERY = 10  # steps between two stored results
OURS, ORACLE = "deep image prior", "its best step, unknown"
RESOLUTION, SHARED = "super-resolution", "deep image prior, four times as large"
PHOTO, SHUFFLED, NOISE, ERROR = "fit to photographs", "fit to their shuffled pixels", "fit to noise", "remaining error"
PSNR = {task: f"PSNR, {task}" for task in TASKS}
CLAIMS = (  # text, source, the paper's finding, task, rival
    ("×4 better than bicubic", "Table 1", "29.90 against 28.43 dB on Set5", "super-resolution", BICUBIC),
    ("… and than least total variation", "Fig. 5", "pictures", "super-resolution", TV),
    ("Noise is removed better than by non-local means", "§3", "about 30.4 against 30.3 dB", "denoising", NLM),
    ("Holes are filled with structure, nearer to the truth", "§3", "pictures", "inpainting", BIHARMONIC),
)  # fmt: skip


# --- The network ------------------------------------------------------------------------------------------------------


def convolve(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution with reflected borders, batch normalisation and a leaky rectifier."""
    padded = {"padding": size // 2, "padding_mode": "reflect"} if size > 1 else {}
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, **padded), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, inplace=True)
    )


class SkipNetwork(nn.Module):
    """An encoder and a decoder of `scales` scales, with a few skip channels from each to its counterpart.

    Supplement, Fig. 21; the paper's has 128 channels on 5 scales. BatchNorm always uses the statistics of the present
    picture, as in training: running means would be those of earlier weights.
    """

    def __init__(self, channels: int = 128, scales: int = 5, skipped: int = 4, inputs: int = 32) -> None:
        super().__init__()
        self.stride = 2**scales
        above = [inputs] + [channels] * (scales - 1)
        self.down = nn.ModuleList(
            nn.Sequential(convolve(width, channels, 3, stride=2), convolve(channels, channels, 3)) for width in above
        )
        self.skip = nn.ModuleList(convolve(width, skipped, 1) for width in above)
        self.normal = nn.ModuleList(nn.BatchNorm2d(skipped + channels) for _ in above)
        self.up = nn.ModuleList(
            nn.Sequential(convolve(skipped + channels, channels, 3), convolve(channels, channels, 1)) for _ in above
        )
        self.colours = nn.Conv2d(channels, 3, 1)

    def forward(self, z: Float[Tensor, "1 inputs height width"]) -> Float[Tensor, "1 3 height width"]:
        """A picture in 0 … 1. Raises ValueError if the coarsest map would have less than 2 × 2 whole pixels."""
        height, width = z.shape[2:]
        if height % self.stride or width % self.stride or min(height, width) < 2 * self.stride:
            raise ValueError(f"{height} × {width} pixels: sides must be multiples of {self.stride}, two at least")
        skipped = []
        for down, skip in zip(self.down, self.skip, strict=True):
            skipped.append(skip(z))
            z = down(z)
        for up, normal in zip(reversed(self.up), reversed(self.normal), strict=True):
            z = functional.interpolate(z, scale_factor=2, mode="bilinear")
            z = up(normal(torch.cat([skipped.pop(), z], dim=1)))
        return self.colours(z).sigmoid()


# --- Its error, and the fit -------------------------------------------------------------------------------------------


def error_of(observation: Observation) -> Callable[[Pixels], Float[Tensor, ""]]:
    """E(x; x₀): the mean squared difference of A x and x₀, over known pixels. Eq. (2), (4) and (5)."""
    seen = pixels_of(observation.seen)
    downsampler = observation.downsampler if observation.factor > 1 else None
    known = torch.tensor(np.ones(seen.shape[2:], bool) if observation.known is None else observation.known)

    def error(x: Pixels) -> Float[Tensor, ""]:
        difference = (x if downsampler is None else downsampler(x)) - seen
        return torch.where(known, difference, 0.0).square().sum() / (3 * known.sum())

    return error


@dataclass(frozen=True)
class Recipe:
    """The settings of a fit. The defaults are the small network used here; the paper's has channels=128, scales=5.

    shaking: standard deviation of the noise that each step adds to z. averaging: the share of the moving average kept
    at each step.
    """

    steps: int = 400
    channels: int = 32
    scales: int = 4
    rate: float = 0.01
    inputs: int = 32
    amplitude: float = 0.1  # z is uniform in 0 … 0.1
    shaking: float = 0.03
    averaging: float = 0.98
    muon: bool = True  # else Adam, the paper's

    def fit(self, observation: Observation, seed: int) -> Fit:
        """Fit one observation from random weights, without the truth. Returns the results along the way."""
        error, answers, losses = error_of(observation), [], []
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = SkipNetwork(self.channels, self.scales, inputs=self.inputs).train()
            z = self.amplitude * torch.rand(1, self.inputs, *observation.size)
            optimiser = torch.optim.Adam(network.parameters(), lr=self.rate, fused=True)
            if self.muon:
                optimiser = Muon(hidden_filters(network, [network.colours]), lr=self.rate, weight_decay=0.0)
            mean = torch.zeros(1, 3, *observation.size)
            for step in range(1, self.steps + 1):
                x = network(z + self.shaking * torch.randn_like(z))
                loss = error(x)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                losses.append(float(loss.detach()))
                mean.lerp_(x.detach(), max(1 / step, 1 - self.averaging))  # at first the mean of all
                if step % EVERY == 0 or step == self.steps:
                    answers.append(picture_of(mean))
        if observation.known is not None:  # known pixels stay unchanged
            answers = [np.where(observation.known[..., None], observation.seen, each) for each in answers]
        return Fit(np.stack(answers), np.array(losses))


@dataclass(frozen=True, eq=False)
class Fit:
    """answers: the results after every EVERY steps and after the last. losses: of each step, before its update."""

    answers: UInt8[np.ndarray, "looks height width 3"]
    losses: Float[np.ndarray, "steps"]


# --- The lesson -------------------------------------------------------------------------------------------------------


def study_fits(run: Run, part: Squares, claims: PaperClaims) -> None:
    """Fit a photograph, its shuffled pixels, and noise with the same network: the paper's Fig. 2."""
    recipe = small_recipe(run, run.pick(smoke=12, lecture=EARLY))
    recipe = replace(recipe, shaking=0.0, averaging=0.0, muon=False)
    shuffled = [run.rng.permutation(each.reshape(-1, 3)).reshape(each.shape) for each in part.inputs]
    noise = run.rng.integers(0, 256, part.inputs.shape, dtype=np.uint8)
    targets, errors = {PHOTO: part.inputs, SHUFFLED: np.stack(shuffled), NOISE: noise}, {}
    for name, pictures in targets.items():
        with run.method(name, kind="deep") as method:
            losses = [method.time(recipe.fit, Observation(each), run.seed).losses for each in pictures]
            errors[name] = np.stack(losses) / (pictures / 255).var(axis=(1, 2)).mean(axis=1, keepdims=True)
            method.score_items(ERROR, errors[name][:, -1], part)
    for name in (SHUFFLED, NOISE):
        ratio = errors[name][:, -1].mean() / errors[PHOTO][:, -1].mean()
        run.fact(f"remaining error, {name}, over that of photographs", ratio)
        claims.compared(
            f"A photograph is fitted sooner: {PHOTO} against {name}", source="Fig. 2", paper="curves",
            ours=PHOTO, against=name, metric=ERROR,
        )  # fmt: skip
    run.figure("fits", draw_fits, targets, errors, caption=f"{CAPTIONS['fits']} {part.credits[0]}.")


def small_recipe(run: Run, steps: int) -> Recipe:
    """The network whose size fits this preset."""
    small, large = Recipe(steps, channels=8, scales=3), Recipe(steps, channels=128, scales=5)
    return run.pick(smoke=small, lecture=Recipe(steps), full=large)


def score(method: Method, task: str, part: Squares, items: Sequence[Damaged], answers: Sequence[Picture]) -> None:
    """Score the PSNR of each result."""
    values = [each.score(answer) for each, answer in zip(items, answers, strict=True)]
    method.score_items(PSNR[task], np.array(values), part, unit="dB", higher_is_better=True)


def restore_by_rivals(run: Run, task: str, part: Squares, training: Squares) -> dict[str, list[Picture]]:
    """Restore a task's pictures by its rivals, each with the setting that was best on training photographs."""
    items, found = part.damage(TASKS[task], run.seed), {}
    for name, (restore, options) in RIVALS[task].items():
        with run.method(name, kind="classical") as method:
            setting = ()
            if options:
                known = training.damage(TASKS[task], run.seed)
                setting = (run.fact(f"{name}: setting", method.time(choose_setting, restore, options, known)),)
            found[name] = [method.time(restore, each.observation, *setting) for each in items]
            score(method, task, part, items, found[name])
    return found


def restore_by_networks(run: Run, part: Squares) -> dict[str, list[Fit]]:
    """Restore all tasks, a network per picture; score the fixed step, and each picture's best step beside it."""
    damaged, fits = {task: part.damage(how, run.seed) for task, how in TASKS.items()}, {}
    with run.method(OURS, kind="deep") as method:
        for task, items in damaged.items():
            recipe = small_recipe(run, run.pick(smoke=2 * EVERY, lecture=STEPS[task] + BEYOND[task]))
            fits[task] = [method.time(recipe.fit, each.observation, run.seed) for each in items]
            if task == RESOLUTION:
                method.share(SHARED, [each.answers[look_at(task, run)] for each in fits[task]])
        for task, items in damaged.items():  # after all fits, whose seconds every row states
            score(method, task, part, items, [each.answers[look_at(task, run)] for each in fits[task]])
    with run.method(ORACLE, kind="reference") as method:
        for task, items in damaged.items():
            values = scores_by_step(items, fits[task])
            method.score_items(PSNR[task], values.max(axis=1), part, unit="dB", higher_is_better=True)
            run.fact(f"{task}: best step, mean over pictures", EVERY * (1 + values.argmax(axis=1).mean()))
    return fits


def enlarge_by_prior(run: Run, items: Sequence[Damaged]) -> list[Picture]:
    """Enlarge reduced pictures four times with the fixed number of steps, for lessons that reuse this method."""
    recipe = small_recipe(run, run.pick(smoke=2 * EVERY, lecture=STEPS[RESOLUTION]))
    return [recipe.fit(each.observation, run.seed).answers[look_at(RESOLUTION, run)] for each in items]


def judged_part(run: Run) -> Squares:
    """The test photographs as squares of this preset's size."""
    return judged_squares(run.pick(smoke=32, lecture=96, full=128), range(run.pick(smoke=2, lecture=7)))


def look_at(task: str, run: Run) -> int:
    """The index of a fit's result after the fixed number of steps."""
    return run.pick(smoke=EVERY, lecture=STEPS[task]) // EVERY - 1


def scores_by_step(items: Sequence[Damaged], fits: Sequence[Fit]) -> Float[np.ndarray, "pictures looks"]:
    """The PSNR of every stored result."""
    return np.array([[each.score(answer) for answer in fit.answers] for each, fit in zip(items, fits, strict=True)])


def show_restored(run: Run, part: Squares, rivals: Mapping[str, Mapping], fits: Mapping[str, list[Fit]]) -> None:
    """Show the first two photographs, damaged and restored; and the quality at each step."""
    rows, curves = [], {}
    for task, how in TASKS.items():
        items, look, rival = part.damage(how, run.seed), look_at(task, run), list(RIVALS[task])[-1]
        rows.append([])
        for item, theirs, fit in list(zip(items, rivals[task][rival], fits[task], strict=True))[:2]:
            shown = {rival: theirs, OURS: fit.answers[look], "truth": item.truth}
            rows[-1] += [(task, item.observation.seen, None)]
            rows[-1] += [(name, each, None if each is item.truth else item.score(each)) for name, each in shown.items()]
        values = scores_by_step(items, fits[task]).mean(axis=0)
        curves[task] = EVERY * np.arange(1, len(values) + 1), values, EVERY * (look + 1)
    answers = fits["denoising"][0].answers
    looks = {f"step {EVERY * (k + 1)}": answers[k] for k in (1, 5, 11, look_at("denoising", run)) if k < len(answers)}
    run.figure("restored", draw_restored, rows, caption=f"{CAPTIONS['restored']} {'; '.join(part.credits[:2])}.")
    run.figure("progress", draw_progress, curves, looks, caption=f"{CAPTIONS['progress']} {part.credits[0]}.")


def lesson(run: Run) -> None:
    claims, part = PaperClaims(run), judged_part(run)
    study_fits(run, judged_squares(run.pick(smoke=32, lecture=128), FITTED), claims)
    training = choosing_squares(part.inputs.shape[1], run.pick(smoke=2, lecture=4))
    rivals = {task: restore_by_rivals(run, task, part, training) for task in TASKS}
    fits = restore_by_networks(run, part)
    for text, source, paper, task, rival in CLAIMS:
        claims.compared(text, source=source, paper=paper, ours=OURS, against=rival, metric=PSNR[task])
        run.claim(f"{OURS} beats {rival} in {task}.", beats(OURS, rival, PSNR[task]))
    for task, limit in zip(TASKS, (24.5, 26.8, 17.5), strict=True):
        run.floor(OURS, PSNR[task], at_least=limit)
    show_restored(run, part, rivals, fits)
