"""Show and Tell: a sentence about a picture, generated word by word.

Question   A network sees a picture once and then writes a sentence. How much of the sentence comes from the picture,
           and how much from the language alone?
Method     Vinyals, Toshev, Bengio & Erhan 2014. The probability of a sentence S is a product over its words, and
           training maximises its logarithm, Eqs. 1–2. An LSTM (Eqs. 4–9) reads

               x₋₁ = W_I CNN(I),    x_t = W_e S_t,    p_{t+1} = LSTM(x_t)                                 (10)–(12)

           with the loss L = − Σ_t log p_t(S_t) (13). The picture enters once, at t = −1. Generation is by beam search,
           §3.1. Judged by what its sentences state, slot by slot, for BLEU rewards fluent sentences about other scenes.
Rival      The consensus of the nearest neighbours' captions (Devlin et al. 2015); HOG, SVM and a template; a template
           filled from the encoder's own scores.
Differs    Composed scenes and a grammar, and 620 photographs, not COCO's 83,000. The encoder is small; it has learned
           objects from the labels of the training scenes, where the paper's has learned from ImageNet; it stands still.
           No ensemble. Muon and one cycle, not stochastic gradient descent. The loss is a mean over words.
Costs      225 s on two cores, 20 s of them for photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from ch07_applications.images_and_text.caption_batches import CaptionBatches, CaptionedVectors
from ch07_applications.images_and_text.caption_rivals import (
    DETECTOR,
    NEIGHBOURS,
    TEMPLATE,
    fill_template,
    fit_detector,
    fit_neighbours,
)
from ch07_applications.images_and_text.caption_studies import slots_right, study_binding, study_choices
from ch07_applications.images_and_text.captioned_scenes import captioned_scenes
from ch07_applications.images_and_text.drawn_show_and_tell import draw_captions, draw_next_words, draw_slots
from ch07_applications.images_and_text.object_encoder import image_vectors, pretrain
from ch07_applications.images_and_text.photograph_captions import study_photographs
from ch07_applications.images_and_text.stated_slots import BLEU, CIDER, SLOTS, score_captions
from ch07_applications.images_and_text.vocabulary import BEGIN, END, PADDING, UNKNOWN, Vocabulary
from common.errors import Problem
from common.muon import Muon
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training
from common.tuning import choose

HIDDEN, BATCH, RATE = 128, 128, 0.01
LONGEST = 30  # words of a generated sentence, at most
BEAMS = ((1, False), (3, False), (3, True))  # widths; whether finished sentences are ranked by their mean log p
ENCODER_EPOCHS, EPOCHS = (5, 2), 13  # of crops and of scenes; of sentences
ONCE, EVERY, SHUFFLED = "Show and Tell", "picture at every step", "another scene's vector"
NEW_PAIRS, METHODS = ", new pairs", (ONCE, EVERY, SHUFFLED, TEMPLATE, NEIGHBOURS, DETECTOR)
CAPTIONS = "The first scenes of the test part{}, and sentences. Words that name a wrong class, colour or size are red."
NEXT_WORDS = "The first test scene: the three most probable next words, step by step, after those already written."
BARS = "What is right, by kind and method: mean over seeds, every seed as a point. Pale: pairs that training never had."
Vectors = Float32[np.ndarray, "_ numbers"]
Words = tuple[str, ...]


# --- The model --------------------------------------------------------------------------------------------------------


class ImageCaptioner(nn.Module):
    """The LSTM that writes: Eqs. 10–12. vectors: of training pictures, by which others are standardised.

    every_step: the picture is added to every input, not to the first one alone. drop: share of the vector, and of the
    state before the words are scored, that is left out in training.
    """

    def __init__(
        self, vectors: Float[Tensor, "n numbers"], words: int, hidden: int = HIDDEN, every_step: bool = False,
        drop: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.every_step = every_step
        self.register_buffer("mean", vectors.mean(dim=0))
        self.register_buffer("deviation", vectors.std(dim=0).clamp(min=1e-3))
        self.image, self.word = nn.Linear(vectors.shape[1], hidden), nn.Embedding(words, hidden)  # W_I, W_e
        self.lstm, self.leave = nn.LSTM(hidden, hidden, batch_first=True), nn.Linear(hidden, words)
        self.drop = nn.Dropout(drop)
        with torch.no_grad():
            self.lstm.bias_ih_l0.zero_()
            self.lstm.bias_hh_l0.zero_()
            self.lstm.bias_ih_l0[hidden : 2 * hidden] = 1.0  # the forget gate: keep the picture, at first

    def look(self, vectors: Float[Tensor, "n numbers"]) -> Float[Tensor, "n hidden"]:
        """x₋₁ = W_I CNN(I), Eq. 10. Standardised: else what all pictures share would drown what sets them apart."""
        return self.image(self.drop((vectors - self.mean) / self.deviation))

    def forward(self, given: CaptionedVectors) -> tuple[Float[Tensor, "tokens vocabulary"], Int64[Tensor, "tokens"]]:
        """Scores of every next word of every sentence given the true words before it, and which word it is."""
        given = CaptionedVectors(*(part.to(self.mean.device) for part in vars(given).values()))
        seen, words = self.look(given.vectors), self.word(given.words[:, :-1])
        inputs = torch.cat([seen[:, None], words + seen[:, None] if self.every_step else words], dim=1)
        packed = pack_padded_sequence(inputs, given.lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = self.lstm(packed)  # padding is never read
        # The input before word t is word t − 1, and the picture's own step predicts BEGIN, which is not scored.
        wanted = pack_padded_sequence(given.words, given.lengths.cpu(), batch_first=True, enforce_sorted=False)
        scored = wanted.data != BEGIN
        return self.leave(self.drop(states.data[scored])), wanted.data[scored]

    def start(self, vectors: Float[Tensor, "n numbers"]) -> tuple[Tensor, Any]:
        """The picture's own step, t = −1: what W_I gives, and the state that it leaves."""
        seen = self.look(vectors)
        return seen, self.lstm(seen[:, None])[1]

    def step(
        self, words: Int64[Tensor, "n"], seen: Float[Tensor, "n hidden"], state: Any
    ) -> tuple[Float[Tensor, "n vocabulary"], Any]:
        """log p of each next word, Eq. 12, where no mark but END can follow; and the next state."""
        inputs = self.word(words) + seen if self.every_step else self.word(words)
        output, state = self.lstm(inputs[:, None], state)
        scores = self.leave(output[:, 0])
        scores[:, [PADDING, BEGIN, UNKNOWN]] = -torch.inf
        return scores.log_softmax(dim=1), state


def caption_loss(outputs: tuple[Float[Tensor, "tokens vocabulary"], Int64[Tensor, "tokens"]]) -> tuple[Tensor, Tensor]:
    """− Σ log p_t(S_t), Eq. 13, and how many words it is over."""
    scores, wanted = outputs
    return functional.cross_entropy(scores.float(), wanted, reduction="sum"), torch.tensor(len(wanted))


def matrices_and_others(network: ImageCaptioner) -> list[dict[str, Any]]:
    """Muon's groups: the LSTM's two matrices, and everything else."""
    matrices = [network.lstm.weight_ih_l0, network.lstm.weight_hh_l0]
    known = {id(weight) for weight in matrices}
    others = [weight for weight in network.parameters() if id(weight) not in known]
    return [{"params": matrices, "orthogonal": True}, {"params": others, "orthogonal": False}]


# --- Generation -------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def beam_search(
    network: ImageCaptioner, vectors: Float[Tensor, "n numbers"], width: int = 3, per_word: bool = False,
    longest: int = LONGEST,
) -> list[list[int]]:  # fmt: skip
    """The most probable sentences that are found, END included: of each picture the best `width` beginnings stay, §3.1.

    All pictures at once. per_word: in the end, sentences are ranked by their mean log p per word. width 1 is greedy.
    """
    network.eval()
    n, vocabulary = len(vectors), network.word.num_embeddings
    first = torch.arange(n)[:, None] * width  # the place of each picture's first beginning
    seen, state = network.start(vectors.repeat_interleave(width, dim=0))
    words = torch.full((n * width,), BEGIN)
    totals = torch.full((n, width), -torch.inf)
    totals[:, 0] = 0.0  # all beginnings are alike as yet: one counts
    written, lengths = torch.empty(n * width, 0, dtype=torch.long), torch.zeros(n, width)
    open_ = torch.ones(n, width, dtype=torch.bool)
    idle = torch.full((vocabulary,), -torch.inf)
    idle[PADDING] = 0.0  # a sentence that has ended goes on with nothing, which costs nothing
    for _ in range(longest):
        scores, state = network.step(words, seen, state)
        scores = torch.where(open_.flatten()[:, None], scores, idle).unflatten(0, (n, width))
        totals, best = (totals[..., None] + scores).flatten(1).topk(width, dim=1)
        origin, words = (first + best // vocabulary).flatten(), (best % vocabulary).flatten()
        state = tuple(part[:, origin] for part in state)
        written = torch.cat([written[origin], words[:, None]], dim=1)
        lengths = lengths.flatten()[origin].unflatten(0, (n, width)) + open_.flatten()[origin].unflatten(0, (n, width))
        open_ = open_.flatten()[origin].unflatten(0, (n, width)) & (words != END).unflatten(0, (n, width))
        if not open_.any():
            break
    final = totals / lengths.clamp(min=1) if per_word else totals
    chosen = written[(first[:, 0] + final.argmax(dim=1))]
    return [[word for word in row if word != PADDING] for row in chosen.tolist()]


@dataclass(eq=False)
class Captioner:
    """A trained network, the vocabulary of its words, and how it searches: BEAMS."""

    network: ImageCaptioner
    vocabulary: Vocabulary
    beam: tuple[int, bool] = BEAMS[0]

    def parameters(self) -> list[nn.Parameter]:
        """For common.model_size."""
        return list(self.network.parameters())

    def predict(self, vectors: Vectors) -> list[Words]:
        """A sentence about each picture. Raises Problem for vectors of another length than it has learned."""
        if vectors.shape[1] != len(self.network.mean):
            raise Problem(f"a picture's vector has {len(self.network.mean)} numbers here, not {vectors.shape[1]}")
        found = []
        for few in torch.from_numpy(vectors).split(250):
            found += beam_search(self.network, few, *self.beam)
        return [self.vocabulary.decode(numbers) for numbers in found]

    def forced(self, vectors: Vectors, sentences: Sequence[Words]) -> list[Words]:
        """The most probable next word after each true beginning of a sentence: no caption, but often taken for one."""
        given = CaptionedVectors.of(torch.from_numpy(vectors), sentences, self.vocabulary)
        found = []
        with torch.inference_mode():
            for item in range(len(given)):
                own = given[item : item + 1]
                own = CaptionedVectors(own.vectors, own.words[:, : int(own.lengths)], own.lengths)
                found.append(self.vocabulary.decode(self.network(own)[0].argmax(dim=1)))
        return found

    def next_words(self, vector: Float32[np.ndarray, "numbers"], most: int = 3) -> list[tuple[str, list]]:
        """Greedily, step by step: the word that is read, and the most probable next words with their probabilities."""
        with torch.inference_mode():
            seen, state = self.network.start(torch.from_numpy(vector)[None])
            found, word = [], BEGIN
            while word != END and len(found) < LONGEST:
                scores, state = self.network.step(torch.tensor([word]), seen, state)
                best = scores[0].exp().topk(most)
                following = [
                    (self.vocabulary.words[k], float(p)) for p, k in zip(*map(Tensor.tolist, best), strict=True)
                ]
                found.append((self.vocabulary.words[word], following))
                word = int(best.indices[0])
        return found

    def choose_beam(self, vectors: Vectors, quality: Callable[[list[Words]], float]) -> Captioner:
        """The way to search whose captions of held-out pictures have the highest quality."""
        found = []
        for self.beam in BEAMS:
            found.append(quality(self.predict(vectors)))
        self.beam = choose(BEAMS, found, highest=True)
        return self


def train(
    run: Run, vectors: Vectors, sentences: Sequence[Sequence[Words]], epochs: int, least: int = 1, **network: Any
) -> Captioner:
    """Learn to caption. sentences: of each picture. least: how often a word has to occur. network: its settings."""
    vocabulary = Vocabulary.of((words for own in sentences for words in own), least)
    seen = torch.from_numpy(vectors)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        built = ImageCaptioner(seen, len(vocabulary), **network)
    how = {"loss": caption_loss, "warm_up": 0.2, "device": run.device, "say": run.say_step}
    training = Training(epochs, RATE, BATCH, partial(Muon, weight_decay=0.0), matrices_and_others, **how)
    training(built, CaptionBatches.of(seen, sentences, vocabulary), run.seed)
    return Captioner(built.cpu(), vocabulary)


# --- The lesson -------------------------------------------------------------------------------------------------------


def lesson(run: Run) -> None:
    claims, sets = PaperClaims(run), captioned_scenes(run.scale)
    validation, judged = sets.validation, {"": sets.test, NEW_PAIRS: sets.held_out}
    sentences = [[caption.words for caption in own] for own in sets.train.captions]
    with run.method(ONCE, kind="deep") as method:
        encoder = method.time(pretrain, run, sets.train, run.pick(smoke=(1, 1), lecture=ENCODER_EPOCHS, full=(20, 10)))
        vectors = {name: image_vectors(encoder, part.images) for name, part in vars(sets).items()}
        learned, held = (vectors["train"], sentences), (vectors["validation"], validation)
        model = method.time(train, run, *learned, run.pick(smoke=1, lecture=EPOCHS, full=60))
        method.time(model.choose_beam, held[0], slots_right(validation))
        method.model = model
    run.fact("width of the beam", model.beam[0])
    with run.method(EVERY, kind="deep") as method:
        always = method.time(train, run, *learned, run.pick(smoke=1, lecture=EPOCHS, full=60), every_step=True)
        method.model = always = replace(always, beam=model.beam)
    seen = {"": vectors["test"], NEW_PAIRS: vectors["held_out"]}
    with run.method(NEIGHBOURS, kind="classical") as method:
        neighbours = method.model = method.time(fit_neighbours, learned, held[0], slots_right(validation))
    with run.method(DETECTOR, kind="classical") as method:
        detector = method.model = method.time(fit_detector, run, sets.train, validation)
    shifted = {name: np.roll(each, 1, axis=0) for name, each in seen.items()}
    ways = {
        ONCE: ("deep", model, lambda name: model.predict(seen[name])),
        EVERY: ("deep", always, lambda name: always.predict(seen[name])),
        SHUFFLED: ("reference", model, lambda name: model.predict(shifted[name])),
        TEMPLATE: ("reference", encoder, lambda name: fill_template(seen[name], run.seed)),
        NEIGHBOURS: ("classical", neighbours, lambda name: neighbours.predict(seen[name])),
        DETECTOR: ("classical", detector, lambda name: detector.predict(judged[name].images, run.seed)),
    }
    captions = {}
    for method_name, (kind, owner, predict) in ways.items():
        for name, part in judged.items():
            seconds = run.methods[method_name].fit_seconds if method_name in run.methods else None
            with run.method(method_name + name, kind=kind) as method:
                method.model, method.fit_seconds = owner, seconds
                captions[method_name + name] = predict(name)
                score_captions(method, captions[method_name + name], part)
    rivals = [(NEIGHBOURS, "Table 2"), (DETECTOR, "not compared"), (TEMPLATE, "not compared"), (SHUFFLED, "not tested")]
    for against, source in rivals:
        for name in judged:
            text = f"Captions are right more often than by {against}{name}"
            claims.compared(
                text, source=source, paper="no number", ours=ONCE + name, against=against + name, metric=SLOTS
            )
    for metric in (BLEU, CIDER):
        claims.compared(
            f"{metric} is higher than of the nearest neighbours", source="Table 2", ours=ONCE, against=NEIGHBOURS,
            paper="about 27.7 against 9.9 (BLEU-4, COCO)", metric=metric,
        )  # fmt: skip
    slots = {name: float(np.mean(run.methods[ONCE + name].items[SLOTS].values)) for name in judged}
    run.fact("slots lost where pairs are new", slots[""] - slots[NEW_PAIRS], "%")
    study_choices(run, claims, (model, always), held)
    study_binding(run, partial(train, run, sentences=sentences), sets.train, validation)
    study_photographs(run, claims, train)
    run.floor(ONCE, SLOTS, at_least=60.0)
    shown = (ONCE, TEMPLATE, NEIGHBOURS, DETECTOR)
    for name, figure in (("", "scenes"), (NEW_PAIRS, "new_pairs")):
        texts = {each: captions[each + name] for each in shown}
        run.figure(figure, draw_captions, judged[name], texts, caption=CAPTIONS.format(name))
    steps = model.next_words(vectors["test"][0])
    run.figure("next_words", draw_next_words, sets.test.images[0], steps, caption=NEXT_WORDS)
    run.figure_over_seeds("slots", draw_slots, METHODS, NEW_PAIRS, caption=BARS)
