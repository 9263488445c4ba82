"""The lecture's summary slide, point by point, each as a sentence that the course's own results can contradict.

The evidence of a point is the course's test that isolates it best, whatever its outcome: the same items, the same
budget or the same network except for one change. Points that several lessons test have several rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from ch07_applications.summary.contest import SINGLE_LAYER, is_learned
from ch07_applications.summary.evidence import ByCount, ByMeasurement, ByTests, Course
from common.paper_claims import HOLDS

REGULARISERS = (
    "L2", "L1", "augmentation", "input noise", "hidden noise", "weight noise", "label smoothing", "dropout",
    "BatchNorm", "early stopping",
)  # fmt: skip
ARCHITECTURE = "Feature engineering has given way to architecture engineering"
LAYERS, LOADERS = "Layers, layers, every where", "Learn to write efficient data loaders"


@dataclass(frozen=True)
class Point:
    """A line of the slide, and a sentence that must be true if the line is."""

    slide: str
    claim: str
    evidence: ByTests | ByMeasurement | ByCount

    @property
    def source(self) -> str:
        """The lesson that the evidence comes from."""
        return "all chapters" if isinstance(self.evidence, ByCount) else self.evidence.lesson


def changes(course: Course) -> tuple[int, int]:
    """The number of paired tests between networks, from chapter 4 on, that found a difference; and of all."""
    winners = []
    for package, chapter in course.items():
        for lesson in chapter.lessons.values() if package not in SINGLE_LAYER else ():
            learned = {row.method for row in lesson.rows if is_learned(package, row.kind)}
            winners += [c.winner for c in lesson.comparisons if {c.a, c.b} <= learned]
    return sum(winner is not None for winner in winners), len(winners)


def papers(course: Course) -> tuple[int, int]:
    """How many of the claims of papers hold, of all that were put to a test or counted; without our own questions."""
    lessons = (lesson for chapter in course.values() for lesson in chapter.lessons.values())
    verdicts = [claim.verdict for lesson in lessons for claim in lesson.claims if not claim.is_ours]
    return verdicts.count(HOLDS), len(verdicts)


POINTS = (
    Point(
        ARCHITECTURE,
        "A network on pixels beats an SVM on the best hand-crafted features: digits, clothes, photographs",
        ByTests("ch05_cnn/comparison", "accuracy", (
            ("MNIST: small modern network", "MNIST: Fisher vectors + SVM"),
            ("Fashion-MNIST: small modern network", "Fashion-MNIST: Fisher vectors + SVM"),
            ("CIFAR-10: small modern network", "CIFAR-10: Fisher vectors + SVM"),
        )),
    ),
    Point(
        ARCHITECTURE,
        "Each of four architectures, trained for about a minute, beats the one before it",
        ByTests("ch07_applications/classification/comparison", "accuracy", (
            ("small VGG", "small AlexNet"),
            ("small GoogLeNet", "small VGG"),
            ("small ResNet", "small GoogLeNet"),
        )),
    ),
    Point(
        "Know your calculus",
        "Derivatives by the chain rule agree with differences of the cost to six digits",
        ByMeasurement(
            "ch04_backprop/finite_differences", "relative error between the two, 2,410 weights", 1e-6, "lower"
        ),
    ),
    Point(
        "Know your calculus",
        "The derivative of the sigmoid predicts, to 2 %, how much of an error's signal passes a layer",
        ByMeasurement(
            "ch04_backprop/vanishing", "factor of δ per layer, sigmoid", "√g · rms f′, sigmoid", "level", margin=0.02
        ),
    ),
    Point(
        "Know your linear algebra",
        "Where columns are nearly dependent, QR keeps digits that the normal equations lose",
        ByMeasurement(
            "ch01_regression/conditioning", "qr", "cholesky", "higher", "correct digits of θ at condition number 10⁶"
        ),
    ),
    Point(
        "Know your linear algebra",
        "A convolution is a product of matrices, and faster as one than as loops",
        ByMeasurement("ch05_cnn/convolution", "loops over matrix products, seconds per multiply-add", 1.0, "higher"),
    ),
    Point(
        LAYERS,
        "A nonlinear unit between layers is worth its place: ReLU beats none",
        ByTests("ch04_backprop/hidden_units", "accuracy", (("ReLU", "none"),)),
    ),
    Point(
        LAYERS,
        "More layers do better, nothing else changed: 8 beat 4, and 16 beat 8",
        ByTests("ch07_applications/classification/vgg", "accuracy", (("base", "4 layers"), ("16 layers", "base"))),
    ),
    Point(
        LAYERS,
        "More layers do better where shortcuts pass the gradient on: 44 reach a lower training loss than 20",
        ByMeasurement(
            "ch07_applications/classification/resnet", "training loss of ResNet-44", "training loss of ResNet-20",
            "lower",
        ),
    ),
    Point(
        LAYERS,
        "Of two networks with as many weights, the deeper one finds the better function",
        ByTests("ch04_backprop/wide_or_deep", "absolute error", (("deep", "wide"),)),
    ),
    Point(
        "End-to-end training",
        "Features trained for the task beat the same features frozen",
        ByTests("ch05_cnn/transfer", "accuracy", (("last blocks tuned", "frozen features"),)),
    ),
    Point(
        "End-to-end training",
        "The further down training reaches, the better: all layers tuned beat the last ones tuned",
        ByTests("ch05_cnn/transfer", "accuracy", (("all tuned", "last blocks tuned"),)),
    ),
    Point(
        "End-to-end training",
        "Detectors trained in one piece beat one that is trained in stages",
        ByTests("ch06_detection/comparison", "mAP@0.5", (("SSD", "R-CNN"), ("Fast R-CNN", "R-CNN"))),
    ),
    Point(
        "Transfer learning",
        "Features of another data set beat a network from scratch, with 50, 500 and 5,000 images",
        ByTests("ch05_cnn/transfer", "accuracy", (
            ("frozen features, 50 images", "from scratch, 50 images"),
            ("frozen features, 500 images", "from scratch, 500 images"),
            ("frozen features", "from scratch"),
        )),
    ),
    Point(
        "Transfer learning",
        "A detector with a pretrained trunk beats one from random weights, on frames of one film",
        ByTests("ch06_detection/pedestrians", "mAP@0.5", (("SSD, pretrained trunk", "SSD, from random weights"),)),
    ),
    Point(
        "Regularization",
        "Every single regulariser improves on none",
        ByTests("ch04_backprop/regularisation", "accuracy", tuple((name, "base") for name in REGULARISERS)),
    ),
    Point(
        "Regularization",
        "Dropout improves a small AlexNet",
        ByTests("ch07_applications/classification/alexnet", "accuracy", (("base", "without dropout"),)),
    ),
    Point(
        "Familiarize yourself with … deep learning frameworks",
        "A framework's automatic derivatives take less time than our own",
        ByMeasurement(
            "ch04_backprop/graph",
            "50,000 products in a chain, forward and backward: our seconds over PyTorch's",
            1.0,
            "higher",
        ),
    ),
    Point(
        LOADERS,
        "Whole batches come faster than image by image",
        ByMeasurement("ch05_cnn/loading", "whole batches over single images", 1.0, "higher"),
    ),
    Point(
        LOADERS,
        "Two workers deliver faster than one process, on two cores",
        ByMeasurement("ch05_cnn/loading", "two workers over one process", 1.0, "higher"),
    ),
    Point(
        "Use scientific method to converge upon a network",
        "Most claims of papers hold where they are tested again, at a small size",
        ByCount("claims hold", "do not, or are undecided", papers, 0.5),
    ),
    Point(
        "Ablative study",
        "Most tests of a network against a changed one find a difference",
        ByCount("find a difference", "find none", changes, 0.5),
    ),
)  # fmt: skip
