"""A network reaches YAML without meeting hardware."""

import subprocess
import sys


def test_a_network_is_read_without_the_room_of_hardware():
    code = (
        "import sys, xbarsim.network; xbarsim.network.load_network('lenet5'); "
        "print([name for name in sys.modules if name.startswith(('xbarsim.config', 'xbarsim.component'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
