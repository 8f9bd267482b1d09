"""A command line whose joints are recorded instead of run: what it passes on is what is tested."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from samples import make_cost_report, make_report

import xbarsim
import xbarsim.cli


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

    def open_hardware(name):
        load_hardware(name)
        made.setdefault("hardware", []).append(name)
        return Hardware()

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
    api.load_network = lambda name, **_: SimpleNamespace(name=name)
    api.simulate, api.estimate = simulate, estimate

    data = ModuleType("xbarsim.data")
    data.load_data = _load_data
    data.normalize_images = lambda images, mean, std: (
        (images / 255 - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
    )
    for name, module in (("xbarsim.api", api), ("xbarsim.data", data)):
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(xbarsim, name.split(".")[1], module, raising=False)
    return made


def _load_data(spec):
    import dataclasses

    record = dataclasses.make_dataclass("Dataset", ["images", "labels", "name", "classes"])
    return record(np.full((10, 3, 4, 4), 255, np.uint8), np.arange(10), spec, 10)


@pytest.fixture
def xbarsim_command(capsys):
    """Run one command line in this process; return exit code, standard output and standard error."""

    def run(*arguments):
        code = xbarsim.cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
