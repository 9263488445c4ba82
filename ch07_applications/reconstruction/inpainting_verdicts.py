"""The comparisons, claims and shown crops of the lesson on partial convolutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ch07_applications.reconstruction.drawn_partial_convolutions import (
    CAPTIONS,
    draw_bands,
    draw_masks,
    draw_restored,
)
from ch07_applications.reconstruction.hidden_crops import (
    PSNR,
    WIDEST,
    Crops,
    HiddenCrops,
    psnr_by_band,
    psnr_in_holes,
    shown_crop,
)
from ch07_applications.reconstruction.holes import BANDS, marked, name_band
from ch07_applications.reconstruction.inpainting_rivals import (
    BIHARMONIC,
    EXEMPLAR,
    HARMONIC,
    MEAN,
    NAVIER_STOKES,
    TELEA,
)
from ch07_applications.reconstruction.network_inpainting import fill_crops, masks_by_layer
from ch07_applications.reconstruction.training_crops import inputs_of
from common.claims import beats
from common.paper_claims import PaperClaims
from common.run import Run

PARTIAL, PLAIN, OVER = "partial convolutions", "plain, mask as channel", "partial over both fills"
PLAIN_OVER, UNSCALED, PADDED = "plain over both fills", "without the ratio", "padding counts as hidden"
FLOOR = 22.2  # dB


def state_verdicts(run: Run, claims: PaperClaims, parts: Sequence[HiddenCrops], changes: Sequence[HiddenCrops]) -> None:
    """Test every claim on every part; changes of the network are tested on parts that give no scores."""
    for part in parts:
        where, all_bands, widest = part.where or "photographs", part.metric(PSNR), part.metric(PSNR, WIDEST)
        for text, ours, against, metric in (
            ("Partial convolutions restore more than plain ones", PARTIAL, PLAIN, all_bands),
            ("… of the widest holes", PARTIAL, PLAIN, widest),
            ("They restore more than a method without learning", PARTIAL, MEAN, all_bands),
        ):
            text = f"{text} ({where})"
            claims.compared(text, source="§4.2, Table 1", paper="–", ours=ours, against=against, metric=metric)
        for rival in (HARMONIC, BIHARMONIC, MEAN, TELEA, NAVIER_STOKES):
            for metric in (all_bands, widest) if rival == MEAN else (all_bands,) * (rival in run.methods):
                run.compare(OVER, rival, metric)
                run.claim(f"{OVER} beats {rival} in {metric}.", beats(OVER, rival, metric))
    third = parts[0].every_third.metric(PSNR)
    run.compare(OVER, EXEMPLAR, third)
    run.claim(f"{OVER} beats {EXEMPLAR} in {third}.", beats(OVER, EXEMPLAR, third))
    for part in changes[-1:]:  # the one with the most photographers
        for text, source, ours, against in (
            ("The ratio sum(1) / sum(M) helps", "Eq. (1)", PARTIAL, UNSCALED),
            ("Padding should count as hidden", "not compared", PADDED, PARTIAL),
            ("Over both fills, partial convolutions still help", "not compared", OVER, PLAIN_OVER),
        ):
            text = f"{text} ({part.where})"
            claims.compared(text, source=source, paper="–", ours=ours, against=against, metric=part.metric(PSNR))
    run.floor(OVER, parts[0].metric(PSNR), at_least=FLOOR)


def measure_terms(
    run: Run, terms_of: Callable[..., dict[str, Tensor]], part: HiddenCrops, networks: Mapping[str, nn.Module]
) -> None:
    """Measure the loss's VGG terms, which train nothing here, on held-out crops with the widest holes."""
    part = part.take(np.flatnonzero(part.bands == WIDEST))
    pictures = {MEAN: (part.fills[..., :3] + part.fills[..., 3:]) / 2}
    pictures |= {name: fill_crops(network, part) for name, network in networks.items()}
    known = torch.from_numpy(~part.holes[:, None]).float()
    for name, own in pictures.items():
        both = (torch.from_numpy(each).permute(0, 3, 1, 2).float() / 255 for each in (own, part.answers))
        with torch.inference_mode():
            terms = terms_of(*both, known)
        for term in ("perceptual", "style comp"):
            run.fact(f"held-out {term} term, {name}", float(terms[term]))


def draw_all(
    run: Run, part: HiddenCrops, exemplars: Crops, found: Mapping[str, Sequence[np.ndarray]], network: nn.Module
) -> None:
    """Draw one crop in all bands, PSNR by band, and masks. found: by method, for `part`; exemplars: its thirds."""
    third = part.every_third
    own = {name: found[name][0][part.thirds] for name in (HARMONIC, MEAN, PLAIN, PARTIAL, OVER)}
    items = shown_crop(third, psnr_in_holes(third.answers, own.pop(HARMONIC), third.holes))
    pictures = {
        "truth": third.answers,
        "hole": marked(third.answers, third.holes),
        MEAN: own.pop(MEAN),
        EXEMPLAR: exemplars,
        **own,
    }
    columns = {name: [pictures_[k] for k in items] for name, pictures_ in pictures.items()}
    bands = [name_band(band) for band in BANDS]
    run.figure("restored", draw_restored, bands, columns, caption=f"{CAPTIONS['restored']}{third.credits[items[0]]}.")
    methods = [name for name in (HARMONIC, MEAN, NAVIER_STOKES, PLAIN, PARTIAL, OVER) if name in found]
    curves = {name: psnr_by_band(part, found[name][0]) for name in methods}
    run.figure("bands", draw_bands, curves, bands, caption=CAPTIONS["bands"])
    last = items[-1:]
    given = inputs_of(third.inputs[last], third.fills[last], third.holes[last])
    run.figure("masks", draw_masks, masks_by_layer(network, given), caption=CAPTIONS["masks"])
