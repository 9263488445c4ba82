"""Speed of the forest's filter responses beside scikit-image's, whose values they have.

One thread each: scikit-image's workers are threads, and ours would be as many processes.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from side_by_side import row
from skimage.feature import multiscale_basic_features
from threadpoolctl import threadpool_limits

from ch07_applications.segmentation.filter_responses import filter_responses
from common import data


def measure() -> list[dict]:
    """Rows for run.py: a frame as large as the lesson's, and a photo of 512 × 512; both say the same before."""
    photo, rows = data.photo("astronaut"), []
    with threadpool_limits(1):
        for name, image in (("frame 180×240", photo[100:280, 100:340]), ("photo 512×512", photo)):
            image = np.ascontiguousarray(image)
            peer = partial(multiscale_basic_features, image, channel_axis=-1, workers=1)
            assert np.allclose(filter_responses(image).transpose(1, 2, 0), peer(), atol=1e-5)
            title = f"filter responses at six scales: {name}"
            rows.append(row(title, partial(filter_responses, image), "skimage's multiscale_basic_features", peer, 1))
    return rows
