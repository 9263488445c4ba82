"""Segments merged until one is left: ours by histograms, scikit-image's graph by mean colours."""

from __future__ import annotations

import numpy as np
from side_by_side import row
from skimage import graph

from common import data
from common.proposals.hierarchy import grow
from common.proposals.segments import colour_bins, cut_up, in_space, measured


def add_up(rag: graph.RAG, source: int, target: int) -> None:
    """Give the target what is known of the source."""
    rag.nodes[target]["total color"] += rag.nodes[source]["total color"]
    rag.nodes[target]["pixel count"] += rag.nodes[source]["pixel count"]
    rag.nodes[target]["mean color"] = rag.nodes[target]["total color"] / rag.nodes[target]["pixel count"]


def apart(rag: graph.RAG, _: int, target: int, neighbour: int) -> dict:
    """The distance of two mean colours."""
    return {"weight": np.linalg.norm(rag.nodes[target]["mean color"] - rag.nodes[neighbour]["mean color"])}


def measure() -> list[dict]:
    """Rows for tests/bench/run.py."""
    rows = []
    for side, at_least in ((128, 5), (384, 1.2)):
        image = np.ascontiguousarray(data.photo("astronaut")[60 : 60 + side, 100 : 100 + side])
        picture = in_space(image, "HSV")
        labels = cut_up(picture, 50, 0.8, 20)

        def ours(picture=picture, labels=labels) -> int:
            return len(grow(measured(labels, {"c": colour_bins(picture)}), "csf").parts)

        def peer(image=image, labels=labels) -> int:
            rag = graph.rag_mean_color(image, labels, connectivity=1)
            left = graph.merge_hierarchical(
                labels, rag, np.inf, rag_copy=False, in_place_merge=True, merge_func=add_up, weight_func=apart
            )
            return labels.max() - left.max()

        assert ours() == peer() == labels.max()
        title = f"regions merged, {side}×{side}, {labels.max() + 1} segments"
        rows.append(row(title, ours, "skimage.graph.merge_hierarchical", peer, at_least))
    return rows
