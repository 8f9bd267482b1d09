"""Records as JSON, their arrays beside it, and back.

A record is a frozen dataclass, a named tuple or a pydantic model. It is stored by the name of its class and its fields;
what is worked out from fields is left out. Only record classes of this package are made when JSON is read, or others
that the caller knows; no function is called. An object that several records hold is stored once.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbarsim.errors import ConfigError

PACKAGE = __name__.partition(".")[0]
ALIGNMENT = 64
"""Arrays begin at multiples of it, as kernels like them [bytes]."""
_SCALARS = (bool, int, str, type(None))


class RecordWriter:
    """Turns records into JSON and a list of arrays, each object once."""

    def __init__(self, named: Mapping[int, str], kind: str) -> None:
        self.records: list[Any] = []
        self.arrays: list[NDArray[Any]] = []
        self.places: list[Any] = []
        self.size = 0
        self._named = named
        self._kind = kind
        self._known: dict[Any, int] = {}
        self._alive: list[Any] = []  # an identity holds for objects in use

    def write(self, value: Any) -> Any:
        """Return a value as JSON knows it; records and arrays in it are added to those of the writer."""
        if type(value) in _SCALARS:
            return value
        if type(value) is float:
            return value if np.isfinite(value) else {"float": str(value)}
        if id(value) in self._named:
            return {"named": self._named[id(value)]}
        if isinstance(value, np.ndarray):
            return {"array": self._place(value)}
        if isinstance(value, np.generic):
            return {"scalar": [value.dtype.str, value.tobytes().hex()]}
        if isinstance(value, (bytes, bytearray)):
            return {"bytes": self._place(np.frombuffer(value, np.uint8))}
        fields = _fields_of(value)
        if fields is not None:
            return {"record": self._record(value, fields)}
        if isinstance(value, (tuple, list)):
            return {type(value).__name__: [self.write(item) for item in value]}
        if isinstance(value, Mapping):
            return {"map": [[self.write(key), self.write(item)] for key, item in value.items()]}
        if isinstance(value, (set, frozenset)):
            return {"set": [self.write(item) for item in sorted(value)]}
        if isinstance(value, (slice, range)):
            return {type(value).__name__: [self.write(part) for part in (value.start, value.stop, value.step)]}
        raise ConfigError(f"{self._kind}: cannot hold {type(value).__module__}.{type(value).__qualname__}")

    def _record(self, value: Any, fields: Mapping[str, Any]) -> int:
        if id(value) not in self._known:
            self._alive.append(value)
            content = {name: self.write(item) for name, item in fields.items()}
            cls = type(value)
            self.records.append([f"{cls.__module__}:{cls.__qualname__}", content])
            self._known[id(value)] = len(self.records) - 1
        return self._known[id(value)]

    def _place(self, array: NDArray[Any]) -> int:
        if array.dtype.hasobject:
            raise ConfigError(f"{self._kind}: cannot hold an array of {array.dtype}")
        place = array.__array_interface__
        key = (place["data"], array.shape, array.strides, array.dtype.str)
        if key not in self._known:
            self._alive.append(array)
            is_columns = array.flags.f_contiguous and not array.flags.c_contiguous
            self.arrays.append(array.T if is_columns else array)
            order = "F" if is_columns else "C"
            self.places.append([array.dtype.str, list(array.shape), order, bool(array.flags.writeable), self.size])
            self.size += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
            self._known[key] = len(self.places) - 1
        return self._known[key]


class RecordReader:
    """Turns JSON and mapped arrays back into records."""

    def __init__(
        self,
        content: Mapping[str, Any],
        memory: NDArray[np.uint8],
        named: Mapping[str, Any],
        find_class: Callable[[str], type[Any] | None],
    ) -> None:
        self._named = named
        self._find_class = find_class
        self._classes: dict[str, type[Any]] = {}
        self._memory = memory
        self._arrays = [self._view(*place) for place in content["arrays"]]
        self._records: list[Any] = []
        for name, fields in content["records"]:  # a record comes after those in it
            self._records.append(self._make(name, {key: self.read(value) for key, value in fields.items()}))

    def read(self, value: Any) -> Any:
        """Return the value that JSON stands for; KeyError, TypeError or ValueError where it is none."""
        if not isinstance(value, dict):
            return value
        ((kind, held),) = value.items()
        if kind == "record":
            return self._records[held]
        if kind == "array":
            return self._arrays[held]
        if kind == "bytes":
            return self._arrays[held].tobytes()
        if kind == "scalar":
            return np.frombuffer(bytes.fromhex(held[1]), np.dtype(held[0]))[0]
        if kind == "float":
            return float(held)
        if kind == "named":
            return self._named[held]
        items = [[self.read(part) for part in item] if kind == "map" else self.read(item) for item in held]
        return _BUILT_IN[kind](items)

    def _view(self, dtype: str, shape: list[int], order: str, is_writeable: bool, start: int) -> NDArray[Any]:
        kind = np.dtype(dtype)
        if kind.hasobject:
            raise ValueError(f"array of {dtype}")
        stop = start + kind.itemsize * int(np.prod(shape, dtype=np.int64))
        if not 0 <= start <= stop <= len(self._memory):
            raise ValueError("array beyond the end")
        flat = self._memory[start:stop].view(kind)
        array: NDArray[Any] = flat.reshape(shape[::-1]).T if order == "F" else flat.reshape(shape)
        array.flags.writeable = is_writeable
        return array

    def _make(self, name: str, fields: dict[str, Any]) -> Any:
        if name not in self._classes:
            module, _, cls = name.partition(":")
            inside = module.split(".")[0] == PACKAGE
            found = getattr(importlib.import_module(module), cls) if inside else self._find_class(name)
            if found is None or not _is_record(found):
                raise ValueError(f"unknown record {name}")
            self._classes[name] = found
        found = self._classes[name]
        if hasattr(found, "model_fields"):
            made = object.__new__(found)
            made.__setstate__(fields)
            return made
        if issubclass(found, tuple):
            return found(**fields)
        if fields.keys() != {field.name for field in dataclasses.fields(found)}:
            raise ValueError(f"{found.__name__} has other fields")
        made = object.__new__(found)
        if hasattr(made, "__dict__"):
            vars(made).update(fields)
        else:  # of a class with slots, which dataclasses give a state in the order of its fields
            made.__setstate__([fields[field.name] for field in dataclasses.fields(found)])
        return made


_BUILT_IN: Mapping[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "list": list,
    "map": dict,
    "set": set,
    "slice": lambda parts: slice(*parts),
    "range": lambda parts: range(*parts),
}


def _is_record(cls: type[Any]) -> bool:
    return hasattr(cls, "model_fields") or hasattr(cls, "_fields") or dataclasses.is_dataclass(cls)


def _fields_of(value: Any) -> Mapping[str, Any] | None:
    """Return the fields of a record, None for anything else; what is worked out from fields is left out."""
    if hasattr(type(value), "model_fields"):
        state: Mapping[str, Any] = value.__getstate__()
        return state
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return dict(zip(value._fields, value))
    return None
