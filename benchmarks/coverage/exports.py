"""Load, run and estimate every .onnx file of a folder, beside ONNX Runtime, and print a table by family.

usage: python benchmarks/coverage/exports.py FOLDER [--only PREFIX] [--hardware NAME] [--simulate] [--out FILE]

FOLDER holds NAME.onnx and, where there is one, exports.jsonl with a line a file: ``name`` and ``family``. Each file
runs in a process of its own, so that its peak of memory is its own. A file counts as equal where the largest difference
is at most 1e-5 of the largest result, as small where it loads in at most four times its size plus 200 MB. Networks of
fewer than 100 million multiply-accumulates are simulated too where asked for, with one image. FILE keeps the results as
they come, a line a file: a run that was cut off goes on where it was, with the same options; a file that has changed is
checked again. Needs onnx and onnxruntime.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from resume import add_lines, read_log

TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
CLOSE = 1e-5
SMALL_MACS = 100e6


def check_file(path: Path, hardware: str, simulate: bool) -> dict[str, Any]:
    """Return what became of one file.

    Parameters
    ----------
    path : Path
        The file.
    hardware : str
        What the estimate is for.
    simulate : bool
        Whether to simulate a network of few multiply-accumulates.

    Returns
    -------
    dict
        ``state``, ``difference``, ``seconds``, ``peak_bytes``, and more.
    """
    import numpy as np

    import xbarsim as xs
    from xbarsim.errors import XbarsimError
    from xbarsim.network import run_network

    base = _peak()
    start = time.perf_counter()
    found: dict[str, Any] = {"name": path.stem, "bytes": path.stat().st_size}
    try:
        network = xs.load_network(path)
    except XbarsimError as error:
        return {**found, "state": "refused", "reason": str(error)}
    found |= {"seconds": time.perf_counter() - start, "peak_bytes": _peak() - base}
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # as in xbarsim: no saturated sums
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    batch = entry.shape[0] if isinstance(entry.shape[0], int) else 2
    sizes = network.input_shape
    rng = np.random.default_rng(0)
    if entry.type in TYPES:
        x = np.abs(rng.normal(size=(batch, *sizes)) * 0.5).astype(TYPES[entry.type])
    else:
        x = rng.integers(0, 9, size=(batch, *sizes))
    expected = np.asarray(session.run(None, {entry.name: x})[0])
    result = run_network(network, x, threads=1)
    difference = float(np.abs(result.reshape(-1) - expected.reshape(-1)).max() / max(1e-6, np.abs(expected).max()))
    found |= {"difference": difference, "layers": len(network.layers), "macs": sum(n.macs for n in network.layers)}
    opaque = [node for node in network.nodes if node.kind == "opaque"]
    found["opaque"] = sorted({node.attributes["operator"] for node in opaque})
    found["opaque_operations"] = sum(node.attributes["operations"] for node in opaque)
    found["energy_joule"] = xs.estimate(network, hardware).energy_joule
    found["state"] = "equal" if difference <= CLOSE else "differs"
    found["small"] = found["peak_bytes"] <= 4 * found["bytes"] + 200e6
    if simulate and found["macs"] < SMALL_MACS:
        start = time.perf_counter()
        outputs = xs.simulate(network, hardware, x[:1], calibration=x, threads=1).outputs
        found |= {"simulated": bool(np.isfinite(outputs).all()), "simulate_seconds": time.perf_counter() - start}
    return found


def _peak() -> int:
    """Return the most memory that this process has held; what its parent held before is not in it."""
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line[:6] == "VmHWM:") * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def hash_file(path: Path) -> str:
    """Return a hash of the content of a file."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def check_apart(path: Path, hardware: str, simulate: bool = False) -> dict[str, Any]:
    """Check a file in a process of its own."""
    command = [sys.executable, __file__, "--one", str(path), "--hardware", hardware, *["--simulate"] * simulate]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    except subprocess.TimeoutExpired:
        return {"name": path.stem, "state": "crash", "reason": "still running after half an hour"}
    try:
        found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        reason = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
        return {"name": path.stem, "state": "crash", "reason": reason}
    return found


def show_table(results: list[dict[str, Any]], families: dict[str, str]) -> None:
    """Print one line a family."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        rows.setdefault(families.get(result["name"], "other"), []).append(result)
    print("\n| family | files | load and equal | within memory | simulated | opaque operators |")
    print("|---|---|---|---|---|---|")
    for family, group in [*sorted(rows.items()), ("all", results)]:
        equal = sum(each["state"] == "equal" for each in group)
        small = sum(each.get("small", False) for each in group)
        tried = [each["simulated"] for each in group if "simulated" in each]
        names = sorted({name for each in group for name in each.get("opaque", ())}) if family != "all" else []
        simulated = f"{sum(tried)} of {len(tried)}" if tried else "-"
        print(f"| {family} | {len(group)} | {equal} | {small} | {simulated} | {', '.join(names)} |")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--only", default="")
    parser.add_argument("--one")
    parser.add_argument("--hardware", default="reference")
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--out")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(check_file(Path(given.one), given.hardware, given.simulate)))
        return
    folder = Path(given.folder)
    log = folder / "exports.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
    families = {line["name"]: line["family"] for line in lines}
    out = Path(given.out) if given.out else None
    known = read_log(out, {"hardware": given.hardware, "simulate": given.simulate})
    done = {(line["name"], line["content"]): line for line in known}
    results = []
    for path in sorted(folder.glob(f"{given.only}*.onnx")):
        content = hash_file(path)
        if (path.stem, content) in done:
            results.append(done[path.stem, content])
            continue
        found = check_apart(path, given.hardware, given.simulate)
        results.append(found)
        add_lines(out, [{**found, "content": content}])
        text = (
            found.get("reason") or f"{found['difference']:.1e}  {found['seconds']:.1f} s  {', '.join(found['opaque'])}"
        )
        print(f"{found['name']:34s} {found['state']:8s} {text}", flush=True)
    show_table(results, families)


if __name__ == "__main__":
    main()
