"""PUMA (ASPLOS 2019): node, MVM, core and tile out of hwconfigs/puma.yaml."""

from figures import Figure, main

import xbarsim as xs
from xbarsim.component import count_instances, rate_component
from xbarsim.cost import price_layer, rate_chip, rate_tile
from xbarsim.mapping.period import pass_cycles, sweep_period

TITLE = "PUMA (ASPLOS 2019)"
UNIT = ("adc", "dac", "sample_hold", "array", "shift_add")
RECALLED = "the published figure is quoted from memory, not checked against the paper"
PEAK = "52.31 does not follow from 2,208 MVMUs at two operations a MAC and 2,304 ns (31.4 TOPS)"


def collect() -> list[Figure]:
    """Compare every published figure."""
    hardware = xs.load_hardware("puma")
    tile, chip = rate_tile(hardware), rate_chip(hardware)
    product = price_layer("linear", {"in_features": 128, "out_features": 128}, hardware)
    energy = sum(product.layers[0].energy_by_component[name] for name in UNIT)
    _, latency = pass_cycles(hardware, hardware.activation_bits, sweep_period(hardware, hardware.crossbar.cols))
    core = [0.0, 0.0]
    for name, component in hardware.components.items():
        if component.per not in ("tile", "chip"):
            instances, rating = count_instances(component, hardware, "core"), rate_component(name, hardware)
            core[0] += instances * rating.power_watt * 1e3
            core[1] += instances * rating.area_m2 * 1e6
    mvm = "8 arrays and their converters; the unit column of the offset encoding is converted too"
    return [
        Figure(what="node [W]", published=62.5, ours=chip.power_watt, within=0.02),
        Figure(what="node [mm2]", published=90.6, ours=chip.area_m2 * 1e6, within=0.02),
        Figure(what="MVM 128 x 128 [ns]", published=2304, ours=latency / hardware.timing.clock_hz * 1e9, within=0.02),
        Figure(what="MVM 128 x 128 [nJ]", published=43.97, ours=energy * 1e9, within=0.02, why=mvm),
        Figure(what="peak of 2,208 MVMUs [TOPS]", published=31.4, ours=chip.tops, within=0.02),
        Figure(what="peak as published [TOPS]", published=52.31, ours=chip.tops, within=None, why=PEAK),
        Figure(what="core [mW]", published=42.37, ours=core[0], within=None, why=RECALLED),
        Figure(what="core [mm2]", published=0.036, ours=core[1], within=None, why=RECALLED),
        Figure(what="tile [mW]", published=373.8, ours=tile.power_watt * 1e3, within=None, why=RECALLED),
        Figure(what="tile [mm2]", published=0.479, ours=tile.area_m2 * 1e6, within=None, why=RECALLED),
    ]


if __name__ == "__main__":
    main(TITLE, collect)
