"""Oracle: the passive array as a graph of nodes and conductances, solved by a dense or sparse nodal analysis.

Zero resistances merge nodes, so that nothing is divided by zero and nothing is approximated.
"""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu


def solve_nodal_transfer(g, r_wl=0.0, r_bl=0.0, r_source=0.0, r_sink=0.0, refined=False):
    """Return t (rows, cols) with sensed currents = v_in @ t, by one sparse solve per driver.

    ``refined`` repeats it for what is left over, with dense sums in long double: for small arrays.
    """
    rows, cols = g.shape
    word = lambda i, j: ("w", i, j)  # noqa: E731
    bit = lambda i, j: ("b", i, j)  # noqa: E731
    resistors = []
    for i in range(rows):
        resistors.append((("driver", i), word(i, 0), r_source + r_wl))
        resistors += [(word(i, j), word(i, j + 1), r_wl) for j in range(cols - 1)]
    for j in range(cols):
        resistors.append((bit(rows - 1, j), ("sensor", j), r_sink + r_bl))
        resistors += [(bit(i, j), bit(i + 1, j), r_bl) for i in range(rows - 1)]
    parent = {}

    def find(node):
        while parent.get(node, node) != node:
            node = parent[node]
        return node

    def fixed(node):
        return node[0] in ("driver", "sensor")

    for a, b, r in resistors:
        if r == 0:
            a, b = find(a), find(b)
            if a != b:
                keep, drop = (a, b) if fixed(a) else (b, a)
                parent[drop] = keep
    links = [(a, b, 1 / r) for a, b, r in resistors if r > 0]
    links += [(word(i, j), bit(i, j), g[i, j]) for i in range(rows) for j in range(cols)]
    links = [(find(a), find(b), c) for a, b, c in links]
    names = sorted({node for a, b, _ in links for node in (a, b) if not fixed(node)})
    index = {node: n for n, node in enumerate(names)}
    entries, into, out = [], np.zeros((len(names), rows)), np.zeros((cols, len(names)))
    t = np.zeros((rows, cols))
    for a, b, c in links:
        for x, y in ((a, b), (b, a)):
            if x in index:
                entries.append((index[x], index[x], c))
                if y in index:
                    entries.append((index[x], index[y], -c))
                elif y[0] == "driver":
                    into[index[x], y[1]] += c
                else:
                    out[y[1], index[x]] += c
            elif x[0] == "driver" and y[0] == "sensor":
                t[x[1], y[1]] += c
    if names:
        i, j, c = np.array(entries).T
        matrix = coo_matrix((c, (i.astype(int), j.astype(int))), shape=(len(names),) * 2).tocsc()
        matrix = matrix + 1e-300 * coo_matrix((len(names), len(names))).tocsc()
        factor = splu(matrix)
        x = factor.solve(into)
        if refined:
            dense, out = np.zeros(matrix.shape, dtype=np.longdouble), out.astype(np.longdouble)
            for row, col, siemens in entries:
                dense[row, col] += np.longdouble(siemens)
            x = x.astype(np.longdouble)
            for _ in range(3):
                x += factor.solve((into - dense @ x).astype(np.float64))
        t += (out @ x).T.astype(np.float64)
    return t
