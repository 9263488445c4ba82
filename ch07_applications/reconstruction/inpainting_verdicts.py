"""What the lesson on partial convolutions compares and claims, and which crops it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from ch07_applications.reconstruction.drawn_partial_convolutions import CAPTIONS, draw_bands, draw_masks, draw_restored
from ch07_applications.reconstruction.hidden_crops import PSNR, Crops, HiddenCrops, psnr_in_holes, shown_crop
from ch07_applications.reconstruction.holes import BANDS, name_band
from ch07_applications.reconstruction.inpainting_rivals import BIHARMONIC, EXEMPLAR, HARMONIC, NAVIER_STOKES, TELEA
from ch07_applications.reconstruction.network_inpainting import masks_by_layer
from ch07_applications.reconstruction.training_crops import inputs_of
from common.claims import beats
from common.paper_claims import PaperClaims
from common.run import Run

PARTIAL, PLAIN, OVER = "partial convolutions", "plain, mask as channel", "partial over harmonic fill"
PLAIN_OVER, UNSCALED, PADDED = "plain over harmonic fill", "without the ratio", "padding counts as hidden"
WIDEST = len(BANDS) - 1
FLOOR = 15.0  # dB


def state_verdicts(run: Run, claims: PaperClaims, parts: Sequence[HiddenCrops], changes: Sequence[HiddenCrops]) -> None:
    """Every claim on every part of crops; the changes of the network on those that nothing is judged on."""
    for part in parts:
        where, all_bands, widest = part.where or "photographs", part.metric(PSNR), part.metric(PSNR, WIDEST)
        for text, ours, against, metric in (
            ("Partial convolutions restore more than plain ones", PARTIAL, PLAIN, all_bands),
            ("… of the widest holes", PARTIAL, PLAIN, widest),
            ("They restore more than a method without learning", PARTIAL, HARMONIC, all_bands),
        ):
            text = f"{text} ({where})"
            claims.compared(text, source="§4.2, Table 1", paper="–", ours=ours, against=against, metric=metric)
        for rival in (HARMONIC, BIHARMONIC, TELEA, NAVIER_STOKES):
            for metric in (all_bands, widest) if rival in run.methods else ():
                run.compare(OVER, rival, metric)
                run.claim(f"{OVER} beats {rival} in {metric}.", beats(OVER, rival, metric))
    third = parts[0].every_third.metric(PSNR)
    run.compare(OVER, EXEMPLAR, third)
    run.claim(f"{OVER} beats {EXEMPLAR} in {third}.", beats(OVER, EXEMPLAR, third))
    for part in changes:
        for text, source, ours, against in (
            ("The ratio sum(1) / sum(M) helps", "Eq. (1)", PARTIAL, UNSCALED),
            ("Padding should count as hidden", "not compared", PADDED, PARTIAL),
            ("Over a harmonic fill, partial convolutions still help", "not compared", OVER, PLAIN_OVER),
        ):
            text = f"{text} ({part.where})"
            claims.compared(text, source=source, paper="–", ours=ours, against=against, metric=part.metric(PSNR))
    run.floor(OVER, parts[0].metric(PSNR), at_least=FLOOR)


def draw_all(
    run: Run, third: HiddenCrops, exemplars: Crops, found: Mapping[str, Sequence[np.ndarray]], network: nn.Module
) -> None:
    """One crop in all bands, PSNR by band, and the masks. found: by method, of the part of which `third` is a part."""
    place = len(found[HARMONIC][0])
    index = np.flatnonzero(np.arange(place) % (place // len(BANDS)) % 3 == 0)
    own = {name: found[name][0][index] for name in (HARMONIC, PLAIN, PARTIAL, OVER)}
    items = shown_crop(third, psnr_in_holes(third.answers, own[HARMONIC], third.holes))
    pictures = {"truth": third.answers, "hole": third.inputs, HARMONIC: own.pop(HARMONIC), EXEMPLAR: exemplars, **own}
    columns = {name: [pictures_[k] for k in items] for name, pictures_ in pictures.items()}
    bands = [name_band(band) for band in BANDS]
    run.figure("restored", draw_restored, bands, columns, caption=f"{CAPTIONS['restored']}{third.credits[items[0]]}.")
    metrics = [f"{PSNR}, {band}" for band in bands]
    methods = [name for name in (HARMONIC, BIHARMONIC, NAVIER_STOKES, PLAIN, PARTIAL, OVER) if name in run.methods]
    run.figure_over_seeds("bands", draw_bands, methods, bands, metrics, caption=CAPTIONS["bands"])
    last = items[-1:]
    given = inputs_of(third.inputs[last], third.harmonic[last], third.holes[last])
    run.figure("masks", draw_masks, masks_by_layer(network, given), caption=CAPTIONS["masks"])
