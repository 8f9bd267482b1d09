"""Speed of the circuit solvers against sparse LU, a published simulator and ideal products.

One run measures everything, best of several repeats, on one thread except where it says two:

* the whole transfer operator of one array, 2.5 ohm segments and cells of 1..100 uS, ours against SciPy's ``splu`` with
  one right-hand side per column (factorisation and solves; the matrix is there already, and the faster of two column
  orders counts) and against ``badcrossbar`` from PyPI (one input vector per row; left out where it is not installed or
  the size before took long), with what the two differ from ours, and how time grows with size;
* arrays of ``reference``, 128 x 128, programmed and solved as for inference, with the proven error;
* the certificate of an operator against the operator;
* the peak memory of a process that solves 512 x 512;
* a stack of 256 arrays of 64 x 64 on two threads against one;
* gate-driven 1T1R, 1,000 vectors on 128 x 128, against the same ideal float64 product;
* line relaxation of the cells of ``reference`` (1..10 uS) with a sinh of 0.1 V and of 0.05 V, to 1e-4 and 1e-9 of full
  scale, against Newton's steps with sparse LU from the ohmic solution, in CPU time;
* 20 vectors of every topology that is relaxed, with ohmic cells against sparse nodal analysis, and with nonlinear ones.

    python benchmarks/speed/circuit.py
    python benchmarks/speed/circuit.py --quick
"""

from __future__ import annotations

import argparse
import itertools
import logging
import math
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.linalg import splu
from threadpoolctl import threadpool_limits

from xbarsim import load_hardware
from xbarsim.config.iv import Selector, Sinh
from xbarsim.crossbar import (
    TOPOLOGIES,
    Lines,
    Wires,
    solve_currents,
    solve_currents_report,
    solve_reads,
    solve_transfer,
)
from xbarsim.crossbar.certificate import certify
from xbarsim.crossbar.circuit import build_circuit
from xbarsim.crossbar.nodal import solve_nodes
from xbarsim.device import program_cells

SIZES = (32, 64, 128, 256, 512)
OHM = 2.5
ORDERS = ("COLAMD", "MMD_AT_PLUS_A")
PATIENCE_S = 150.0
"""A peer that took a sixteenth of this at one size is measured at the next."""


def best_of(repeats: int, call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the shortest time of a call by a clock [s]."""
    best = math.inf
    for _ in range(repeats):
        start = clock()
        call()
        best = min(best, clock() - start)
    return best


def make_cells(*shape: int) -> np.ndarray:
    """Draw conductances of 1..100 uS [S]."""
    return np.random.default_rng(0).uniform(1e-6, 1e-4, shape)


def solve_ours(g: np.ndarray, threads: int = 1) -> np.ndarray:
    """Solve with this package, without its certificate."""
    return solve_transfer(g, r_wl_ohm=OHM, r_bl_ohm=OHM, threads=threads, checked=0)


def make_nodal_matrix(g: np.ndarray) -> csc_matrix:
    """Write Kirchhoff's current law for the nodes of the word lines and then of the bit lines."""
    word = np.arange(g.size).reshape(g.shape)
    bit = word + g.size
    wire = 1.0 / OHM
    pairs = [(word[:, :-1], word[:, 1:]), (bit[:-1], bit[1:]), (word, bit)]
    values = [np.full(pairs[0][0].shape, wire), np.full(pairs[1][0].shape, wire), g]
    a = np.concatenate([pair[0].ravel() for pair in pairs])
    b = np.concatenate([pair[1].ravel() for pair in pairs])
    c = np.concatenate([value.ravel() for value in values])
    ends = np.concatenate([word[:, 0], bit[-1]])
    i = np.concatenate([a, b, a, b, ends])
    j = np.concatenate([a, b, b, a, ends])
    return coo_matrix((np.concatenate([c, c, -c, -c, np.full(len(ends), wire)]), (i, j))).tocsc()


def solve_splu(g: np.ndarray, matrix: csc_matrix, order: str) -> np.ndarray:
    """Factorise, and solve for one driven bit line after the other; 32 at a time, to save memory."""
    cols = g.shape[1]
    factor = splu(matrix, permc_spec=order, options={"SymmetricMode": order == "MMD_AT_PLUS_A"})
    t = np.empty(g.shape)
    for first in range(0, cols, 32):
        columns = np.arange(first, min(first + 32, cols))
        known = np.zeros((2 * g.size, len(columns)))
        known[2 * g.size - cols + columns, np.arange(len(columns))] = 1.0 / OHM
        t[:, columns] = factor.solve(known)[0 : g.size : cols] / OHM
    return t


def find_badcrossbar() -> Callable[[np.ndarray], np.ndarray] | None:
    """Return a solver that uses badcrossbar, or None where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where its plots miss a library
        try:
            from badcrossbar import compute
        except ImportError:
            return None
    logging.disable(logging.INFO)  # it tells every step

    def solve(g: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = compute(np.eye(len(g)), 1.0 / g, r_i=OHM, node_voltages=False, all_currents=False)
        return np.asarray(found.currents.output)

    return solve


def compare_sizes(sizes: tuple[int, ...], repeats: int) -> None:
    """Print the table of single arrays."""
    peer = find_badcrossbar()
    print(f"One array, {OHM} ohm segments, cells 1..100 uS, one thread")
    print(
        f"{'size':>5} {'ours':>11} {'splu':>11} {'ratio':>7} {'differs':>8} "
        f"{'badcrossbar':>12} {'ratio':>7} {'differs':>8}"
    )
    times: dict[str, dict[int, float]] = {"ours": {}, "splu": {}, "badcrossbar": {}}
    expected_s = {"splu": 0.0, "badcrossbar": 0.0}
    order = ""
    for size in sizes:
        g = make_cells(size, size)
        t = solve_ours(g)
        ours = times["ours"][size] = best_of(
            max(3, repeats * 128 // size) if repeats > 1 else 1, lambda g=g: solve_ours(g)
        )
        line = f"{size:>5} {1e3 * ours:>8.2f} ms"
        matrix = make_nodal_matrix(g)
        runs = {
            "splu": [lambda o=o, g=g, m=matrix: solve_splu(g, m, o) for o in ([order] if order else ORDERS)],
            "badcrossbar": [lambda g=g: peer(g)] if peer else [],
        }
        for name, calls in runs.items():
            if not calls or expected_s[name] > PATIENCE_S:
                line += f" {'-':>{11 if name == 'splu' else 12}} {'-':>7} {'-':>8}"
                continue
            taken = []
            for call in calls:
                start = time.perf_counter()
                found = call()
                seconds = time.perf_counter() - start
                taken.append(min(seconds, best_of(repeats - 1, call)) if size <= 128 else seconds)
            seconds = times[name][size] = min(taken)
            if name == "splu" and size >= 64 and not order:
                order = ORDERS[int(np.argmin(taken))]
            expected_s[name] = 16.0 * seconds
            error = np.abs(found - t).max() / t.max()
            width = 8 if name == "splu" else 9
            line += f" {1e3 * seconds:>{width}.1f} ms {seconds / ours:>6.1f}x {error:>8.0e}"
        print(line, flush=True)
    for name, taken_s in times.items():
        if len(taken_s) > 1:
            exponent = np.polyfit(np.log(list(taken_s)), np.log(list(taken_s.values())), 1)[0]
            print(f"  {name}: time grows as size^{exponent:.2f} over {min(taken_s)}..{max(taken_s)}")
    if peer is None:
        print("  badcrossbar is not installed (pip install badcrossbar): not measured")


def report_memory(size: int) -> None:
    """Print the peak memory of a process that solves one array."""
    command = [sys.executable, __file__, "--memory", str(size)]
    before, after = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    print(f"Peak memory at {size} x {size}: {after:.0f} MB in all, {before:.0f} MB of it before the first array")


def measure_memory(size: int) -> None:
    """Print peak memory before and after solving one array [MB]."""
    solve_ours(make_cells(16, 16))
    before = read_peak()
    solve_ours(make_cells(size, size))
    print(before, read_peak())


def read_peak() -> float:
    """Return the peak memory of this process [MB]."""
    try:
        with open("/proc/self/status") as lines:  # what getrusage says includes the parent's
            return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def compare_certificates(sizes: tuple[int, ...], repeats: int) -> None:
    """Print the CPU time of certificates over that of the operators that they are of, in turns."""
    print("Certificate of an operator, CPU time, cells of 1..100 uS and of 1..10 uS")
    for size in sizes:
        for factor in (1.0, 0.1):
            g = factor * make_cells(size, size)
            times = {0: math.inf, 1: math.inf}
            for _ in range(repeats + 1):
                for checked in times:
                    start = time.process_time()
                    solve_transfer(g, r_wl_ohm=OHM, r_bl_ohm=OHM, threads=1, checked=checked)
                    times[checked] = min(times[checked], time.process_time() - start)
            print(
                f"  {size}: operator {1e3 * times[0]:.2f} ms, certificate {1e3 * (times[1] - times[0]):.2f} ms: "
                f"{(times[1] - times[0]) / times[0]:.2f}"
            )


def compare_inference(arrays: int, repeats: int) -> None:
    """Print the CPU time of programming and of solving an array of ``reference`` as for inference."""
    hardware = load_hardware("reference")
    rows, cols, crossbar = hardware.crossbar.rows, hardware.crossbar.cols, hardware.crossbar
    rng = np.random.default_rng(0)
    levels = rng.integers(0, hardware.device.levels, (arrays // 2, 2, rows, cols)).astype(np.uint8)
    sign = rng.random((arrays // 2, 1, rows, cols)) < 0.5
    levels[np.concatenate([sign, ~sign], axis=1)] = 0  # one cell of a pair is off
    ohms = {"r_wl_ohm": crossbar.r_wl_ohm, "r_bl_ohm": crossbar.r_bl_ohm}

    def program() -> np.ndarray:
        return program_cells(levels, hardware.device, seed=0, trial=0, layer="speed")

    g = program()
    solve_transfer(g[:1], **ohms, tol=1e-8, threads=1)
    times = dict.fromkeys(("program", "quick", "full"), math.inf)
    calls = {
        "program": program,
        "quick": lambda: solve_transfer(g, **ohms, threads=1, checked=1, tol=1e-8),
        "full": lambda: solve_transfer(g, **ohms, threads=1, checked=1),
    }
    for _ in range(repeats):
        for name, call in calls.items():
            times[name] = min(times[name], best_of(1, call, time.process_time))
    stack = g.reshape(-1, rows, cols)
    proven = certify(stack, Wires(**ohms), solve_transfer(stack, **ohms, threads=1, checked=1, tol=1e-8)).bound.max()
    program_ms, quick_ms, full_ms = (1e3 * times[name] / arrays for name in ("program", "quick", "full"))
    print(
        f"{arrays} arrays of reference, each: programmed in {program_ms:.2f} ms, solved to 1e-8 in {quick_ms:.2f} ms "
        f"(proven error {proven:.0e}), to 5e-10 in {full_ms:.2f} ms: {quick_ms / full_ms:.2f}"
    )


def compare_threads(arrays: int, size: int, repeats: int) -> None:
    """Print what a second thread gains on a stack."""
    g = make_cells(arrays, size, size)
    solve_ours(g[:4], 2)
    one, two = (best_of(repeats, lambda n=n: solve_ours(g, n)) for n in (1, 2))
    print(
        f"{arrays} arrays of {size} x {size}: {1e3 * one:.0f} ms on one thread, {1e3 * two:.0f} ms on two: "
        f"{one / two:.2f} times faster"
    )


def compare_gate_driven(vectors: int, size: int, repeats: int) -> None:
    """Print the cost of exact gate-driven currents over that of the ideal product."""
    g = make_cells(size, size)
    v = np.random.default_rng(1).integers(0, 2, (vectors, size)) * 0.2
    out = np.empty((vectors, size))

    def solve() -> np.ndarray:
        return solve_currents(g, v, r_bl_ohm=OHM, r_sl_ohm=OHM, topology="1t1r_gate", threads=1)

    solve()
    ideal = best_of(10 * repeats, lambda: np.matmul(v, g, out=out))
    exact = best_of(repeats, solve)
    print(
        f"Gate-driven 1T1R, {vectors} vectors on {size} x {size}: {1e3 * exact:.2f} ms, ideal float64 product "
        f"{1e3 * ideal:.2f} ms: {exact / ideal:.1f} times"
    )


def compare_newton(vectors: int, size: int, repeats: int) -> None:
    """Print the CPU time of a vector with nonlinear cells, relaxed and by Newton's steps."""
    g = 0.1 * make_cells(size, size)
    v = make_reads(vectors, size)
    lines = Lines(wires=Wires(r_wl_ohm=OHM, r_bl_ohm=OHM))
    print(f"Sinh cells of 1..10 uS on {size} x {size}, a vector of {vectors}")
    for scale_volt in (0.1, 0.05):
        iv = Sinh(scale_volt=scale_volt, reference_volt=0.2)
        circuit = build_circuit(TOPOLOGIES["passive"], g.shape, lines)
        start = time.process_time()
        exact = solve_nodes(circuit, g, v[:1], iv, 100, [0]).cell_ampere.sum(axis=1)
        newton = time.process_time() - start
        for tol in (1e-4, 1e-9):
            case = {"iv": iv, "tol": tol, "threads": 1, "r_wl_ohm": OHM, "r_bl_ohm": OHM}
            found = solve_reads(g, v, **case)
            error = np.abs(found.currents[:1] - exact).max() / found.full_ampere[0]
            seconds = best_of(repeats, lambda case=case: solve_reads(g, v, **case), time.process_time) / vectors
            print(
                f"  {scale_volt:g} V to {tol:.0e}: {1e3 * seconds:.3f} ms, {found.passes.max()} passes, bound "
                f"{(found.error_ampere / found.full_ampere).max():.0e}, error {error:.0e}; Newton with sparse LU "
                f"{1e3 * newton:.0f} ms: {newton / seconds:.0f}x"
            )


def compare_topologies(vectors: int, size: int, repeats: int) -> None:
    """Print the CPU time of some vectors of every topology that is relaxed, with ohmic and with nonlinear cells."""
    g, v = 0.1 * make_cells(size, size), make_reads(vectors, size)
    print(f"{vectors} vectors on {size} x {size}, cells of 1..10 uS, to 1e-9")
    curves = (
        None,
        Sinh(scale_volt=0.1, reference_volt=0.2),
        Selector(threshold_volt=0.1, width_volt=5e-3, off_ratio=1e-4),
    )
    for layout, iv in itertools.product(TOPOLOGIES.values(), curves):
        if (layout.solver != "nodes" and iv is None) or layout.has_selector != isinstance(iv, Selector):
            continue
        case = {"topology": layout, "iv": iv, "r_wl_ohm": OHM, "r_bl_ohm": OHM, "r_sl_ohm": OHM}
        solve_currents(g, v, threads=1, **case)
        ours = best_of(repeats, lambda case=case: solve_currents(g, v, threads=1, **case), time.process_time)
        line = f"  {layout.name}, {'ohmic' if iv is None else iv.kind}: {1e3 * ours:.1f} ms"
        if iv is None:
            nodal = best_of(1, lambda case=case: solve_currents_report(g, v, **case))
            line += f"; nodal analysis {1e3 * nodal:.0f} ms: {nodal / ours:.0f}x"
        print(line)


def make_reads(vectors: int, size: int) -> np.ndarray:
    """Draw rows at 0.2 V, a twentieth to half of them driven [V]."""
    rng = np.random.default_rng(1)
    return np.where(rng.random((vectors, size)) < rng.uniform(0.05, 0.5, (vectors, 1)), 0.2, 0.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one repeat of small sizes")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        measure_memory(options.memory)
        return
    repeats = 1 if options.quick else 5
    with threadpool_limits(1):
        compare_sizes(SIZES[:2] if options.quick else SIZES, repeats)
        report_memory(64 if options.quick else 512)
        compare_certificates(SIZES[:2] if options.quick else SIZES[1:4], repeats)
        compare_inference(4 if options.quick else 64, repeats)
        compare_threads(16 if options.quick else 256, 64, repeats)
        compare_newton(16 if options.quick else 64, 64 if options.quick else 128, repeats)
        compare_topologies(20, 64 if options.quick else 128, repeats)
        compare_gate_driven(100 if options.quick else 1000, 64 if options.quick else 128, repeats)


if __name__ == "__main__":
    main()
