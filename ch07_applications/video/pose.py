"""Human pose by heat maps: a stacked hourglass network predicts, for each joint, a map of where it is.

Question   Wrists and ankles are small, move far, and look much alike. Does a network that sees the whole person at
           every scale find them better than templates of the joints that springs tie together?
Method     Newell, Yang & Deng 2016 ("Stacked Hourglass Networks for Human Pose Estimation"). An hourglass (§3.1, Fig.
           3) halves the maps down to 4 × 4, doubles them again, and adds at each size what was there on the way down.
           Hourglasses are stacked; each predicts heat maps, and a loss compares all of these with a Gaussian at the
           joint (§3.3, §3.4: intermediate supervision). The joint is at the largest value, moved by a quarter of a
           cell towards the larger neighbour (§3.4). The published network is counted; a small one learns from drawn
           people.
Rival      Pictorial structures (pictorial_structures.py): HOG parts on a tree, solved exactly. HOG and kernel ridge.
Differs    64 × 64 pixels, two stacks, Muon; the top of a parabola in place of the quarter. One network learns from
           squares around boxes and from whole pictures, so that it can also do without a box.
Costs      145 s on two cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.video.drawn_pose import draw_curves, draw_kinds, draw_maps, draw_poses
from ch07_applications.video.people import Studio
from ch07_applications.video.photograph_pose import show_reference, squares_of
from ch07_applications.video.pose_rivals import MEAN, PARTS, RIDGE, score, score_rivals
from ch07_applications.video.posed_people import KINDS, MIRRORED, PCK, Joints, PosedPeople, frames_of, merged_ankles
from ch07_applications.video.views import SIZE, RandomViews, Views, around_boxes, cut, into_pictures, whole_pictures
from common.muon import Muon, hidden_filters
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

STRIDE = 4  # pixels per cell of the heat maps
SIGMA = 1.0  # cells: the width of the Gaussians
FILMS, FRAMES = 1000, 4  # to train on; frames of each
RATE, BATCH, EPOCHS, SHORT = 0.02, 32, 5, 2
SHOWN = (13, 8, 9, 6, 11, 0, 5)  # joints whose maps are drawn
NONE, QUARTER, PARABOLA, FIRST = "no shift", "quarter of a cell", "parabola", "first of two stacks"
OURS, BOXLESS = "stacked hourglass", "stacked hourglass, no box"
BASE, LAST_ONLY, ONE = "two stacks", "no intermediate supervision", "one stack, as many parameters"
Maps = Float[Tensor, "items joints rows columns"]
StackMaps = Float[Tensor, "items stacks joints rows columns"]
Points = Float[Tensor, "items joints 2"]


# --- The network, §3 --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What a network is made of. depth: how often an hourglass halves its maps. stem: maps of the first layer."""

    stacks: int = 2
    channels: int = 96
    depth: int = 2
    stem: int = 32
    joints: int = 14  # bodies.JOINTS


PUBLISHED = Plan(8, 256, 4, 64, 16)  # §4.1's 16 joints of MPII
SINGLE = Plan(1, 132)


class Residual(nn.Module):
    """The input, plus what three convolutions through half as many maps make of it. Fig. 4, left."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *(nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs // 2, 1)),
            *(nn.BatchNorm2d(outputs // 2), nn.ReLU(), nn.Conv2d(outputs // 2, outputs // 2, 3, padding=1)),
            *(nn.BatchNorm2d(outputs // 2), nn.ReLU(), nn.Conv2d(outputs // 2, outputs, 1)),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: Float[Tensor, "items _ rows columns"]) -> Float[Tensor, "items _ rows columns"]:
        return self.shortcut(maps) + self.branch(maps)


class Hourglass(nn.Module):
    """Down to half the size, through a smaller hourglass, and up again, plus a branch at full size. Fig. 3."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.beside, self.down, self.up = (Residual(channels, channels) for _ in range(3))
        self.inner = Hourglass(channels, depth - 1) if depth > 1 else Residual(channels, channels)

    def forward(self, maps: Float[Tensor, "items channels rows columns"]) -> Float[Tensor, "items channels _ _"]:
        low = self.up(self.inner(self.down(max_pool2d(maps, 2))))
        return self.beside(maps) + interpolate(low, scale_factor=2)  # the nearest, as in the paper


class StackedHourglass(nn.Module):
    """Pictures to the heat maps of every stack. What a stack predicts goes back into the next one's input, Fig. 4."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        stem, channels, joints = plan.stem, plan.channels, plan.joints
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 7, 2, padding=3), nn.BatchNorm2d(stem), nn.ReLU(), Residual(stem, 2 * stem),
            nn.MaxPool2d(2), Residual(2 * stem, 2 * stem), Residual(2 * stem, channels),
        )  # fmt: skip
        stacks, between = range(plan.stacks), range(plan.stacks - 1)
        self.hourglasses = nn.ModuleList(Hourglass(channels, plan.depth) for _ in stacks)
        self.mixes = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU()) for _ in stacks
        )
        self.heads = nn.ModuleList(nn.Conv2d(channels, joints, 1) for _ in stacks)
        self.features = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in between)
        self.returns = nn.ModuleList(nn.Conv2d(joints, channels, 1) for _ in between)
        for head in self.heads:  # which predicts next to nothing, as is right almost everywhere
            nn.init.normal_(head.weight, std=0.001)
            nn.init.zeros_(head.bias)

    def forward(self, pictures: Float[Tensor, "items 3 _ _"]) -> StackMaps:
        state, found = self.stem(pictures), []
        for stack, hourglass in enumerate(self.hourglasses):
            mixed = self.mixes[stack](hourglass(state))
            found.append(self.heads[stack](mixed))
            if stack < len(self.returns):
                state = state + self.features[stack](mixed) + self.returns[stack](found[-1])
        return torch.stack(found, dim=1)


# --- Heat maps --------------------------------------------------------------------------------------------------------


def encode(points: Points, cells: int, stride: int) -> Maps:
    """A Gaussian around each point, 1 at its middle. Cell (row i, column j) is around stride · (j + ½, i + ½)."""
    middles = (torch.arange(cells, device=points.device) + 0.5) * stride
    x, y = (torch.exp(-0.5 * ((middles - points[..., None, axis]) / (SIGMA * stride)) ** 2) for axis in (0, 1))
    return y[..., :, None] * x[..., None, :]


def decode(maps: Maps, stride: int, shift: str = QUARTER) -> Points:
    """Where each map is largest: its cell's centre, moved towards the larger of the neighbours, in x and in y. §3.4.

    shift: by nothing, by a quarter of a cell, or to the top of the parabola through the logarithms of three cells
    (Zhang et al. 2020), which is where a Gaussian has its middle. Where a neighbour is beyond the border, by nothing.
    """
    rows, columns = maps.shape[2:]
    best = maps.flatten(2).argmax(dim=2)
    cell = torch.stack([best % columns, best // columns], dim=2)
    moves = []
    for axis, (step, size) in enumerate(((1, columns), (columns, rows))):
        inside = (cell[..., axis] > 0) & (cell[..., axis] < size - 1)
        places = torch.stack([best - step * inside, best, best + step * inside], dim=2)
        before, here, after = maps.flatten(2).gather(2, places).unbind(2)
        if shift == PARABOLA:
            before, here, after = (each.clamp(min=1e-6).log() for each in (before, here, after))
            bend = (2 * here - before - after).clamp(min=1e-6)
            move = (0.5 * (after - before) / bend).clamp(-0.5, 0.5)
        else:
            move = {NONE: 0.0, QUARTER: 0.25}[shift] * (after - before).sign()
        moves.append(torch.where(inside, move, torch.zeros(())))
    return (cell + 0.5 + torch.stack(moves, dim=2)) * stride


def all_stacks(found: StackMaps, points: Points, seen: Bool[Tensor, "items joints"]) -> tuple[Tensor, Tensor]:
    """Squared errors of the maps of all stacks, §3.3; joints that are not in the picture have none.

    points: in pixels of the network's input. Returns the sum, and the number of joints by which it is to be divided.
    """
    cells = found.shape[3]
    wanted = encode(points, cells, SIZE // cells)
    errors = (found.float() - wanted[:, None]).square().sum(dim=(3, 4))
    return (errors * seen[:, None]).sum(), seen.sum()


def last_stack(found: StackMaps, points: Points, seen: Bool[Tensor, "items joints"]) -> tuple[Tensor, Tensor]:
    """Without intermediate supervision: the last stack's errors alone."""
    return all_stacks(found[:, -1:], points, seen)


# --- Training and predicting ------------------------------------------------------------------------------------------


@dataclass(eq=False)
class PoseEstimator:
    """A trained network. Its maps are the mean over a picture and its mirror image, in which left is right."""

    network: nn.Module

    def every_map(self, pictures: Float[Tensor, "items 3 _ _"]) -> StackMaps:
        """The heat maps of all stacks for pictures from 0 to 1."""
        device, found = next(self.network.parameters()).device, []
        self.network.eval()
        with torch.inference_mode():
            for part in (pictures - 0.5).to(device).split(100):
                other = self.network(part.flip(3)).flip(4)[:, :, MIRRORED]
                found.append(((self.network(part) + other) / 2).float().cpu())
        return torch.cat(found)

    def predict(self, people: PosedPeople, views: Views, shift: str = PARABOLA) -> Joints:
        """Joints in pixels of the pictures, found in these views of them."""
        maps = self.every_map(cut(torch.tensor(people.images), views))
        return into_pictures(decode(maps[:, -1], STRIDE, shift), views).numpy()

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's, for common.model_size."""
        return self.network.parameters()


def train(
    run: Run, people: PosedPeople, epochs: int, plan: Plan, checkpoint: str | None = None, **how: Any
) -> PoseEstimator:
    """A network that learns from pictures of people. how: further settings of Training."""
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        network = StackedHourglass(plan)
    seen = torch.tensor(people.visible)
    arrays = (torch.tensor(people.images), torch.tensor(people.joints), seen, around_boxes(people.boxes, people.side))
    training = Training(
        epochs, RATE, BATCH, Muon, lambda network: hidden_filters(network, network.heads), device=run.device,
        say=run.say_step, checkpoint=checkpoint and run.checkpoint(checkpoint), **({"loss": all_stacks} | how),
    )  # fmt: skip
    training(network, RandomViews(*arrays), run.seed)
    return PoseEstimator(network)


# --- The lesson -------------------------------------------------------------------------------------------------------


def count_published(run: Run) -> None:
    """The published network, counted without computing."""
    with torch.device("meta"):
        run.fact("parameters of the published network", parameters_of(StackedHourglass(PUBLISHED)))


def study_stacks(run: Run, claims: PaperClaims, people: PosedPeople, held_out: PosedPeople) -> None:
    """Short trainings on the same pictures, judged on validation people: what stacks and their losses do."""
    views, epochs = around_boxes(held_out.boxes, held_out.side), run.pick(smoke=1, lecture=SHORT)
    for name, plan, loss in ((BASE, Plan(), all_stacks), (LAST_ONLY, Plan(), last_stack), (ONE, SINGLE, all_stacks)):
        with run.method(f"{name}, validation", kind="deep") as method:
            method.model = model = method.time(train, run, people, epochs, plan, loss=loss)
            score(method, model.predict(held_out, views), held_out, kinds=())
    for text, against in (
        ("A loss at every stack is better than one at the last", LAST_ONLY),
        ("Two hourglasses are better than a wider one", ONE),
    ):
        sides = {"ours": f"{BASE}, validation", "against": f"{against}, validation"}
        claims.compared(text, source="§4.2", paper="better; no number for two", **sides)


def study_readings(run: Run, claims: PaperClaims, model: PoseEstimator, held_out: PosedPeople) -> None:
    """The trained network's maps of validation people, read with every shift, and those of its first stack."""
    views = around_boxes(held_out.boxes, held_out.side)
    maps = model.every_map(cut(torch.tensor(held_out.images), views))
    for name, stack, shift in (*((each, -1, each) for each in (NONE, QUARTER, PARABOLA)), (FIRST, 0, PARABOLA)):
        with run.method(f"{name}, validation", kind="deep") as method:
            method.model = model
            found = into_pictures(decode(maps[:, stack], STRIDE, shift), views).numpy()
            score(method, found, held_out, kinds=())
    for text, source, ours, against in (
        ("A shift by a quarter of a cell is better than none", "§3.4", QUARTER, NONE),
        ("The second stack's maps are better than the first's", "§3.3", PARABOLA, FIRST),
    ):
        sides = {"ours": f"{ours}, validation", "against": f"{against}, validation"}
        claims.compared(text, source=source, paper="no number", **sides)


def lesson(run: Run) -> None:
    claims, own = PaperClaims(run), None if run.photo is None else squares_of(run.photo)  # refuses a small one
    count_published(run)
    *counts, epochs = run.pick(smoke=(24, 12, 12, 1), lecture=(FILMS, 96, 120, EPOCHS), full=(20_000, 120, 240, 40))
    people, held_out, test = (
        frames_of(Studio(part=part, side=SIZE, frames=FRAMES).shoot(count, seed))
        for part, count, seed in zip(("train", "validation", "test"), counts, (run.seed, 0, 0), strict=True)
    )
    run.fact("mean torso of training people", people.torsos.mean(), "px")
    boxed = around_boxes(test.boxes, test.side)
    with run.method(OURS, kind="deep") as method:
        method.model = model = method.time(train, run, people, epochs, Plan(), "hourglass")
        found = {OURS: model.predict(test, boxed)}
        score(method, found[OURS], test)
    run.floor(OURS, PCK, at_least=91.0)
    with run.method(BOXLESS, kind="deep") as method:
        method.model = model
        found[BOXLESS] = model.predict(test, whole_pictures(len(test), test.side))
        score(method, found[BOXLESS], test)
    found |= score_rivals(run, people, held_out, test)
    for text, source, paper, against, metric in (
        ("Heat maps find joints better than pictorial structures", "Table 1", "wrists and elbows only", PARTS, PCK),
        ("… and wrists", "Table 1", "97.0 against 59.1 % (FLIC)", PARTS, f"{PCK}, wrists"),
        ("… and better than regression from HOG", "not compared", "–", RIDGE, PCK),
        ("A box helps to find joints", "not compared", "–", BOXLESS, PCK),
    ):
        claims.compared(text, source=source, paper=paper, ours=OURS, against=against, metric=metric)
    legs = [f"{name}: ankles that are apart, predicted at one place" for name in (OURS, PARTS)]
    for fact, name in zip(legs, (OURS, PARTS), strict=True):
        run.fact(fact, merged_ankles(found[name], test), "%")
    text, sides = "Heat maps merge two legs into one less often", {"ours": legs[0], "against": legs[1]}
    claims.measured(text, source="not measured", paper="–", expects="lower", **sides)
    study_readings(run, claims, model, held_out)
    study_stacks(run, claims, people, held_out)
    show_reference(run, model, test, own)
    credit = f"Photographs: {'; '.join(test.credits)}."
    caption = f"Test people by rank of the stacked hourglass's mean error; right limbs orange, left ones blue. {credit}"
    order = {name: found[name] for name in (OURS, BOXLESS, PARTS, RIDGE, MEAN)}
    run.figure("poses", draw_poses, test, order, caption=caption)
    crops = cut(torch.tensor(test.images[:1]), boxed[:1])
    caption = f"The first test picture, and heat maps of both stacks for some joints, 0 dark, 1 bright. {credit}"
    picture, maps = crops[0].permute(1, 2, 0).numpy(), model.every_map(crops)[0].numpy()
    run.figure("maps", draw_maps, picture, maps, SHOWN, caption=caption)
    caption = f"Joints of test people found within a share of the torso; {PCK} is at the line; higher is better."
    run.figure("thresholds", draw_curves, test, order, caption=caption)
    caption = f"{PCK} of test people by kind of joint; higher is better."
    run.figure_over_seeds("kinds", draw_kinds, tuple(order), tuple(KINDS), PCK, caption=caption)
