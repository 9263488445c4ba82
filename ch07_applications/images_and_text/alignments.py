"""Deep visual-semantic alignments: which region of a picture a word means, learned from whole sentences alone.

Question   Pictures come with sentences, and no one has annotated which word belongs to which part of the picture. Can
           that be learned, so well that a picture finds its sentence and a sentence its picture?
Method     Karpathy & Fei-Fei 2015, §3.1. A convolutional network computes a vector v_i of each region (Eq. 1), a
           bidirectional recurrent network a vector s_t of each word (Eqs. 2–6). Picture k and sentence l fit by

               S_kl = Σ_t max_i v_i · s_t                                                                     (Eq. 8)

           and a true pair has to score higher by 1 than pairs that do not belong together, both ways (Eq. 9):

               Σ_k [ Σ_l max(0, S_kl − S_kk + 1) + Σ_l max(0, S_lk − S_kk + 1) ],    l ≠ k

           A chain over the words favours the same region for neighbours, by dynamic programming (Eqs. 10–12).
Rival      Canonical correlation analysis (Hotelling 1936) on the same pictures, regions, positions and deep features,
           and on hand-made ones, against words and pairs of words.
Differs    Composed scenes and a grammar. Seven regions, not twenty: three objects, three stray boxes and, as in the
           paper, the whole picture. The regions' network is small and trained with all the rest; the paper's was
           trained on ImageNet. A region's position is an input, too. Muon and one cycle, not momentum.
Costs      190 s on two cores, 30 s of them for photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.side_by_side import side_by_side
from ch07_applications.images_and_text import alignment_studies as studies
from ch07_applications.images_and_text.aligned_batches import AlignedBatches, Pairs
from ch07_applications.images_and_text.alignment_studies import BEST
from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.captioned_scenes import captioned_scenes
from ch07_applications.images_and_text.correlation_rivals import DEEP_CCA, HAND_CCA, hand_features, score_rival
from ch07_applications.images_and_text.drawn_alignments import draw_grounding, draw_recalls, draw_scenes
from ch07_applications.images_and_text.grounding import (
    KINDS,
    grounding_name,
    judge_grounding,
    score_grounding,
    score_guess,
)
from ch07_applications.images_and_text.photograph_regions import DescribedPhotographs, FeatureNetwork, Photographs
from ch07_applications.images_and_text.photograph_rivals import photographs_to_learn, study_photographs
from ch07_applications.images_and_text.picture_regions import RegionedScenes, Regions
from ch07_applications.images_and_text.retrieval import PICTURE, SENTENCE, recall_name, score_retrieval
from ch07_applications.images_and_text.vocabulary import Vocabulary, words_there
from common.errors import Problem
from common.method import Method
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training
from common.tuning import choose

WIDTHS, WORD, SHARED = (32, 64, 128, 128), 64, 128  # channels; dimensions of a word's embedding; of the common space
MARGIN = 1.0  # of the ranking loss
RATE, BATCH, EPOCHS = 0.01, 64, 8
BONDS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
MODEL, SMOOTHED, NEW_PAIRS = "alignments", "alignments, smoothed", ", new pairs"
GUESS, METHODS = "a random object", (MODEL, DEEP_CCA, HAND_CCA)
SCENES = "The first test scenes and, below, the first with a pair of class and colour that training never had."
GROUNDED = (
    "The first test scenes with all their regions. Words have the colour of the region that they are aligned with."
)
RECALLS = "How often the right one of all test scenes comes first: mean over seeds, and every seed as a point."
Vectors = Float[Tensor, "n regions shared"]
Words = Float[Tensor, "m words shared"]


# --- The two networks -------------------------------------------------------------------------------------------------


class RegionNetwork(nn.Module):
    """A vector of each region: v = W [CNN(crop), position] + b, Eq. 1."""

    def __init__(self, widths: Sequence[int] = WIDTHS, shared: int = SHARED) -> None:
        super().__init__()
        layers = []
        for inputs, outputs, stride in zip((3, *widths), widths, (2, 2, 2, 1), strict=False):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.stages = nn.Sequential(*layers)
        self.enter = nn.Linear(widths[-1] + 4, shared)

    def forward(
        self, crops: UInt8[Tensor, "n regions 3 side side"], places: Float[Tensor, "n regions 4"]
    ) -> Float[Tensor, "n regions shared"]:
        maps = self.stages(crops.flatten(0, 1).float() / 127.5 - 1)
        looks = maps.float().mean(dim=(2, 3)).unflatten(0, crops.shape[:2])
        return self.enter(torch.cat([looks, 2 * places - 1], dim=2))


class WordNetwork(nn.Module):
    """A vector of each word in its sentence, by a recurrent network that reads it forwards and backwards. Eqs. 2–6.

    context: False treats each word alone.
    """

    def __init__(self, vocabulary: int, width: int = WORD, shared: int = SHARED, context: bool = True) -> None:
        super().__init__()
        self.context = context
        self.embed = nn.Embedding(vocabulary, width)
        self.enter = nn.Linear(width, shared)
        self.forth, self.back = nn.Linear(shared, shared), nn.Linear(shared, shared)
        self.leave = nn.Linear(shared, shared)

    def forward(
        self, numbers: Int64[Tensor, "m words"], lengths: Int64[Tensor, "m"]
    ) -> Float[Tensor, "m words shared"]:
        """Padding after the words has no effect: both directions start at the words."""
        there = words_there(numbers, lengths)
        entered = functional.relu(self.enter(self.embed(numbers)))  # Eqs. 2, 3
        if not self.context:
            return functional.relu(self.leave(entered))
        forth = recur(self.forth, entered, there)  # Eq. 4
        back = recur(self.back, entered.flip(1), there.flip(1)).flip(1)  # Eq. 5
        return functional.relu(self.leave(forth + back))  # Eq. 6


def recur(
    layer: nn.Linear, entered: Float[Tensor, "m words shared"], there: Bool[Tensor, "m words"]
) -> Float[Tensor, "m words shared"]:
    """h_t = ReLU(e_t + W h_{t−1} + b), and 0 where there is no word."""
    state, states = torch.zeros_like(entered[:, 0]), []
    for step, now in zip(entered.unbind(1), there.unbind(1), strict=True):
        state = functional.relu(step + layer(state)) * now[:, None]
        states.append(state)
    return torch.stack(states, dim=1)


# --- The score and the loss -------------------------------------------------------------------------------------------


def score_pairs(
    regions: Vectors, words: Words, there: Bool[Tensor, "m words"], over: str = BEST
) -> Float[Tensor, "n m"]:
    """S_kl of each picture and each sentence: the sum over words of their best region (Eq. 8).

    over: the best region, or the mean of all regions. Raises Problem for pictures without regions.
    """
    if regions.shape[1] == 0:
        raise Problem("a picture without regions fits no sentence: give it the whole picture at least")
    products = torch.einsum("krd,ltd->kltr", regions, words)
    each = products.amax(dim=3) if over == BEST else products.mean(dim=3)
    return (each * there).sum(dim=2)


def ranking_loss(scores: Float[Tensor, "n n"], sentences: Int64[Tensor, "n words"]) -> Float[Tensor, ""]:
    """Every true pair must score higher than all wrong ones of its row and column by the margin. Eq. 9, per pair.
    sentences: word numbers. A picture with another one's sentence that equals its own is not a wrong pair.
    """
    own, wrong = scores.diagonal(), (sentences[:, None] != sentences[None]).any(dim=2)
    others = (scores - own[:, None] + MARGIN).clamp(min=0) + (scores - own[None] + MARGIN).clamp(min=0)
    return (others * wrong).sum() / len(scores)


class Aligner(nn.Module):
    """Both networks: scores of every picture of a batch with every sentence of it."""

    def __init__(self, regions: nn.Module, vocabulary: int, over: str = BEST, context: bool = True) -> None:
        super().__init__()
        self.regions, self.words, self.over = regions, WordNetwork(vocabulary, context=context), over

    def forward(self, pairs: Pairs) -> Float[Tensor, "n n"]:
        crops, places, numbers, lengths = (part.to(self.words.embed.weight.device) for part in vars(pairs).values())
        regions = self.regions(crops, places)
        with torch.autocast(crops.device.type, enabled=False):  # products are small, and sums must be exact
            words = self.words(numbers, lengths)
            return score_pairs(regions.float(), words, words_there(numbers, lengths), self.over)


# --- Training and alignment -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Alignment:
    """Trained networks, and the vocabulary of their words."""

    network: Aligner
    vocabulary: Vocabulary

    def parameters(self) -> list[nn.Parameter]:
        """The weights of both networks, which common.model_size counts."""
        return list(self.network.parameters())

    def regions(self, regions: Regions) -> Float[np.ndarray, "n regions shared"]:
        """A vector of each region of each picture."""
        pairs = zip(regions.crops.split(100), regions.places.split(100), strict=True)
        with torch.inference_mode():
            return torch.cat([self.network.regions(*pair) for pair in pairs]).numpy()

    def words(self, captions: Sequence[Caption]) -> tuple[Words, Bool[Tensor, "m words"]]:
        """Each caption's word vectors, and which places hold a word. Raises Problem for a caption without words."""
        numbers, lengths = self.vocabulary.batch([caption.words for caption in captions], marked=False)
        with torch.inference_mode():
            return self.network.words(numbers, lengths), words_there(numbers, lengths)

    def scores(self, regions: Regions, captions: Sequence[Caption]) -> Float[np.ndarray, "n m"]:
        """S_kl of every picture and every caption."""
        pictures, (words, there) = torch.from_numpy(self.regions(regions)), self.words(captions)
        return torch.cat([score_pairs(few, words, there, self.network.over) for few in pictures.split(25)]).numpy()

    def products(self, regions: Regions, captions: Sequence[Caption]) -> list[Float[Tensor, "_ regions"]]:
        """v_i · s_t of each picture with the words of its own caption."""
        tables = zip(torch.from_numpy(self.regions(regions)), *self.words(captions), strict=True)
        return [words[there] @ own.T for own, words, there in tables]


def train(
    run: Run, regions: Regions, captions: Sequence[Sequence[Caption]], epochs: int, *, over: str = BEST,
    context: bool = True, checkpoint: str | None = None,
) -> Alignment:  # fmt: skip
    """Train on pictures' regions and sentences, without annotation of which words belong to which regions."""
    every = [caption.words for own in captions for caption in own]
    vocabulary = Vocabulary.of(every)
    numbers, lengths = (part.unflatten(0, (len(regions), -1)) for part in vocabulary.batch(every, marked=False))
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = Aligner(RegionNetwork(), len(vocabulary), over, context)
    batches = AlignedBatches(regions.crops, regions.places, numbers, lengths)
    how = {"warm_up": 0.2, "device": run.device, "say": run.say_step}
    how["checkpoint"] = checkpoint and run.checkpoint(checkpoint)
    Training(epochs, RATE, BATCH, Muon, hidden_filters, ranking_loss, **how)(network, batches, run.seed)
    return Alignment(network.cpu(), vocabulary)


def train_on_photographs(run: Run, photographs: Photographs, epochs: int, decay: float = 0.01) -> Alignment:
    """Train on regions with given features: there are few photographs, so words have no context. decay: AdamW's."""
    vocabulary = photographs.vocabulary()
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        regions = FeatureNetwork(photographs.regions.crops, SHARED)
        network = Aligner(regions, len(vocabulary), context=False)
    batches = DescribedPhotographs.of(photographs, vocabulary)
    how = {"loss": ranking_loss, "device": run.device, "say": run.say_step}
    Training(epochs, 0.002, BATCH, partial(torch.optim.AdamW, weight_decay=decay), **how)(network, batches, run.seed)
    return Alignment(network.cpu(), vocabulary)


# --- The lesson -------------------------------------------------------------------------------------------------------


def judge(method: Method, model: Alignment, scenes: RegionedScenes) -> None:
    """Score retrieval among all scenes of a part, and grounding of its words."""
    method.model = model
    score_retrieval(method, model.scores(scenes.regions, scenes.captions), scenes.part)
    score_grounding(method, model.products(scenes.regions, scenes.captions), scenes)


def choose_bond(model: Alignment, scenes: RegionedScenes) -> float:
    """Choose the bond between neighbouring words with which most words find their region, on validation scenes."""
    products = model.products(scenes.regions, scenes.captions)
    found = [judge_grounding(products, scenes, bond) for bond in BONDS]
    return choose(BONDS, [float(np.mean(list(shares.values()))) for shares in found], highest=True)


def lesson(run: Run) -> None:
    claims, sets = PaperClaims(run), captioned_scenes(run.scale, objects=(3, 3))
    train_part, validation, test, held_out = (RegionedScenes.of(part, k) for k, part in enumerate(vars(sets).values()))
    learn = partial(train, regions=train_part.regions, captions=sets.train.captions)
    epochs = run.pick(smoke=1, lecture=EPOCHS, full=20)
    photographs, learning = photographs_to_learn(run, train_on_photographs)
    works = {MODEL: partial(learn, epochs=epochs, checkpoint="model")}
    works |= studies.short_trainings(run, sets.train, train) | learning
    made = side_by_side(run, works)
    with run.method(MODEL, kind="deep") as method:
        model, method.fit_seconds = made[MODEL]
        judge(method, model, test)
    with run.method(MODEL + NEW_PAIRS, kind="deep") as method:
        judge(method, model, held_out)
    with run.method(SMOOTHED, kind="deep") as method:
        method.model = model
        bond = run.fact("bond between neighbouring words", method.time(choose_bond, model, validation))
        score_grounding(method, model.products(test.regions, test.captions), test, bond)
    for name, describe in ((DEEP_CCA, model.regions), (HAND_CCA, hand_features)):
        score_rival(run, name, describe, (train_part, validation), {"": test, NEW_PAIRS: held_out})
        for direction in (SENTENCE, PICTURE):
            claims.compared(
                f"{direction[0].upper()}{direction[1:]}: better than {name}", source="Table 1", paper="not compared",
                ours=MODEL, against=name, metric=recall_name(1, direction),
            )  # fmt: skip
    claims.compared(
        "… also with pairs of class and colour never seen", source="–", paper="not compared", ours=MODEL + NEW_PAIRS,
        against=DEEP_CCA + NEW_PAIRS, metric=recall_name(1, SENTENCE),
    )  # fmt: skip
    with run.method(GUESS, kind="reference") as method:
        score_guess(method, test)
    for kind in KINDS:
        claims.compared(
            f"Words for a {kind} find their regions, though training names none", source="Figs. 5, 6", paper="pictures",
            ours=MODEL, against=GUESS, metric=grounding_name(kind),
        )  # fmt: skip
    claims.compared(
        "Smoothed along the sentence, words that say little follow their neighbours", source="§3.1.4",
        paper="no number", ours=SMOOTHED, against=MODEL, metric=grounding_name("size"),
    )  # fmt: skip
    claims.compared(
        "… and words for classes stay where they are, to 1 %", source="§3.1.4", paper="no number", ours=SMOOTHED,
        against=MODEL, metric=grounding_name("class"), expects="level", margin=1.0,
    )  # fmt: skip
    run.floor(MODEL, recall_name(1, SENTENCE), at_least=84.0)
    run.floor(MODEL, grounding_name("class"), at_least=95.5)
    run.figure("scenes", draw_scenes, sets.test, sets.held_out, caption=SCENES)
    run.figure("grounding", draw_grounding, test, model.products(test.regions, test.captions), caption=GROUNDED)
    studies.study_choices(run, claims, sets.validation, made)
    study_photographs(run, claims, photographs, made)
    run.figure_over_seeds("recalls", draw_recalls, METHODS, caption=RECALLS)
