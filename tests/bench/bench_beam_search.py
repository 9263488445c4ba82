"""Beam search for all pictures at once beside one that keeps a list of beginnings for each picture."""

from __future__ import annotations

from functools import partial

import torch
from side_by_side import row
from threadpoolctl import threadpool_limits

from ch07_applications.images_and_text.show_and_tell import ImageCaptioner, beam_search
from ch07_applications.images_and_text.vocabulary import BEGIN, END

PICTURES, NUMBERS, WORDS, WIDTH, LONGEST, SEED = 100, 76, 42, 3, 20, 7


@torch.inference_mode()
def one_by_one(network: ImageCaptioner, vectors: torch.Tensor) -> list[list[int]]:
    """For each picture a list of beginnings: total log p, words, state."""
    found = []
    for vector in vectors[:, None]:
        seen, state = network.start(vector)
        open_, ended = [(0.0, [BEGIN], state)], []
        for _ in range(LONGEST):
            longer = []
            for total, words, state in open_:
                scores, after = network.step(torch.tensor(words[-1:]), seen, state)
                best = scores[0].topk(WIDTH)
                pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
                longer += [(total + score, [*words, word], after) for score, word in pairs]
            kept = sorted(longer + ended, key=lambda own: -own[0])[:WIDTH]
            ended = [own for own in kept if own[1][-1] == END]
            open_ = [own for own in kept if own[1][-1] != END]
            if not open_:
                break
        found.append(max(ended + open_, key=lambda own: own[0])[1][1:])
    return found


def measure() -> list[dict]:
    """Rows for run.py."""
    torch.manual_seed(SEED)
    network, vectors = ImageCaptioner(torch.randn(500, NUMBERS), WORDS), torch.randn(PICTURES, NUMBERS)
    with torch.no_grad():
        network.leave.weight.mul_(20)  # as decided as a trained network is
        network.leave.bias[END] = 1.0
    ours, theirs = partial(beam_search, network, vectors, WIDTH, longest=LONGEST), partial(one_by_one, network, vectors)
    with threadpool_limits(1):
        assert ours() == theirs()
        return [row(f"beam search, {PICTURES} captions", ours, "picture by picture", theirs, at_least=3, runs=3)]
