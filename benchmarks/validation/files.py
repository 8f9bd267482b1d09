"""Accuracy of ResNet-20 on every hardware file that ships: its own settings, and what another choice would give.

    XBARSIM_SHARED=FOLDER python benchmarks/validation/files.py --results files.json --page docs/hardware_files.md
    XBARSIM_SHARED=FOLDER python benchmarks/validation/files.py --results files.json --files neurram --explain

The folder holds ``models/resnet20_cifar10.onnx`` and the CIFAR-10 images of ``data``. For each file: integers on ideal
hardware, and the file as it is, on 500 test images and 3 chips; then every input coding and a list of hand-set ranges
on calibration images and one chip, by the error of the logits, which tells more from few images than accuracy does; and
the best coding and the best range of those on the 500 test images and the same 3 chips. Results are added to
``--results`` as they come, so that a killed run goes on where it was; a file whose settings changed is measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import xbarsim as xs
from xbarsim.config import hash_hardware
from xbarsim.data import load_data, normalize_images
from xbarsim.errors import ModelRangeWarning
from xbarsim.mvm.reuse import KeptArrays, keep_arrays

FILES = ("reference", "isaac", "puma", "mnsim", "nax", "epim", "neurram", "sram_7nm")
CODINGS: dict[str, dict[str, Any]] = {
    f"{signed}, {bits} b a read": {"dac.signed": signed, "dac.bits": bits}
    for signed in ("twos_complement", "sign_magnitude", "offset")
    for bits in (1, 2, 4)
}
RANGES: dict[str, dict[str, Any]] = {
    "calibrated": {"adc.full_scale": "calibrated", "adc.quantile": None},
    **{f"quantile {share:g}": {"adc.full_scale": "quantile", "adc.quantile": share} for share in
       (1.0, 0.99999, 0.9999, 0.9995, 0.999, 0.995, 0.99)},
    "whole": {"adc.full_scale": "whole", "adc.quantile": None},
}  # fmt: skip
FIXED = ("isaac", "puma", "nax", "neurram", "sram_7nm")
"""Files whose papers say how many bits of an input a read takes (``sources: dac`` of the file)."""
SCREENED, TESTED, CALIBRATED, TRIALS = 256, 500, 512, 3
"""Images that choices are screened on, images of the table, images of ranges, chips of the table."""
LITTLE = 0.01
"""Loss against the integers below which a choice has nothing to gain: none is tried."""
FEW = 64
"""Images of ranges while choices are screened."""
IDEAL = {
    "crossbar.method": "ideal",
    "device.programming.distribution": "none",
    "device.read_noise.sigma": 0.0,
    "device.stuck": {"on_rate": 0.0, "off_rate": 0.0},
    "adc.bits": "ideal",
    "adc.gain_sigma": 0.0,
}
"""What makes hardware ideal, so that its logits are those of the integers."""
GAP = 0.05
"""Loss against the integers beyond which the page asks for causes."""
EXPLAINED, ORDERS = 200, 6
"""Test images and orders of causes of an explanation."""


class Bench:
    """The network and its images."""

    def __init__(self, shared: Path) -> None:
        test = load_data(shared / "data/cifar10_test_500.npz")
        train = load_data(shared / "data/cifar10_train_4660.npz")
        self.network = xs.load_network(shared / "models/resnet20_cifar10.onnx")
        self.images, self.labels = normalize_images(test.images[:TESTED], "imagenet"), test.labels[:TESTED]
        self.calibration = normalize_images(train.images[:CALIBRATED], "imagenet")
        self.screened = normalize_images(train.images[CALIBRATED : CALIBRATED + SCREENED], "imagenet")

    def test(self, hardware: Any) -> dict[str, Any]:
        """Return accuracy on the test images [-]."""
        found = xs.simulate(
            self.network, hardware, self.images, self.labels, calibration=self.calibration, trials=TRIALS, threads=1
        ).accuracy
        return {"accuracy": found.hardware, "interval": list(found.interval), "integers": found.quantized}

    def run(self, hardware: Any) -> Any:
        """Return logits of images kept apart from both calibration and test: one chip."""
        few = self.calibration[:FEW]
        return xs.simulate(self.network, hardware, self.screened, calibration=few, threads=1).outputs[0]

    def screen(self, hardware: Any, exact: Any) -> float:
        """Return the error of the logits, relative to their spread [-]."""
        return float(np.sqrt(np.mean((self.run(hardware) - exact) ** 2)) / exact.std())


def describe(hardware: Any) -> dict[str, str]:
    """Return the coding and the range of a file as the table names them."""
    adc, dac = hardware.adc, hardware.dac
    scale = f"quantile {adc.quantile:g}" if adc.quantile is not None else adc.full_scale
    return {"coding": f"{dac.signed_coding}, {dac.bits} b a read", "range": scale}


def measure(bench: Bench, name: str, entry: dict[str, Any], save: Any) -> None:
    """Fill in what is missing of a file's entry."""
    hardware = xs.load_hardware(name)
    print(name, flush=True)
    if "own" not in entry:
        entry.update(own=bench.test(hardware), settings=describe(hardware))
        save()
    if entry["own"]["integers"] - entry["own"]["accuracy"] < LITTLE:
        return
    codings = {
        choice: changes
        for choice, changes in CODINGS.items()
        if name not in FIXED or changes["dac.bits"] == hardware.dac.bits
    }
    for kind, choices in (("coding", codings), ("range", RANGES)):
        seen = entry.setdefault(f"screened {kind}", {})
        exact = bench.run(hardware.override(IDEAL)) if len(seen) < len(choices) else None
        with keep_arrays(KeptArrays()):
            for choice, changes in choices.items():
                if choice not in seen:
                    seen[choice] = bench.screen(hardware.override(changes), exact)
                    print(f"  {choice:32} {seen[choice]:.3f}", flush=True)
                    save()
        best = min(choices, key=lambda choice: (seen[choice], choice != entry["settings"][kind]))
        if f"best {kind}" not in entry:
            is_own = best == entry["settings"][kind]
            tested = entry["own"] if is_own else bench.test(hardware.override(choices[best]))
            entry[f"best {kind}"] = {"choice": best, **tested}
            save()
    gains = [entry[f"best {kind}"]["accuracy"] - entry["own"]["accuracy"] for kind in ("coding", "range")]
    own = entry["own"]
    print(f"  own {own['accuracy']:.3f} of {own['integers']:.3f}, gains {gains[0]:+.3f} {gains[1]:+.3f}", flush=True)


def find_causes(bench: Bench, name: str) -> list[list[Any]]:
    """Return causes and points of a file, largest first, from ``xs.explain`` on part of the test images."""
    found = xs.explain(
        bench.network,
        name,
        (bench.images[:EXPLAINED], bench.labels[:EXPLAINED]),
        calibration=bench.calibration,
        trials=1,
        threads=1,
        parts=("causes",),
        orders=ORDERS,
    )
    table = found.causes
    table = table[table["measure"] == table["measure"].iloc[0]] if "measure" in table else table
    table = table.sort_values("share_points", ascending=False)
    return [[str(row["cause"]), round(float(row["share_points"]), 1)] for _, row in table.iterrows()]


def write_page(results: dict[str, Any], path: Path) -> None:
    """Write the table, and the causes of files that lose much."""
    lines = [
        "# Accuracy of the hardware files that ship",
        "",
        f"ResNet-20 on CIFAR-10: {TESTED} test images and {TRIALS} chips; activation and converter ranges are",
        f"calibrated on {CALIBRATED} other images. *Integers* is the accuracy of the quantised network, with the",
        "weight and activation bits of the file, on ideal hardware. *Best coding* and *best range* are the",
        f"choices whose logits are closest to those of the integer network on {SCREENED} separate images and one",
        "chip. They are then evaluated on the same test images and chips as the file itself. For a file that loses",
        f"less than {100 * LITTLE:g} point relative to the integers, no alternatives are tried, since they could gain",
        "no more than this. The codings tried are all values of `dac.signed`, with 1, 2 and 4 bits per read (or only",
        "the number of bits that the paper states). The ranges tried are all values of `adc.full_scale`, and quantiles",
        "from 0.99 to 1.",
        "",
        "| file | integers | hardware | 95 % interval | best coding | gain | best range | gain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, entry in results.items():
        if "own" not in entry:
            continue
        own = entry["own"]
        row = [f"`{name}`", f"{own['integers']:.1%}", f"{own['accuracy']:.1%}"]
        row.append("{:.1%} .. {:.1%}".format(*own["interval"]))
        for kind in ("coding", "range"):
            best = entry.get(f"best {kind}")
            if best is None:
                row += ["none tried", ""]
                continue
            is_own = best["choice"] == entry["settings"][kind]
            gain = 100 * (best["accuracy"] - own["accuracy"])
            shown = best["choice"].replace("1 b a", "1 bit per").replace("b a", "bits per")
            row += ["own setting" if is_own else shown, f"{gain:+.1f}"]
        lines.append("| " + " | ".join(row) + " |")
    lines += [
        "",
        "Gains are in percentage points. Settings that a paper fixes are named in the `sources` of the file.",
        "",
    ]
    lost = {n: e for n, e in results.items() if "own" in e and e["own"]["integers"] - e["own"]["accuracy"] > GAP}
    if lost:
        lines += [f"## Files that lose more than {100 * GAP:g} points", ""]
        for name, entry in lost.items():
            causes = ", ".join(
                f"{cause} {points:+.1f}" for cause, points in entry.get("causes", []) if abs(points) >= 0.1
            )
            lines.append(
                f"- `{name}`: {causes or 'causes not measured'} (points, `xs.explain` on "
                f"{EXPLAINED} images and one chip)."
            )
        lines.append("")
    lines += [
        "Made by `XBARSIM_SHARED=FOLDER python benchmarks/validation/files.py --results FILE",
        "--page docs/hardware_files.md --explain`.",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    """Measure, and write results and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True, help="JSON file that results are added to")
    parser.add_argument("--page", type=Path, default=None)
    parser.add_argument("--files", default=",".join(FILES))
    parser.add_argument("--explain", action="store_true", help="find the causes of files that lose much")
    parser.add_argument("--only-own", action="store_true", help="the files as they are, without other choices")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ModelRangeWarning)
    bench = Bench(Path(os.environ["XBARSIM_SHARED"]))
    results: dict[str, Any] = json.loads(arguments.results.read_text()) if arguments.results.exists() else {}

    def save() -> None:
        arguments.results.write_text(json.dumps(results, indent=1), encoding="utf-8")

    for name in arguments.files.split(","):
        stamp = f"{hash_hardware(xs.load_hardware(name))}, {SCREENED} screened, {TESTED} tested"
        if results.get(name, {}).get("hash") != stamp:
            results[name] = {"hash": stamp}
        entry = results[name]
        if arguments.only_own:
            if "own" not in entry:
                hardware = xs.load_hardware(name)
                entry.update(own=bench.test(hardware), settings=describe(hardware))
                save()
            own = entry["own"]
            print(f"{name:10} {own['accuracy']:.3f} of {own['integers']:.3f}", flush=True)
            continue
        measure(bench, name, entry, save)
        if arguments.explain and entry["own"]["integers"] - entry["own"]["accuracy"] > GAP and "causes" not in entry:
            entry["causes"] = find_causes(bench, name)
            save()
    if arguments.page:
        write_page(results, arguments.page)


if __name__ == "__main__":
    main()
