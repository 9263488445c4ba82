"""The detector of Dalal & Triggs 2005: a linear SVM on HOG, at every place and size, taught by its own mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor

from ch06_detection.boxes import area, centre_form, clip, corner_form, iou, iou_of_pairs, nms_by_class
from ch06_detection.dense_hog import Cells, scores_everywhere, windows_at
from ch06_detection.image_pyramid import level_size, resized, scales
from ch06_detection.matching_detections import place_in_group
from common.data.boxed import Target

CHUNK = 1 << 17
SHARE = 0.02


def grey(x):
    return ((x @ np.array([77, 150, 29], np.int32)) >> 8).astype(np.uint8)[..., None]

@dataclass(frozen=True)
class Window:
    rows: int
    columns: int
    height: float
    width: float
    cell: int
    block: int

    @property
    def shape(self):
        return self.rows - self.block + 1, self.columns - self.block + 1

    def boxes(self, row, column, padding):
        x = (column - padding + self.columns / 2) * self.cell
        y = (row - padding + self.rows / 2) * self.cell
        return np.stack([x - self.width / 2, y - self.height / 2, x + self.width / 2, y + self.height / 2], axis=-1)


class Candidates(NamedTuple):
    boxes: Tensor
    scores: Tensor
    labels: Tensor
    image: Tensor
    level: Tensor
    row: Tensor
    column: Tensor

    def take(self, w):
        return Candidates(*(x[w] for x in self))


class HOGDetector:
    def __init__(self, object_cells=56, margin=1, pixels_per_cell=4, cells_per_block=2, orientations=9,
        norm="L2-Hys", transform_sqrt=False, padding=3, outside="edge", C=0.01, loss="hinge", rounds=2, mirrored=True, scale_step=1.2,
        suppression=0.4, floor=-1.0, negatives=1000, fit_iou=0.65, most=60, per_round=400, random_images=200, sizes=None, seed=0, weight=None, jitter=0, grey=False):
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})
        self.cells = Cells(pixels_per_cell, cells_per_block, orientations, norm, transform_sqrt, padding, outside)

    def fit(self, images, targets):
        if self.grey: images = grey(images)
        import time
        T = {}
        t0 = time.process_time()
        rng = np.random.default_rng(self.seed)
        boxes = torch.cat([t["boxes"] for t in targets]); labels = torch.cat([t["labels"] for t in targets])
        owner = torch.repeat_interleave(torch.arange(len(targets)), torch.tensor([len(t["labels"]) for t in targets]))
        H, W = images.shape[1:3]
        whole = ((boxes[:, :2] > 0.5) & (boxes[:, 2] < W - 0.5)[:, None] & (boxes[:, 3] < H - 0.5)[:, None]).all(1)
        self.windows_ = []
        side = self.object_cells**0.5 * self.pixels_per_cell
        self.classes_ = int(labels.max())
        for c in range(1, self.classes_ + 1):
            b = boxes[(labels == c) & whole]
            aspect = ((b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1])).log().mean().exp().item()
            h, w = side / aspect**0.5, side * aspect**0.5
            self.windows_.append(Window(round(h / self.pixels_per_cell) + 2 * self.margin, round(w / self.pixels_per_cell) + 2 * self.margin, h, w, self.pixels_per_cell, self.cells_per_block))
        sizes = area(boxes[whole]).sqrt()
        low, high = torch.quantile(sizes, torch.tensor([SHARE, 1 - SHARE])).tolist()
        self.scales_ = scales(side / high, side / low, self.scale_step)
        pos = []
        for c, w in enumerate(self.windows_, 1):
            m = (labels == c) & whole
            pos.append(self.positives(images, owner[m].numpy(), boxes[m], w))
        T["pos"] = time.process_time() - t0; t0 = time.process_time()
        order = rng.permutation(len(images))
        self.templates_ = None
        use = order[: self.random_images]
        neg = self.false_windows(images[use], [targets[i] for i in use], rng)
        T["rand"] = time.process_time() - t0; t0 = time.process_time()
        self.train(pos, neg)
        T["svm0"] = time.process_time() - t0; t0 = time.process_time()
        at = 0
        for r in range(self.rounds):
            use = np.take(order, np.arange(at, at + self.per_round), mode="wrap"); at += self.per_round
            hard = self.false_windows(images[use], [targets[i] for i in use], rng)
            T[f"mine{r}"] = time.process_time() - t0; t0 = time.process_time()
            neg = [np.concatenate([a, b]) for a, b in zip(neg, hard)]
            self.train(pos, neg)
            T[f"svm{r+1}"] = time.process_time() - t0; t0 = time.process_time()
        self.times_ = T
        self.shapes_ = [(len(p), len(n), p.shape[1]) for p, n in zip(pos, neg)]
        return self

    def positives(self, images, owner, boxes, w):
        from torchvision.ops import roi_align
        centre = centre_form(boxes)
        f = (area(boxes) / (w.height * w.width)).sqrt()[:, None]
        inner = corner_form(torch.cat([centre[:, :2], f * torch.tensor([[w.width, w.height]])], 1))
        keep = iou_of_pairs(inner, boxes) >= self.fit_iou
        centre, f, owner = centre[keep], f[keep], torch.from_numpy(owner)[keep]
        if self.jitter:
            g = torch.Generator().manual_seed(0)
            centre, f, owner = (x.repeat_interleave(self.jitter + 1, 0) for x in (centre, f, owner))
            j = torch.arange(len(f)) % (self.jitter + 1) > 0
            u = (torch.rand((len(f), 3), generator=g) - 0.5) * j[:, None]
            centre = centre + torch.cat([u[:, :2] * f * w.cell, torch.zeros(len(f), 2)], 1)
            f = f * self.scale_step ** u[:, 2:]
        full = torch.tensor([[w.columns + 2, w.rows + 2]]) * w.cell
        region = corner_form(torch.cat([centre[:, :2], f * full], 1))
        over = int(max(0, -region.min().item(), (region[:, 2].max() - images.shape[2]).item(), (region[:, 3].max() - images.shape[1]).item())) + 2
        out = []
        for some in range(0, len(images), step := max(1, CHUNK * 4 // images[0].size)):
            mine = (owner >= some) & (owner < some + step)
            if not mine.any(): continue
            x = torch.from_numpy(images[some : some + step]).permute(0, 3, 1, 2).float()
            x = torch.nn.functional.pad(x, (over,) * 4, mode="replicate")
            rois = torch.cat([(owner[mine] - some)[:, None].float(), region[mine] + over], 1)
            crop = roi_align(x, rois, ((w.rows + 2) * w.cell, (w.columns + 2) * w.cell), sampling_ratio=-1 if f.max() > 1 else 1, aligned=True)
            out.append(crop.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy())
        crops = np.concatenate(out)
        if self.mirrored:
            crops = np.concatenate([crops, np.ascontiguousarray(crops[:, :, ::-1])])
        bare = replace(self.cells, padding=0)
        h = bare.histograms(crops)[:, 1:-1, 1:-1]
        return bare.normalised(h).reshape(len(crops), -1)

    def false_windows(self, images, targets, rng):
        got = [[] for _ in self.windows_]; sc = [[] for _ in self.windows_]
        for at, chunk, maps, cand in self.scan(images, rng):
            for i in range(len(chunk)):
                t = targets[at + i]
                for c in range(1, self.classes_ + 1): pass
            gt = [targets[at + i] for i in range(len(chunk))]
            gb = torch.cat([t["boxes"] for t in gt]); gl = torch.cat([t["labels"] for t in gt])
            gi = torch.repeat_interleave(torch.arange(len(gt)), torch.tensor([len(t["labels"]) for t in gt]))
            o = iou(cand.boxes, gb) * ((cand.labels[:, None] == gl) & (cand.image[:, None] == gi))
            cand = cand.take(o.max(1).values < 0.3 if len(gb) else slice(None))
            for c, w in enumerate(self.windows_):
                for l, blocks in enumerate(maps):
                    own = cand.take((cand.labels == c + 1) & (cand.level == l))
                    if len(own.scores):
                        got[c].append(windows_at(blocks, w.shape, own.image.numpy(), own.row.numpy(), own.column.numpy()))
                        sc[c].append(own.scores.numpy())
        out = []
        for g, s in zip(got, sc):
            g, s = np.concatenate(g), np.concatenate(s)
            best = np.argsort(-s)[: self.negatives]
            out.append(g[best])
        return out

    def train(self, pos, neg):
        from sklearn.svm import LinearSVC
        T = []
        for c, (p, n) in enumerate(zip(pos, neg)):
            svm = LinearSVC(C=self.C, class_weight=self.weight, loss=self.loss, dual=True, random_state=self.seed, max_iter=300, tol=1e-2)
            svm.fit(np.concatenate([p, n]), np.repeat([1, 0], [len(p), len(n)]))
            T.append((svm.coef_[0].reshape(*self.windows_[c].shape, -1).astype(np.float32), float(svm.intercept_[0])))
        self.templates_ = T

    def scan(self, images, rng=None, suppression=None):
        H, W = images.shape[1:3]
        step = max(1, CHUNK // (H * W))
        for at in range(0, len(images), step):
            chunk = images[at : at + step]
            maps, cols = [], []
            for l, s in enumerate(self.scales_):
                size = level_size((H, W), s)
                blocks = self.cells.blocks(resized(chunk, size))
                maps.append(blocks)
                for c, w in enumerate(self.windows_):
                    if self.templates_ is None:
                        d, a = (max(0, x - y + 1) for x, y in zip(blocks.shape[1:3], w.shape))
                        score, floor = rng.random((len(chunk), d, a), np.float32), 1 - self.negatives * 1.5 / self.random_images / len(self.scales_) / max(1, d * a)
                    else:
                        t, b = self.templates_[c]
                        score, floor = scores_everywhere(blocks, t) + b, self.floor
                    n, r, k = np.nonzero(score > floor)
                    box = w.boxes(r, k, self.padding) / np.array([size[1] / W, size[0] / H] * 2)
                    cols.append((box, score[n, r, k], np.full(len(n), c + 1), n, np.full(len(n), l), r, k))
            cand = Candidates(*(torch.from_numpy(np.concatenate(x)) for x in zip(*cols)))
            cand = cand._replace(boxes=clip(cand.boxes.float(), H, W), scores=cand.scores.float())
            self.n_cand = len(cand.scores) / len(chunk)
            if self.templates_ is not None:
                group = (cand.image * 100 + cand.labels).numpy()
                order = np.lexsort((-cand.scores.numpy(), group))
                order = order[place_in_group(group[order]) < self.most]
                cand = cand.take(torch.from_numpy(order))
                ends = np.searchsorted(cand.image.numpy(), np.arange(len(chunk) + 1))
                kept = [a + nms_by_class(cand.boxes[a:b], cand.scores[a:b], cand.labels[a:b], self.suppression) for a, b in zip(ends[:-1], ends[1:])]
                cand = cand.take(torch.cat(kept))
            yield at, chunk, maps, cand

    def predict(self, images):
        if self.grey: images = grey(images)
        out = []
        for at, chunk, maps, cand in self.scan(images):
            order = cand.scores.argsort(descending=True)
            cand = cand.take(order)
            for i in range(len(chunk)):
                own = cand.take(cand.image == i)
                out.append({"boxes": own.boxes, "labels": own.labels, "scores": own.scores})
        return out
