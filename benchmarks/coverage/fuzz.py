"""Compare many random ONNX graphs with ONNX Runtime.

usage: python benchmarks/coverage/fuzz.py [GRAPHS] [SEED]

Prints every graph that is refused or differs, by its seed, and the count; exit status 1 where there is one. A graph of
seed S is made again by GRAPHS = 1 and SEED = S. Needs onnx and onnxruntime.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from reference.onnx_graphs import compare_graph, make_graph


def main() -> int:
    """Run the command."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            maker = make_graph(random.Random(seed).choice)
            try:
                found = compare_graph(maker, f"{folder}/m.onnx")
            except Exception as error:  # whatever comes out is the finding
                found = f"crash: {type(error).__name__}: {error}"
            if found:
                wrong += 1
                kinds = " ".join(node.op_type for node in maker.nodes)
                print(f"seed {seed} opset {maker.opset} batch {maker.batch}: {found[:200]} [{kinds}]", flush=True)
    print(f"{count} graphs, {wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
