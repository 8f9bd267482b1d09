"""Who reads which tensor of an ONNX graph, and what is told of a graph that cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.network.graph import INPUT, Node
from xbarsim.network.kinds.ends import OUTPUTS
from xbarsim.network.onnx_layers import Operator

_ALIASES = ("Identity", "Dropout", "Cast")


def all_reads(proto: Any) -> list[str]:
    """Return the tensors that a node reads, those of its subgraphs among them, each once."""
    names = [name for name in proto.input if name]
    for item in proto.attribute:
        for graph in [item.g, *item.graphs]:
            made = {each.name for each in [*graph.input, *graph.initializer]}
            for node in graph.node:
                names += [name for name in all_reads(node) if name not in made]
                made.update(node.output)
    return list(dict.fromkeys(names))


def count_reads(graph: Any) -> tuple[Counter[str], Counter[str], dict[str, str]]:
    """Count readers by tensor and by origin, and map tensors to what they are another name of."""
    reads: Counter[str] = Counter(value.name for value in graph.output)
    origins: dict[str, str] = {}
    readers: Counter[str] = Counter()
    for node in graph.node:
        names = all_reads(node)
        reads.update(names)
        if node.op_type in _ALIASES:
            origins[node.output[0]] = origin_of(origins, node.input[0])
        else:
            readers.update(origin_of(origins, name) for name in names)
    readers.update(origin_of(origins, value.name) for value in graph.output)
    return reads, readers, origins


def origin_of(origins: Mapping[str, str], name: str) -> str:
    """Return the tensor that a tensor is another name of, or itself."""
    return origins.get(name, name)


def describe_mixing(operator: Operator, reason: str) -> str:
    """Say which operator mixes images, and the way out."""
    return (
        f"{operator.kind} (node {operator.name[:60]}): {reason}; a network computes every image by itself: export with "
        "a fixed batch of one, or give input_shape= every axis, the batch among them: then all of it is one image"
    )


def describe_problems(problems: Sequence[tuple[str, str, str]]) -> str:
    """Name the first operator that cannot be read and count the others."""
    kind, name, reason = problems[0]
    counts = Counter(each for each, _, _ in problems[1:])
    others = ", ".join(f"{kind} {count} times" if count > 1 else kind for kind, count in counts.most_common(5))
    more = f"; further on: {others}" if others else ""
    return (
        f"{kind} (node {name[:60]}): {reason[:120]}{more}; try: export with fixed sizes (input_shape=) or leave "
        "this part to code around the network (outputs=)"
    )


def choose_outputs(graph: Any, asked: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the outputs of a graph that names or globs stand for, the first where none are given."""
    names = [value.name for value in graph.output]
    if not names:
        raise ConfigError("has no output; try: export it again")
    globs = [names[0]] if asked is None else [asked] if isinstance(asked, str) else list(asked)
    found: dict[str, None] = {}
    for glob in globs:
        matched = [glob] if glob in names else [name for name in names if fnmatchcase(name, str(glob))]
        if not matched:
            raise ConfigError(f"outputs: {glob!r} is no output of the file; it has {', '.join(names)[:200]}")
        found |= dict.fromkeys(matched)
    if not found:
        raise ConfigError(f"outputs: names none; the file has {', '.join(names)[:200]}")
    return tuple(found)


def join_outputs(nodes: Mapping[str, Node], outputs: Mapping[str, str]) -> Node:
    """Return the node that packs several outputs (name -> node) into one vector, under a name that is free."""
    name = OUTPUTS
    while name in nodes:
        name += "_"
    return Node(name=name, kind=OUTPUTS, inputs=tuple(outputs.values()), attributes={"names": tuple(outputs)})


def reachable(nodes: dict[str, Node], output: str) -> tuple[Node, ...]:
    """Return the nodes that an output depends on, in their order."""
    needed, waiting = set(), [output]
    while waiting:
        name = waiting.pop()
        if name != INPUT and name not in needed:
            needed.add(name)
            waiting.extend(nodes[name].inputs)
    return tuple(node for name, node in nodes.items() if name in needed)
