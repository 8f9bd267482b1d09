"""What every test may ask for: the folder of real models and images, and quiet property tests."""

import os
import sys
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


@pytest.fixture(autouse=True)
def forget_plugins():
    """Take back what a test registers: plug-ins of one test must not reach the sweeps and hashes of another."""
    from xbarsim.plugin import OWNERS

    def loaded():
        return [getattr(sys.modules[module], name) for module, name in OWNERS.values() if module in sys.modules]

    before = {id(table): (dict(table._classes), dict(table._added)) for table in loaded()}
    yield
    for table in loaded():
        classes, added = before.get(id(table), (None, {}))
        if classes is None:  # the room was imported by the test: keep what ships
            classes = {name: cls for name, cls in table._classes.items() if name not in table._added}
        table._classes.clear()
        table._classes.update(classes)
        table._added.clear()
        table._added.update(added)
