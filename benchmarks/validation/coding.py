"""Ratios of signal to error of the input codings, for one array: the tables of docs/input_coding.md.

    python benchmarks/validation/coding.py [--page docs/input_coding.md]

The array is one of 64 x 16 weights of ``reference`` without variation and wires. Weights are uniform between -127 and
127, inputs of 8 bits are normal with a standard deviation of 40, and converters have the least range without clipping.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import xbarsim as xs
from xbarsim.mvm import program_matrix

PLAIN = {"device.programming.sigma": 0.0, "crossbar.method": "ideal", "adc.quantile": 1.0}
ROWS, COLS, VECTORS, SPREAD, HIGHEST = 64, 16, 400, 40.0, 127
NOISE = 0.02
"""Relative standard deviation of the read noise in the second figure of each pair [-]."""
CODINGS = {"twos_complement": "two's complement", "sign_magnitude": "sign and magnitude", "offset": "offset"}
WIDTHS = (4, 8)
PAIRS = (("twos_complement", 1), ("twos_complement", 4), ("sign_magnitude", 1))
"""Coding and ``dac.bits`` of the rows of the second table."""
CONVERTERS = (6, 8)
EXACT = 200.0
"""Ratio above which results are equal to the integers [dB]."""
END = "<!-- end of table -->"


class Array:
    """Weights and inputs, and their exact product."""

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        self.weights = draw.integers(-HIGHEST, HIGHEST + 1, (ROWS, COLS))
        self.inputs = np.clip(np.rint(draw.normal(0, SPREAD, (VECTORS, ROWS))), -HIGHEST, HIGHEST).astype(int)
        self.exact = self.inputs @ self.weights

    def measure(self, changes: dict[str, Any]) -> tuple[float, int]:
        """Return the ratio of signal to error [dB] and the reads of an input."""
        hardware = xs.load_hardware("reference").override({**PLAIN, **changes})
        engine = program_matrix(self.weights, hardware, weight_bits=8, activation_bits=8, signed=True, threads=1)
        engine = engine.calibrate(self.inputs, threads=1)
        error = engine.multiply(self.inputs, threads=1) * engine.lsb - self.exact
        return 10 * np.log10((self.exact**2).sum() / max((error**2).sum(), 1e-30)), len(engine.streams.weights)


def tabulate_signed(array: Array) -> list[str]:
    """Return the table of ``dac.signed``."""
    lines = ["| `dac.bits` | " + " | ".join(CODINGS.values()) + " |", "|---|" + len(CODINGS) * "---|"]
    for bits in WIDTHS:
        found = [array.measure({"dac.bits": bits, "dac.signed": coding}) for coding in CODINGS]
        lines.append(f"| {bits} | " + " | ".join(f"{ratio:.1f} ({reads})" for ratio, reads in found) + " |")
    return lines


def tabulate_accumulated(array: Array) -> list[str]:
    """Return the table of ``dac.accumulate``: without and with read noise."""
    lines = ["| coding, `dac.bits` | converter | `digital` | `analog` |", "|---|---|---|---|"]
    for coding, bits in PAIRS:
        for converter in CONVERTERS:
            row = [f"{CODINGS[coding]}, {bits}", f"{converter} bits"]
            changes = {"dac.bits": bits, "dac.signed": coding, "adc.bits": converter}
            for kind in ("digital", "analog"):
                both = [
                    array.measure({**changes, "dac.accumulate": kind, "device.read_noise.sigma": sigma})[0]
                    for sigma in (0.0, NOISE)
                ]
                row.append(", ".join("exact" if ratio > EXACT else f"{ratio:.1f}" for ratio in both))
            lines.append("| " + " | ".join(row) + " |")
    return lines


def main() -> None:
    """Print the tables and, with ``--page``, write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, help="page whose tables are written anew")
    page, array = parser.parse_args().page, Array()
    for name, lines in (("signed", tabulate_signed(array)), ("accumulate", tabulate_accumulated(array))):
        print("\n".join(lines) + "\n")
        if page is not None:
            before, mark, rest = page.read_text().partition(f"<!-- dac.{name} -->")
            assert mark, f"{page}: no marker for the table {name}"
            page.write_text(f"{before}{mark}\n" + "\n".join(lines) + f"\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
