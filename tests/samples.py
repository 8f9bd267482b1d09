"""A made-up report with every part filled, for tests of what becomes of it. Its numbers mean nothing."""

import numpy as np

from xbarsim.cost import ComponentCost, Cost, LayerCost
from xbarsim.inference.accuracy import measure_accuracy
from xbarsim.report import CostReport, Provenance, Report, Seconds

COST = {
    "energy_joule": 4.1e-5, "delay_s": 6.3e-5, "throughput_hz": 21000.0, "area_m2": 3.4e-5,
    "cycles": 80640, "crossbars": 251, "arrays": 502, "tiles": 6, "utilization": 0.731,
}  # fmt: skip
COMPONENTS = ("adc", "crossbar", "edram", "router", "shift_add", "sample_hold", "driver")


def make_layers(count: int = 22) -> tuple[LayerCost, ...]:
    """Return cost records of `count` weight layers, a few operations and the ends of a network."""
    layers = [LayerCost(name="input", kind="input", energy_joule=1e-8)]
    for number in range(count):
        scale = 1 + np.sin(number) ** 2
        is_last = number + 1 == count
        name = f"layer{1 + number // 7}.{number % 7 // 2}.conv{1 + number % 2}" if number else "conv1"
        layers.append(
            LayerCost(
                name="fc" if is_last else name,
                kind="linear" if is_last else "conv2d",
                crossbars=4 + number,
                arrays=8 + 2 * number,
                windows=1024,
                busy_s=2.4e-6 * scale,
                energy_joule=2e-6 * scale,
                area_m2=1e-7 * (number + 4),
                utilization=1 / (1 + number % 3),
                energy_by_component={"adc": 1e-6},
            )
        )
        layers.append(LayerCost(name=f"relu{number}", kind="relu", busy_s=1e-8, energy_joule=5e-9))
    layers.append(LayerCost(name="flatten", kind="flatten"))
    layers.append(LayerCost(name="chip", kind="chip", area_m2=2e-6, energy_joule=3e-7))
    return tuple(layers)


def make_errors(layers: tuple[LayerCost, ...]) -> tuple[dict, ...]:
    """Return error records of weight layers; the last has no error."""
    named = [layer.name for layer in layers if layer.kind in ("conv2d", "linear")]
    return tuple(
        {"name": name, "snr_db": 30.0 - number if name != "fc" else None, "gain": 1 - 0.01 * number, "adc_step": 2.0}
        for number, name in enumerate(named)
    )


def make_cost(**changes: float) -> Cost:
    """Return the cost of a network, whose parts do not sum to anything."""
    components = tuple(
        ComponentCost(
            component=name, action="read", actions=10**6 // (number + 1), instances=10.0 * (number + 1),
            action_energy_joule=2e-5 / (number + 1) ** 2, idle_energy_joule=1e-7,
            energy_joule=2e-5 / (number + 1) ** 2 + 1e-7,
            area_m2=1e-6 / (number + 1) if number + 1 < len(COMPONENTS) else float("nan"),
        )
        for number, name in enumerate(COMPONENTS)
    )  # fmt: skip
    return Cost(**{**COST, **changes}, layers=make_layers(), components=components)


def make_provenance() -> Provenance:
    """Return a provenance with overrides, settings and a source."""
    return Provenance(
        version="0.1.0", hardware="reference", hardware_hash="0123456789abcdef", network="resnet20",
        network_hash="fedcba9876543210", seed=3, overrides={"adc.bits": 6, "conv1": {"adc.bits": np.int64(7)}},
        settings={"weight_bits": 8, "assumed_mean_level": 0.5},
        sources={"components.adc": "ISAAC (ISCA 2016) <table 5>"},
    )  # fmt: skip


def make_cost_report(**changes: float) -> CostReport:
    """Return what an estimate hands back."""
    return CostReport(cost=make_cost(**changes), provenance=make_provenance())


def make_report(trials: int = 3, classes: int = 10, labels: bool = True) -> Report:
    """Return what a simulation hands back."""
    draw = np.random.Generator(np.random.Philox(key=1))
    truth = draw.integers(0, classes, 200)
    clean = np.eye(classes)[truth] + 0.25 * draw.normal(size=(200, classes))
    hardware = clean + 0.4 * draw.normal(size=(trials, 200, classes))
    cost = make_cost()
    return Report(
        cost=cost, provenance=make_provenance(), outputs=hardware, seconds=Seconds(setup=1.25, run=8.5),
        accuracy=measure_accuracy(clean, clean, hardware, truth) if labels else None, errors=make_errors(cost.layers),
    )  # fmt: skip
