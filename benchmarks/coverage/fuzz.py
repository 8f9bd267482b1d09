"""Compare many random ONNX graphs with ONNX Runtime.

usage: python benchmarks/coverage/fuzz.py [GRAPHS] [SEED] [--write] [--log FILE]

Prints every graph that is refused or differs, by its seed, and the count; exit status 1 where there is one. A graph of
seed S is made again by GRAPHS = 1 and SEED = S. With a log, a run that was cut off goes on where it was: the file holds
a line for every graph that is wrong and for every hundred that are done, and names the first seed and the source of the
graphs, to which a run that goes on must keep. With --write every network is also written as ONNX, read back and
compared. Needs onnx and onnxruntime.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from reference.onnx_graphs import compare_graph, make_graph
from resume import add_lines, read_log

STEP = 100


def check_seed(seed: int, path: str, writes: bool) -> dict[str, Any] | None:
    """Return what is wrong with the graph of a seed, None where nothing is."""
    maker = make_graph(random.Random(seed).choice)
    try:
        found = compare_graph(maker, path, writes=writes)
    except Exception as error:  # whatever comes out is the finding
        found = f"crash: {type(error).__name__}: {error}"
    if not found:
        return None
    kinds = " ".join(node.op_type for node in maker.nodes)
    return {"seed": seed, "found": found[:200], "opset": maker.opset, "batch": maker.batch, "operators": kinds}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graphs", nargs="?", type=int, default=20000)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--log", type=Path)
    given = parser.parse_args()
    source = hashlib.sha256(inspect.getsource(sys.modules[make_graph.__module__]).encode()).hexdigest()[:16]
    lines, end = (
        read_log(given.log, {"seed": given.seed, "graphs": source, "write": given.write}),
        given.seed + given.graphs,
    )
    wrong = {line["seed"]: line for line in lines if "found" in line and line["seed"] < end}
    done = max((line["done"] for line in lines if "done" in line), default=given.seed)
    with tempfile.TemporaryDirectory() as folder:
        while done < end:
            stop = min(done + STEP, end)
            found = [each for seed in range(done, stop) if (each := check_seed(seed, f"{folder}/m.onnx", given.write))]
            for each in found:
                print(json.dumps(each), flush=True)
            done = stop
            wrong |= {each["seed"]: each for each in found}
            add_lines(given.log, [*found, {"done": done}])
    print(f"{given.graphs} graphs, {len(wrong)} wrong")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
