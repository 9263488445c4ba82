"""Nine numbers find an edge: filters designed by hand, and the same ones found by gradient descent.

Question   What can a few weights do that are applied at every place of a photo, and can they be learned from examples?
Method     y_ij = Σ_uv k_uv x_{i+u, j+v}, at every pixel. By hand: means (box, Gaussian), slopes (Prewitt 1970, Sobel
           1968), the Laplacian, sharpening, Gabor's waves under a Gaussian (Daugman 1985). Learned: a layer of four
           kernels is trained on tiles of a photo and the outputs of four known filters, by gradient descent with
           momentum on ½ the mean of Σ_f (y_f − t_f)².
Rival      Linear least squares on the same patches: a convolutional layer with a squared error is a linear regression.
Differs    The sum above is the lecture's, and PyTorch's: a cross-correlation. A convolution has
           x_{i−u, j−v}; only it is associative. From a convolution's outputs, the layer learns the flipped kernel.
Costs      1.2 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Real
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage, signal

from ch05_cnn.drawings.filters import draw_by_hand, draw_flip, draw_learned
from ch05_cnn.layers.conv2d import conv2d, conv2d_backward
from common import data
from common.run import Run
from common.scales import must_be

Grey = Real[np.ndarray, "height width"]
Kernel = Real[np.ndarray, "kh kw"]
Tiles = Float[np.ndarray, "n 1 tile_height tile_width"]
Kernels = Float[np.ndarray, "4 3 3"]

BOX = np.ones((5, 5)) / 25
PREWITT_X = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]) / 6  # where brightness grows by 1 per pixel, its output is 1
SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8  # and so is this one's
LAPLACIAN = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
TURNED = "kernel learned from convolved examples: largest difference from the flipped one"  # a fact
EMBOSS = np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]]) / 4  # flipped, it is another filter
LETTER = np.array([[1.0, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]])
KNOWN = {"Sobel, x": SOBEL_X, "Sobel, y": SOBEL_X.T, "Laplacian": LAPLACIAN, "emboss, convolved": EMBOSS}
TILE, LEARNING_RATE, MOMENTUM, BATCH = 34, 0.04, 0.97, 8
LEVELS = 64  # of grey per unit of brightness: targets are rounded, as in a stored image


def gaussian(sigma: float, radius: int) -> Kernel:
    """e^(−(u² + v²) / 2σ²), of sum 1. Raises ValueError unless σ > 0, and for a radius below 0."""
    must_be("sigma", sigma, open_end=True)
    must_be("radius", radius, whole=True)
    line = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    return np.outer(line, line) / line.sum() ** 2


def gabor(angle: float, wavelength: float = 6.0, sigma: float = 2.5, radius: int = 7) -> Kernel:
    """A wave under a Gaussian, cos(2πw/λ), w = v cos φ + u sin φ; insensitive to uniform light. angle: φ, degrees."""
    u, v = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    wave = np.cos(2 * np.pi / wavelength * (v * np.cos(np.deg2rad(angle)) + u * np.sin(np.deg2rad(angle))))
    window = gaussian(sigma, radius)
    return window * (wave - np.sum(window * wave))


def correlate(image: Grey, kernel: Kernel) -> Grey:
    """y_ij = Σ_uv k_uv x_{i+u, j+v}, u and v counted from the kernel's middle; mirrored beyond the border."""
    margins = [(k // 2, k // 2) for k in kernel.shape]
    return conv2d(np.pad(image, margins, mode="symmetric")[None, None], kernel[None, None])[0, 0]


def convolve(image: Grey, kernel: Kernel) -> Grey:
    """y_ij = Σ_uv k_uv x_{i−u, j−v}: the same with the kernel rotated by 180°."""
    return correlate(image, kernel[::-1, ::-1])


def sharpen(image: Grey, amount: float = 1.5) -> Grey:
    """The image plus the detail that a blur removes: x + a (x − g ∗ x)."""
    return image + amount * (image - correlate(image, gaussian(1.5, 4)))


def apply_by_hand(photo: Grey) -> dict[str, Grey]:
    """The photo after each filter."""
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
    """‖(x ∘ a) ∘ b − x ∘ (a ∘ b)‖ relative to the former: 0 if the operation is associative. Borders are included."""
    left, right = combine(combine(x, a), b), combine(x, combine(a, b))
    return float(np.linalg.norm(left - right) / np.linalg.norm(left))


def separable_gain(image: Grey, sigma: float, radius: int) -> tuple[float, float]:
    """Compare a 2-D Gaussian with a row after a column: (seconds of the former over the latter, largest difference)."""
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


def standardise(name: str) -> Float[np.ndarray, "height width"]:
    """A grey photo with mean 0 and deviation 1."""
    photo = data.photo(name)
    return (photo - photo.mean()) / photo.std()


def filter_with_known(photo: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "4 rows columns"]:
    """The targets: outputs of the four known filters for a photo, by scipy; three correlate, the last one convolves."""
    makers = [signal.convolve2d if "convolved" in name else signal.correlate2d for name in KNOWN]
    return np.stack([make(photo, k, mode="valid") for make, k in zip(makers, KNOWN.values(), strict=True)])


def make_examples(
    photo: Float[np.ndarray, "height width"], tiles: int, rng: np.random.Generator
) -> tuple[Tiles, Float[np.ndarray, "n 4 rows columns"]]:
    """Random tiles of the photo, and their targets, rounded to steps of 1 / LEVELS."""
    corners = rng.integers(0, np.array(photo.shape) - TILE, (tiles, 2))
    x = np.stack([photo[i : i + TILE, j : j + TILE] for i, j in corners])
    return x[:, None], np.round(LEVELS * np.stack([filter_with_known(tile) for tile in x])) / LEVELS


def learn_kernels(
    x: Tiles,
    t: Float[np.ndarray, "n 4 rows columns"],
    steps: int,
    rng: np.random.Generator,
) -> list[Kernels]:
    """The kernels before each step of descent on ½ the mean of Σ_f (y − t)², and after the last."""
    theta, bias = 0.3 * rng.normal(size=(4, 1, 3, 3)), np.zeros(4)
    speed, path = np.zeros_like(theta), [theta[:, 0].copy()]
    for _ in range(steps):
        some = rng.integers(0, len(x), BATCH)
        delta = conv2d(x[some], theta, bias) - t[some]
        _, slope, bias_slope = conv2d_backward(delta / delta[:, 0].size, x[some], theta)
        speed = MOMENTUM * speed + slope
        theta, bias = theta - LEARNING_RATE * speed, bias - LEARNING_RATE * bias_slope
        path.append(theta[:, 0].copy())
    return path


def least_squares(x: Tiles, t: Float[np.ndarray, "n 4 rows columns"]) -> Kernels:
    """The kernels that minimise the squared error, from all patches at once, with a bias that is discarded."""
    patches = sliding_window_view(x[:, 0], (3, 3), axis=(1, 2)).reshape(-1, 9)
    design = np.column_stack([patches, np.ones(len(patches))])
    return np.linalg.lstsq(design, t.swapaxes(0, 1).reshape(4, -1).T)[0][:9].T.reshape(4, 3, 3)


def edge_error(kernels: Kernels, photo: Float[np.ndarray, "height width"]) -> float:
    """The relative error ‖outputs − true outputs‖ / ‖true outputs‖ on a photo, in %, over all four kernels."""
    wanted = filter_with_known(photo)
    return float(100 * np.linalg.norm(conv2d(photo[None, None], kernels[:, None])[0] - wanted) / np.linalg.norm(wanted))


def lesson(run: Run) -> None:
    photo = data.photo("camera")[::2, ::2] / 255
    letter = run.rng.normal(size=LETTER.shape)  # no symmetry
    operations = {"cross-correlation": (correlate, ndimage.correlate), "convolution": (convolve, ndimage.convolve)}
    for name, (ours, theirs) in operations.items():
        run.fact(f"{name}: largest difference from scipy's", np.abs(ours(photo, letter) - theirs(photo, letter)).max())
    for name, combine in (("cross-correlation", signal.correlate), ("convolution", signal.convolve)):
        run.fact(f"{name}: (x∘a)∘b against x∘(a∘b), relative", grouping_error(combine, photo, SOBEL_X, letter))
    wanted = 2 * correlate(photo, letter) - 3 * correlate(photo.T, letter)
    run.fact("linearity: largest error", np.abs(correlate(2 * photo - 3 * photo.T, letter) - wanted).max())
    moved = correlate(np.roll(photo, (9, 5), (0, 1)), letter) - np.roll(correlate(photo, letter), (9, 5), (0, 1))
    run.fact("equivariance: largest error, away from the borders", np.abs(moved[12:-3, 8:-3]).max())
    gain, apart = separable_gain(photo, 4.0, 12)
    run.fact("Gaussian of 25×25: seconds with one square kernel over seconds with a column and a row", gain)
    run.fact("Gaussian of 25×25: largest difference between the two outputs", apart)
    run.figure(
        "by_hand",
        draw_by_hand,
        apply_by_hand(photo[20:116, 76:172]),
        caption="A photo and the outputs of filters. Means blur. Differences are zero (mid-grey) where brightness is "
        "constant, and large at edges across their direction; Gabor filters respond to stripes of their width and "
        "direction.",
    )
    points = np.zeros((11, 11))
    points[3, 3], points[7, 8] = 1, 0.5
    operated = {"cross-correlation": correlate(points, LETTER), "convolution": convolve(points, LETTER)}
    run.figure(
        "flip",
        draw_flip,
        LETTER,
        points,
        operated,
        caption="Each point of the image leaves a copy of the kernel. Convolution leaves it upright; "
        "cross-correlation, the lecture's equation and what frameworks compute, leaves it rotated by 180°.",
    )

    x, t = make_examples(standardise("camera"), run.pick(smoke=16, lecture=64), run.rng)
    with run.method("one layer, gradient descent", kind="from scratch") as method:
        path = method.time(learn_kernels, x, t, run.pick(smoke=40, lecture=800), run.rng)
        found = {method.name: path[-1]}
    with run.method("least squares on the patches", kind="reference") as method:
        found[method.name] = method.time(least_squares, x, t)
    unseen = standardise("coins")
    for name, kernels in found.items():
        run.methods[name].measure("error of the outputs", edge_error(kernels, unseen), n=unseen.size, unit="%")
    run.floor("one layer, gradient descent", "error of the outputs", at_most=0.08)
    emboss = path[-1][3]
    flipped, upright = (float(np.abs(emboss - kernel).max()) for kernel in (EMBOSS[::-1, ::-1], EMBOSS))
    run.fact(TURNED, flipped)
    run.figure(
        "learned",
        draw_learned,
        path,
        KNOWN,
        caption="Four kernels during training, on tiles of a photo and the outputs of four known filters. The examples "
        "of the last filter were made by convolution, while the layer correlates.",
    )
    run.note(
        f"Learned from the output of a convolution, the kernel differs by {flipped:.0e} from the convolution's kernel "
        f"rotated by 180°, and by {upright:.2f} from the upright one."
    )
    run.claim(
        "From examples made by a convolution, gradient descent finds the kernel rotated by 180°; "
        "so to a layer that learns its kernel it makes no difference whether it flips.",
        lambda record: record.findings()[TURNED][0].value < 0.01,
    )
