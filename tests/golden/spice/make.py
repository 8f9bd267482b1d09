"""Write the decks of this folder and run them: ``python tests/golden/spice/make.py`` (needs ngspice)."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1]))

from circuit_samples import CASES, CURVES, WIRES, sample_cells, sample_inputs  # noqa: E402

from xbarsim.crossbar import write_netlist  # noqa: E402

SHAPE = (8, 8)


def write_deck(topology, curve):
    """Return the deck of one case."""
    g, v_in = sample_cells(SHAPE), sample_inputs(1, SHAPE[0])
    return write_netlist(g, v_in, topology=topology, iv=CURVES[curve], title="xbarsim golden", **WIRES)


if __name__ == "__main__":
    for topology, curve in CASES:
        deck = FOLDER / f"{topology}-{curve}.cir"
        deck.write_text(write_deck(topology, curve))
        output = subprocess.run(["ngspice", "-b", deck.name], cwd=FOLDER, capture_output=True, text=True, check=True)
        lines = [line for line in output.stdout.splitlines() if line.startswith("i(vs")]
        version = subprocess.run(["ngspice", "--version"], capture_output=True, text=True, check=True).stdout
        name = next(line for line in version.splitlines() if "ngspice-" in line).strip("* ").split(" ")[0]
        head = f"# ngspice -b {deck.name} ({name}), sensed currents [A]"
        deck.with_suffix(".txt").write_text("\n".join([head, *lines, ""]))
