"""Closed-form bounds on the cycles of one inference, from the tables of the event loop."""

import numpy as np

from xbarsim.timing._kernels import INPUT_STEP, LAYER_STEP, OUTPUT_STEP


def bound_cycles(machine):
    """Return closed-form bounds on the cycles of one inference.

    Below: the windows of any one step, one after the other on the arrays or unit of one replica, and the chain of
    last windows from input to output. Above: every window of every step on its own, one after the other, and the time
    in which inputs enter.
    """
    steps = machine.windows.size
    chain = np.zeros(steps, dtype=np.int64)
    low, high = 0, machine.input_pace * int(machine.windows[0])
    for step in range(steps):
        replicas, at = int(machine.replicas[step]), int(machine.first_replica[step])
        turns = -(-int(machine.windows[step]) // replicas)
        work, alone = [], []
        for replica in range(at, at + replicas):
            cycles = int(machine.unit_cycles[step])
            slots = slice(int(machine.first_slot[replica]), int(machine.first_slot[replica + 1]))
            each = machine.slot_read[slots] + machine.slot_bus[slots] + machine.slot_latency[slots]
            if machine.kind[step] != INPUT_STEP:
                cycles += int(each.max())
            if machine.kind[step] not in (INPUT_STEP, OUTPUT_STEP):
                cycles += int(machine.write_cycles[step])
            work.append(cycles + int(machine.merge_cycles[replica]))
            entries = [*range(machine.first_tree[replica], machine.last_tree[replica])]
            for slot in range(int(machine.first_slot[replica]), int(machine.first_slot[replica + 1])):
                entries.extend(range(machine.gather_first[slot], machine.gather_last[slot]))
            packets = sum(int(machine.tree_cycles[entry]) + 2 * machine.hop_cycles for entry in entries)
            alone.append(work[-1] + int(each.sum()) + packets)
        sources = np.repeat(np.arange(steps), np.diff(machine.first_out))
        incoming = machine.in_edge[machine.first_in[step] : machine.first_in[step + 1]]
        chain[step] = max((int(chain[sources[edge]]) for edge in incoming), default=0) + min(work)
        layer = machine.kind[step] == LAYER_STEP
        pace = int(machine.slot_occupancy[machine.first_slot[at]]) if layer else int(machine.unit_cycles[step])
        group = int(machine.group[step])
        low = max(low, pace * (turns * group - 1) + min(work))
        high += int(machine.windows[step]) * group * max(alone)
    return max(low, int(chain.max())), high
