"""ISAAC (ISCA 2016): components, IMA, tile, chip and peak figures out of hwconfigs/isaac.yaml."""

from figures import Figure, main

import xbarsim as xs
from xbarsim.component import count_instances, rate_component
from xbarsim.cost import rate_chip, rate_tile

TITLE = "ISAAC (ISCA 2016)"
IMA = {  # mW, mm2 of one IMA
    "adc": (16, 0.0096), "dac": (4, 0.00017), "sample_hold": (0.01, 0.00004), "array": (2.4, 0.0002),
    "shift_add": (0.2, 0.00024), "input_register": (1.24, 0.0021), "output_register": (0.23, 0.00077),
}  # fmt: skip
TILE = {  # mW, mm2 of one tile, IMAs left out
    "buffer": (20.7, 0.083), "bus": (7, 0.090), "router": (10.5, 0.03775), "activation": (0.52, 0.0006),
    "accumulate": (0.05, 0.00006), "pooling": (0.4, 0.00024), "tile_register": (1.68, 0.0032),
}  # fmt: skip
UNIT_COLUMN = "129 conversions in a read: the unit column of the flipped-weight encoding is converted too"


def collect() -> list[Figure]:
    """Compare every published figure."""
    hardware = xs.load_hardware("isaac")
    found = []
    for level, table in (("core", IMA), ("tile", TILE)):
        for name, (power, area) in table.items():
            instances = count_instances(hardware.components[name], hardware, level)
            rating = rate_component(name, hardware)
            place = "IMA" if level == "core" else "tile"
            ours = instances * rating.power_watt * 1e3, instances * rating.area_m2 * 1e6
            found.append(Figure(what=f"{place}: {name} [mW]", published=power, ours=ours[0], within=0.02))
            found.append(Figure(what=f"{place}: {name} [mm2]", published=area, ours=ours[1], within=0.02))
    tile, chip = rate_tile(hardware), rate_chip(hardware)
    found += [
        Figure(what="tile [mW]", published=330, ours=tile.power_watt * 1e3, within=0.02),
        Figure(what="tile [mm2]", published=0.372, ours=tile.area_m2 * 1e6, within=0.02),
        Figure(what="chip [W]", published=65.8, ours=chip.power_watt, within=0.02),
        Figure(what="chip [mm2]", published=85.4, ours=chip.area_m2 * 1e6, within=0.02),
        Figure(what="peak [TOPS]", published=41.29, ours=chip.tops, within=0.02, why=UNIT_COLUMN),
        Figure(what="peak [GOPS/W]", published=627.5, ours=chip.tops_per_watt * 1e3, within=0.02, why="see the peak"),
        Figure(
            what="peak [GOPS/s/mm2]", published=483.5, ours=chip.tops_per_mm2 * 1e3, within=0.02, why="see the peak"
        ),
    ]
    return found


if __name__ == "__main__":
    main(TITLE, collect)
