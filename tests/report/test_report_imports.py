"""What reports import."""

import subprocess
import sys


def test_reports_import_nothing_that_simulates():
    program = "import sys, xbarsim.report; print(*(name for name in sys.modules if name.startswith('xbarsim.')))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    rooms = {name.split(".")[1] for name in found}
    assert "report" in rooms
    assert not rooms & {"mvm", "mapping", "inference", "timing", "cost", "crossbar", "device"}
