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
Differs    Composed scenes and a grammar, and 630 photographs, not COCO's 83,000. The encoder is small; it has learned
           objects from the labels of the training scenes, where the paper's has learned from ImageNet; it is frozen.
           The decoder learns from the scenes' true contents in place of the encoder's vectors, which are better for
           scenes that it has learned from than for others. Training begins with the picture at every step and takes it
           away bit by bit; some cells are a memory at first; a hidden layer stands before the softmax.
           No ensemble. Muon and one cycle, not stochastic gradient descent. The loss is a mean over words.
Costs      290 s on two cores, some seconds of them for photographs.
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

from ch07_applications.blocks.side_by_side import side_by_side
from ch07_applications.images_and_text import caption_studies as studies
from ch07_applications.images_and_text.caption_batches import CaptionBatches, CaptionedVectors, FadingPictures
from ch07_applications.images_and_text.caption_rivals import (
    DETECTOR,
    NEIGHBOURS,
    TEMPLATE,
    fill_template,
    fit_detector,
    fit_neighbours,
)
from ch07_applications.images_and_text.captioned_scenes import captioned_scenes
from ch07_applications.images_and_text.drawn_show_and_tell import draw_captions, draw_next_words, draw_slots
from ch07_applications.images_and_text.object_encoder import image_vectors, pretrain
from ch07_applications.images_and_text.photograph_captions import photographs_to_learn, study_photographs
from ch07_applications.images_and_text.stated_slots import SLOTS, score_captions
from ch07_applications.images_and_text.vocabulary import BEGIN, END, PADDING, UNKNOWN, Vocabulary
from common.errors import Problem
from common.muon import Muon
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training, minibatches
from common.tuning import choose

HIDDEN, MEMORY, BATCH, RATE, DECAY = 160, 64, 128, 0.01, 0.2  # MEMORY: cells that at first keep what they hold
KEEP = 4.0  # the bias of a gate that is open, or shut when negative: σ(4) = .98
LONGEST, GROUPS = 30, 2  # words of a generated sentence, at most; groups of a batch, by the sentences' length
BEAMS = ((1, False), (3, False), (3, True))  # widths; whether finished sentences are ranked by their mean log p
ENCODER_EPOCHS, EPOCHS = (12, 2), 40  # of crops and of scenes; of sentences
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

    share: of the picture that is added to the words: 0 in Eq. 11, 1 for the picture at every step. drop: share of the
    vector, and of the hidden layer before the words are scored, that is left out in training.
    """

    def __init__(
        self, vectors: Float[Tensor, "n numbers"], words: int, *, hidden: int = HIDDEN, memory: int = MEMORY,
        share: float = 0.0, drop: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.share = share
        self.register_buffer("mean", vectors.mean(dim=0))
        self.register_buffer("deviation", vectors.std(dim=0).clamp(min=1e-3))
        self.image, self.word = nn.Linear(vectors.shape[1], hidden), nn.Embedding(words, hidden)  # W_I, W_e
        self.lstm, self.leave = nn.LSTM(hidden, hidden, batch_first=True), nn.Linear(hidden, hidden)
        self.score, self.drop = nn.Linear(hidden, words), nn.Dropout(drop)
        self.open_memory(hidden, memory)

    @torch.no_grad()
    def open_memory(self, hidden: int, memory: int) -> None:
        """Biases to begin with: every forget gate is rather open; the first `memory` cells take in the picture and
        nothing else, and keep it. Input 0 distinguishes the two: 1 for a picture, 0 for a word."""
        weights, biases = self.lstm.weight_ih_l0, self.lstm.bias_ih_l0.zero_()
        self.lstm.bias_hh_l0.zero_()
        self.image.weight[0], self.image.bias[0], self.word.weight[:, 0] = 0.0, 1.0, 0.0
        weights[:, 0], biases[hidden : 2 * hidden] = 0.0, 1.0
        weights[:memory, 0], biases[:memory], biases[hidden : hidden + memory] = 2 * KEEP, -KEEP, KEEP

    def look(self, vectors: Float[Tensor, "n numbers"]) -> Float[Tensor, "n hidden"]:
        """x₋₁ = W_I CNN(I), Eq. 10. Standardised, because pictures' vectors differ little beside their mean."""
        return self.image(self.drop((vectors - self.mean) / self.deviation))

    def read(self, words: Int64[Tensor, "*n"], seen: Float[Tensor, "... hidden"]) -> Float[Tensor, "*n hidden"]:
        """x_t = W_e S_t, Eq. 11, and what share of the picture is still added to it."""
        return self.word(words) + self.share * seen

    def scores(self, states: Float[Tensor, "n hidden"]) -> Float[Tensor, "n vocabulary"]:
        """Of the next words, before the softmax of Eq. 12. A hidden layer can look up: this place and that class."""
        return self.score(self.drop(self.leave(states).relu()))

    def forward(self, given: CaptionedVectors) -> tuple[Float[Tensor, "tokens vocabulary"], Int64[Tensor, "tokens"]]:
        """Scores of every next word of every sentence given the true words before it, and which word it is.

        Sentences are read padded, which nn.LSTM does faster than packed; short and long ones apart, so that little
        padding is read. What is read behind a sentence's end changes no state before it.
        """
        given = CaptionedVectors(*(part.to(self.mean.device) for part in vars(given).values()))
        states, wanted = [], []
        for part in given.lengths.argsort().chunk(GROUPS):
            words = given.words[part, : int(given.lengths[part].max())]
            seen = self.look(given.vectors[part])[:, None]
            read, _ = self.lstm(torch.cat([seen, self.read(words[:, :-1], seen)], dim=1))
            # The input before word t is word t − 1, and the picture's own step predicts BEGIN, which is not scored.
            scored = (words != BEGIN) & (words != PADDING)
            states.append(read[scored])
            wanted.append(words[scored])
        return self.scores(torch.cat(states)), torch.cat(wanted)

    def start(self, vectors: Float[Tensor, "n numbers"]) -> tuple[Tensor, Any]:
        """The picture's own step, t = −1: what W_I gives, and the state that it leaves."""
        seen = self.look(vectors)
        return seen, self.lstm(seen[:, None])[1]

    def step(
        self, words: Int64[Tensor, "n"], seen: Float[Tensor, "n hidden"], state: Any
    ) -> tuple[Float[Tensor, "n vocabulary"], Any]:
        """log p of each next word, Eq. 12, where no mark but END can follow; and the next state."""
        output, state = self.lstm(self.read(words, seen)[:, None], state)
        scores = self.scores(output[:, 0])
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
    chosen = written[first[:, 0] + final.argmax(dim=1)]
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

    def choose_beam(self, vectors: Vectors, quality: Callable[[list[Words]], float]) -> Captioner:
        """The way to search whose captions of held-out pictures have the highest quality."""
        found = []
        for self.beam in BEAMS:
            found.append(quality(self.predict(vectors)))
        self.beam = choose(BEAMS, found, highest=True)
        return self


def train(
    run: Run, vectors: Vectors, sentences: Sequence[Sequence[Words]], epochs: int, *, least: int = 1, fade: bool = True,
    **network: Any,
) -> Captioner:  # fmt: skip
    """Learn to caption. sentences: of each picture. least: how often a word has to occur. network: its settings.

    fade: begin with the picture at every step and take it away; else its share stays what it is.
    """
    vocabulary, seen = Vocabulary.of((words for own in sentences for words in own), least), torch.from_numpy(vectors)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        built = ImageCaptioner(seen, len(vocabulary), **network)
    batches = CaptionBatches.of(seen, sentences, vocabulary)
    if fade:
        steps = epochs * len(list(minibatches(len(batches), BATCH, torch.Generator())))
        batches = FadingPictures(**vars(batches), network=built, steps=steps)
    how = {"loss": caption_loss, "warm_up": 0.2, "device": run.device, "say": run.say_step}
    training = Training(epochs, RATE, BATCH, partial(Muon, weight_decay=DECAY), matrices_and_others, **how)
    training(built, batches, run.seed)
    built.share = 0.0 if fade else built.share  # as in the last step of training
    return Captioner(built.cpu(), vocabulary)


# --- The lesson -------------------------------------------------------------------------------------------------------


def lesson(run: Run) -> None:
    claims, sets = PaperClaims(run), captioned_scenes(run.scale)
    validation, judged = sets.validation, {"": sets.test, NEW_PAIRS: sets.held_out}
    sentences = [[caption.words for caption in own] for own in sets.train.captions]
    rounds, epochs = run.pick(smoke=((1, 1), 1), lecture=(ENCODER_EPOCHS, EPOCHS), full=((20, 10), 100))
    learn = partial(train, vectors=studies.true_contents(sets.train), sentences=sentences, epochs=epochs)
    photographs, learning = photographs_to_learn(run, train)
    with run.method(ONCE, kind="deep") as method:
        made = side_by_side(run, {  # decoders learn from true contents, so that none has to wait for the encoder
            TEMPLATE: partial(pretrain, part=sets.train, epochs=rounds), ONCE: learn,
            EVERY: partial(learn, fade=False, share=1.0), studies.FROM_START: partial(learn, fade=False),
            DETECTOR: partial(fit_detector, train=sets.train, validation=validation), **learning,
        })  # fmt: skip
        encoder, model = made[TEMPLATE][0], made[ONCE][0]
        method.model, method.fit_seconds = model, made[TEMPLATE][1] + made[ONCE][1]
        vectors = {name: image_vectors(encoder, part.images) for name, part in vars(sets).items()}
        held = vectors["validation"]
        method.time(model.choose_beam, held, studies.slots_right(validation))
    run.fact("width of the beam", model.beam[0])
    with run.method(EVERY, kind="deep") as method:
        always, method.fit_seconds = made[EVERY]
        method.model = always = replace(always, beam=model.beam)
    seen = {"": vectors["test"], NEW_PAIRS: vectors["held_out"]}
    with run.method(NEIGHBOURS, kind="classical") as method:
        learned, quality = (vectors["train"], studies.true_contents(sets.train)), studies.slots_right(validation)
        neighbours = method.model = method.time(fit_neighbours, learned, sentences, held, quality)
        run.fact("neighbours are sought among true contents", int(neighbours.library == 1))
    with run.method(DETECTOR, kind="classical") as method:
        detector, method.fit_seconds = made[DETECTOR]
        method.model = detector
    ways = {
        ONCE: ("deep", model, lambda name: model.predict(seen[name])),
        EVERY: ("deep", always, lambda name: always.predict(seen[name])),
        SHUFFLED: ("reference", model, lambda name: model.predict(np.roll(seen[name], 1, axis=0))),
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
    rivals = [(NEIGHBOURS, "Table 1"), (DETECTOR, "not compared"), (TEMPLATE, "not compared"), (SHUFFLED, "not tested")]
    studies.claim_against(claims, ONCE, rivals, judged)
    slots = [float(np.mean(run.methods[ONCE + name].items[SLOTS].values)) for name in judged]
    run.fact("slots lost where pairs are new", slots[0] - slots[1], "%")
    studies.study_choices(run, claims, (model, always), (held, validation))
    studies.study_binding(run, claims, {"once": model, "at every step": always}, made[studies.FROM_START], validation)
    study_photographs(run, claims, photographs, made)
    run.floor(ONCE, SLOTS, at_least=70.0)
    for name, figure in (("", "scenes"), (NEW_PAIRS, "new_pairs")):
        texts = {each: captions[each + name] for each in (ONCE, TEMPLATE, NEIGHBOURS, DETECTOR)}
        run.figure(figure, draw_captions, judged[name], texts, caption=CAPTIONS.format(name))
    steps = studies.next_words(model, vectors["test"][0])
    run.figure("next_words", draw_next_words, sets.test.images[0], steps, caption=NEXT_WORDS)
    run.figure_over_seeds("slots", draw_slots, METHODS, NEW_PAIRS, caption=BARS)
