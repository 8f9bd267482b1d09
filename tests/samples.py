"""A made-up report with every part filled, for tests of what becomes of it. Its numbers mean nothing."""

from types import SimpleNamespace

import numpy as np

from xbarsim.inference.accuracy import measure_accuracy
from xbarsim.report import CostReport, Provenance, Report, Seconds

COST = {
    "energy_joule": 4.1e-5, "delay_s": 6.3e-5, "throughput_hz": 21000.0, "area_m2": 3.4e-5, "edap": 8.8e-14,
    "power_watt": 0.861, "cycles": 80640, "crossbars": 251, "arrays": 502, "tiles": 6, "utilization": 0.731,
    "tops": 1.72, "tops_per_watt": 2.0, "tops_per_mm2": 0.0506,
}  # fmt: skip
COMPONENTS = ("adc", "crossbar", "edram", "router", "shift_add", "sample_hold", "driver")


def make_layers(count: int = 22) -> tuple[list[dict], list[dict]]:
    """Return cost records and error records of `count` layers; the last has no error measured."""
    layers, errors = [], []
    for number in range(count):
        scale = 1 + np.sin(number) ** 2
        layers.append({
            "name": f"layer{1 + number // 7}.{number % 7 // 2}.conv{1 + number % 2}" if number else "conv1",
            "kind": "conv2d" if number + 1 < count else "linear", "crossbars": 4 + number, "arrays": 8 + 2 * number,
            "cycles": int(3000 * scale), "energy_joule": 2e-6 * scale, "delay_s": 2.4e-6 * scale,
            "area_m2": 1e-7 * (number + 4), "utilization": 1 / (1 + number % 3),
        })  # fmt: skip
        layers[-1]["name"] = layers[-1]["name"] if number + 1 < count else "fc"
        if number + 1 < count:
            errors.append({
                "name": layers[-1]["name"], "snr_db": 30 - number, "clipped_share": 0.002 * number,
                "range_used_share": 0.9 - 0.01 * number,
            })  # fmt: skip
    return layers, errors


def make_components() -> list[dict]:
    """Return cost records of a few components; the last has no area."""
    return [
        {
            "component": name, "count": 10.0 * (number + 1), "actions": 10**6 // (number + 1),
            "energy_joule": 2e-5 / (number + 1) ** 2,
            "area_m2": 1e-6 / (number + 1) if number + 1 < len(COMPONENTS) else float("nan"),
            "source": "ISAAC (ISCA 2016)",
        }
        for number, name in enumerate(COMPONENTS)
    ]  # fmt: skip


def make_provenance() -> Provenance:
    """Return a provenance with overrides, settings and a source."""
    return Provenance(
        version="0.1.0", hardware="reference", hardware_hash="0123456789abcdef", network="resnet20",
        network_hash="fedcba9876543210", seed=3, overrides={"adc.bits": 6, "conv1": {"adc.bits": np.int64(7)}},
        settings={"weight_bits": 8, "mean_level": 0.5}, sources={"components.adc": "ISAAC (ISCA 2016) <table 5>"},
    )  # fmt: skip


def make_cost_report() -> CostReport:
    """Return what an estimate hands back."""
    return CostReport(
        cost=SimpleNamespace(**COST), layer_records=make_layers()[0], component_records=make_components(),
        provenance=make_provenance(),
    )  # fmt: skip


def make_report(trials: int = 3, classes: int = 10, labels: bool = True) -> Report:
    """Return what a simulation hands back."""
    draw = np.random.Generator(np.random.Philox(key=1))
    truth = draw.integers(0, classes, 200)
    clean = np.eye(classes)[truth] + 0.25 * draw.normal(size=(200, classes))
    hardware = clean + 0.4 * draw.normal(size=(trials, 200, classes))
    layers, errors = make_layers()
    return Report(
        cost=SimpleNamespace(**COST), layer_records=layers, component_records=make_components(),
        provenance=make_provenance(), accuracy=measure_accuracy(clean, clean, hardware, truth) if labels else None,
        outputs=hardware, seconds=Seconds(setup=1.25, run=8.5), error_records=errors,
    )  # fmt: skip
