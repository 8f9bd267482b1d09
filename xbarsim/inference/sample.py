"""Input vectors of a layer that stand for all of them, spread over images and windows."""

from __future__ import annotations

import numpy as np

from xbarsim.inference.machine import Codes

SAMPLE_IMAGES = 32
"""Images that responses are fitted on. Our choice."""
SAMPLE_WINDOWS = 16
"""Windows of each of them. Our choice."""


def pick_images(codes: Codes) -> Codes:
    """Return at most ``SAMPLE_IMAGES`` images of codes (images, ...), spread evenly."""
    picked: Codes = codes[np.unique(np.linspace(0, len(codes) - 1, SAMPLE_IMAGES).astype(int))]
    return picked


def pick_vectors(vectors: Codes) -> Codes:
    """Return at most ``SAMPLE_IMAGES`` times ``SAMPLE_WINDOWS`` of vectors (vectors, ...), spread evenly."""
    places = np.unique(np.linspace(0, len(vectors) - 1, SAMPLE_IMAGES * SAMPLE_WINDOWS).astype(int))
    picked: Codes = vectors[places]
    return picked


def pick_windows(windows: Codes, image: int, most: int = SAMPLE_WINDOWS) -> Codes:
    """Return at most ``most`` of the windows (windows, ...) of an image, other places for each image."""
    step = max(1, len(windows) // most)
    picked: Codes = windows[image % step :: step][:most]
    return picked
