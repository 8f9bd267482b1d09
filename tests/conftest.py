"""What every test may ask for: the folder of real models and images, and quiet property tests."""

import os
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("xbarsim", deadline=None, derandomize=True)
hypothesis.settings.load_profile("xbarsim")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real models and images: XBARSIM_SHARED, or `shared` beside the repository; skips where missing."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("XBARSIM_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no real models and images: {folder} is missing (set XBARSIM_SHARED)")
    return folder
