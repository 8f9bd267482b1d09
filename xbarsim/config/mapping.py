"""The section ``mapping``: how layers are cut into arrays and where these go."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from xbarsim.config.record import Positive, Record


class GroupArray(Record):
    """Size of the arrays of grouped layers; their wires, cells and converters are those of ``crossbar``."""

    rows: Annotated[int, Field(ge=1, le=4096)]
    """Word lines of an array of a grouped layer."""
    cols: Annotated[int, Field(ge=1, le=4096)]
    """Bit lines of an array of a grouped layer."""


class Mapping(Record):
    """How layers are cut into arrays."""

    rows: Literal["packed", "whole_kernels"] = "packed"
    """``packed`` fills rows with the flattened kernel and cuts it anywhere; ``whole_kernels`` keeps the k*k rows of an
    input channel in one array."""
    slices: Literal["adjacent", "separate"] = "adjacent"
    """Bit slices of a weight in adjacent columns, or each slice in separate arrays."""
    carry_columns: Annotated[int, Field(ge=0, le=64)] | Literal["auto"] = 0
    """Columns beside those of a weight that hold no cell values but the carries of digital adders; weights with them do
    not straddle arrays. ``auto``: as many as a sum over all rows needs, ceil(log2(crossbar.rows))."""
    groups: Literal["dense", "serial", "stripes"] = "dense"
    """Mapping of grouped and depthwise convolutions. ``dense``: as many groups as fit share an array and are read at
    once. ``serial``: they are read one after another, with the rows of the other groups at 0 V. ``stripes``: groups use
    arrays of the size ``group_array``; those that share an array are read at once."""
    group_array: GroupArray | None = None
    """Size of the arrays of grouped layers; required for, and only allowed with, ``groups: stripes``."""
    weight_range: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Fraction of the largest weight of an output that the highest code represents. Below 1 the largest weights are
    clipped, and the others use more of the conductance range, which reduces the effect of cell noise [-]."""
    remap: Literal["none", "columns"] = "none"
    """Order of the columns in an array: unchanged, or, once stuck cells are known, the order with the least change of
    the weights by stuck cells (a remedy for stuck cells)."""
    replication: Literal["none", "balanced"] = "none"
    """Replicas of layers with many windows: none, or balanced within ``array_budget`` and ``area_budget_m2``."""
    replicas: Annotated[int, Field(ge=1)] | None = None
    """Replicas set by hand, mostly for single layers; never more than a layer has windows. None: ``replication``
    decides."""
    array_budget: Annotated[int, Field(ge=1)] | None = None
    """Total number of physical arrays that replication may use; None: all arrays of the chip."""
    area_budget_m2: Positive | None = None
    """Largest area of all chips with replication, including unused tiles and I/O; None: no limit [m2]."""
    placement: Literal["order", "traffic"] = "order"
    """Placement of tiles on their chip: in the order of the layers, or with the least traffic (bits times links)."""
    dynamic_products: Literal["digital", "arrays", "double_arrays"] = "digital"
    """Where products of two activations, such as those of attention, are computed. ``digital``: by the vector units.
    ``arrays``: the second operand is written into arrays in every inference, and the first one drives their rows;
    needs ``device.write``. ``double_arrays``: the same with two sets of arrays, so that one is written while the other
    is read."""
    reload: Literal["never", "turns"] = "never"
    """Weight reloading for networks that do not fit: ``never`` refuses them; ``turns`` reprograms the arrays several
    times in every inference. Layers then run one after another without replicas, and a layer that is larger than all
    chips is divided by its outputs."""

    def count_carries(self, rows: int) -> int:
        """Return the carry columns of a weight in arrays of so many rows, ``auto`` worked out."""
        return math.ceil(math.log2(rows)) if self.carry_columns == "auto" else self.carry_columns

    @model_validator(mode="after")
    def _check_groups(self) -> Mapping:
        if (self.groups == "stripes") != (self.group_array is not None):
            raise PydanticCustomError("kind", "{message}", {"message": _explain_groups(self.groups)})
        if self.carry_columns and self.slices == "separate":
            message = "carry_columns: not with mapping.slices: separate, whose slices have no carries; take adjacent"
            raise PydanticCustomError("kind", "{message}", {"message": message})
        return self


def _explain_groups(groups: str) -> str:
    if groups == "stripes":
        return "group_array: missing with mapping.groups: stripes; give rows and cols, such as {rows: 36, cols: 32}"
    return f"group_array: not used with mapping.groups: {groups}; leave it out, or set mapping.groups: stripes"
