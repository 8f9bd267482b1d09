"""Oracle: any array as a list of branches, with equations and SPICE decks of its own.

Written from docs/topologies.md alone; nothing of the package is used, so that a mistake of its builder of circuits
shows. Wires carry their current as an unknown, ``v_a - v_b = r i``: a wire of zero ohm is an equation like any other,
and no nodes are merged. The equations are dense.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

MICRO = 1e-6
"""Currents are counted in microampere, so that all coefficients are of similar size."""


def at_start(_line):
    return "start"


def at_end(_line):
    return "end"


def at_both(_line):
    return "start end"


def odd_at_end(line):
    return "end" if line % 2 else "start"


def odd_at_start(line):
    return "start" if line % 2 else "end"


class Layout(NamedTuple):
    """What docs/topologies.md says about a topology."""

    driven: object = at_start
    """Ends of the first lines that have a driver, by line."""
    sensed: object = at_end
    """Ends of the bit lines that have a sensor, by column."""
    gates: bool = False
    """Whether inputs open gates, and first lines are held at the read voltage."""
    by_column: bool = False
    """Whether first lines run along the columns."""
    floats: bool = False
    """Whether lines without input or sensor are left open."""


LAYOUTS = {
    "passive": Layout(),
    "passive_near": Layout(sensed=at_start),
    "passive_both": Layout(driven=at_both),
    "passive_interleaved": Layout(driven=odd_at_end),
    "passive_interleaved_both": Layout(driven=odd_at_end, sensed=odd_at_start),
    "passive_floating": Layout(floats=True),
    "1t1r": Layout(),
    "1t1r_gate": Layout(gates=True, by_column=True),
    "1t1r_gate_near": Layout(sensed=at_start, gates=True, by_column=True),
    "1t1r_gate_rows": Layout(gates=True),
    "1s1r": Layout(),
    "1s1r_floating": Layout(floats=True),
}


class Branches(NamedTuple):
    """A circuit; nodes have names."""

    wires: list
    """(node, node, ohm)."""
    cells: list
    """(node, node, siemens)."""
    drivers: dict
    """Node to voltage."""
    sensors: dict
    """Column to node, which is held at 0 V."""


def list_branches(topology, g, v_in, *, sensed=None, read_volt=None, r_access_ohm=0.0, g_leak_siemens=0.0, **ohms):
    """List the branches of an array (rows, cols) for one vector of inputs (rows,)."""
    layout, (rows, cols) = LAYOUTS[topology], g.shape
    sensed = np.ones(cols, dtype=bool) if sensed is None else sensed
    read_volt = max(v_in) if read_volt is None else read_volt
    found = Branches([], [], {}, {})
    for i in range(rows):
        for j in range(cols):
            opened = (v_in[i] / read_volt if read_volt else 0.0) if layout.gates else 1.0
            for part, share, ohm in (
                ("open", opened, r_access_ohm),
                ("closed", 1.0 - opened, 1 / g_leak_siemens if g_leak_siemens else None),
            ):
                if share == 0 or ohm is None:
                    continue
                middle = f"{part}_{i}_{j}"
                found.cells.append((f"first_{i}_{j}", middle, g[i, j] * share))
                found.wires.append((middle, f"bit_{i}_{j}", ohm / share))
    segment = ohms.get("r_sl_ohm" if layout.gates else "r_wl_ohm", 0.0)
    for line in range(cols if layout.by_column else rows):
        nodes = [f"first_{i}_{line}" for i in range(rows)] if layout.by_column else (
            [f"first_{line}_{j}" for j in range(cols)]
        )  # fmt: skip
        volt = read_volt if layout.gates else v_in[line]
        is_open = layout.floats and volt == 0
        terminals = join_line(
            found, nodes, segment, ohms.get("r_source_ohm", 0.0), "" if is_open else layout.driven(line)
        )
        found.drivers.update(dict.fromkeys(terminals, volt))
    for j in range(cols):
        nodes = [f"bit_{i}_{j}" for i in range(rows)]
        is_open = layout.floats and not sensed[j]
        ends = "" if is_open else layout.sensed(j)
        for node in join_line(found, nodes, ohms.get("r_bl_ohm", 0.0), ohms.get("r_sink_ohm", 0.0), ends):
            found.sensors[j] = node
    return found


def join_line(found, nodes, segment, terminal, ends):
    """Add the wires of a line; return its terminals."""
    found.wires.extend((a, b, segment) for a, b in pairwise(nodes))
    made = []
    for end in ends.split():
        made.append(f"terminal_{nodes[0]}_{end}")
        found.wires.append((made[-1], nodes[0 if end == "start" else -1], segment + terminal))
    return made


def follow(curve, v):
    """Return current and slope of cells of 1 S, from the formula of the curve; ``curve`` is None or (kind, numbers)."""
    if curve is None:
        return v, np.ones_like(v)
    kind, *numbers = curve
    if kind == "sinh":
        scale, reference = numbers
        factor = reference / (scale * np.sinh(reference / scale))
        return factor * scale * np.sinh(v / scale), factor * np.cosh(v / scale)
    if kind == "polynomial":
        powers = np.arange(len(numbers) + 1)[:, np.newaxis]
        c = np.array([1.0, *numbers])[:, np.newaxis]
        return (c * v ** (powers + 1)).sum(axis=0), (c * (powers + 1) * v**powers).sum(axis=0)
    threshold, width, off = numbers
    step = 0.5 * (1.0 + np.tanh((np.abs(v) - threshold) / (2 * width)))
    share = off + (1.0 - off) * step
    return v * share, share + np.abs(v) * (1.0 - off) * step * (1.0 - step) / width


def solve_branches(found, curve=None):
    """Return sensed currents by column and the power of the drivers, from dense equations and Newton's steps."""
    names = sorted({name for a, b, _ in [*found.wires, *found.cells] for name in (a, b)})
    place = {name: n for n, name in enumerate(names)}
    wires, size = len(found.wires), len(names) + len(found.wires)
    fixed = {**found.drivers, **dict.fromkeys(found.sensors.values(), 0.0)}
    matrix, known = np.zeros((size, size)), np.zeros(size)
    for k, (a, b, ohm) in enumerate(found.wires, start=len(names)):
        matrix[place[a], k] += 1.0
        matrix[place[b], k] -= 1.0
        matrix[k, place[a]], matrix[k, place[b]], matrix[k, k] = 1.0, -1.0, -ohm * MICRO
    for name, volt in fixed.items():
        matrix[place[name]] = 0.0
        matrix[place[name], place[name]], known[place[name]] = 1.0, volt
    start = np.array([place[a] for a, _, _ in found.cells], dtype=int)
    end = np.array([place[b] for _, b, _ in found.cells], dtype=int)
    g = np.array([siemens for *_, siemens in found.cells]) / MICRO
    is_free = np.array([name not in fixed for name in names])

    def leave_open(x, law):
        """Return what Kirchhoff's laws leave open, and the matrix of slopes."""
        current, slope = follow(law, x[start] - x[end])
        excess, tangent = matrix @ x - known, matrix.copy()
        for nodes, sign in ((start, 1.0), (end, -1.0)):
            held = is_free[nodes]
            np.add.at(excess, nodes[held], sign * (g * current)[held])
            np.add.at(tangent, (nodes[held], start[held]), sign * (g * slope)[held])
            np.add.at(tangent, (nodes[held], end[held]), -sign * (g * slope)[held])
        return excess, tangent

    x = step_to(np.zeros(size), leave_open, None)
    if curve is not None:
        for _ in range(200):
            before = x
            x = step_to(x, leave_open, curve)
            if np.abs(x - before).max() <= 1e-13 * np.abs(x).max():
                break
    into = dict.fromkeys(fixed, 0.0)
    for (a, b, _), i in zip(found.wires, x[size - wires :] * MICRO):
        for name, sign in ((a, -1.0), (b, 1.0)):
            if name in into:
                into[name] += sign * i
    power = sum(-volt * into[name] for name, volt in found.drivers.items())
    return np.array([into[found.sensors[j]] for j in sorted(found.sensors)]), power


def step_to(x, leave_open, law):
    """Make a Newton step, halved until the laws are kept better; parts of a circuit that hang free stay at 0 V."""
    excess, tangent = leave_open(x, law)
    try:
        move = np.linalg.solve(tangent, -excess)
        if not np.abs(tangent @ move + excess).max() <= 1e-9 * max(np.abs(excess).max(), 1e-30):
            raise np.linalg.LinAlgError
    except np.linalg.LinAlgError:
        move = np.linalg.lstsq(tangent, -excess, rcond=1e-14)[0]
    share, size = 1.0, np.abs(excess).sum()
    while share > 1e-3 and np.abs(leave_open(x + share * move, law)[0]).sum() > size:
        share *= 0.5
    return x + share * move


def write_deck(found, curve=None):
    """Write a SPICE deck that prints ``i(vs0) = ...`` for every sensor."""
    cards = ["* array from its list of branches"]
    cards += [f"Vd{k} {name} 0 {float(volt)!r}" for k, (name, volt) in enumerate(found.drivers.items())]
    cards += [f"Vs{j} {name} 0 0" for j, name in found.sensors.items()]
    for k, (a, b, ohm) in enumerate(found.wires):
        cards.append(f"Rw{k} {a} {b} {float(ohm)!r}" if ohm else f"Vw{k} {a} {b} 0")
    for k, (a, b, siemens) in enumerate(found.cells):
        if siemens:
            cards.append(f"Bc{k} {a} {b} I={write_curve(curve, float(siemens), f'v({a},{b})')}")
    cards += [".options reltol=1e-10 abstol=1e-20 vntol=1e-14 gmin=1e-20 itl1=1000", ".control", "set numdgt=15", "op"]
    cards += [f"print i(vs{j})" for j in sorted(found.sensors)]
    return "\n".join([*cards, "quit 0", ".endc", ".end", ""])


def write_curve(curve, siemens, v):
    """Write the current of a cell as an expression of ngspice."""
    if curve is None:
        return f"{siemens!r}*{v}"
    kind, *numbers = curve
    if kind == "sinh":
        scale, reference = numbers
        factor = siemens * float(reference / np.sinh(reference / scale))
        return f"{factor!r}*sinh({v}/{scale!r})"
    if kind == "polynomial":
        terms = [f"{siemens * c!r}*{'*'.join([v] * n)}" for n, c in enumerate((1.0, *numbers), start=1)]
        return "+".join(terms)
    threshold, width, off = numbers
    return f"{siemens!r}*{v}*({off!r}+{(1 - off) / 2!r}*(1+tanh((abs({v})-{threshold!r})/{2 * width!r})))"
