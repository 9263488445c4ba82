"""A trained generator with the text encoder that it has learned with: captions to pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from ch07_applications.images_and_text.attngan_plans import Sentences
from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.vocabulary import Vocabulary
from ch07_applications.images_and_text.word_region_matching import SimilarityModel


@dataclass(frozen=True, eq=False)
class Painted:
    """Pictures of every stage, from −1 to 1; the weights of words in regions; the conditioning distribution."""

    images: tuple[Float[Tensor, "n 3 _ _"], ...]
    attention: tuple[Float[Tensor, "n words _ _"], ...]
    mean: Float[Tensor, "n condition"]
    log_variance: Float[Tensor, "n condition"]


@dataclass(frozen=True, eq=False)
class Painter:
    """A trained generator, in evaluation mode, with the text encoder that it has learned with."""

    generator: nn.Module
    similarity: SimilarityModel
    vocabulary: Vocabulary

    def parameters(self) -> list[nn.Parameter]:
        """The generator's, for common.model_size."""
        return list(self.generator.parameters())

    @torch.inference_mode()
    def paint(self, captions: Sequence[Caption], seed: int = 0) -> Painted:
        """All stages' pictures of each caption, and where they attended. seed: of the noise."""
        sentences = Sentences.of(self.similarity, self.vocabulary, captions)
        numbers = self.generator.plan.noise + self.generator.plan.condition
        noise = np.random.default_rng(seed).standard_normal((len(captions), numbers), np.float32)  # row after row
        return self.generator(torch.from_numpy(noise).to(sentences.whole.device), *vars(sentences).values())

    def draw(self, captions: Sequence[Caption], seed: int = 0) -> UInt8[np.ndarray, "n side side 3"]:
        """The last stage's pictures."""
        pixels = self.paint(captions, seed).images[-1].float().cpu()
        return ((pixels + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
