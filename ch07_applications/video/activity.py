"""Activities from a watch and from skeletons: recurrent networks whose per-step scores are averaged over time.

Question   Which exercise does a person with a watch do? Can a network classify raw samples, for inputs of any length,
           where other methods need hand-designed features?
Method     Murad & Pyun 2017. Layers of LSTM cells (Hochreiter & Schmidhuber 1997) run along time, forwards, or in both
           directions, or in both and then forwards (cascaded). The last layer gives scores at every step, and the
           scores of all steps are averaged (late fusion), so that an input may have any number of steps:

               i, f, o = σ(W x_t + U h_{t−1} + b)      c_t = f c_{t−1} + i tanh(W_c x_t + U_c h_{t−1} + b_c)
               h_t = o tanh(c_t)                       y_t = V h_t + a        p = softmax(1/T Σ_t y_t)

Rival      Designed features with an SVM or a forest, random kernels with ridge (MiniRocket), nearest neighbours by
           dynamic time warping; and a forest on the raw samples. All use the same three folds by person.
Differs    140 recordings of ten people, not thousands of windows of thirty. Four samples of the watch are one step,
           because steps are sequential. Training windows lie at random places and are rotated, mirrored to the other
           arm, stretched in time and rescaled, because ten wrists are few.
Costs      130 to 210 s on two cores, whose speed varies; half of them for the networks.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ch07_applications.blocks.side_by_side import Work
from ch07_applications.video import watch_studies as studies
from ch07_applications.video.drawn_activity import draw_recordings
from ch07_applications.video.person_folds import (
    WHOLE,
    WINDOW,
    Fold,
    FoldModels,
    held_out_people,
    judge,
    person_folds,
    score_by_fold,
    score_models,
    scores_of,
    train_by_fold,
)
from ch07_applications.video.skeleton_clips import Clips, DrawnClips, clips_of, padded
from ch07_applications.video.skeleton_rivals import FEW_FRAMES, JOINTS_LSTM, RESAMPLED, study_skeletons
from ch07_applications.video.watch_rivals import FOREST, KERNELS, SVM, WARPING, score_rivals
from ch07_applications.video.watch_studies import LSTM
from ch07_applications.video.watch_windows import RATE, Change, DrawnWindows, Samples, checked, resampled
from common import data
from common.ablation import BASE
from common.claims import beats
from common.data.recordings import Recordings
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Batches, Training

UNIDIRECTIONAL, BIDIRECTIONAL, CASCADED = (False, False), (True, True), (True, False)  # which layers are bidirectional
RAW = "raw samples + forest"
LAST, UNCHANGED, SHUFFLED = "last step's scores", "windows as recorded", "steps shuffled"
BOTH_WAYS, BOTH_THEN_ONE = "bidirectional", "cascaded"
CHANGE = Change(turn=10, speed=0.1, strength=0.2, noise=0.02, mirrored=True)
Steps = Float[Tensor, "batch steps channels"]
Scores = Float[Tensor, "batch classes"]


@dataclass(frozen=True)
class Recipe:
    """The training. both: whether each layer is bidirectional. epochs: at the lecture preset. frame: samples per step.
    shuffled: the steps of every window are in a random order, in training and in prediction."""

    both: tuple[bool, ...] = UNIDIRECTIONAL
    classes: int = 7
    width: int = 64
    frame: int = 4
    dropout: float = 0.3
    epochs: int = 40
    learning_rate: float = 0.005
    batch_size: int = 64
    change: Change = CHANGE
    fused: bool = True
    shuffled: bool = False


CHOICES = {  # one change at a time
    BASE: Recipe(), BOTH_WAYS: Recipe(BIDIRECTIONAL), BOTH_THEN_ONE: Recipe(CASCADED), LAST: Recipe(fused=False),
    UNCHANGED: Recipe(change=Change()), SHUFFLED: Recipe(shuffled=True),
}  # fmt: skip
SKELETONS = Recipe(BIDIRECTIONAL, 10, width=48, frame=1, dropout=0.5, epochs=45, learning_rate=0.01, batch_size=32)


class DeepLSTM(nn.Module):
    """Scores of the classes at every step, and their mean over time. §3.

    mean, deviation: of the training part's channels, by which all inputs are standardised. Inputs of different lengths
    are padded with NaN at their ends.
    """

    def __init__(
        self,
        mean: Float[Tensor, "channels"],
        deviation: Float[Tensor, "channels"],
        recipe: Recipe | None = None,
    ) -> None:
        super().__init__()
        self.recipe = recipe = recipe or Recipe()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation.clamp(min=1e-6))
        self.layers, inputs = nn.ModuleList(), recipe.frame * len(mean)
        for both in recipe.both:
            self.layers.append(nn.LSTM(inputs, recipe.width, bidirectional=both, batch_first=True))
            inputs = recipe.width * (1 + both)
        self.dropout, self.last = nn.Dropout(recipe.dropout), nn.Linear(inputs, recipe.classes)

    def per_step(
        self, samples: Float[Tensor, "batch time channels"]
    ) -> tuple[Float[Tensor, "batch steps classes"], Bool[Tensor, "batch steps"]]:
        """The scores of each step, and whether the step is there: incomplete steps are not."""
        whole = samples.shape[1] // self.recipe.frame * self.recipe.frame
        frames = ((samples[:, :whole] - self.mean) / self.deviation).unflatten(1, (-1, self.recipe.frame)).flatten(2)
        there = frames.isfinite().all(dim=2)
        frames = frames.nan_to_num()
        if self.recipe.shuffled:
            frames, there = in_random_order(frames, there)
        lengths = None if there.all() else there.sum(dim=1).cpu()
        for layer in self.layers:
            frames = self.dropout(run_along(layer, frames, lengths))
        return self.last(frames), there

    def forward(self, samples: Float[Tensor, "batch time channels"]) -> Scores:
        """Late fusion: the mean of the scores of all steps that are there; or the scores of the last one."""
        scores, there = self.per_step(samples)
        if self.recipe.fused:
            return (scores * there[..., None]).sum(dim=1) / there.sum(dim=1, keepdim=True)
        return scores[torch.arange(len(scores)), there.sum(dim=1) - 1]


def run_along(layer: nn.LSTM, frames: Steps, lengths: Tensor | None) -> Float[Tensor, "batch steps width"]:
    """A layer's hidden states. lengths: of padded inputs, so that the backward direction starts at each input's end."""
    if lengths is None:
        return layer(frames)[0]
    packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=frames.shape[1])[0]


def in_random_order(frames: Steps, there: Bool[Tensor, "batch steps"]) -> tuple[Steps, Bool[Tensor, "batch steps"]]:
    """Each input's steps in a random order; padding stays at the end."""
    keys = torch.rand(there.shape, device=frames.device) + (~there).float()
    order = keys.argsort(dim=1)
    return frames.gather(1, order[..., None].expand_as(frames)), there.gather(1, order)


# --- Training and recognising -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Recogniser:
    """A trained network, for windows and for whole recordings."""

    network: DeepLSTM

    def decision_function(self, windows: Float[np.ndarray, "items time channels"]) -> Float[np.ndarray, "items _"]:
        """The scores of windows."""
        device = self.network.mean.device
        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(0)
            parts = [self.network(part.to(device)).cpu() for part in torch.tensor(windows).split(256)]
        return torch.cat(parts).numpy()

    def recognise(self, series: Sequence[Samples], rate: float = RATE) -> Float[np.ndarray, "items _"]:
        """The scores of whole recordings, of any length and rate. Raises Problem for invalid recordings."""
        checked(series, len(self.network.mean), 1)
        series = [resampled(each, rate) for each in series]
        checked(series, len(self.network.mean), self.network.recipe.frame)
        return np.concatenate([self.decision_function(each[None]) for each in series])

    def shuffled(self) -> Recogniser:
        """The same network with the steps of every window in random order."""
        network = copy.deepcopy(self.network)
        network.recipe = replace(network.recipe, shuffled=True)
        return Recogniser(network)

    def over_time(self, series: Samples) -> Float[np.ndarray, "steps classes"]:
        """The probabilities at every step."""
        with torch.inference_mode():
            scores, _ = self.network.per_step(torch.tensor(series)[None].to(self.network.mean.device))
        return scores[0].softmax(dim=1).cpu().numpy()

    def parameters(self) -> list[nn.Parameter]:
        """The network's weights, which common.model_size counts."""
        return list(self.network.parameters())


def train(run: Run, part: Recordings, recipe: Recipe, share: float = 1.0, checkpoint: str | None = None) -> Recogniser:
    """Train a network on the recordings. share: of the recipe's epochs. Raises LossNotFinite."""
    batches = DrawnWindows(part, (WINDOW, WINDOW), recipe.change, recipe.frame)
    recipe = replace(recipe, epochs=max(1, round(share * recipe.epochs)))
    return Recogniser(learn(run, batches, np.concatenate(part.series), recipe, checkpoint))


def learn(
    run: Run, batches: Batches, samples: Float[np.ndarray, "time channels"], recipe: Recipe, checkpoint: str | None
) -> DeepLSTM:
    """Train a network on batches. samples: of the training part, for mean and deviation."""
    statistics = (torch.tensor(samples.mean(axis=0)), torch.tensor(samples.std(axis=0)))
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = DeepLSTM(*statistics, recipe)
    training = Training(
        run.pick(smoke=1, lecture=recipe.epochs, full=5 * recipe.epochs), recipe.learning_rate, recipe.batch_size,
        half=False, device=run.device, checkpoint=checkpoint and run.checkpoint(checkpoint), say=run.say_step,
    )  # fmt: skip
    training(network, batches, run.seed)
    return network


# --- The lesson -------------------------------------------------------------------------------------------------------


def score_networks(run: Run, folds: Sequence[Fold], made: FoldModels) -> list[Float[np.ndarray, "_ classes"]]:
    """Score a network per fold on windows and on whole recordings. Returns the scores of the latter."""
    models = made[0]
    with run.method(LSTM, kind="deep") as method:
        (*_, method.model), method.fit_seconds, start = *made, time.perf_counter()
        found = [scores_of(model, fold.windows()[1].inputs) for model, fold in zip(models, folds, strict=True)]
        method.predict_seconds = time.perf_counter() - start
        whole = [model.recognise(fold.test.series) for model, fold in zip(models, folds, strict=True)]
        judge(method, folds, found, whole)
    for add, judged in (("", models), (", test steps shuffled", [model.shuffled() for model in models])):
        run.fact(f"accuracy, {LSTM}{add}", studies.accuracy_of(judged, folds), "%")
    return whole


def fit_clips(run: Run, part: Clips, speed: float = 0.2) -> Callable:
    """Train a network on clips of any lengths. speed: of DrawnClips. Returns the function that predicts."""
    batches = DrawnClips(part, speed=speed)
    return partial(labels_of, learn(run, batches, np.concatenate(part.inputs), SKELETONS, None))


def labels_of(network: DeepLSTM, clips: Sequence[Float[np.ndarray, "_ columns"]]) -> Int[np.ndarray, "items"]:
    """The predicted classes of clips of different lengths."""
    with torch.inference_mode():
        return network(padded(clips).to(network.mean.device)).argmax(dim=1).cpu().numpy()


def claims_of_paper(run: Run, claims: PaperClaims) -> None:
    """Test the paper's claims: better than other methods, for any length, by the order in time, without features."""
    for name, paper in ((SVM, "about 97 against 96 %, UCI HAR"), (KERNELS, "not compared"), (WARPING, "not compared")):
        claims.compared(f"Recognises better than {name}", source="§4", paper=paper, ours=LSTM, against=name)
    claims.compared("Raw samples suffice, as they do not for a forest", source="§1", paper="–", ours=LSTM, against=RAW)
    sides = {"ours": f"accuracy at 5.12 s, {LSTM}", "against": f"accuracy at 1.28 s, {LSTM}"}
    claims.measured("The same network does better on longer inputs", source="§1", paper="–", **sides, expects="higher")
    sides = {"ours": f"accuracy, {LSTM}", "against": f"accuracy, {LSTM}, test steps shuffled"}
    claims.measured("It depends on the order in time", source="§1", paper="not measured", **sides, expects="higher")
    for text, source, against in (
        ("… and order helps to learn", "§1", SHUFFLED),
        ("Scores of all steps are better than the last step's", "§3", LAST),
        ("Windows that are turned, mirrored and stretched help (ours)", "–", UNCHANGED),
    ):
        claims.compared(text, source=source, paper="not compared", ours=BASE, against=against)
    for name in (SVM, KERNELS, FOREST):
        run.compare(LSTM, name, WHOLE)
    run.claim(f"{SVM} beats {LSTM} on windows.", beats(SVM, LSTM))


def all_works(folds: Sequence[Fold], held_out: Sequence[Fold], clips: Clips | None) -> dict[str, list[Work]]:
    """The lesson's trainings, a work per fold: all can run side by side. Choices are tested on held-out people."""
    learn = partial(train, recipe=Recipe())
    works = {LSTM: [partial(learn, part=fold.train, checkpoint=f"fold{k}") for k, fold in enumerate(folds)]}
    if clips is not None:
        works[JOINTS_LSTM] = [partial(fit_clips, part=part) for part, _ in clips.folds()]
        few_frames = clips.of_length(RESAMPLED).folds()  # stretching in time would make other lengths of them again
        works[FEW_FRAMES] = [partial(fit_clips, part=part, speed=0.0) for part, _ in few_frames]
    for name, (few, share) in studies.few_people(folds).items():
        works[name] = [partial(learn, part=fold.train, share=share) for fold in few]
    for name, recipe in CHOICES.items():
        works[name] = [partial(train, part=fold.train, recipe=recipe, share=0.3) for fold in held_out]
    return works


def lesson(run: Run) -> None:
    claims, folds, skeletons = PaperClaims(run), person_folds(run), data.utkinect_or_none(run.scale, run.note)
    held_out, clips = held_out_people(folds[0], run.seed), None if skeletons is None else clips_of(skeletons)
    made = train_by_fold(run, all_works(folds, held_out, clips))
    models, whole = made[LSTM][0], score_networks(run, folds, made[LSTM])
    run.floor(LSTM, "accuracy", at_least=80)
    score_rivals(run, folds)
    flatten = FunctionTransformer(lambda windows: windows.reshape(len(windows), -1))
    trees = partial(ExtraTreesClassifier, run.pick(smoke=10, lecture=300), random_state=run.seed, n_jobs=-1)
    score_by_fold(run, RAW, folds, lambda part: make_pipeline(flatten, trees()), mirrored=True)
    studies.study_lengths(run, folds, models)
    studies.study_people(run, folds, made)
    for name in CHOICES:  # scored on people held out of the training part
        score_models(run, name, held_out, made[name])
    claims_of_paper(run, claims)
    if clips is not None:
        study_skeletons(run, claims, clips, made)
    shown = studies.best_median_worst(folds, whole)
    over_time = [models[fold].over_time(part.series[0]) for fold, part in shown]
    run.figure(
        "recordings", draw_recordings, [part for _, part in shown], over_time, data.watch().classes,
        caption="The test recordings whose own exercise has the highest, the median and the lowest probability: "
        "acceleration along three axes, in g, and the probabilities of the exercises at every step.",
    )  # fmt: skip
