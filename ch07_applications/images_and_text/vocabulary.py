"""Words as numbers: a vocabulary with tokens for the beginning, the end, unknown words and padding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from common.errors import Problem

PADDING, BEGIN, END, UNKNOWN = 0, 1, 2, 3
MARKS = ("<padding>", "<begin>", "<end>", "<unknown>")
WORD = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*")  # "t-shirt" and "dog's" are words


def words_of(text: str) -> tuple[str, ...]:
    """The words of a sentence, in lower case and without punctuation."""
    return tuple(WORD.findall(text.lower()))


@dataclass(frozen=True)
class Vocabulary:
    """words: by number; the first four are MARKS. Raises ValueError if they are not, or if a word occurs twice."""

    words: tuple[str, ...]
    numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = {word: number for number, word in enumerate(self.words)}
        if self.words[: len(MARKS)] != MARKS or len(numbers) != len(self.words):
            raise ValueError(f"a vocabulary begins with {MARKS} and has every word once")
        object.__setattr__(self, "numbers", numbers)

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], least: int = 1) -> Vocabulary:
        """The words that occur at least `least` times in these sentences, in alphabetical order."""
        counts = Counter(word for words in sentences for word in words)
        return cls(MARKS + tuple(sorted(word for word, count in counts.items() if count >= least)))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, words: Sequence[str], marked: bool = True) -> list[int]:
        """The words' numbers; marked: with the tokens of the beginning and the end. Unknown words become UNKNOWN.

        Raises Problem for a sentence without words: nothing could be scored.
        """
        if not words:
            raise Problem("a caption without words cannot be encoded: leave it out")
        inner = [self.numbers.get(word, UNKNOWN) for word in words]
        return [BEGIN, *inner, END] if marked else inner

    def decode(self, numbers: Sequence[int] | Int64[Tensor, "n"]) -> tuple[str, ...]:
        """The words up to the first END, without marks; an unknown word is <unknown>."""
        words = []
        for number in map(int, numbers):
            if number == END:
                break
            if number not in (PADDING, BEGIN):
                words.append(self.words[number])
        return tuple(words)

    def batch(
        self, sentences: Sequence[Sequence[str]], marked: bool = True
    ) -> tuple[Int64[Tensor, "n longest"], Int64[Tensor, "n"]]:
        """Sentences' numbers, padded after their end to the longest one, and the length of each."""
        encoded = [torch.tensor(self.encode(words, marked)) for words in sentences]
        if not encoded:
            raise Problem("no captions were given")
        lengths = torch.tensor([len(numbers) for numbers in encoded])
        return torch.nn.utils.rnn.pad_sequence(encoded, batch_first=True, padding_value=PADDING), lengths


def words_there(numbers: Int64[Tensor, "m words"], lengths: Int64[Tensor, "m"]) -> Bool[Tensor, "m words"]:
    """A mask of the places in padded sentences that hold a word."""
    return torch.arange(numbers.shape[1], device=lengths.device) < lengths[:, None]
