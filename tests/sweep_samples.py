"""Sweeps of points that cost nothing, and what stands in for a simulation in them."""

import os
import sys
import time
import zlib
from functools import partial

import numpy as np

from xbarsim.errors import SolverError
from xbarsim.fleet.local import run_local
from xbarsim.store.log import encode_record
from xbarsim.sweep.file import make_sweep
from xbarsim.sweep.page import write_sweep_page
from xbarsim.sweep.plan import plan_sweep
from xbarsim.sweep.run import run_sweep
from xbarsim.sweep.store import LOG, SweepStore

AXES = {"adc.bits": [4, 5, 6, 7, 8], "crossbar.rows": {"from": 32, "to": 1024, "factor": 2}, "dac.bits": [1, 2]}


def make_plan(**changes):
    """Return a plan of 60 points, or as changed."""
    return plan_sweep(
        make_sweep({"network": "digits", "axes": AXES, "metrics": ["cost.edap", "cost.cycles"], **changes})
    )


def make_cheap(workload, threads):
    """Return a function that answers at once, with what depends on the point alone."""
    return _answer


class Marked:
    """A workload that leaves a mark wherever it is unpacked."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __getstate__(self):
        return {"folder": self.folder}

    def __setstate__(self, state):
        self.folder = state["folder"]
        with open(os.path.join(self.folder, str(os.getpid())), "a") as file:
            file.write("unpacked\n")


def make_slow(workload, threads):
    """Return a function that takes its time."""

    def answer(point):
        time.sleep(0.02)
        return _answer(point)

    return answer


def make_failing(workload, threads):
    """Return a function that fails in several ways."""

    def answer(point):
        if point.settings["adc.bits"] == 5:
            raise SolverError("did not\nconverge")
        if point.settings["adc.bits"] == 6:
            raise ZeroDivisionError("division by zero")
        return _answer(point)

    return answer


def make_mortal(workload, threads):
    """Return a function whose process dies once on some points, and always on one."""

    def answer(point):
        mark = os.path.join(os.environ["XBARSIM_TEST_MARKS"], point.key)
        always = point.settings == {"adc.bits": 4, "crossbar.rows": 32, "dac.bits": 1}
        if always or (point.settings["adc.bits"] == 7 and not os.path.exists(mark)):
            open(mark, "w").close()
            os._exit(11)
        return _answer(point)

    return answer


def cheap_backend(factory="make_cheap", workers=2):
    """Return local processes that compute with one of the functions above."""
    return partial(run_local, workers=workers, factory=f"sweep_samples:{factory}")


def _answer(point):
    number = zlib.crc32(repr(sorted(point.settings.items())).encode())
    return {"cost.edap": number * 1e-20 / 3, "cost.cycles": number % 1000}


if __name__ == "__main__":
    sys.stdout.write(f"{run_sweep(make_plan(), sys.argv[1], backend=cheap_backend(sys.argv[2])).computed}\n")


GRID = {
    "adc.bits": [3, 4, 5, 6, 7, 8],
    "crossbar.rows": [32, 64, 128, 256, 512],
    "crossbar.cols": "same as crossbar.rows",
    "device.programming.sigma": {"from": 0, "to": 0.3, "count": 7},
}
METRICS = ["accuracy.hardware", "cost.energy_joule", "cost.edap"]


def invent(settings):
    """Return metrics that are smooth in the settings: accuracy falls with variation and small converters."""
    sigma, bits = settings["device.programming.sigma"], settings["adc.bits"]
    rows = settings["crossbar.rows"]
    accuracy = 0.95 / (1 + np.exp(4 - bits + 6 * sigma + np.log2(rows / 128) / 2))
    return {
        "accuracy.hardware": accuracy, "accuracy.low": accuracy - 0.02, "accuracy.high": accuracy + 0.02,
        "cost.energy_joule": 1e-6 * 1.6**bits / rows, "cost.edap": 1e-15 * 2**bits * (128 / rows) ** 0.7,
    }  # fmt: skip


def fill(folder, plan, count=None):
    """Store invented results for the first points of a plan."""
    with SweepStore(folder, plan):
        pass
    records = [{"key": point.key, "seconds": 1.0, "metrics": invent(point.settings)} for point in plan.points[:count]]
    (folder / LOG).write_bytes(b"".join(map(encode_record, records)))


def plan_of(axes=GRID, **more):
    return plan_sweep(make_sweep({"network": "digits", "data": "digits", "axes": axes, "metrics": METRICS, **more}))


def write_invented(folder, count=None):
    """Write the page of a sweep with invented results and return it."""
    fill(folder, plan_of(), count)
    return write_sweep_page(folder)
