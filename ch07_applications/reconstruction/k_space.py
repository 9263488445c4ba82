"""k-space: the centred, unitary Fourier transform of an image, which of its lines are measured, and their noise.

Model      A scanner measures the Fourier transform of a complex image x, line by line: the whole columns of k-space
           that a mask M selects. Both parts of every number have noise of deviation σ:

               y = M (F x + n)

           F is unitary, so that its adjoint is its inverse, ‖Fx‖ = ‖x‖, and n has the same deviation in the image.
           Frequency 0 is in the middle, at (height // 2, width // 2), like the origin in the image.
Differs    One coil, no motion, no decay of the signal while a line is read.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

DENSITY = 3.0  # the probability of a line is this power of its distance to the border
Maps = Complex[Tensor, "*batch height width"]
Mask = Bool[Tensor, "*masks lines"]  # which columns are measured; one mask, or one per image
AXES = (-2, -1)


def transform(image: Maps) -> Maps:
    """F x: an image, with its origin in the middle, to k-space, with frequency 0 in the middle. Sides may be odd.

    ifftshift moves the middle to index 0 before the transform, fftshift moves it back; for odd sides they differ.
    """
    return torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(image, AXES), norm="ortho"), AXES)


def inverse(k_space: Maps) -> Maps:
    """F^H y, which is also F⁻¹ y."""
    return torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(k_space, AXES), norm="ortho"), AXES)


def cropped(k_space: Maps, tall: int, wide: int) -> Complex[Tensor, "*batch {tall} {wide}"]:
    """The middle of k-space with frequency 0 in its middle: the same image with fewer pixels, like a faster scan.

    Intensities stay unchanged. Raises ValueError for sides larger than k-space's.
    """
    height, width = k_space.shape[-2:]
    if not (0 < tall <= height and 0 < wide <= width):
        raise ValueError(f"k-space of {height} × {width} has no middle of {tall} × {wide}")
    top, left = height // 2 - tall // 2, width // 2 - wide // 2
    return k_space[..., top : top + tall, left : left + wide] * (tall * wide / (height * width)) ** 0.5


def check_measured(k_space: Maps, mask: Mask) -> None:
    """Raises ValueError for a mask of another size or without the middle line, and for numbers that are not finite."""
    width = k_space.shape[-1]
    if mask.shape[-1] != width:
        raise ValueError(f"a mask of {mask.shape[-1]} lines for k-space of {width}")
    if not mask[..., width // 2].all():
        raise ValueError("the mask lacks the middle of k-space, which holds the image's mean")
    if not torch.isfinite(torch.view_as_real(k_space)).all():
        raise ValueError("k-space has values that are no finite numbers")


def draw_mask(width: int, lines: int, middle: int, generator: torch.Generator) -> Bool[Tensor, "width"]:
    """`lines` lines of k-space: the `middle` ones around frequency 0, and random ones, fewer far from it.

    The density is a power of the distance to the border (Lustig et al. 2007, §"Random undersampling"). Raises
    ValueError unless 0 < middle ≤ lines ≤ width.
    """
    if not 0 < middle <= lines <= width:
        raise ValueError(f"{middle} middle lines of {lines}, of {width}: not 0 < middle ≤ lines ≤ width")
    mask = torch.zeros(width, dtype=torch.bool)
    first = width // 2 - middle // 2
    mask[first : first + middle] = True
    if lines > middle:
        distance = (torch.arange(width) - width // 2).abs() / (width / 2)
        density = (1 - distance).clamp(min=0.02) ** DENSITY + 0.02
        density[mask] = 0
        mask[torch.multinomial(density, lines - middle, generator=generator)] = True
    return mask


def measure(image: Maps, mask: Mask, noise: float, generator: torch.Generator) -> Maps:
    """y = M (F x + n). noise: σ of the real and of the imaginary part. Raises what check_measured raises."""
    check_measured(image, mask)
    both = torch.randn(*image.shape, 2, generator=generator, dtype=image.real.dtype)
    return apply(transform(image) + noise * torch.view_as_complex(both), mask)


def apply(k_space: Maps, mask: Mask) -> Maps:
    """M y: 0 in place of the lines that are not measured."""
    return k_space * mask.unsqueeze(-2)


def residual(image: Maps, measured: Maps, mask: Mask) -> Maps:
    """F^H M (F x − y), the gradient of ½ ‖M F x − y‖² with respect to the real and the imaginary part of x."""
    return inverse(apply(transform(image) - measured, mask))


def power(k_space: Maps, mask: Mask) -> Float[Tensor, "*batch"]:
    """The root mean square of the measured numbers, at least the smallest number that divides safely."""
    total = apply(k_space, mask).abs().square().sum(AXES)
    count = mask.sum(-1) * k_space.shape[-2]
    return (total / count.clamp(min=1)).sqrt().clamp(min=1e-12)
