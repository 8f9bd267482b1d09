"""Weights -> a programmed engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from xbarsim.config import Hardware
from xbarsim.converter import encode_streams, nominal_range, sum_streams
from xbarsim.errors import ShapeError
from xbarsim.mvm.bank import make_bank
from xbarsim.mvm.encoding import encode_weights
from xbarsim.mvm.engine import Engine
from xbarsim.mvm.errors import sample_errors
from xbarsim.mvm.grid import make_grids
from xbarsim.mvm.groups import ReadGroups
from xbarsim.mvm.height import find_amplitudes
from xbarsim.mvm.layout import layout_columns
from xbarsim.mvm.probe import choose_probes
from xbarsim.mvm.recipe import make_recipe
from xbarsim.mvm.reuse import recall_arrays
from xbarsim.mvm.steps import nominal_steps
from xbarsim.mvm.summed import part_bits


def program_matrix(
    weights: ArrayLike,
    hardware: Hardware,
    *,
    weight_bits: int,
    activation_bits: int,
    signed: bool = False,
    row_starts: ArrayLike | None = None,
    groups: ReadGroups | None = None,
    seed: int = 0,
    trial: int = 0,
    layer: str = "",
    codes: ArrayLike | None = None,
    keeps_samples: bool = True,
    threads: int | None = None,
) -> Engine:
    """Program a matrix of signed integers into crossbars.

    Parameters
    ----------
    weights : array_like of int, (K, N)
        Inputs by outputs.
    hardware : Hardware
        Encoding, device, array, converters.
    weight_bits, activation_bits : int
        Bits of a weight (sign included) and of an input.
    signed : bool
        Whether inputs may be negative; ``dac.signed`` says how they are sent then.
    row_starts : array_like of int, (row blocks + 1,), optional
        First row of every array, and K; arrays filled one after the other by default.
    groups : ReadGroups, optional
        Groups that are read one after the other; all rows are driven at once by default.
    seed, trial, layer : int, int, str
        Key of the device's random streams.
    codes : array_like of int, (vectors, K), optional
        Calibration inputs, where a response is fitted (``hardware.response``); uniform ones by default.
    keeps_samples : bool
        Whether some arrays are kept, on which it can be measured what lines take of the power of reads.
    threads : int, optional
        Threads to use.

    Returns
    -------
    Engine
        Ready for :meth:`Engine.calibrate`, :meth:`Engine.multiply` and :meth:`Engine.convolve`.

    Raises
    ------
    ShapeError
        If a weight or a row block does not fit.
    """
    w = np.asarray(weights)
    if w.ndim != 2 or 0 in w.shape:
        raise ShapeError(f"weights: need a matrix, got shape {w.shape}")
    rows, cell_bits = hardware.crossbar.rows, hardware.device.cell_bits
    starts = np.r_[np.arange(0, w.shape[0], rows), w.shape[0]] if row_starts is None else np.asarray(row_starts)
    sizes = np.diff(starts)
    if starts[0] != 0 or starts[-1] != w.shape[0] or sizes.min() < 1 or sizes.max() > rows:
        raise ShapeError(f"row_starts: {starts} do not cut {w.shape[0]} rows into arrays of at most {rows}")
    starts = starts.astype(np.int64)
    encoded = encode_weights(w, hardware.encoding, weight_bits=weight_bits, cell_bits=cell_bits, row_starts=starts)
    layout = layout_columns(w.shape[1], hardware, weight_bits)
    groups = groups or ReadGroups.single(*w.shape)
    dac = hardware.dac
    streams = encode_streams(activation_bits, dac.bits, signed, dac.coding_for(activation_bits), dac.power)
    probes = None
    if hardware.response != "operator":
        probes = choose_probes(codes, streams, starts, find_amplitudes(hardware), seed=seed, layer=layer)
    programmed = recall_arrays(
        encoded, layout, starts, hardware, groups, seed=seed, trial=trial, layer=layer, probes=probes,
        keeps_samples=keeps_samples, threads=threads,
    )  # fmt: skip
    grids = make_grids(programmed.matrix, starts, dac.bits)
    if dac.accumulate == "analog":
        programmed = replace(programmed, still=programmed.still * np.float32(np.square(streams.weights).sum()))
        streams = sum_streams(streams)
        grids = make_grids(programmed.matrix, starts, part_bits(streams), streams.span)
    engine = Engine(
        hardware=hardware,
        programmed=programmed,
        row_starts=starts,
        streams=streams,
        constants=streams.constant * w.astype(np.int64).sum(axis=0),
        adc=nominal_range(hardware, activation_bits),
        recipe=make_recipe(encoded, layout, groups, programmed, hardware),
        grids=grids,
        errors=sample_errors(hardware, programmed, seed=seed, trial=trial, layer=layer),
        steps=nominal_steps(hardware, streams, programmed.planes),
        bank=make_bank(hardware, layout, groups, programmed, seed=seed, trial=trial, layer=layer),
    )
    return engine.with_range(engine.adc)
