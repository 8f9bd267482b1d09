"""A command line whose joints are recorded instead of run: what it passes on is what is tested."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from samples import make_cost_report, make_report

import xbarsim
import xbarsim.cli
from xbarsim.cli import _volume


@pytest.fixture
def calls(monkeypatch):
    """Replace the facade and the image loader; return what they were called with."""
    made = {}

    from xbarsim.config import load_hardware

    class Hardware:
        description = "a chip"

        def override(self, changes):
            made.setdefault("overrides", []).append(changes)
            return self

    def open_hardware(name, overrides=None):
        load_hardware(name)
        made.setdefault("overrides", []).extend([overrides] if overrides is not None else [])
        made.setdefault("hardware", []).append(name)
        return Hardware()

    def open_network(name, **ends):
        made.setdefault("networks", []).append({"name": name, **ends})
        shape = (1, 8, 8) if name == "digits" else (3, 4, 4)
        return SimpleNamespace(name=name, input_shape=shape, output_shape=(10,), require_weights=lambda: None)

    def simulate(network, hardware, images, labels=None, *, progress=None, **options):
        for done in (0, 50, 100):
            progress("images", done, 100)
        made["simulate"] = {"network": network, "images": images, "labels": labels, **options}
        return make_report()

    def estimate(network, hardware, **options):
        made["estimate"] = {"network": network, **options}
        return make_cost_report()

    api = ModuleType("xbarsim.api")
    api.load_hardware = open_hardware
    api.load_network = open_network
    api.simulate, api.estimate = simulate, estimate

    monkeypatch.setitem(sys.modules, "xbarsim.api", api)
    monkeypatch.setattr(xbarsim, "api", api, raising=False)
    return made


@pytest.fixture
def images(tmp_path):
    """A file of ten white RGB images, one of each class."""
    path = tmp_path / "images.npz"
    np.savez(path, images=np.full((10, 3, 4, 4), 255, np.uint8), labels=np.arange(10))
    return path


@pytest.fixture
def xbarsim_command(capsys):
    """Run one command line in this process; return exit code, standard output and standard error."""

    def run(*arguments):
        code = xbarsim.cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(autouse=True)
def usual_volume():
    """Forget what the last command of a test was told: the next test may show progress without a command."""
    yield
    _volume.reset_volume()
