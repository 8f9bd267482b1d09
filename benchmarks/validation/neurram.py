"""NeuRRAM (Nature 2022): energy and throughput over precision out of hwconfigs/neurram.yaml."""

from figures import Figure, main

import xbarsim as xs
from xbarsim.component import action_energy, rate_component
from xbarsim.cost import rate_chip

TITLE = "NeuRRAM (Nature 2022)"
PUBLISHED = {  # (output bits, input bits): TOPS, TOPS/W
    (3, 1): (2.12, 43.1), (4, 2): (1.79, 40.3), (5, 3): (1.165, 23.09), (6, 4): (0.744, 15.95),
    (7, 5): (0.525, 11.03), (8, 6): (0.418, 8.26), (9, 7): (0.344, 7.75), (10, 8): (0.264, 6.44),
}  # fmt: skip
"""Odd outputs as transcribed in CiMLoop's reference figures."""
SUM = "sum of the published parts (word lines, neurons, input pulses), which are inputs of hwconfigs/neurram.yaml"
APART = {
    (
        8,
        6,
    ): "not claimed: the published parts add up to 108.9 fJ for an operation, but the published efficiency is 121 fJ"
}


def collect() -> list[Figure]:
    """Compare every published precision."""
    found = []
    for (outputs, inputs), (tops, efficiency) in PUBLISHED.items():
        changes = {"adc.bits": outputs, "dac.bits": inputs, "activation_bits": inputs}
        hardware = xs.load_hardware("neurram").override(changes)
        rows, cols = 2 * hardware.crossbar.rows, hardware.crossbar.cols
        dac, adc = (action_energy(rate_component(name, hardware)) for name in ("dac", "adc"))
        energy = rows * dac + cols * adc
        ours = rows * cols / energy * 1e-12  # two operations for each of rows / 2 x cols weights
        place = f"{outputs}-bit outputs of {inputs}-bit inputs"
        apart = APART.get((outputs, inputs))
        within, why = (None, apart) if apart else (0.02, SUM)
        found.append(Figure(what=f"{place} [TOPS/W]", published=efficiency, ours=ours, within=within, why=why))
        peak = rate_chip(hardware).tops
        found.append(
            Figure(
                what=f"{place} [TOPS]",
                published=tops,
                ours=peak,
                within=0.02,
                why="the published rate is an input of hwconfigs/neurram.yaml",
            )
        )
    return found


if __name__ == "__main__":
    main(TITLE, collect)
