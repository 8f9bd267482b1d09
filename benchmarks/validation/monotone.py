"""Let one setting of random networks on random hardware grow, and count what becomes worse that must not.

usage: python benchmarks/validation/monotone.py [SWEEPS] [SEED] [--quick] [--log FILE]

More arrays for replicas, wider links, buses, buffers and off-chip links, and more converters must not make delay or
throughput worse by more than 1 %; more weight, activation or converter bits must not lower the energy of a layer.
Prints every sweep that does, by its seed, and counts by setting; exit status 1 where there is one. A sweep of seed S is
made again by SWEEPS = 1 and SEED = S. With a log, a run that was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import sys
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "coverage"))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from reference.random_sweeps import GROWTHS, check_sweep
from resume import add_lines, read_log

from xbarsim.errors import ModelRangeWarning

STEP = 10
QUICK = 90


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweeps", nargs="?", type=int, default=10000)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} sweeps")
    parser.add_argument("--log", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore", ModelRangeWarning)  # bits outside of tables are extrapolated on purpose
    source = hashlib.sha256(inspect.getsource(sys.modules[check_sweep.__module__]).encode()).hexdigest()[:16]
    lines = read_log(given.log, {"seed": given.seed, "sweeps": source})
    end = given.seed + (QUICK if given.quick else given.sweeps)
    wrong = [line for line in lines if "what" in line and line["seed"] < end]
    done = max((line["done"] for line in lines if "done" in line), default=given.seed)
    while done < end:
        stop = min(done + STEP, end)
        found = [each for seed in range(done, stop) if (each := check_sweep(seed))]
        for each in found:
            print(json.dumps(each), flush=True)
        done = stop
        wrong += found
        add_lines(given.log, [*found, {"done": done}])
    worse = Counter(line["key"] for line in wrong)
    total = Counter(GROWTHS[seed % len(GROWTHS)].key for seed in range(given.seed, end))
    for key, count in total.items():
        print(f"{key}: {worse[key]} of {count} sweeps became worse")
    print(f"{end - given.seed} sweeps, {len(wrong)} became worse")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
