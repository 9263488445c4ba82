"""Summaries of films: cut a film into shots, score its frames, and fill a budget with the best shots.

Question   Which seventh of a film shows what happens in it? And how much of a summary's score is due to the scores of
           its frames, and how much to the boundaries of its shots?
Method     Shots: kernel temporal segmentation (Potapov, Douze, Harchaoui & Schmid 2014, §3). With a kernel k of frames,
           the cuts t_1 < … < t_m of n frames minimise

               (1/n) Σ_i v(t_i, t_{i+1})  +  C · m / (2n) · (log(n/m) + 1),                                      (1)
               v(a, b) = Σ_{a ≤ t < b} k(t, t) − 1/(b − a) · Σ_{a ≤ s, t < b} k(s, t)                            (2)

           exactly, by dynamic programming. Scores: a bidirectional LSTM (Zhang, Chao, Sha & Grauman 2016, §3.2): the
           importance of frame t is a function of both directions' states and of the frame, y = f(h→, h←, v).
           Selection (Song et al. 2015): the shots with the largest sum of scores in 15 % of the frames, a 0/1 knapsack.
           The metric is the coverage of planted events minus that of random scores at the same shots and budget
           (Otani, Nakashima, Rahtu & Heikkilä 2019: random scores come close to learned ones in F1).
Rival      Trees on descriptors within windows; k-means keyframes; facility location; equal distances.
Differs    Edited films of drawn people with planted events (edited_films.py), not SumMe or TVSum; designed descriptors,
           not GoogLeNet's; shots are shuffled in training; a shot's value is its scores' sum, not their mean.
Costs      105 to 130 s on two cores, half of them to make and describe the films.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ch07_applications.blocks.side_by_side import Made, Work, side_by_side
from ch07_applications.video import summary_contest as rivals
from ch07_applications.video.activity import run_along
from ch07_applications.video.drawn_summarization import draw_gains, draw_moving, draw_summaries, draw_viewers
from ch07_applications.video.edited_films import EditedFilms, edit_films
from ch07_applications.video.frame_descriptors import Described, describe, standardised
from ch07_applications.video.real_clips import study_clips
from ch07_applications.video.shuffled_shots import ShuffledShots
from ch07_applications.video.summary_contest import FACILITY, FOREST, MEDOIDS, PLANTED, RANDOM, UNIFORM
from ch07_applications.video.summary_judging import GAIN, Judge, budget_of
from ch07_applications.video.summary_measures import cuts_f1
from ch07_applications.video.summary_rivals import change_cuts
from ch07_applications.video.summary_viewers import LEARNED, SPREADS, study_viewers
from ch07_applications.video.summary_viewers import RANDOM as CHANCE
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training
from common.tuning import choose

PENALTIES, THRESHOLDS = (0.1, 0.15, 0.2, 0.3, 0.4), (0.005, 0.01, 0.015, 0.02)  # C; of a change of colours
CELLS, WIDTH, DROPOUT = 32, 64, 0.4
RATE, BATCH, EPOCHS = 0.01, 16, 16
OURS, KTS, CHANGES = "bidirectional LSTM", "kernel temporal segmentation", "changes of colours"
BASE, STILL, ALONE, MEAN = "base", "edges without motion", "each frame alone", "mean as a shot's worth"
CUTS = "F1 of cuts"
Gram = Float[np.ndarray, "frames frames"]
Bounds = Int[np.ndarray, "bounds"]
Films = tuple[EditedFilms, list[Described]]


# --- Shots: kernel temporal segmentation ------------------------------------------------------------------------------


def scatters(gram: Gram) -> Float[np.ndarray, "starts ends"]:
    """Eq. (2) for every stretch of frames a, …, b − 1, from sums of the kernel over squares; infinite where b ≤ a."""
    n = len(gram)
    sums, traces = np.zeros((n + 1, n + 1)), np.concatenate([[0.0], np.diagonal(gram).cumsum()])
    sums[1:, 1:] = gram.cumsum(axis=0).cumsum(axis=1)
    squares = np.diagonal(sums)[None, :] + np.diagonal(sums)[:, None] - sums - sums.T
    lengths = np.arange(n + 1)[None, :] - np.arange(n + 1)[:, None]
    inside = traces[None, :] - traces[:, None] - squares / np.maximum(lengths, 1)
    return np.where(lengths > 0, inside, np.inf)


def segment(gram: Gram, penalty: float, most: int | None = None) -> Int[np.ndarray, "cuts"]:
    """The cuts of Eq. (1), at most `most` (default: a quarter of the frames); each is the first frame of a shot."""
    n, by_end = len(gram), np.ascontiguousarray(scatters(gram).T)
    most = min(n - 1, max(1, n // 4) if most is None else most)
    costs, before, places = [by_end[:, 0].copy()], [], np.arange(n + 1)
    for _ in range(most):  # one cut more: the cheapest last cut a for every end b
        sums = costs[-1] + by_end
        before.append(sums.argmin(axis=1))
        costs.append(sums[places, before[-1]])
    counts = np.arange(most + 1)
    price = penalty * counts / (2 * n) * (np.log(n / np.maximum(counts, 1)) + 1)
    count, end, cuts = int((np.array([cost[n] for cost in costs]) / n + price).argmin()), n, []
    for last in before[:count][::-1]:
        end = int(last[end])
        cuts.append(end)
    return np.array(cuts[::-1], np.int64)


def cuts_of(colours: Float32[np.ndarray, "frames bins"], penalty: float) -> Int[np.ndarray, "cuts"]:
    """The cuts of a film from the roots of its colour histograms, whose products are the kernel (Bhattacharyya)."""
    rows = colours.astype(np.float64)
    return segment(rows @ rows.T, penalty)


def shots_of(film: Described, penalty: float) -> Bounds:
    """The bounds of shots: 0, the cuts, and the number of frames."""
    return np.concatenate([[0], cuts_of(film.colours, penalty), [len(film)]])


# --- Selection: a knapsack --------------------------------------------------------------------------------------------


def knapsack(
    values: Float[np.ndarray, "draws items"], weights: Int[np.ndarray, "items"], budget: int
) -> Bool[np.ndarray, "draws items"]:
    """The items with the largest sum of values within the budget, for each row of values, by dynamic programming.

    best[b], for the items so far, is the larger of best[b] without an item, and best[b − weight] + value with it.
    """
    best, taken = np.zeros((len(values), budget + 1)), []
    for value, weight in zip(values.T, weights, strict=True):
        with_item = best[:, : max(0, budget + 1 - weight)] + value[:, None]
        better = np.zeros(best.shape, bool)
        better[:, weight:] = with_item > best[:, weight:]
        best[:, weight:] = np.maximum(best[:, weight:], with_item)
        taken.append(better)
    left, rows = np.full(len(values), budget), np.arange(len(values))
    chosen = np.zeros(values.shape, bool)
    for item in range(len(weights))[::-1]:
        chosen[:, item] = taken[item][rows, left]
        left = left - weights[item] * chosen[:, item]
    return chosen


def summarise(
    scores: Float[np.ndarray, "draws frames"], bounds: Bounds, worth: str = "sum"
) -> Bool[np.ndarray, "draws frames"]:
    """The frames of the best shots, for each row of scores. worth: of a shot, the "sum" or "mean" of its scores."""
    budget, lengths = budget_of(bounds), np.diff(bounds)
    values = np.add.reduceat(scores, bounds[:-1], axis=1)
    return knapsack(values / lengths if worth == "mean" else values, lengths, budget).repeat(lengths, axis=1)


# --- Scores: a bidirectional LSTM -------------------------------------------------------------------------------------


class ImportanceScorer(nn.Module):
    """Maps frames' descriptors to logits of their importance. recurrent: False scores every frame alone.

    mean, deviation: of the training part's descriptors. Films of different lengths are padded with NaN at their ends;
    there the logits are 0, and the backward direction starts at each film's end.
    """

    def __init__(self, mean: Float[Tensor, "numbers"], deviation: Float[Tensor, "numbers"], recurrent: bool) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.drop, self.narrow = nn.Dropout(DROPOUT), nn.Linear(len(mean), WIDTH)
        self.both = nn.LSTM(WIDTH, CELLS, bidirectional=True, batch_first=True) if recurrent else None
        states = WIDTH + (2 * CELLS if recurrent else 0)
        self.score = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(states, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))

    def forward(self, films: Float[Tensor, "films frames numbers"]) -> Float[Tensor, "films frames"]:
        there = films.isfinite().all(dim=2)
        frames = ((films - self.mean) / self.deviation).nan_to_num()
        states = self.narrow(self.drop(frames)).relu()
        if self.both is not None:
            lengths = None if there.all() else there.sum(dim=1).cpu()
            states = torch.cat([run_along(self.both, states, lengths), states], dim=2)
        return self.score(states)[..., 0] * there


def loss_of_frames(
    logits: Float[Tensor, "films frames"], important: Float[Tensor, "films frames"]
) -> tuple[Tensor, Tensor]:
    """The cross-entropy summed over all frames, and their number; padding does not count."""
    there = important.isfinite()
    return binary_cross_entropy_with_logits(logits[there], important[there], reduction="sum"), there.sum()


@dataclass(eq=False)
class Scorer:
    """A trained network. It scores a film's frames by the probability of an event."""

    network: ImportanceScorer
    motion: bool

    def scores(self, films: Sequence[Described]) -> list[Float[np.ndarray, "_"]]:
        """The scores, film by film, so that no padding is needed."""
        self.network.eval()
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            rows = (torch.tensor(given(film, self.motion), device=device)[None] for film in films)
            return [self.network(row)[0].double().sigmoid().cpu().numpy() for row in rows]

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's weights, which common.model_size counts."""
        return self.network.parameters()


def given(film: Described, motion: bool) -> Float32[np.ndarray, "frames numbers"]:
    """A scorer's input for a film."""
    return film.both if motion else film.edges


def train(
    run: Run, part: EditedFilms, films: Sequence[Described], *, motion: bool = True, recurrent: bool = True,
    checkpoint: str | None = None,
) -> Scorer:  # fmt: skip
    """Train a network on films with known events and shots."""
    rows = [given(film, motion) for film in films]
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = ImportanceScorer(*standardised(rows), recurrent)
    data = ShuffledShots(
        [torch.tensor(each) for each in rows], [torch.tensor(film.important).float() for film in part.films],
        [np.bincount(film.shots).tolist() for film in part.films],
    )  # fmt: skip
    Training(
        run.pick(smoke=1, lecture=EPOCHS, full=2 * EPOCHS), RATE, BATCH, loss=loss_of_frames, half=False,
        device=run.device, say=run.say_step, checkpoint=checkpoint and run.checkpoint(checkpoint),
    )(network, data, run.seed)  # fmt: skip
    return Scorer(network, motion)


# --- The lesson -------------------------------------------------------------------------------------------------------


def study_cuts(run: Run, claims: PaperClaims, known: Films, test: Films) -> float:
    """Score the cuts of both methods with their best settings on validation films. Returns the penalty C."""
    ways = {KTS: (PENALTIES, cuts_of), CHANGES: (THRESHOLDS, change_cuts)}

    def scores(films: Films, find: Callable, setting: float) -> Float[np.ndarray, "films"]:
        each = zip(films[0].films, films[1], strict=True)
        return np.array([cuts_f1(find(described.colours, setting), film.cuts) for film, described in each])

    best = {}
    for name, (settings, find) in ways.items():
        with run.method(name, kind="from scratch" if name == KTS else "classical") as method:
            best[name] = choose(settings, [scores(known, find, each).mean() for each in settings], highest=True)
            method.score_items(CUTS, scores(test, find, best[name]), test[0], unit="%", higher_is_better=True)
    claims.compared(
        "Segmentation finds cuts better than the largest changes do", source="not compared", paper="–",
        ours=KTS, against=CHANGES,
    )  # fmt: skip
    study_clips(run, {name: lambda colours, name=name: ways[name][1](colours, best[name]) for name in ways})
    return best[KTS]


def study_parts(run: Run, claims: PaperClaims, held: Judge, made: Mapping[str, Made]) -> None:
    """Test one change at a time on validation films: the scorer's input, the scorer, and a shot's value."""
    for name in (BASE, STILL, ALONE, MEAN):
        with run.method(f"{name}, validation", kind="deep") as method:
            method.model, method.fit_seconds = made.get(name, (made[OURS][0], None))
            worth = "mean" if name == MEAN else "sum"
            summaries = held.score_scores(method, method.model.scores(held.described), worth)
            if name in (BASE, MEAN):
                lengths = [np.diff(cut)[summary[cut[:-1]]] for summary, cut in zip(summaries, held.bounds, strict=True)]
                run.fact(f"length of chosen shots, {worth}", np.concatenate(lengths).mean(), "frames")
    run.fact("length of all shots", np.concatenate([np.diff(cut) for cut in held.bounds]).mean(), "frames")
    for text, source, against in (
        ("Frames that know their neighbours are scored better than frames alone", "§3.2", ALONE),
        ("Motion tells more than edges alone", "not tested", STILL),
        ("A shot is better valued by the sum of its scores than by their mean", "not compared", MEAN),
    ):
        sides = {"ours": f"{BASE}, validation", "against": f"{against}, validation"}
        claims.compared(text, source=source, paper="no number", **sides)


def all_works(part: EditedFilms, films: list[Described]) -> dict[str, Work]:
    """The lesson's trainings on the same films, which can run side by side."""
    learn, changes = partial(train, part=part, films=films), {STILL: {"motion": False}, ALONE: {"recurrent": False}}
    works = {OURS: partial(learn, checkpoint="scorer"), FOREST: partial(rivals.fit_forests, part=part, films=films)}
    return works | {name: partial(learn, **change) for name, change in changes.items()}


def lesson(run: Run) -> None:
    claims, seeds = PaperClaims(run), {"train": run.seed, "validation": 0, "test": 0}
    counts = run.pick(smoke=(3, 2, 2), lecture=(160, 60, 60), full=(1600, 60, 200))
    parts = {part: edit_films(part, n, seed) for (part, seed), n in zip(seeds.items(), counts, strict=True)}
    learn, known, test = ((part, [describe(film.frames) for film in part.films]) for part in parts.values())
    penalty = study_cuts(run, claims, known, test)
    held, judge = (
        Judge.of(*films, [shots_of(film, penalty) for film in films[1]], summarise, run.seed) for films in (known, test)
    )
    made = side_by_side(run, all_works(*learn))
    with run.method(OURS, kind="deep") as method:
        method.model, method.fit_seconds = made[OURS]
        scores = method.model.scores(judge.described)
        summaries = {OURS: judge.score_scores(method, scores)}
    summaries |= rivals.score_rivals(run, made[FOREST], held, judge)
    run.floor(OURS, GAIN, at_least=28.0)
    for text, source, paper, against in (
        ("Learned scores find events better than random ones", "§4", "no number", RANDOM),
        ("… than equal distances", "not compared", "–", UNIFORM),
        ("… than k-means keyframes", "§4", "no number", MEDOIDS),
        ("… than facility location", "not compared", "–", FACILITY),
        ("A recurrent network scores frames better than trees on windows", "not compared", "–", FOREST),
    ):
        claims.compared(text, source=source, paper=paper, ours=OURS, against=against)
    study_parts(run, claims, held, made)
    levels = study_viewers(run, held, made[OURS][0].scores(held.described))
    for viewers, source in (("agree", "not tested"), ("differ", "Otani et al. 2019, abstract")):
        claims.compared(
            f"Random scores have the F1 of learned ones, to 5 points, where viewers {viewers}", source=source,
            paper="comparable or better", ours=f"{CHANCE}, viewers {viewers}", against=f"{LEARNED}, viewers {viewers}",
            expects="level", margin=5.0,
        )  # fmt: skip
    ranked = np.argsort(run.methods[OURS].items[GAIN].values, kind="stable")
    middle, credit = int(ranked[len(ranked) // 2]), f"Photographs: {'; '.join(parts['test'].credits)}."
    film, shown = parts["test"].films[middle], {name: found[middle] for name, found in summaries.items()}
    run.figure(
        "summaries", draw_summaries, film, scores[middle], shown,
        caption="The test film of median gain: a frame of each shot and what is done in it, scores of frames, and the "
        f"frames of each summary. Shaded: planted events. {credit}",
    )  # fmt: skip
    pair = {"planted": film.important} | {name: shown[name] for name in (OURS, MEDOIDS, UNIFORM)}
    run.figure("moving", draw_moving, film, pair, caption=f"The same film's events and three summaries. {credit}")
    caption = "F1 with 20 viewers of each validation film, against the spread of their tastes, by shots and by pieces."
    run.figure("viewers", draw_viewers, SPREADS, levels, caption=caption)
    order = (PLANTED, OURS, FOREST, MEDOIDS, FACILITY, UNIFORM, RANDOM)
    caption = "Planted events that summaries of test films cover, less what random scores cover, with 95 % intervals."
    run.figure_over_seeds("gains", draw_gains, order, GAIN, caption=caption)
