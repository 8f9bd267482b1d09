"""Reference pages of all keys of YAML files, from the schemas that editors read.

    python benchmarks/validation/key_pages.py

writes the tables of docs/keys/hardware.md, sweep.md, search.md and network.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from xbarsim.config.docstring import read_descriptions
from xbarsim.config.keys import Section, list_sections, show_value
from xbarsim.config.schema import write_file_schema, write_whole_schema
from xbarsim.converter import CONVERTERS
from xbarsim.network.kinds import KINDS, NOT_IN_YAML, REQUIRED
from xbarsim.search.epitome import EpitomeSearch
from xbarsim.search.task import Search
from xbarsim.sweep.axis import Span
from xbarsim.sweep.file import Sweep

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "keys"
PAGES = ("hardware.md", "sweep.md", "search.md")
NETWORK = "network.md"
KINDS_MARKER = "<!-- kinds, written by python benchmarks/validation/key_pages.py -->"
MARKER = "<!-- keys, written by python benchmarks/validation/key_pages.py -->"
WHOLE = "The file itself"
"""Heading of the keys of hardware files that are in no section."""
READ = {
    "device": "[Devices](../devices.md)",
    "crossbar": "[Circuits of arrays](../theory/circuit.md), [Circuits, cells and measured arrays](../topologies.md), "
    "[Responses of circuits that depend on their inputs](../responses.md)",
    "dac": "[Input coding](../input_coding.md)",
    "adc": "[Converters](../converters.md), [Remedies](../remedies.md)",
    "mapping": "[Mapping](../theory/mapping.md), [Grouped layers](../remedies.md)",
    "epitome": "[Epitomes](../epitomes.md)",
    "chip": "[Mapping](../theory/mapping.md)",
    "timing": "[Timing](../theory/timing.md)",
    "activity": "[Energy, area and EDAP](../theory/cost.md)",
    "components.NAME": "[Energy, area and EDAP](../theory/cost.md), [Components](../components.md), "
    "[Counted actions](../actions.md)",
}
"""Section -> pages with its equations and their sources."""


SETTINGS = {
    "channels": "output channels",
    "features": "output features",
    "kernel": "size of the kernel",
    "stride": "step between windows; a pool without it steps by its kernel",
    "padding": "zeros added at the edges",
    "dilation": "distance between the elements of the kernel",
    "groups": "groups of channels with weights of their own; as many as channels for a depthwise layer",
    "min": "lower limit",
    "max": "upper limit",
    "alpha": "slope below zero of leaky_relu, slope of hard_sigmoid",
    "beta": "value of hard_sigmoid at zero",
    "approximate": "whether the tanh approximation is used",
    "ceil_mode": "whether a window that is not complete counts",
    "count_include_pad": "whether padding counts in the mean",
    "keepdims": "whether reduced axes remain with the size 1",
    "axes": "axes of the mean; the batch is axis 0",
    "axis": "axis; the batch is axis 0, and negative numbers count from the end",
    "pads": "elements added before and after each axis, the batch left out",
    "value": "value of the added elements",
    "ranges": "start, stop and step of each axis, the batch left out",
    "shape": "new shape without the batch",
    "order": "new order of the axes; the batch, axis 0, remains first",
    "epsilon": "added to the variance",
}
"""Setting of a layer -> meaning."""
MEANINGS = {
    "conv2d": "convolution; of one dimension with a height of 1",
    "linear": "product with a matrix of weights, along the last axis",
    "relu": "max(x, 0)",
    "clip": "x, limited to `min` and `max`",
    "leaky_relu": "x above 0, `alpha` x below",
    "sigmoid": "1 / (1 + exp(-x))",
    "hard_sigmoid": "`alpha` x + `beta`, from 0 to 1",
    "tanh": "hyperbolic tangent",
    "hard_swish": "x times the hard sigmoid of x, with 1/6 and 1/2",
    "erf": "error function",
    "sqrt": "square root",
    "gelu": "x times the normal distribution function of x",
    "max_pool": "largest value of each window",
    "avg_pool": "mean of each window",
    "global_avg_pool": "mean of each channel",
    "mean": "mean along axes",
    "add": "sum, element by element; smaller inputs are repeated",
    "sub": "first input less the others, element by element",
    "mul": "product, element by element",
    "div": "first input divided by the others, element by element",
    "matmul": "product of two activations as matrices",
    "concat": "inputs behind one another along an axis",
    "pad": "input with a constant around it",
    "slice": "part of the input",
    "flatten": "all axes as one",
    "reshape": "the same values in another shape",
    "transpose": "the same values with the axes in another order",
    "softmax": "exp(x) divided by its sum along an axis",
    "peak": "largest magnitude along the last axis, by which tokens are scaled",
    "layer_norm": "x less its mean, divided by its standard deviation, over the axes from `axis` on",
}
"""Kind of a layer -> meaning."""


def list_settings() -> list[Section]:
    """Return the settings of the converters that ship, by ``adc.kind``."""
    found = []
    for kind in CONVERTERS:
        cls = CONVERTERS[kind]
        schema = TypeAdapter(cls).json_schema()
        for name, text in read_descriptions(cls).items():
            schema["properties"][name]["description"] = text
        (section,) = list_sections({**schema, "description": inspect.getdoc(cls)})
        keys = tuple(key._replace(name=f"adc.settings.{key.name}") for key in section.keys)
        if keys:
            found.append(Section(f"adc.settings (adc.kind: {kind})", section.about, keys))
    return found


def list_hardware_sections() -> list[Section]:
    """Return the sections of hardware files, with the settings of converters behind ``adc``."""
    found = list_sections(write_whole_schema())
    after = [section.name for section in found].index("adc") + 1
    return [*found[:after], *list_settings(), *found[after:]]


def list_axis_sections() -> list[Section]:
    """Return the section of a range of a sweep's axis."""
    (section,) = list_sections(write_file_schema(Span))
    keys = tuple(key._replace(name=f"axes.KEY.{key.name}") for key in section.keys)
    return [Section("axes.KEY, a range", section.about, keys)]


def write_sections(sections: Iterable[Section], top: str, level: int = 2) -> str:
    """Return sections as headings and tables.

    Parameters
    ----------
    sections : iterable of Section
        In order.
    top : str
        Heading of the keys outside of sections.
    level : int
        Depth of the outermost headings.

    Returns
    -------
    str
        Markdown.
    """
    parts = []
    for section in sections:
        name, _, form = section.name.partition(" (")
        marks = "#" * (level + name.replace("[]", "").replace(".NAME", "").count("."))
        title = f"`{name}`" + (f" ({form}" if form else "") if name else top
        lines = [f"{marks} {title}"]
        if section.name:
            lines.append(_as_markdown(section.about))
        if name in READ and top == WHOLE:
            lines.append(f"Equations and sources: {READ[name]}.")
        rows = ["| key | values | default | unit | meaning |", "|---|---|---|---|---|"]
        for key in section.keys:
            default = key.default if key.default in ("", "required") else f"`{key.default}`"
            cells = (f"`{key.name}`", key.values, default, key.unit, _as_markdown(key.meaning))
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n\n".join([*lines, "\n".join(rows)]))
    return "\n\n".join(parts)


def _as_markdown(text: str) -> str:
    return text.replace("``", "`")


def write_page(name: str) -> str:
    """Return a page of docs/keys with its keys, which follow the marker, as the schema has them now."""
    before, mark, _ = (FOLDER / name).read_text().partition(MARKER)
    assert mark, f"{name}: no marker"
    if name == "hardware.md":
        keys = write_sections(list_hardware_sections(), WHOLE)
    elif name == "sweep.md":
        keys = write_sections([*list_sections(write_file_schema(Sweep)), *list_axis_sections()], "The file")
    else:
        parts = {"`search nax`": Search, "`search epitome`": EpitomeSearch}
        keys = "\n\n".join(
            write_sections(list_sections(write_file_schema(record)), title) for title, record in parts.items()
        )
    return f"{before}{mark}\n\n{keys}\n"


def write_kinds() -> str:
    """Return the tables of kinds of layers and of their settings."""
    rows = ["| kind | inputs | settings and defaults | meaning |", "|---|---|---|---|"]
    readers: dict[str, str] = {}
    for kind in (kind for kind in KINDS.values() if kind.settings is not NOT_IN_YAML):
        least, most = kind.inputs
        count = str(least) if least == most else f"{least} or more"
        named = []
        for name, setting in kind.settings.items():
            readers[name] = _state_rule(setting.read)
            if setting.default is REQUIRED:
                named.append(f"`{name}`")
            else:
                named.append(f"`{name}: {show_value(setting.default)}`")
        rows.append(f"| `{kind.name}` | {count} | {', '.join(named)} | {MEANINGS[kind.name]} |")
    meanings = ["| setting | values | meaning |", "|---|---|---|"]
    meanings += [f"| `{name}` | {rule} | {SETTINGS[name]} |" for name, rule in readers.items()]
    return "\n".join(rows) + "\n\nSettings without a default are required.\n\n" + "\n".join(meanings)


def _state_rule(read: Callable[[Any], Any]) -> str:
    """Return what a setting takes, in the words of its error message."""
    for wrong in ([1] * 9, ""):
        try:
            read(wrong)
        except ValueError as error:
            return str(error)
    raise AssertionError("a setting takes empty text")


def write_network_page() -> str:
    """Return the page of network files, with the kinds that there are now."""
    before, mark, _ = (FOLDER / NETWORK).read_text().partition(KINDS_MARKER)
    assert mark, f"{NETWORK}: no marker"
    return f"{before}{mark}\n\n{write_kinds()}\n"


if __name__ == "__main__":
    (FOLDER / NETWORK).write_text(write_network_page())
    for page in PAGES:
        (FOLDER / page).write_text(write_page(page))
        print(f"wrote {FOLDER / page}")
