"""Arrays that published mapping rules need: EPIM's ResNets at 256 x 256, ResNet-20 at four sizes, PUMA's weights."""

from figures import Figure, main

import xbarsim as xs
from xbarsim.mapping import plan_network

TITLE = "Array counts"
RESNET20 = {16: (1050, 99.8), 32: (281, 93.3), 64: (98, 66.8), 128: (59, 27.8)}


def count_epitomes(epim: xs.Hardware) -> list[Figure]:
    """Count EPIM's uniform epitome: 1024 rows x 256 weights in every convolution of stages 3 and 4."""
    compact = {
        name: xs.load_network(name).with_epitomes({"layer[34].*": xs.Epitome(rows=1024, channels=256)})
        for name in ("resnet50", "resnet101")
    }
    found = [
        Figure(
            what=f"uniform epitome, {name} FP32 [crossbars]",
            published=crossbars,
            ours=plan_network(compact[name], epim, weight_bits=32).crossbars,
            within=0.0,
            why=why,
        )
        for name, crossbars, why in (
            ("resnet50", 5696, "EPIM (DAC 2024)"),
            ("resnet101", 12224, "follows from the same rule"),
        )
    ]
    plan = plan_network(compact["resnet50"], epim, weight_bits=3, layers={"fc": {"weight_bits": 5}})
    why = "EPIM (DAC 2024); the classifier has 5 bits"
    ratio = round(13120 / plan.crossbars, 2)
    return [
        *found,
        Figure(what="3-bit EPIM-ResNet50 [crossbars]", published=428, ours=plan.crossbars, within=0.0, why=why),
        Figure(what="times fewer than FP32 ResNet-50", published=30.65, ours=ratio, within=0.0, why=why),
    ]


def collect() -> list[Figure]:
    """Count again."""
    epim = xs.load_hardware("epim")
    found = [
        Figure(
            what=f"{name} FP32, 256 x 256, whole kernels [crossbars]",
            published=crossbars,
            ours=plan_network(xs.load_network(name), epim, weight_bits=32).crossbars,
            within=0.0,
            why="EPIM (DAC 2024)",
        )
        for name, crossbars in (("resnet50", 13120), ("resnet101", 22912))
    ]
    found += count_epitomes(epim)
    one_column = {"weight_bits": 2, "device.cell_bits": 1}
    for size, (arrays, used) in RESNET20.items():
        hardware = xs.load_hardware("reference").override({**one_column, "crossbar.rows": size, "crossbar.cols": size})
        plan = plan_network(xs.load_network("resnet20"), hardware)
        note = "one column for each weight, packed rows; derived by arithmetic"
        found.append(
            Figure(
                what=f"ResNet-20, {size} x {size} [logical arrays]",
                published=arrays,
                ours=plan.crossbars,
                within=0.0,
                why=note,
            )
        )
        share = round(100 * plan.utilization, 1)
        found.append(
            Figure(what=f"ResNet-20, {size} x {size} [% of cells used]", published=used, ours=share, within=0.0)
        )
    puma = xs.load_hardware("puma")
    arrays = puma.chip.tiles * puma.chip.arrays_per_tile
    mebibytes = arrays * puma.crossbar.rows * puma.crossbar.cols * puma.device.cell_bits / 8 / 2**20
    found.append(Figure(what="PUMA, weights on a node [MiB]", published=69.0, ours=mebibytes, within=0.01))
    return found


if __name__ == "__main__":
    main(TITLE, collect)
