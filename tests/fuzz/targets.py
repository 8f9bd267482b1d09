"""Targets of the fuzz campaign: what reads input of users, and inputs to start from.

Every input is an edit of a sound one. A target may refuse it by an error of ours, in one line of at most 400
characters; anything else is a finding: another exception, a longer line, more than :data:`LONGEST_S`.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import xbarsim as xs
from xbarsim.config.load import find_hardware
from xbarsim.data import load_data
from xbarsim.errors import LONGEST, XbarsimError
from xbarsim.report import read_json
from xbarsim.search import CostOracle, answer_lines, load_search, open_space
from xbarsim.search.cache import AnswerCache
from xbarsim.search.epitome import load_epitome_search
from xbarsim.store import Log, encode_record, read_records
from xbarsim.sweep import load_sweep, plan_sweep
from xbarsim.sweep.store import read_store

LONGEST_S = 5.0
"""Longest time of one input [s]."""
FOLDER = Path(tempfile.mkdtemp(prefix="xbarsim-fuzz-"))
TOKENS = (
    b"yes", b"0100", b"1:30", b"-1", b"0", b"1e309", b".nan", b".inf", b"null", b"[]", b"{}", b"''", b"true", b"\x00",
    b"\xff", b"*a", b"&a", b"<<: ", b"- ", b": ", b"\n", b"\n  ", b"9" * 30, b"9" * 5000, b"[" * 50, b"a" * 3000,
    b"!!int ", b"NaN", b"1.5", b'"', b"{from: 1, to: 1e9, step: 1}", b"same as adc.bits", b"digits", b"reference",
    b"__class__", b"../../x",
)  # fmt: skip
"""What is put into inputs."""
Edit = tuple[int, int, int]
"""Place, kind and token of one change, each a number that is taken modulo what there is."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One reader."""

    name: str
    """What it reads."""
    seeds: Sequence[bytes]
    """Sound inputs."""
    read: Callable[[bytes], object]
    """Reads an input."""


def edit_bytes(content: bytes, edits: Sequence[Edit]) -> bytes:
    """Change an input: put a token in, replace or drop a part, double a line, flip a bit, or cut the end off."""
    for place, kind, token in edits:
        at, word = place % (len(content) + 1), TOKENS[token % len(TOKENS)]
        end = min(len(content), at + 1 + token % 12)
        kind %= 7
        if kind == 0:
            content = content[:at] + word + content[at:]
        elif kind == 1:
            content = content[:at] + word + content[end:]
        elif kind == 2:
            content = content[:at] + content[end:]
        elif kind == 3:
            lines = content.split(b"\n")
            number = place % len(lines)
            content = b"\n".join([*lines[: number + 1], lines[token % len(lines)], *lines[number + 1 :]])
        elif kind == 4 and content:
            at = place % len(content)
            content = content[:at] + bytes([content[at] ^ (1 << token % 8)]) + content[at + 1 :]
        elif kind == 5:  # a value of YAML or JSON
            start = max(content.rfind(b": ", 0, at), content.rfind(b":", 0, at)) + 1
            stop = min(
                (found for found in (content.find(mark, start) for mark in (b"\n", b",", b"}")) if found >= 0),
                default=at,
            )
            content = content[:start] + b" " + word + content[max(start, stop) :]
        elif kind == 6 and token % 5 == 0:
            content = content[:at]
    return content


def run_target(target: Target, content: bytes) -> str:
    """Let a target read an input; return what was wrong with that, nothing where all is well."""
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(content)
    except XbarsimError as error:
        text = str(error)
        if len(text) > LONGEST or len(text.splitlines()) > 1:
            return f"a message of {len(text)} characters: {text[:200]}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    spent = time.perf_counter() - started
    return f"{spent:.1f} s" if spent > LONGEST_S else ""


def _place(name: str, content: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(content)
    return path


def _read_hardware(content: bytes) -> object:
    return xs.estimate("digits", xs.load_hardware(_place("hardware.yaml", content)))


def _read_sweep(content: bytes) -> object:
    return plan_sweep(load_sweep(_place("sweep.yaml", content)))


def _read_search(content: bytes) -> object:
    return open_space(load_search(_place("search.yaml", content)))


def _read_epitomes(content: bytes) -> object:
    return load_epitome_search(_place("epitomes.yaml", content))


def _read_network(content: bytes) -> object:
    return xs.estimate(xs.load_network(_place("network.yaml", content)), "reference")


def _read_onnx(content: bytes) -> object:
    return xs.load_network(_place("network.onnx", content))


def _read_images(content: bytes) -> object:
    return load_data(_place("images.npz", content)).check((1, 8, 8))


def _read_lines(content: bytes) -> object:
    answers = answer_lines(_ORACLE, content.split(b"\n")[:8])
    for line in answers:
        found = json.loads(line, parse_constant=_refuse)
        if len(found.get("error", "")) > LONGEST or "internal error" in found.get("error", ""):
            raise AssertionError(found["error"][:200])
    return answers


def _read_log(content: bytes) -> object:
    path = _place("points.log", content)
    known = read_records(path)[0]
    log = Log(path)
    log.append({"key": "x"})
    log.close()
    if read_records(path)[0] != [*known, {"key": "x"}]:
        raise AssertionError("a record was lost")
    return known


def _read_sweep_folder(content: bytes) -> object:
    folder = FOLDER / "folder"
    folder.mkdir(exist_ok=True)
    (folder / "sweep.json").write_bytes(content)
    (folder / "points.log").write_bytes(content)
    return read_store(folder)


def _read_cache(content: bytes) -> object:
    folder = FOLDER / "cache"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    (folder / "oracle.sqlite").write_bytes(content)
    cache = AnswerCache(folder)
    found = cache.get("key")
    cache.put("key", b"new")
    cache.close()
    if found not in (None, b"value"):
        raise AssertionError("a wrong answer")
    return found


def _read_report(content: bytes) -> object:
    return read_json(_place("report.json", content))


def _refuse(name: str) -> object:
    raise AssertionError(f"{name} in an answer")


def _seed_images() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, images=np.zeros((3, 1, 8, 8), np.uint8), labels=np.arange(3))
    return stream.getvalue()


def _seed_cache() -> bytes:
    cache = AnswerCache(FOLDER / "seed")
    cache.put("key", b"value")
    cache._run("PRAGMA wal_checkpoint(TRUNCATE)", ())
    cache.close()
    return (FOLDER / "seed" / "oracle.sqlite").read_bytes()


def _seed_report() -> bytes:
    return xs.estimate("digits", "reference").to_json(FOLDER / "seed.json").read_bytes()


def _seed_onnx() -> list[bytes]:
    from xbarsim.network.write_onnx import write_onnx

    return [write_onnx(xs.load_network("digits"), FOLDER / "seed.onnx").read_bytes()]


_ORACLE = CostOracle("reference", None)
_SHAPE = {
    "in_channels": 4,
    "out_channels": 4,
    "kernel": 3,
    "stride": 1,
    "padding": 1,
    "groups": 1,
    "height": 8,
    "width": 8,
}
_LINES = [
    {"id": 1, "layer": "conv2d", "shape": _SHAPE, "choice": {"crossbar.rows": 64, "adc.bits": 6}},
    {"id": 2, "layer": "linear", "shape": {"in_features": 8, "out_features": 4, "vectors": 1}},
    {"id": 3, "network": "digits", "layers": {"*": {"adc.bits": 5}}, "weight_bits": 4},
]
_SWEEP = b"""network: digits
hardware: reference
axes:
  adc.bits: {from: 4, to: 7}
  crossbar.rows: [64, 128]
  crossbar.cols: same as crossbar.rows
  device.cell_bits, dac.bits: [[1, 1], [2, 2]]
design: {kind: random, points: 10, seed: 1}
layers: {'*': {weight_bits: 4}}
set: {crossbar.r_wl_ohm: 1e-2}
trials: 2
seed: 3
metrics: [cost.energy_joule, cost.edap]
"""
_SEARCH = b"""network: digits
hardware: reference
space:
  '*': {array: [32, 64], adc.bits: [5, 6]}
objectives: {cost.edap: min, cost.delay_s: min}
constraints: {cost.area_m2: {max: 1e-3}}
method: evolution
evolution: {population: 4}
points: 10
seed: 1
"""
_EPITOMES = b"""network: resnet20
layers: ["layer3.*"]
shapes: [{rows: 288, channels: 32}, {rows: 144, channels: 16, patch: [8, 8]}]
uniform: {rows: 288, channels: 32}
weight_bits: [3, 5]
points: 4
"""
_NETWORK = b"""name: small
input: [1, 8, 8]
layers:
  - {name: conv, kind: conv2d, out_channels: 4, kernel: 3, padding: 1}
  - {name: relu, kind: relu}
  - {name: flatten, kind: flatten}
  - {name: fc, kind: linear, out_features: 10}
"""
TARGETS = (
    Target(
        name="hardware",
        seeds=[
            b"base: reference\nadc: {bits: 6}\ncrossbar: {r_wl_ohm: 1.0, rows: 64}\n",
            find_hardware("reference").read_bytes(),
        ],
        read=_read_hardware,
    ),
    Target(name="sweep", seeds=[_SWEEP, b"network: lenet5\naxes: {adc.bits: [4, 5]}\n"], read=_read_sweep),
    Target(name="search", seeds=[_SEARCH], read=_read_search),
    Target(name="epitomes", seeds=[_EPITOMES], read=_read_epitomes),
    Target(name="network", seeds=[_NETWORK], read=_read_network),
    Target(name="onnx", seeds=_seed_onnx(), read=_read_onnx),
    Target(name="images", seeds=[_seed_images()], read=_read_images),
    Target(name="oracle", seeds=["\n".join(map(json.dumps, _LINES)).encode()], read=_read_lines),
    Target(
        name="log",
        seeds=[b"".join(encode_record({"key": str(n), "metrics": {"a": n / 3}, "seconds": 0.1}) for n in range(4))],
        read=_read_log,
    ),
    Target(
        name="sweep folder",
        seeds=[b'{"format": 1, "sweep": {}, "axes": [], "metrics": [], "points": []}', encode_record({"key": "a"})],
        read=_read_sweep_folder,
    ),
    Target(name="cache", seeds=[_seed_cache()], read=_read_cache),
    Target(name="report", seeds=[_seed_report()], read=_read_report),
)
"""All targets; the corpus holds inputs that once were findings, in a folder named after each."""
