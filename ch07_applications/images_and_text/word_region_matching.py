"""DAMSM: the similarity of a sentence and a picture, word by word and as a whole. Xu et al. 2017, §3.2.

Encoders   A bidirectional LSTM gives a vector e_i of each word and ē of the sentence; a convolutional network gives a
           vector v_j of each region of a picture (Eq. 6) and v̄ of the whole.
Score      Every word attends to regions, and is compared with the result. With cosine R(·, ·):

               s̄_ij = softmax over words i of e_i · v_j                                               (Eqs. 7, 8)
               c_i  = Σ_j α_j v_j,   α = softmax over regions j of γ₁ s̄_ij                                (Eq. 9)
               R(Q, D) = log( Σ_i exp(γ₂ R(c_i, e_i)) )^(1/γ₂)                                           (Eq. 10)

Loss       In a batch, a picture must identify its own sentence among the others, and a sentence its own picture:

               −log softmax(γ₃ R(Q, D)) both ways, for words, and for wholes with R = cos(v̄, ē)      (Eqs. 11–13)

Differs    Two sentences of a batch with the same meaning are not a wrong pair of each other. Regions are 8 × 8 cells of
           a small network that is trained here; the paper's 17 × 17 are those of Inception-v3, trained on ImageNet.
           Positions are channels of the picture, because captions state where things lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.placed_scenes import PlacedScenes
from ch07_applications.images_and_text.vocabulary import Vocabulary
from common.run import Run
from common.train import Training

GAMMAS = (5.0, 5.0, 10.0)  # γ₁, γ₂, γ₃, §4
EMBEDDED, WORD, WIDTHS = 64, 64, (24, 48, 64, 64)  # dimensions of an embedding; of a word's vector; channels
RATE, BATCH, WARM_UP = 4e-3, 48, 0.2
Words = Float[Tensor, "n words width"]
There = Bool[Tensor, "n words"]
Regions = Float[Tensor, "m regions width"]


# --- The encoders -----------------------------------------------------------------------------------------------------


class TextEncoder(nn.Module):
    """A vector per word in its context, and one of the sentence: the LSTM's last states of both directions."""

    def __init__(self, vocabulary: int, embedded: int = EMBEDDED, width: int = WORD) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, embedded)
        self.recur = nn.LSTM(embedded, width // 2, batch_first=True, bidirectional=True)

    def forward(
        self, numbers: Int64[Tensor, "n words"], lengths: Int64[Tensor, "n"]
    ) -> tuple[Float[Tensor, "n words width"], Float[Tensor, "n width"]]:
        """Sentences are packed: the backward direction starts at the last word; after it vectors are 0."""
        packed = pack_padded_sequence(self.embed(numbers), lengths.cpu(), batch_first=True, enforce_sorted=False)
        states, (last, _) = self.recur(packed)
        words, _ = pad_packed_sequence(states, batch_first=True, total_length=numbers.shape[1])
        return words, last.transpose(0, 1).flatten(1)


class ImageEncoder(nn.Module):
    """A vector of each of 8 × 8 regions, and one of the whole, for pictures of 32 × 32 pixels in −1 … 1. Eq. 6."""

    def __init__(self, widths: Sequence[int] = WIDTHS, width: int = WORD) -> None:
        super().__init__()
        layers = []
        for inputs, outputs, stride in zip((5, *widths), widths, (1, 2, 2, 2), strict=False):
            conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            layers.append(nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU()))
        self.near, self.far = nn.Sequential(*layers[:-1]), layers[-1]
        self.region = nn.Conv2d(widths[-2], width, 1)
        self.whole = nn.Linear(16 * widths[-1], width)

    def forward(
        self, images: Float[Tensor, "m 3 height width"]
    ) -> tuple[Float[Tensor, "m regions vector"], Float[Tensor, "m vector"]]:
        maps = self.near(torch.cat([images, positions(images)], dim=1))
        return self.region(maps).flatten(2).transpose(1, 2), self.whole(self.far(maps).flatten(1))


def positions(images: Float[Tensor, "m 3 height width"]) -> Float[Tensor, "m 2 height width"]:
    """The position of each pixel: across and down, from −1 to 1."""
    height, width = images.shape[2:]
    down, across = (torch.linspace(-1, 1, n, device=images.device, dtype=images.dtype) for n in (height, width))
    return torch.stack(torch.meshgrid(across, down, indexing="xy")).expand(len(images), -1, -1, -1)


def words_there(numbers: Int64[Tensor, "n words"], lengths: Int64[Tensor, "n"]) -> There:
    """A mask of the places in padded sentences that hold a word."""
    return torch.arange(numbers.shape[1], device=lengths.device) < lengths[:, None]


# --- The score and the loss -------------------------------------------------------------------------------------------


def match_words(
    words: Words, there: There, regions: Regions, gammas: tuple[float, float, float] = GAMMAS
) -> Float[Tensor, "m n"]:
    """R(Q, D) of each picture with each sentence. Eqs. 7–10; there: which words are not padding."""
    similar = torch.einsum("ntd,mrd->mntr", words, regions)  # Eq. 7
    similar = similar.masked_fill(~there[None, :, :, None], -torch.inf).softmax(dim=2)  # Eq. 8, over words
    attention = (gammas[0] * similar).softmax(dim=3)  # Eq. 9, over regions
    contexts = torch.einsum("mntr,mrd->mntd", attention, regions)
    cosines = functional.cosine_similarity(contexts, words[None], dim=3)
    cosines = (gammas[1] * cosines).masked_fill(~there[None], -torch.inf)
    return cosines.logsumexp(dim=2) / gammas[1]  # Eq. 10


def match_wholes(sentences: Float[Tensor, "n width"], wholes: Float[Tensor, "m width"]) -> Float[Tensor, "m n"]:
    """The cosine of each picture's vector with each sentence's."""
    return functional.normalize(wholes, dim=1) @ functional.normalize(sentences, dim=1).T


def matching_loss(
    scores: Float[Tensor, "kinds n n"], meanings: Int64[Tensor, "n"], gamma: float = GAMMAS[2]
) -> Float[Tensor, ""]:
    """Eqs. 11–13, both ways, of scores by words and by wholes, per pair. meanings: equal for the same statement."""
    own = torch.arange(len(meanings), device=scores.device)
    alike = (meanings[:, None] == meanings) & (own[:, None] != own)
    logits = (gamma * scores).masked_fill(alike, -torch.inf)
    each = [functional.cross_entropy(way, own) for table in logits for way in (table, table.T)]
    return torch.stack(each).sum()


# --- The model and its training ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Described:
    """Pictures and a sentence of each, sliceable as a batch."""

    pixels: Float[Tensor, "n 3 height width"]
    numbers: Int64[Tensor, "n words"]
    lengths: Int64[Tensor, "n"]

    def __getitem__(self, which: slice) -> Described:
        return Described(*(part[which] for part in vars(self).values()))


class SimilarityModel(nn.Module):
    """Both encoders. They score each picture of a batch with each sentence, by words and by wholes."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.text, self.image = TextEncoder(vocabulary), ImageEncoder()

    def forward(self, batch: Described) -> Float[Tensor, "2 n n"]:
        pixels, numbers, lengths = (part.to(self.text.embed.weight.device) for part in vars(batch).values())
        with torch.autocast(pixels.device.type, enabled=False):  # products are small, and sums must be exact
            words, sentences = self.text(numbers, lengths)
        return self.score(words, words_there(numbers, lengths), sentences, pixels)

    def score(
        self, words: Words, there: There, sentences: Float[Tensor, "n width"], pixels: Float[Tensor, "n 3 _ _"]
    ) -> Float[Tensor, "2 n n"]:
        """The same for encoded sentences."""
        regions, wholes = self.image(pixels)
        with torch.autocast(pixels.device.type, enabled=False):
            by_words = match_words(words, there, regions.float())
            return torch.stack([by_words, match_wholes(sentences, wholes.float())])


@dataclass
class DescribedBatches:
    """Pictures with a random sentence of each, as common.train.Batches."""

    pixels: Float[Tensor, "n 3 height width"]
    numbers: Int64[Tensor, "n captions words"]
    lengths: Int64[Tensor, "n captions"]
    meanings: Int64[Tensor, "n"]

    @classmethod
    def of(cls, scenes: PlacedScenes, vocabulary: Vocabulary) -> DescribedBatches:
        """Use all captions of the scenes."""
        every = [caption.words for captions in scenes.captions for caption in captions]
        numbers, lengths = (part.unflatten(0, (len(scenes), -1)) for part in vocabulary.batch(every, marked=False))
        return cls(pixels_of(scenes.images), numbers, lengths, torch.tensor(scenes.meanings))

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Described, Tensor]:
        drawn = torch.randint(self.lengths.shape[1], (len(index),), generator=generator)
        sentences = self.numbers[index, drawn], self.lengths[index, drawn]
        return Described(self.pixels[index], *sentences), self.meanings[index]


def train_similarity(run: Run, scenes: PlacedScenes, vocabulary: Vocabulary, epochs: int, seed: int) -> SimilarityModel:
    """Train the model to match sentences and pictures. Returns it frozen."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = SimilarityModel(len(vocabulary))
    how = {"loss": matching_loss, "warm_up": WARM_UP, "device": run.device, "say": run.say_step}
    how["checkpoint"] = run.checkpoint(f"similarity {seed}")
    Training(epochs, RATE, BATCH, **how)(model, DescribedBatches.of(scenes, vocabulary), seed)
    return model.requires_grad_(False)


def pixels_of(images: UInt8[np.ndarray, "n height width 3"]) -> Float[Tensor, "n 3 height width"]:
    """Pictures in the networks' layout: channels first, from −1 to 1."""
    return torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1)


@torch.inference_mode()
def encode(
    model: SimilarityModel, vocabulary: Vocabulary, captions: Sequence[Caption]
) -> tuple[Words, There, Float[Tensor, "n width"]]:
    """The words' vectors, which of them are not padding, and the sentences' vectors."""
    numbers, lengths = vocabulary.batch([caption.words for caption in captions], marked=False)
    device = model.text.embed.weight.device
    words, sentences = model.text(numbers.to(device), lengths)
    return words.clone(), words_there(numbers, lengths).to(device), sentences.clone()
