"""Checks of class labels."""

import numpy as np
import pytest

from xbarsim.data.labels import check_labels
from xbarsim.errors import ShapeError


@pytest.mark.parametrize(
    ("labels", "rule"),
    [
        (np.array([0, 1, 2]), "does not match 2 images"),
        (np.array([0.0, 1.0]), "not a whole-number type"),
        (np.array([0, 3]), "3 is outside the 3 classes"),
        (np.array([-1, 0]), "-1 is outside"),
    ],
)
def test_bad_labels_are_refused(labels, rule):
    with pytest.raises(ShapeError, match=rule):
        check_labels(labels, 2, 3)
