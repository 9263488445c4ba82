"""Nine numbers find an edge: filters designed by hand, and then the same ones, found by gradient descent.

Question   What can a few weights do that are applied at every place of a photo, and can they be learned from examples?
Method     y_ij = Σ_uv k_uv x_{i+u, j+v}, at every pixel. By hand: means (box, Gaussian), slopes (Prewitt 1970, Sobel
           1968), the Laplacian, sharpening, Gabor's waves under a Gaussian (Daugman 1985). Learned: one layer of four
           kernels sees tiles of a photo and what four filters made of them, and follows its gradient.
Rival      Linear least squares on the same patches, solved at once: a layer with a squared error is a regression.
Differs    The sum above is the lecture's, and PyTorch's: a cross-correlation. A convolution flips the kernel, to
           x_{i−u, j−v}; only this is associative. From a convolution's outputs, the layer learns the flipped kernel.
Costs      2 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Real
from scipy import ndimage, signal

from ch05_cnn.convolution import conv2d
from common import data, plots
from common.run import Run
from common.scales import must_be

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Grey = Real[np.ndarray, "height width"]
Kernel = Real[np.ndarray, "kh kw"]

BOX = np.ones((5, 5)) / 25
PREWITT_X = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]) / 6  # where brightness grows by 1 per pixel, its output is 1
SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8  # and so does this one
LAPLACIAN = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
TURNED = "kernel learned from convolved examples: largest difference from the flipped one"  # a fact
EMBOSS = np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]]) / 4  # flipped, it is another filter
LETTER = np.array([[1.0, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]])


def gaussian(sigma: float, radius: int) -> Kernel:
    """e^(−(u² + v²) / 2σ²), of sum 1. Raises ValueError unless σ > 0, and for a radius below 0."""
    must_be("sigma", sigma, open_end=True)
    must_be("radius", radius, whole=True)
    line = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    return np.outer(line, line) / line.sum() ** 2


def gabor(angle: float, wavelength: float = 6.0, sigma: float = 2.5, radius: int = 7) -> Kernel:
    """A wave under a Gaussian, cos(2πw/λ), w = v cos φ + u sin φ; blind to even light. angle: φ, degrees."""
    u, v = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    wave = np.cos(2 * np.pi / wavelength * (v * np.cos(np.deg2rad(angle)) + u * np.sin(np.deg2rad(angle))))
    window = gaussian(sigma, radius)
    return window * (wave - np.sum(window * wave))


def correlate(image: Grey, kernel: Kernel) -> Grey:
    """y_ij = Σ_uv k_uv x_{i+u, j+v}, u and v counted from the kernel's middle; beyond the border is a mirror."""
    margins = [(k // 2, k // 2) for k in kernel.shape]
    return conv2d(np.pad(image, margins, mode="symmetric")[None, None], kernel[None, None])[0, 0]


def convolve(image: Grey, kernel: Kernel) -> Grey:
    """y_ij = Σ_uv k_uv x_{i−u, j−v}: the same with the kernel turned by 180°."""
    return correlate(image, kernel[::-1, ::-1])


def sharpen(image: Grey, amount: float = 1.5) -> Grey:
    """The image, and once more what a blur would take away: x + a (x − g ∗ x)."""
    return image + amount * (image - correlate(image, gaussian(1.5, 4)))


def by_hand(photo: Grey) -> dict[str, Grey]:
    """What each filter makes of the photo."""
    slopes = [correlate(photo, kernel) for kernel in (SOBEL_X, SOBEL_X.T)]
    return {
        "photo": photo,
        "box, 5×5": correlate(photo, BOX),
        "Gaussian, σ = 2": correlate(photo, gaussian(2, 6)),
        "sharpened": sharpen(photo),
        "Laplacian": correlate(photo, LAPLACIAN),
        "Prewitt, x": correlate(photo, PREWITT_X),
        "Sobel, x": slopes[0],
        "Sobel, y": slopes[1],
        "Sobel, length": np.hypot(*slopes),
        **{f"Gabor, {angle}°": correlate(photo, gabor(angle)) for angle in (0, 45, 90)},
    }


def grouping_error(combine: Callable, x: Grey, a: Kernel, b: Float[np.ndarray, "lh lw"]) -> float:
    """‖(x ∘ a) ∘ b − x ∘ (a ∘ b)‖ over the former: 0 where the operation is associative. With all of the border."""
    left, right = combine(combine(x, a), b), combine(x, combine(a, b))
    return float(np.linalg.norm(left - right) / np.linalg.norm(left))


def separable_gain(image: Grey, sigma: float, radius: int) -> tuple[float, float]:
    """A Gaussian as a row after a column, beside the square: seconds of the square over the pair's, and difference."""
    square = gaussian(sigma, radius)
    line = square.sum(axis=0, keepdims=True)
    seconds, blurred = [], []
    for kernels in ([square], [line, line.T]):
        start, result = time.perf_counter(), image
        for kernel in kernels:
            result = correlate(result, kernel)
        seconds.append(time.perf_counter() - start)
        blurred.append(result)
    return seconds[0] / seconds[1], float(np.abs(blurred[0] - blurred[1]).max())


def draw_by_hand(results: dict[str, Grey]) -> Figure:
    """The photo and its filtered versions: light where the output is large, mid-grey where it is 0."""
    figure, axes = plots.panels(6, 2, width=1.45, height=1.6)
    for axis, (name, image) in zip(axes.flat, results.items(), strict=True):
        signed = image.min() < -0.02 and name != "sharpened"
        low, high = (-image.std() * 2.5, image.std() * 2.5) if signed else (0, min(1, 4 * image.std() + image.mean()))
        shades = np.round(15 * np.clip((image - low) / (high - low), 0, 1))  # few, for a small file
        axis.imshow(shades, vmin=0, vmax=15, interpolation="nearest")
        axis.set_title(name, fontsize=8.5)
        axis.axis("off")
    return figure


def draw_flip(image: Grey) -> Figure:
    """A kernel in the shape of a letter, and what either operation makes of single points."""
    figure, axes = plots.panels(4, width=1.9, height=2.0)
    shown = {"kernel": np.pad(LETTER, ((3, 3), (4, 4))), "image": image}
    shown |= {"cross-correlation": correlate(image, LETTER), "convolution": convolve(image, LETTER)}
    for axis, (name, values) in zip(axes, shown.items(), strict=True):
        axis.imshow(1 - values, vmin=0, vmax=1)
        axis.set_title(name, fontsize=9.5)
        axis.set(xticks=[], yticks=[])
    return figure


def lesson(run: Run) -> None:
    from ch05_cnn import learned_filter as layer  # which learns what stands above

    photo = data.photo("camera")[::2, ::2] / 255
    letter = run.rng.normal(size=LETTER.shape)  # no symmetry
    operations = {"cross-correlation": (correlate, ndimage.correlate), "convolution": (convolve, ndimage.convolve)}
    for name, (ours, theirs) in operations.items():
        run.fact(f"{name}: largest difference from scipy's", np.abs(ours(photo, letter) - theirs(photo, letter)).max())
    for name, combine in (("cross-correlation", signal.correlate), ("convolution", signal.convolve)):
        run.fact(f"{name}: (x∘a)∘b against x∘(a∘b), relative", grouping_error(combine, photo, SOBEL_X, letter))
    wanted = 2 * correlate(photo, letter) - 3 * correlate(photo.T, letter)
    run.fact("linear: largest error", np.abs(correlate(2 * photo - 3 * photo.T, letter) - wanted).max())
    moved = correlate(np.roll(photo, (9, 5), (0, 1)), letter) - np.roll(correlate(photo, letter), (9, 5), (0, 1))
    run.fact("equivariant: largest error, away from the borders", np.abs(moved[12:-3, 8:-3]).max())
    gain, apart = separable_gain(photo, 4.0, 12)
    run.fact("Gaussian of 25×25, seconds of the square over row after column", gain)
    run.fact("largest difference between the two", apart)
    run.figure(
        "by_hand",
        draw_by_hand,
        by_hand(photo[20:116, 76:172]),
        caption="A photo and what filters make of it. Means blur. Differences are blind to even light (mid-grey) "
        "and see edges that run across them; Gabor's waves see stripes of their own width and direction.",
    )
    points = np.zeros((11, 11))
    points[3, 3], points[7, 8] = 1, 0.5
    run.figure(
        "flip",
        draw_flip,
        points,
        caption="Each point of the image leaves a copy of the kernel. Convolution leaves it upright; "
        "cross-correlation, the lecture's equation and what frameworks compute, leaves it turned by 180°.",
    )

    x, t = layer.pairs(layer.normalised("camera"), run.pick(smoke=16, lecture=64), run.rng)
    with run.method("one layer, by descent", kind="from scratch") as method:
        path = method.time(layer.learned, x, t, run.pick(smoke=40, lecture=800), run.rng)
        found = {method.name: path[-1]}
    with run.method("least squares on its patches", kind="reference") as method:
        found[method.name] = method.time(layer.least_squares, x, t)
    unseen = layer.normalised("coins")
    for name, kernels in found.items():
        run.methods[name].measure("error of the edges", layer.edge_error(kernels, unseen), n=unseen.size, unit="%")
    run.floor("one layer, by descent", "error of the edges", at_most=0.08)
    emboss = path[-1][3]
    flipped, upright = (float(np.abs(emboss - kernel).max()) for kernel in (EMBOSS[::-1, ::-1], EMBOSS))
    run.fact(TURNED, flipped)
    run.figure(
        "learned",
        layer.draw_learned,
        path,
        caption="Four kernels on their way: they are learned from tiles of a photo and from what four filters made of "
        "these. The examples of the last were made by convolution, while the layer correlates.",
    )
    run.note(
        f"Learned from the output of a convolution, the kernel differs by {flipped:.0e} from the convolution's kernel "
        f"turned by 180°, and by {upright:.2f} from the upright one."
    )
    run.claim(
        "From examples made by a convolution, descent finds the kernel turned by 180°; "
        "so it does not matter to a layer that learns its kernel whether it flips.",
        lambda record: record.findings()[TURNED][0].value < 0.01,
    )
