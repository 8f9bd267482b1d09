"""The tile pipeline a second time, as SimPy processes: one for each window, one server for each resource.

Nothing is shared with the event loop but the plan, the dataflow, the positions of tiles and the paths of the network on
chip (each tested on its own); shares of tiles are found by walking through all arrays one by one.
"""

import heapq
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import simpy

from xbarsim.timing.dataflow import POOLS, trace_dataflow
from xbarsim.timing.layout import locate_tiles
from xbarsim.timing.route import make_fabric

LAST = 2  # priority behind everything else that happens in a cycle


def end_of_cycle(env):
    """Return an event that comes after all others of this cycle."""
    event = env.event()
    event._ok, event._value = True, None
    env.schedule(event, priority=LAST)
    return event


class Server:
    """One resource: serves in order of request, ties by (step, window, slot)."""

    def __init__(self, env):
        self.env, self.queue, self.busy = env, [], 0
        self.arrival = env.event()
        env.process(self.serve())

    def use(self, key, cycles):
        done = self.env.event()
        heapq.heappush(self.queue, (self.env.now, key, cycles, done))
        if not self.arrival.triggered:
            self.arrival.succeed()
        return done

    def serve(self):
        while True:
            if not self.queue:
                self.arrival = self.env.event()
                yield self.arrival
            yield end_of_cycle(self.env)
            _, _, cycles, done = heapq.heappop(self.queue)
            self.busy += cycles
            yield self.env.timeout(cycles)
            done.succeed()


class Network:
    """Links, booked by packets in the order of injection."""

    def __init__(self, env, fabric, timing, io_bits):
        self.env, self.fabric, self.timing, self.io_bits = env, fabric, timing, io_bits
        self.free, self.busy, self.pending = {}, {}, []

    def send(self, key, source, targets, bits):
        """Return an event for every target tile, all of them other than the source."""
        events = {target: self.env.event() for target in targets}
        if not self.pending:
            self.env.process(self.inject())
        self.pending.append((key, source, sorted(targets), bits, events))
        return events

    def inject(self):
        yield end_of_cycle(self.env)
        pending, self.pending = sorted(self.pending, key=lambda packet: packet[0]), []
        for _, source, targets, bits, events in pending:
            heads, tails = {None: self.env.now}, {None: self.env.now}
            for target in targets:
                before = None
                for link in self.fabric.path(source, target):
                    if link not in heads:
                        width = self.io_bits if link[0] == "chip" else self.timing.link_bits
                        cycles = math.ceil(bits / width)
                        start = max(heads[before], self.free.get(link, 0))
                        self.free[link] = start + cycles
                        self.busy[link] = self.busy.get(link, 0) + cycles
                        heads[link] = start + self.timing.hop_cycles
                        tails[link] = max(tails[before], start + cycles) + self.timing.hop_cycles
                    before = link
                self.env.process(self.deliver(tails[before], events[target]))

    def deliver(self, when, event):
        yield self.env.timeout(when - self.env.now)
        event.succeed()


def share_tiles(plan, layer, replica, places):
    """Return position -> (distinct rows, touched outputs), in the order of arrays, by walking through all of them."""
    each = layer.polarities
    hardware, slices = layer.hardware, layer.columns_per_weight
    cols = hardware.crossbar.cols
    tiles, at = {}, layer.first_array + replica * (layer.arrays // layer.replicas)
    for index in range(layer.stripes):
        stripe = layer.stripe(index)
        separate = hardware.mapping.slices == "separate"
        per_slice = math.ceil(stripe.cols / cols)
        for block in range(stripe.col_blocks):
            if separate:
                first = block % per_slice * cols
                outputs = range(first, min(stripe.cols, first + cols))
            else:
                physical = range(block * cols, min(stripe.cols * slices, (block + 1) * cols))
                outputs = {column // slices for column in physical}
            for low, high in zip(stripe.row_starts[:-1], stripe.row_starts[1:], strict=True):
                for _ in range(each):
                    rows, held = tiles.setdefault(at // plan.arrays_per_tile, (set(), set()))
                    rows.update((index, row) for row in range(low, high))
                    held.update((index, output) for output in outputs)
                    at += 1
    return {places[tile]: (len(rows), len(held)) for tile, (rows, held) in sorted(tiles.items())}


def operands_of(step, store_bits, bits):
    """Return the numbers that a window reads: of a product, walk through the blocks of rows that a store keeps."""
    if step.factors is None:
        return step.operands
    stacks, rows, inner, cols = (getattr(step.factors, name) for name in ("stacks", "rows", "inner", "cols"))
    kept, read, row = store_bits // bits, 0, 0
    while row < rows:
        block = rows if kept >= inner * cols else min(rows - row, max(1, kept // inner))
        read += block * inner + inner * cols
        row += block
    return math.ceil(stacks * read / step.windows)


def off_chip_width(plan):
    """Return the bits a cycle of a chip's link: each tile brings its part of the link of a full chip."""
    chip, whole = plan.hardware.chip, plan.hardware.timing.io_bits
    full = chip.full_tiles if chip.full_tiles is not None else chip.tiles
    return whole if full == "auto" else Fraction(whole, full) * plan.tiles_per_chip


def run_paced(plan):
    """Run a pipeline; where streams are not limited, once to find its pace, and once with inputs at this pace."""
    first = Pipeline(plan).run()
    if not plan.pipelined or plan.hardware.timing.stream_bits is not None:
        return first
    return Pipeline(plan, pace=first.pace()).run()


class Pipeline:
    """All processes of one inference."""

    def __init__(self, plan, pace=0):
        self.plan, self.timing, self.input_pace = plan, plan.hardware.timing, pace
        self.env = simpy.Environment()
        self.steps = trace_dataflow(plan.network).steps
        self.layers = {layer.name: layer for layer in plan.layers}
        self.fabric = make_fabric(plan.hardware, plan.tiles_per_chip)
        self.io_bits = off_chip_width(plan)
        self.noc = Network(self.env, self.fabric, self.timing, self.io_bits)
        self.servers, self.registers, self.arrays = {}, {}, {}
        self.shares, self.homes, self.places, self.wanted = [], [], locate_tiles(plan), {}
        for step in self.steps:
            self.place(step)
        self.bits = self.activation_bits()
        self.consumers = [
            [c for c, other in enumerate(self.steps) if index in dict(other.edges)] for index in range(len(self.steps))
        ]
        self.arrived = {(s, c): set() for s, cs in enumerate(self.consumers) for c in cs}
        self.pointer = dict.fromkeys(self.arrived, -1)
        self.released = [0] * len(self.steps)
        self.reads, self.read = {}, [0] * len(self.steps)
        self.go = [[self.env.event() for _ in range(step.windows)] for step in self.steps]
        self.start, self.finish = {}, {}

    def place(self, step):
        layer = self.layers.get(step.name)
        if layer:
            self.shares.append(
                [share_tiles(self.plan, layer, replica, self.places) for replica in range(layer.replicas)]
            )
            self.homes.append([next(iter(share)) for share in self.shares[-1]])
        elif step.kind == "array_write":
            product = self.layers[step.name.removesuffix(".write")]
            self.wanted[len(self.homes)] = set(share_tiles(self.plan, product, 0, self.places))
            self.shares.append(None)
            self.homes.append([next(iter(share_tiles(self.plan, product, 0, self.places)))])
        else:
            source = max((source for source, _ in step.edges), default=0)
            self.shares.append(None)
            self.homes.append([0] if source == 0 or step.kind == "output" else self.homes[source])

    def activation_bits(self):
        bits = [0] * len(self.steps)
        for index in reversed(range(len(self.steps))):
            layer = self.layers.get(self.steps[index].name)
            own = bits[index] or self.plan.hardware.activation_bits
            for source, _ in self.steps[index].edges:
                taken = layer.activation_bits if layer else own
                if layer and self.steps[source].kind == "array_write":
                    taken = layer.weight_bits
                bits[source] = max(bits[source], taken)
            bits[index] = own
        return bits

    def server(self, *name):
        if name not in self.servers:
            self.servers[name] = Server(self.env)
        return self.servers[name]

    def run(self):
        for index, step in enumerate(self.steps):
            for window in range(step.windows):
                self.env.process(self.window(index, window))
        self.release(0)
        self.env.run()
        return self

    def pace(self):
        """Return the cycles between two inputs: those of the busiest resource, over all inputs; after a run."""
        busy = [server.busy for name, server in self.servers.items() if name[-1] != "write drivers"]
        busy += list(self.noc.busy.values())
        return max(busy) // self.steps[0].windows

    def window(self, index, window):
        step, layer, timing = self.steps[index], self.layers.get(self.steps[index].name), self.timing
        key = (index, window)
        yield self.go[index][window]
        replica = window % len(self.homes[index])
        home = self.homes[index][replica]
        bits = step.values * self.bits[index]
        if step.kind == "input":
            first = max(need[0] for other in self.steps for source, need in other.edges if source == 0)
            yield self.env.timeout(max(0, window - first - 1) * self.input_pace)
            yield self.server("in").use((*key, 0), math.ceil(bits / self.io_bits))
        elif layer:
            passes = [
                self.env.process(self.slot(index, window, replica, slot, tile))
                for slot, tile in enumerate(self.shares[index][replica])
            ]
            yield self.env.all_of(passes)
            merged = sum(outputs for tile, (_, outputs) in self.shares[index][replica].items() if tile != home)
            if merged:
                yield self.server(home, "vector").use((*key, 0), math.ceil(merged / timing.vector_lanes))
            yield self.server(home, "activation").use((*key, 0), math.ceil(step.values / timing.activation_lanes))
        else:
            is_write = step.kind == "array_write"
            width = min(timing.buffer_bits, timing.bus_bits) if is_write else timing.buffer_bits
            read = math.ceil(operands_of(step, timing.operand_bits, self.bits[index]) * self.bits[index] / width)
            yield self.server(home, "buffer read", index % timing.buffer_banks).use((*key, 0), read)
            self.forget(index, window, 1)
            if step.kind == "output":
                yield self.server("out").use((*key, 0), math.ceil(bits / self.io_bits))
                self.finish[key] = self.env.now
                return
            pool = step.kind in POOLS
            lanes = timing.pooling_lanes if pool else timing.vector_lanes
            unit = self.server(home, "write drivers" if is_write else "pooling" if pool else "vector")
            cycles = self.write_cycles(step) if is_write else math.ceil(step.operations / lanes)
            yield unit.use((*key, 0), cycles)
        if step.kind != "input":
            yield self.server(home, "buffer write", index % timing.buffer_banks).use(
                (*key, 0), math.ceil(bits / timing.buffer_bits)
            )
        yield from self.send(index, window, home, bits)

    def slot(self, index, window, replica, slot, tile):
        layer, timing, key = self.layers[self.steps[index].name], self.timing, (index, window, slot)
        rows, outputs = self.shares[index][replica][tile]
        place = (index, replica, slot)
        register = self.registers.setdefault(place, simpy.Resource(self.env, capacity=2))
        array = self.arrays.setdefault(place, simpy.Resource(self.env))
        held = register.request()
        yield held
        bits = rows * layer.activation_bits
        yield self.server(tile, "buffer read", index % timing.buffer_banks).use(
            key, math.ceil(bits / timing.buffer_bits)
        )
        yield self.server(tile, "bus").use(key, math.ceil(bits / timing.bus_bits))
        self.forget(index, window, len(self.shares[index][replica]))
        turn = array.request()
        yield turn
        self.start[index, window] = min(self.env.now, self.start.get((index, window), self.env.now))
        period = self.period(layer)
        busy = period * (layer.streams + (0 if timing.overlapped else timing.array_stages))
        yield self.env.timeout(busy)
        array.release(turn)
        register.release(held)
        yield self.env.timeout(period * (layer.streams + timing.array_stages) - busy)
        home = self.homes[index][replica]
        if tile != home:
            partial = min(32, layer.weight_bits + layer.activation_bits + max(1, math.ceil(math.log2(layer.rows))))
            yield self.noc.send((*key, 0), tile, {home}, outputs * partial)[home]

    def write_cycles(self, step):
        """Return the cycles that the fullest tile takes for its arrays, row after row; drivers are those of tiles."""
        product = self.layers[step.name.removesuffix(".write")]
        rows, write = max(np.diff(product.row_starts)), product.hardware.device.write
        held = Counter((product.first_array + each) // self.plan.arrays_per_tile for each in range(product.arrays))
        return math.ceil(max(held.values()) * rows * write.pulses * write.pulse_s * self.timing.clock_hz - 1e-9)

    @staticmethod
    def period(layer):
        hardware, timing = layer.hardware, layer.hardware.timing
        read = timing.read_cycles
        if timing.read_rows:
            read = max(1, math.ceil(read * hardware.crossbar.rows / timing.read_rows))
        if "adc" not in hardware.components:
            return read
        columns = int(layer.block_columns().max()) + (hardware.encoding in ("offset", "flip"))
        each = 1
        if layer.polarities == 2:
            each = 2 if hardware.adc.subtract == "analog" else 1
        table = hardware.components["adc"].table
        rate = table[hardware.adc_bits].rate_hz if table else hardware.components["adc"].rate_hz
        return max(read, math.ceil(columns / (hardware.adc.per_array * each) * timing.clock_hz / rate - 1e-9))

    def tiles(self, index):
        if index in self.wanted:
            return self.wanted[index]
        if self.shares[index] is None:
            return set(self.homes[index])
        return {tile for share in self.shares[index] for tile in share}

    def send(self, index, window, home, bits):
        wanted = {c: self.tiles(c) - {home} for c in self.consumers[index]}
        everywhere = set().union(*wanted.values())
        events = self.noc.send((index, window, 0, 1), home, everywhere, bits) if everywhere else {}
        arrivals = []
        for consumer in self.consumers[index]:
            if wanted[consumer]:
                reached = [events[tile] for tile in sorted(wanted[consumer])]
                arrivals.append(self.env.process(self.arrive(index, window, consumer, reached)))
            else:
                self.note(index, window, consumer)
        yield from arrivals
        self.finish[index, window] = self.env.now

    def arrive(self, index, window, consumer, events):
        yield from events
        self.note(index, window, consumer)

    def note(self, index, window, consumer):
        """A value has arrived: move the buffer's pointer and let waiting windows go, in order."""
        self.arrived[index, consumer].add(window)
        while self.pointer[index, consumer] + 1 in self.arrived[index, consumer]:
            self.pointer[index, consumer] += 1
        if self.timing.pipelined:
            self.release(consumer)
        elif all(len(self.arrived[index, c]) == self.steps[index].windows for c in self.consumers[index]):
            for event in self.go[index + 1]:
                event.succeed()

    def release(self, index):
        """Let windows go in order, as far as their operands are there and their consumers have room."""
        at = self.released[index]
        while at < len(self.go[index]):
            if any(self.pointer[source, index] < need[at] for source, need in self.steps[index].edges):
                break
            if any(at >= self.room(index, consumer) for consumer in self.consumers[index]):
                break
            self.go[index][at].succeed()
            at += 1
        self.released[index] = at

    def room(self, index, consumer):
        """Return how many windows of a step fit, all told, into the buffer of one of its consumers."""
        step = self.steps[consumer]
        if self.timing.stream_bits is None or self.read[consumer] == step.windows:
            return self.steps[index].windows
        place = [source for source, _ in step.edges].index(index)
        held = self.timing.stream_bits // (self.steps[index].values * self.bits[index])
        return step.keeps[place][self.read[consumer]] + held

    def forget(self, index, window, parts):
        """A part of a window has been read; when all in front of it have, their producers may find room."""
        self.reads[window, index] = self.reads.get((window, index), 0) + 1 / parts
        at = self.read[index]
        while self.reads.get((at, index), 0) > 1 - 1e-9:
            at += 1
        if at > self.read[index] and self.timing.stream_bits is not None and self.timing.pipelined:
            self.read[index] = at
            for source, _ in self.steps[index].edges:
                self.release(source)
