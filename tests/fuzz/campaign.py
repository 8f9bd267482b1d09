"""The fuzz campaign for as long as one likes: ``python tests/fuzz/campaign.py --minutes 60``.

Findings go to ``tests/fuzz/corpus/TARGET/HASH`` and are tested ever after. Inputs are drawn by a seed, so that a
campaign can be repeated.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from targets import TARGETS, edit_bytes, run_target

LARGEST_BYTES = 3 << 30
"""Address space of the campaign [bytes]: an input that needs more ends in a MemoryError, which is a finding."""


def main() -> int:
    """Run the campaign; return how many findings there are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", choices=[target.name for target in TARGETS])
    given = parser.parse_args()
    chosen = [target for target in TARGETS if given.target is None or target.name in given.target]
    resource.setrlimit(resource.RLIMIT_AS, (LARGEST_BYTES * 4, LARGEST_BYTES * 4))
    drawn, found = random.Random(given.seed), set()
    names = [target.name for target in chosen]
    counts, slowest = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    end = time.monotonic() + 60 * given.minutes
    while time.monotonic() < end:
        for target in chosen:
            for _ in range(20):
                edits = [tuple(drawn.getrandbits(20) for _ in range(3)) for _ in range(drawn.randint(1, 6))]
                content = edit_bytes(drawn.choice(target.seeds), edits)
                started = time.perf_counter()
                wrong = run_target(target, content)
                slowest[target.name] = max(slowest[target.name], time.perf_counter() - started)
                counts[target.name] += 1
                if wrong and (target.name, wrong[:40]) not in found:
                    found.add((target.name, wrong[:40]))
                    keep(target.name, content)
                    print(f"{target.name}: {wrong}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    for name, count in counts.items():
        print(f"{name:14s} {count:8,} inputs, slowest {slowest[name]:.2f} s")
    print(f"{sum(counts.values()):,} inputs, {len(found)} findings, peak {peak} MB")
    return len(found)


def keep(name: str, content: bytes) -> None:
    """Put an input into the corpus."""
    folder = Path(__file__).parent / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)


if __name__ == "__main__":
    sys.exit(min(main(), 100))
