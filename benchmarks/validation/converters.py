"""Published converters of macros beside the fit over them (``components.X.survey: true``)."""

from figures import Figure, main

from xbarsim.component.converter_survey import PUBLISHED, converter_area, converter_energy
from xbarsim.component.survey import best_energy

TITLE = "Converters of macros"
RATE_HZ = 1e8


def collect() -> list[Figure]:
    """Compare every converter that the fit uses."""
    found = []
    for each in PUBLISHED:
        ours = converter_energy(each.bits, RATE_HZ, each.supply_volt)
        best = each.energy_joule / best_energy(each.bits, RATE_HZ)
        found.append(
            Figure(
                what=f"{each.bits} bits, {each.supply_volt:g} V [pJ]", published=each.energy_joule * 1e12,
                ours=ours * 1e12, within=None,
                why=f"{each.source}; {best:.0f} times the best stand-alone converter at 100 MHz",
            )
        )  # fmt: skip
        if each.area_m2 is not None:
            area = converter_area(each.bits)
            found.append(
                Figure(
                    what=f"{each.bits} bits [um2]", published=each.area_m2 * 1e12, ours=area * 1e12, within=None,
                    why=each.source,
                )
            )  # fmt: skip
    return found


if __name__ == "__main__":
    main(TITLE, collect)
