"""A 7-nm SRAM macro (ISSCC 2020, JSSC 2021): throughput and energy over data and supply out of hwconfigs/sram_7nm.yaml.

Title and abstract give 351 TOPS/W, 372.4 GOPS, 1024 products at once and 5.5 ns; the other figures are those of the
paper's Table I as CiMLoop's reference figures transcribe them.
"""

from figures import Figure, main

import xbarsim as xs
from xbarsim.component import action_energy, rate_component, read_energy
from xbarsim.config import Hardware
from xbarsim.cost import rate_tile

TITLE = "SRAM macro, 7 nm (ISSCC 2020, JSSC 2021)"
OUTPUTS = {15: (262.3, 189.3), 6: (351.0, 321.0), 0: (610.5, 435.5)}
"""Mean output code of 15 -> TOPS/W at 0.8 V and 1 V."""
HIGHER = {"process.supply_volt": 1.0, "device.read_volt": 1.0}
DATA = "input of hwconfigs/sram_7nm.yaml"
LINEAR = "predicted; the model is linear in the output, the measured energy rises faster at small outputs"
SCALED = (
    "predicted; the fixed part scales as digital logic, the rest as the voltage squared; the measured energy rises less"
)


def efficiency(hardware: Hardware, output: int) -> float:
    """Return the TOPS/W of one macro whose outputs are ``output`` of 15."""
    rows, cols = hardware.crossbar.rows, hardware.crossbar.cols
    fixed = cols * action_energy(rate_component("adc", hardware))
    return 2e-12 * rows * cols / (fixed + read_energy(hardware, mean_level=output / 15, input_activity=1.0))


def collect() -> list[Figure]:
    """Compare every published figure."""
    hardware = xs.load_hardware("sram_7nm")
    pairs = hardware.chip.arrays_per_tile / 2
    found = [
        Figure(
            what="throughput at 0.8 V [GOPS]", published=372.4, ours=rate_tile(hardware).tops * 1e3 / pairs,
            within=0.02, why="predicted from 1024 products in an access time of 5.5 ns",
        )
    ]  # fmt: skip
    for column, (volt, setting) in enumerate(((0.8, {}), (1.0, HIGHER))):
        for output, published in OUTPUTS.items():
            is_data = volt == 0.8 and output != 6
            found.append(
                Figure(
                    what=f"outputs of {output}, {volt:g} V [TOPS/W]", published=published[column],
                    ours=efficiency(hardware.override(setting), output), within=0.02 if is_data else None,
                    why=DATA if is_data else LINEAR if volt == 0.8 else SCALED,
                )
            )  # fmt: skip
    area = hardware.crossbar.cols * rate_component("adc", hardware).area_m2 + rate_component("array", hardware).area_m2
    why = "published total quoted from memory, not checked against the paper; xbarsim adds up the published parts"
    found.append(Figure(what="macro [um2]", published=3200, ours=area * 1e12, within=None, why=why))
    return found


if __name__ == "__main__":
    main(TITLE, collect)
