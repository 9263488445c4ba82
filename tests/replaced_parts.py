"""Lessons run twice: on their data, and with other test parts. What they choose and fit must not notice.

A test part is replaced where data sets are made (Dataset, SceneSet, CamVid, CaptionedSets, PlacedSets, films of test
people, the watch's folds), so that a lesson finds other inputs and other answers in it; and once more where a method is
scored, for test parts that lessons make themselves.
"""

from __future__ import annotations

import hashlib
import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection._search import BaseSearchCV
from threadpoolctl import threadpool_limits

from ch06_detection.scoring.protocol import training_scenes
from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes, CaptionedSets
from ch07_applications.images_and_text.placed_scenes import PlacedScenes, PlacedSets
from ch07_applications.video import activity
from ch07_applications.video.films import Films
from ch07_applications.video.people import Studio
from ch07_applications.video.person_folds import Fold
from common import method, tuning
from common.console import Console
from common.data import Images, Scale, Table, scenes
from common.data import images as image_sets
from common.data.boxed import BoxedImages
from common.data.camvid import CamVid
from common.data.dataset import Dataset
from common.data.recordings import Recordings
from common.data.scenes import SceneSet
from common.data.segmented import IGNORE, SegmentedImages
from common.method import Method
from common.record import LessonRecord
from common.run import Run
from tests import smoke_recordings

TIMES = ("time", "seconds", "rate")  # attributes with such a name are other numbers in every run
FEW = {"SMOKE_TRAIN": 400, "SMOKE_TEST": 120}  # images per set: what leaks, leaks from few as well, and sooner
LAST_SEEN = ("kept", "grad", "_age", "_made_of", "test")  # what layers, Tensors and studies keep of what they saw


@dataclass
class Trace:
    """What a lesson chose and fitted. events: in order, a label and a state, which is text and compares exactly."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    def differs_from(self, other: Trace) -> list[str]:
        """The labels of events that are not the same in both."""
        pairs = zip(self.events, other.events, strict=False)
        found = [f"{a[0]}: {differences(a[1], b[1])}" for a, b in pairs if a != b]
        longer = len(self.events) != len(other.events)
        return found + ([f"{len(self.events)} events, then {len(other.events)}"] if longer else [])


def differences(a: Any, b: Any, path: str = "") -> str:
    """Where in two states they first differ."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return next(differences(a[key], b[key], f"{path}.{key}") for key in a if a[key] != b[key])
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return next(differences(x, y, f"{path}[{i}]") for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
    return f"{path} {a} is not {b}"


# --- What is kept of a model ----------------------------------------------------------------------------------------


def state(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """Everything that a model has fitted, as numbers and digests of arrays. Times and functions are left out."""
    if value is None or isinstance(value, bool | int | float | str | np.generic | range):
        return repr(value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return digest(value)
    if isinstance(value, torch.Tensor):
        return digest(value.detach().cpu().float().numpy())
    if id(value) in seen or callable(getattr(value, "random", None)):  # a circle; a generator
        return type(value).__name__
    seen = (*seen, id(value))
    if isinstance(value, torch.nn.Module):
        return {name: state(tensor) for name, tensor in value.state_dict().items()}
    if callable(getattr(value, "state", None)):  # a network of chapter 4, whose layers keep their last inputs
        return [state(array) for array in value.state()]
    if isinstance(value, dict):
        return {str(key): state(item, seen) for key, item in value.items() if not left_out(str(key))}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [state(item, seen) for item in value]
    if type(value).__name__ == "Tree":  # scikit-learn's
        return state(value.__getstate__(), seen)
    if isinstance(value, type) or not hasattr(value, "__dict__") or (callable(value) and not hasattr(value, "fit")):
        return getattr(value, "__name__", type(value).__name__)
    return {"": type(value).__name__} | state(vars(value), seen)


def digest(array: np.ndarray) -> str:
    """Shape, type, first number and a hash: short, and as exact as the array."""
    kind = f"{array.dtype.kind}{array.shape}"
    first = f" {array.flat[0]!r}" if array.size else ""
    return f"{kind}{first} {hashlib.sha1(np.ascontiguousarray(array).tobytes()).hexdigest()[:12]}"


def left_out(name: str) -> bool:
    return name in (*TIMES, *LAST_SEEN) or name.endswith(("_time", "_time_", "_seconds"))


# --- Other test parts -------------------------------------------------------------------------------------------------


def other(part: Any) -> Any:
    """A part of the same kind, length and classes, with other inputs and with answers that belong to other items."""
    rng = np.random.default_rng(len(part))
    order = rng.permutation(len(part))
    if isinstance(part, Images):
        images = part.images[order][:, :, ::-1] // 2
        return Images(np.ascontiguousarray(images), other_labels(part.labels, rng), part.ids)
    if isinstance(part, Table):
        features = 1.3 * part.features[order][:, :] + 0.5 * part.features.std(axis=0)
        quantities = part.targets.dtype != np.int64
        targets = 1.2 * rng.permutation(part.targets) + 1 if quantities else other_labels(part.targets, rng)
        return Table(features, targets, part.names, part.unit, part.ids)
    if isinstance(part, BoxedImages):
        order = np.roll(np.arange(len(part)), 1)
        taken = part.take(order)
        images = part.images[:, :, ::-1] // 2
        return BoxedImages(np.ascontiguousarray(images), taken.targets, part.classes, taken.masks, part.ids)
    if isinstance(part, SegmentedImages):
        images = np.ascontiguousarray(part.images[:, :, ::-1] // 2)
        labels = np.roll(part.labels, (1, part.labels.shape[1] // 4), axis=(0, 1))
        return SegmentedImages(images, classes_moved(labels), part.classes, part.names, part.groups, part.ids)
    if isinstance(part, CaptionedScenes | PlacedScenes):
        return replace(part.take(np.roll(np.arange(len(part)), 1)), images=part.images[:, :, ::-1] // 2, ids=part.ids)
    if isinstance(part, Films):
        films, labels = part.films[..., ::-1, :] // 2, other_labels(part.labels, rng)
        return replace(part, films=films, labels=labels, joints=part.joints[order], masks=part.masks[order])
    if isinstance(part, Recordings):
        series = tuple(1.3 * part.series[place] + np.float32(0.5) for place in order)
        return replace(part, series=series, labels=other_labels(part.labels, rng))
    return part


def classes_moved(labels: np.ndarray) -> np.ndarray:
    """Every third pixel of the commonest class has the next one's label, so that shares are others. IGNORE remains."""
    there, counts = np.unique(labels[labels != IGNORE], return_counts=True)
    if len(there) < 2:
        return labels
    commonest = counts.argmax()
    flat = labels.ravel().copy()
    flat[np.flatnonzero(flat == there[commonest])[::3]] = there[(commonest + 1) % len(there)]
    return flat.reshape(labels.shape)


def other_labels(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The labels permuted, and a part of them changed, so that their shares are others, too. Each class remains."""
    labels, first = rng.permutation(labels), np.unique(labels)[0]
    rows = np.flatnonzero(labels != first)
    changed = labels.copy()
    changed[rows[: len(rows) // 3]] = first
    return changed if set(changed) == set(labels) else labels


@contextmanager
def patched(owner: Any, name: str, make: Callable) -> Iterator[None]:
    """owner.name is make(what it was) within the block."""
    before = getattr(owner, name)
    setattr(owner, name, make(before))
    try:
        yield
    finally:
        setattr(owner, name, before)


def made_with(init: Callable, *names: str) -> Callable:
    """The __init__ of a data set, which is given other parts of these names: by default another test part."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        for name in names or ("test",):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, other(getattr(self, name)))

    return __init__


def judged_on_val(init: Callable) -> Callable:
    """CamVid's: `val` is a part to be judged on, too, for the test frames may be missing. Settings are chosen within
    the training frames."""
    return made_with(init, "validation", "test")


def shot_of(shoot: Callable) -> Callable:
    """Studio.shoot, whose films of the test people are others."""

    def shot(self: Studio, *args: Any, **kwargs: Any) -> Films:
        films = shoot(self, *args, **kwargs)
        return other(films) if self.part == "test" else films

    return shot


def folded(folds: Callable) -> Callable:
    """person_folds, whose test recordings are others."""
    return lambda run: [Fold(fold.train, other(fold.test)) for fold in folds(run)]


def scored_on(score: Callable) -> Callable:
    """Method.score, on another part."""
    return lambda self, part, predict=None: score(self, other(part), predict)


@contextmanager
def other_test_parts() -> Iterator[None]:
    """Whatever is loaded or scored in this block has another test part."""
    with (
        patched(Dataset, "__init__", made_with),
        patched(SceneSet, "__init__", made_with),
        patched(CamVid, "__init__", judged_on_val),
        patched(CaptionedSets, "__init__", lambda init: made_with(init, "test", "held_out")),
        patched(PlacedSets, "__init__", lambda init: made_with(init, "test", "held_out")),
        patched(Studio, "shoot", shot_of),
        patched(activity, "person_folds", folded),
        patched(Method, "score", scored_on),
    ):
        yield


# --- A lesson's trace -------------------------------------------------------------------------------------------------


@contextmanager
def recording(trace: Trace) -> Iterator[None]:
    """What is chosen in this block goes into the trace: by common.tuning.choose, or by a search of scikit-learn's."""

    def noting_choice(best_place: Callable) -> Callable:
        def noted(scores: Any, n: int, highest: bool) -> int:
            place = best_place(scores, n, highest)
            trace.events.append(("choice", {"of": n, "scores": state(np.asarray(scores, float)), "taken": place}))
            return place

        return noted

    def noting_search(fit: Callable) -> Callable:
        def noted(search: Any, *args: Any, **kwargs: Any) -> Any:
            fit(search, *args, **kwargs)
            scores = search.cv_results_["mean_test_score"]
            trace.events.append(("search", {"scores": state(scores), "taken": repr(search.best_params_)}))
            return search

        return noted

    def noting_work(time: Callable) -> Callable:
        def noted(self: Method, work: Callable, *args: Any, **kwargs: Any) -> Any:
            answer = time(self, work, *args, **kwargs)
            made = answer._asdict() if hasattr(answer, "_asdict") else answer
            made = made if isinstance(made, dict) else dict(enumerate(made if isinstance(made, tuple) else (made,)))
            made = {key: each for key, each in made.items() if not isinstance(each, np.ndarray)}  # or predictions
            trace.events.append((f"work of {self.name}", state(made)))
            return answer

        return noted

    with (
        patched(tuning, "best_place", noting_choice),
        patched(BaseSearchCV, "fit", noting_search),
        patched(Method, "time", noting_work),
        patched(method, "QUICK", lambda quick: 0.0),  # nothing is fitted again only to time it
    ):
        yield


def traced(
    lesson: Callable[[Run], None],
    name: str,
    folder: Path,
    shared: dict,
    threads: int | None = 1,
    run: Run | None = None,
) -> Trace:
    """Run a lesson at smoke and say what it chose and fitted. run: to run it with; else one without pictures."""
    trace = Trace()
    if run is None:
        record = LessonRecord("", "")
        run = Run(name, 0, Scale("smoke"), record, folder, Console(quiet=True), device_name="cpu", shared=shared)
        run.figure = lambda *args, **kwargs: None
    torch.manual_seed(0)
    with recording(trace), threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lesson(run)
    run.forget_checkpoints()  # else the next trace would go on from them, and train nothing
    for each in run.methods.values():
        trace.events.append((f"model of {each.name}", state(each.model)))
    trace.events += [(f"row of {row.method}", f"{row.metric} {row.parameters}") for row in run.record.rows]
    trace.facts = {fact.name: fact.value for fact in run.record.facts}
    return trace


def chapter_traces(
    chapter: str, lessons: list[str], folder: Path, keeping: bool = False
) -> dict[str, Trace | Exception]:
    """The traces of a chapter's lessons, which share models that were fitted once, as in a run of the chapter.

    In chapter 7, which has most lessons, image sets are smaller than at smoke. keeping: also keep the runs, with their
    pictures drawn, for the tests of what lessons say.
    """
    traces: dict[str, Trace | Exception] = {}
    shared: dict = {}
    forget_scenes()
    for name in lessons:
        module = importlib.import_module(f"{chapter}.{name.replace('/', '.')}")
        run = smoke_recordings.recording(name, folder, shared) if keeping else None
        try:
            with few_images() if chapter == "ch07_applications" else nullcontext():
                traces[name] = traced(module.lesson, name, folder, shared, run=run)
            if keeping:
                smoke_recordings.keep(chapter, run)
        except Exception as error:
            traces[name] = error
    forget_scenes()
    return traces


@contextmanager
def few_images() -> Iterator[None]:
    """Image sets that are loaded at smoke in this block have FEW images."""
    with ExitStack() as stack:
        for name, count in FEW.items():
            stack.enter_context(patched(image_sets, name, lambda _, count=count: count))
        yield


def forget_scenes() -> None:
    """Scenes that were composed of one test part are none of another."""
    for made in (scenes.scenes, scenes.composers, training_scenes):
        made.cache_clear()
