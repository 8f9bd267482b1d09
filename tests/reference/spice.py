"""Oracle: ngspice. Runs a deck and reads the sensed currents that it prints."""

import re
import shutil
import subprocess

import numpy as np
import pytest

NGSPICE = shutil.which("ngspice")
needs_ngspice = pytest.mark.skipif(NGSPICE is None, reason="ngspice is not installed")


def read_currents(output):
    """Return the currents of the lines ``i(vs0) = ...`` in the order of their columns."""
    found = {int(col): float(value) for col, value in re.findall(r"^i\(vs(\d+)\) = (\S+)", output, re.MULTILINE)}
    return np.array([found[col] for col in sorted(found)])


def run_ngspice(deck, folder):
    """Run a deck in batch mode (``ngspice -b deck.cir``) and return what it prints."""
    path = folder / "deck.cir"
    path.write_text(deck)
    result = subprocess.run([NGSPICE, "-b", path.name], cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout
