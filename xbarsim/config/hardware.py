"""The frozen record tree that describes one accelerator.

Every field is a key of the hardware YAML, under the same name, unit included. Rules that span sections live in
:class:`Hardware` alone. Numbers carry their source in ``sources`` (dotted key or section -> text) or ``source``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from xbarsim.config.activity import AssumedActivity
from xbarsim.config.adc import Adc
from xbarsim.config.chip import ChipSize
from xbarsim.config.coding import CODINGS
from xbarsim.config.component import PricedComponent
from xbarsim.config.crossbar import Crossbar
from xbarsim.config.dac import Dac
from xbarsim.config.device import Device
from xbarsim.config.encoding import ENCODINGS, EncodingName, check_encoding
from xbarsim.config.epitome import EpitomeRules
from xbarsim.config.mapping import Mapping
from xbarsim.config.process import Process
from xbarsim.config.record import Record
from xbarsim.config.supply import Supply
from xbarsim.noc import NOCS, list_nocs
from xbarsim.notebook import Face, Shown

if TYPE_CHECKING:
    from collections.abc import Mapping as AnyMapping

    from typing_extensions import Self


def _check_noc(name: str) -> str:
    if name not in NOCS:
        raise PydanticCustomError("noc", f"Input should be {list_nocs()}")
    return name


def _describe_nocs(schema: dict[str, Any]) -> None:
    kinds = "; ".join(f"{noc.name}: {noc.about}" for noc in NOCS.values())
    schema.update(enum=list(NOCS), description=f"Network between the tiles of a chip. {kinds}.")


NocName = Annotated[str, AfterValidator(_check_noc), Field(json_schema_extra=_describe_nocs)]
"""Name of a network on chip in :data:`xbarsim.noc.NOCS`."""


class Timing(Record):
    """Clock, widths and latencies of the tile pipeline."""

    clock_hz: Annotated[float, Field(gt=0, le=1e13)]
    """Clock frequency [Hz]."""
    supply: Supply | None = None
    """Dependence of the clock frequency on ``process.supply_volt``; None: none."""
    read_cycles: Annotated[int, Field(ge=1)]
    """Time of one array read (drive, settle, sample) [cycles]."""
    read_rows: Annotated[int, Field(ge=1)] | None = None
    """Number of rows for which ``read_cycles`` is given; the time is proportional to the rows. None: no scaling."""
    pulse_s: Annotated[float, Field(gt=0, le=1)] | Literal["settled"] | None = None
    """Time for which word lines are driven in one read, at most that of the read; ``settled``: as long as the slowest
    column takes to settle to half a step of the whole range, with ``crossbar.c_wl_farad`` and ``c_bl_farad``; None: the
    whole read [s]."""
    array_stages: Annotated[int, Field(ge=0)] = 2
    """Pipeline stages, each as long as an array read, after the last read of a window (conversion, shift-add)."""
    overlapped: bool = True
    """Whether the next window is read while the previous one is still converted."""
    pipelined: bool = True
    """Whether layers run as a pipeline over windows, or one after another."""
    buffer_bits: Annotated[int, Field(ge=1)] = 256
    """Bits that a bank of a tile buffer can read, and can write, in a cycle [bits]."""
    buffer_banks: Annotated[int, Field(ge=1, le=64)] = 1
    """Banks of a tile buffer, which work in parallel; they are assigned to layers and operations in turn."""
    bus_bits: Annotated[int, Field(ge=1)] = 256
    """Bits that a tile bus transfers in a cycle [bits]."""
    noc: NocName = "mesh"
    """Network between the tiles of a chip: a name of :data:`xbarsim.noc.NOCS`."""
    link_bits: Annotated[int, Field(ge=1)] = 32
    """Bits that a link between tiles transfers in a cycle [bits]."""
    hop_cycles: Annotated[int, Field(ge=0)] = 1
    """Time of one router hop [cycles]."""
    io_bits: Annotated[int, Field(ge=1)] = 64
    """Bits that the off-chip link of a full chip (``chip.full_tiles``) transfers in a cycle and direction [bits]."""
    stream_bits: Annotated[int, Field(ge=1)] | None = None
    """Input buffer of a layer or operation for each of its inputs; None: as large as needed [bits]."""
    operand_bits: Annotated[int, Field(ge=0)] = 0
    """Bits that the vector unit of each tile keeps of the operands of a product of activations. What it does not keep
    is read from the buffer again for every row of the result [bits]."""
    activation_lanes: Annotated[int, Field(ge=1)] = 16
    """Values that the activation unit of a tile processes in a cycle."""
    vector_lanes: Annotated[int, Field(ge=1)] = 16
    """Additions, multiplications or MACs that the vector unit of a tile performs in a cycle."""
    pooling_lanes: Annotated[int, Field(ge=1)] = 16
    """Values that the pooling unit of a tile processes in a cycle."""

    @property
    def pulse_seconds(self) -> float | None:
        """``pulse_s`` as a number; None for a whole read, and for ``settled`` before arrays are laid out [s]."""
        return None if self.pulse_s == "settled" else self.pulse_s


class Hardware(Shown, Record):
    """An accelerator: device, arrays, converters, mapping rules, chip and components."""

    name: str
    """Name, usually that of the file."""
    description: str = ""
    """Description in one line."""
    encoding: EncodingName = "differential"
    """Encoding of signed weights in cells."""
    weight_bits: Annotated[int, Field(ge=1, le=16)] | Literal[32] = 8
    """Bits of a weight, with its sign; 1: -1 and 1; 32: floats stored bit by bit (cost estimates only) [bits]."""
    activation_bits: Annotated[int, Field(ge=1, le=16)] = 8
    """Bits of an input [bits]."""
    device: Device
    """The memory cell."""
    crossbar: Crossbar
    """An array and its wires."""
    dac: Dac = Dac()
    """Word-line drivers."""
    adc: Adc = Adc()
    """Bit-line converters."""
    mapping: Mapping = Mapping()
    """How layers are cut into arrays."""
    epitome: EpitomeRules = EpitomeRules()
    """How convolutions with epitomes are executed."""
    chip: ChipSize
    """Hierarchy of arrays, cores, tiles and chips."""
    process: Process | None = None
    """Technology to which components with a ``process`` of their own are scaled."""
    timing: Timing
    """Clock, widths and latencies."""
    activity: AssumedActivity = AssumedActivity()
    """Activity that ``estimate`` assumes."""
    components: dict[str, PricedComponent] = Field(default_factory=dict)
    """Components by name. A component is charged for the action of its name; actions without a component cost
    nothing and are listed in reports."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Sources of the numbers: dotted key or section -> text."""

    _origin: str = PrivateAttr(default="")
    _overrides: dict[str, Any] = PrivateAttr(default_factory=dict)
    _replaced: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check_across_sections(self) -> Hardware:
        if self.timing.supply is not None:
            self.timing.supply.check("timing.supply", self.supply_volt)
        device = self.device
        low, high = device.g_off_siemens, device.g_on_siemens
        if low >= high:
            raise ValueError(f"device.g_off_siemens: {low:g} is not below device.g_on_siemens: {high:g}")
        if self.adc.full_scale == "quantile" and self.adc.quantile is None:
            raise ValueError("adc.quantile: missing with adc.full_scale: quantile; give a share such as 0.9995")
        if self.adc.full_scale != "quantile" and self.adc.quantile is not None:
            given, other = f"{self.adc.quantile:g}", self.adc.full_scale
            raise ValueError(f"adc.quantile: {given} contradicts adc.full_scale: {other}; give one of them")
        if self.dac.pulses > 1 and device.read_noise.integration_s is not None:
            raise ValueError(
                f"dac.coding: {self.dac.coding} contradicts device.read_noise.integration_s: 1/f noise does not "
                "average over pulses; choose dac.coding: voltage, or leave integration_s out"
            )
        if self.crossbar.layout.has_selector and device.iv is None:
            raise ValueError(
                f"crossbar.topology: {self.crossbar.topology} needs the curve of its selector: give device.iv, or take "
                "passive"
            )
        check_encoding(self.encoding, self.weight_bits, self.device.cell_bits, self.adc.subtract)
        self._check_accumulation()
        self.check_pulse()
        if self.mapping.groups == "serial" and self.response != "operator":
            raise ValueError(
                f"mapping.groups: serial contradicts {self._why_no_operator}, whose response is fitted to whole reads; "
                "choose mapping.groups: dense or stripes"
            )
        if (total := device.stuck.on_rate + device.stuck.off_rate) > 1:
            raise ValueError(
                f"device.stuck.on_rate + device.stuck.off_rate: {total:g} is more than 1; lower one of them"
            )
        for name, component in self.components.items():
            component.check(name, self)
        return self

    def check_pulse(self) -> None:
        """Refuse a pulse that is longer than the read that it drives, at this array's size, with a ValueError."""
        timing, pulse = self.timing, self.timing.pulse_seconds
        if timing.pulse_s == "settled" and not (self.crossbar.c_wl_farad or self.crossbar.c_bl_farad):
            raise ValueError("timing.pulse_s: settled needs crossbar.c_wl_farad or crossbar.c_bl_farad above 0")
        if pulse is None:
            return
        least, given = math.ceil(pulse * self.clock_hz - 1e-9), self.single_read_cycles
        if least > given:
            scale = 1.0 if timing.read_rows is None else self.crossbar.rows / timing.read_rows
            needed = math.floor((least - 1) / scale + 1e-9) + 1  # the fewest that are still rounded up to ``least``
            at = "" if timing.read_rows is None else f" at crossbar.rows: {self.crossbar.rows}"
            cycles = "1 cycle" if given == 1 else f"{given} cycles"
            raise ValueError(
                f"timing.pulse_s: {pulse:g} s are longer than a read, which takes {cycles} of "
                f"{1 / self.clock_hz:g} s{at}; set timing.read_cycles to {needed} or more, "
                "or shorten the pulse"
            )

    def _check_accumulation(self) -> None:
        """Refuse what cannot be beside an integrator that adds up the reads of an input."""
        if self.dac.accumulate == "digital":
            return
        adc, coding = self.adc, self.dac.signed_coding
        why = None
        if adc.step_per == "read":
            why = "adc.step_per: read, since all reads of an input are converted once; take slice or layer"
        elif self.response != "operator":
            why = f"{self._why_no_operator}, which bends every read; set dac.accumulate: digital"
        elif adc.saturation_ampere is not None:
            why = "adc.saturation_ampere, which bends the current of every read; leave one of them out"
        elif not self.has_signed_sums and CODINGS[coding].counts_down(self.activation_bits):
            why = (
                f"dac.signed: {coding} where converters see single columns, which have no codes below zero for reads "
                "that count negative; set dac.signed: offset, or encoding: differential with adc.subtract: analog"
            )
        if why is not None:
            raise ValueError(f"dac.accumulate: analog contradicts {why}")

    @property
    def polarities(self) -> int:
        """Column sums of a weight slice before conversion: 2 of opposite sign, or 1."""
        return ENCODINGS[self.encoding].polarities

    @property
    def arrays_per_crossbar(self) -> int:
        """Physical arrays that hold a weight: 2 of opposite sign, or 1."""
        return ENCODINGS[self.encoding].arrays

    @property
    def converted_polarities(self) -> int:
        """Column sums of a weight slice that are converted: 1, or 2 where both polarities are converted apart."""
        return 1 if self.has_signed_sums else self.polarities

    @property
    def assumed_level(self) -> float:
        """Assumed mean level of cells that hold weights, as a fraction of the highest: of a pair one is off [-]."""
        return self.activity.mean_level / self.arrays_per_crossbar

    @property
    def has_unit_column(self) -> bool:
        """Whether arrays hold a column of level-1 cells that measures the sum of the inputs."""
        return ENCODINGS[self.encoding].has_unit_column

    @property
    def has_signed_sums(self) -> bool:
        """Whether a converter sees the difference of two columns instead of one."""
        return self.polarities == 2 and self.adc.subtract == "analog"

    @property
    def has_reference_column(self) -> bool:
        """Whether arrays hold a column of off cells whose current is taken from the others."""
        return self.adc.off_current == "column" and not self.has_signed_sums

    @property
    def is_random(self) -> bool:
        """Whether two chips, or two reads of a chip, may differ."""
        return self.device.is_random or self.adc.is_random

    @property
    def highest_sum(self) -> float:
        """Largest magnitude that a column sum of ideal cells can have, in level steps times input steps [-].

        Flipped columns hold at most half the sum of levels; their unit column always holds level 1.
        """
        return self.highest_sum_of(self.activation_bits)

    def highest_sum_of(self, input_bits: int) -> float:
        """Return :attr:`highest_sum` for inputs of so many bits; only ``dac.accumulate: analog`` tells them apart."""
        level = ENCODINGS[self.encoding].highest_mean(float(self.device.levels - 1))
        highest = (1 << self.dac.bits) - 1
        if self.dac.accumulate == "analog":  # with an offset, an input of 1 bit counts 0 or 2
            constant = CODINGS[self.dac.coding_for(input_bits)].constant(input_bits)
            highest = max((1 << input_bits) - 1, 1 + constant)
        return self.crossbar.rows * level * highest

    @property
    def level_ampere(self) -> float:
        """Current of one level step of a cell at one step of the input [A]."""
        return self.device.g_step_siemens * self.device.read_volt / ((1 << self.dac.bits) - 1)

    @property
    def _why_no_operator(self) -> str:
        """What keeps arrays from answering by their operator, for messages."""
        is_asked = self.crossbar.method == "fitted"
        return "crossbar.method: fitted" if is_asked else "a circuit that depends on its inputs"

    @property
    def response(self) -> Literal["operator", "fitted", "exact"]:
        """What arrays answer by: one operator for every input, a curve behind it, or a solve of every read."""
        crossbar, device = self.crossbar, self.device
        if crossbar.method in ("ideal", "closed_form"):
            return "operator"
        is_same = crossbar.layout.response == "operator" or not crossbar.has_losses
        if not device.is_ohmic:
            is_same = is_same and not (crossbar.has_losses or crossbar.r_access_ohm or crossbar.g_leak_siemens)
            is_same = is_same and (self.dac.driver_bits == 1 or crossbar.layout.inputs == "gates")
        if crossbar.method == "fitted":
            return "fitted"
        if is_same:
            return "operator"
        return "exact" if crossbar.method == "exact" else "fitted"

    @property
    def adc_bits(self) -> int | None:
        """Resolution of the converters, ``auto`` worked out; None for ideal converters.

        ``auto`` is ceil(log2(rows * highest level * highest input + 1)), with half the range for ``flip`` and
        one more bit for the sign of analog differences (unless ``adc.sign`` is ``extra``). The highest input is that of
        a read, or a whole one where reads are added up before they are converted.
        """
        return self.adc_bits_of(self.activation_bits)

    def adc_bits_of(self, input_bits: int) -> int | None:
        """Return :attr:`adc_bits` for inputs of so many bits."""
        if self.adc.bits == "ideal":
            return None
        if self.adc.bits == "auto":
            sign_bits = 1 if self.has_signed_sums and self.adc.sign == "included" else 0
            return max(1, math.ceil(math.log2(self.highest_sum_of(input_bits) + 1))) + sign_bits
        return self.adc.bits

    @property
    def clock_hz(self) -> float:
        """Clock frequency at ``process.supply_volt`` [Hz]."""
        timing, volt = self.timing, self.supply_volt
        return (
            timing.clock_hz
            if timing.supply is None or volt is None
            else timing.clock_hz * timing.supply.scale_rate(volt)
        )

    @property
    def supply_volt(self) -> float | None:
        """Supply voltage of operation, None where it is not known [V]."""
        return None if self.process is None else self.process.supply_volt

    @property
    def read_cycles(self) -> int:
        """Cycles of one array read at this array's size, with all pulses of the largest input."""
        pulse, single = self.timing.pulse_seconds, self.single_read_cycles
        pulse = single if pulse is None else pulse * self.clock_hz
        return math.ceil(single + (self.dac.pulses - 1) * pulse - 1e-9)

    @property
    def single_read_cycles(self) -> int:
        """Cycles of one array read of a single pulse at this array's size."""
        timing = self.timing
        scale = 1.0 if timing.read_rows is None else self.crossbar.rows / timing.read_rows
        return max(1, math.ceil(timing.read_cycles * scale - 1e-9))

    @property
    def origin(self) -> str:
        """File of this record, for messages."""
        return self._origin

    @property
    def overrides(self) -> dict[str, Any]:
        """Dotted keys that were changed since the record was read from its file."""
        return self._overrides

    @property
    def replaced(self) -> dict[str, Any]:
        """Values in the file of the keys that were changed; None for a key that it leaves out."""
        return self._replaced

    def _show(self) -> Face:
        from xbarsim.config.face import show_hardware

        return show_hardware(self)

    def override(self, changes: AnyMapping[str, Any]) -> Self:
        """Return a copy with dotted keys replaced, validated anew.

        Parameters
        ----------
        changes : mapping
            Dotted key -> value, for example ``{"crossbar.rows": 64, "adc.bits": 6}``.

        Returns
        -------
        Hardware
            A record of the same class.

        Raises
        ------
        ConfigError
            If a key is unknown or a value breaks a rule.
        """
        from xbarsim.config.load import override_record

        return override_record(self, changes, type(self)) if changes else self
