"""The oracle for a long time and under fire: memory that stays flat, and processes that are killed at random."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import xbarsim as xs
from xbarsim.search import AnswerCache, CostOracle

ORACLE_CALLS = """
import random, resource, sys
import xbarsim as xs
read = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
draw, oracle = random.Random(1), xs.CostOracle("nax", cache=None, memory=4000)
layers = [node.name for node in xs.load_network("lenet5").layers]
sizes, marks = (16, 32, 64, 128), []
for call in range(100_000):
    if call % 25 == 0:
        oracle.cost("lenet5", {name: {"array": draw.choice(sizes), "adc.bits": draw.randint(4, 9)} for name in layers})
    else:
        oracle.layer("linear", {"in_features": draw.randint(1, 12), "out_features": 16}, {"array": draw.choice(sizes)})
    if call + 1 in (20_000, 60_000, 100_000):
        marks.append(read())
print(*marks)
"""
SIMULATE_CALLS = """
import resource
import xbarsim as xs
from xbarsim.data import load_data, normalize_images
read = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
images, marks = normalize_images(load_data("digits").images)[:16], []
for call in range(200):
    xs.simulate("digits", "reference", images, calibration=images[:8], seed=call)
    if call + 1 in (60, 130, 200):
        marks.append(read())
print(*marks)
"""


def _measure(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [int(mark) for mark in result.stdout.split()]


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("code", [ORACLE_CALLS, SIMULATE_CALLS], ids=["100,000 oracle calls", "200 simulations"])
def test_memory_is_flat_over_many_calls(code):
    """Resident memory after 20 % or 30 % of the calls, after 60 %, and at the end."""
    first, middle, last = _measure(code)
    assert last < 1.03 * first + 8e6, (first, middle, last)


def test_memory_counts_the_records_of_results():
    oracle = CostOracle("nax", cache=None, memory=100)
    layers = [node.name for node in xs.load_network("lenet5").layers]
    for bits in range(3, 11):
        for name in layers:
            oracle.cost("lenet5", {name: {"adc.bits": bits}})
    held = [1 + len(getattr(answer, "layers", ())) for answer in oracle._memory.values()]
    assert sum(held) == oracle._held <= 100


def list_queries():
    """Return queries of layers and networks, some quick and some slow."""
    layers = [
        ("layer", {"in_features": size, "out_features": 16}, array) for size in range(1, 25) for array in (16, 64)
    ]
    return [*layers, *(("cost", "lenet5", array) for array in (16, 32, 64, 128))]


def ask(oracle, query):
    """Return the figures of a query that a search would use."""
    kind, what, array = query
    if kind == "cost":
        cost = oracle.cost(what, {"*": {"array": array}})
    else:
        cost = oracle.layer("linear", what, {"array": array})
    return [cost.energy_joule.hex(), cost.delay_s.hex(), cost.area_m2.hex(), cost.cycles]


def answer_for_ever(folder, path, seed):
    """Ask at random through a shared cache and log every answer as a line."""
    draw, queries = random.Random(seed), list_queries()
    with open(path, "a", buffering=1) as log:
        while True:
            oracle = CostOracle("nax", cache=folder)
            for _ in range(draw.randint(1, 8)):
                number = draw.randrange(len(queries))
                log.write(json.dumps([number, ask(oracle, queries[number])]) + "\n")


@pytest.mark.slow
def test_ten_oracles_on_one_cache_that_are_killed_at_random_give_no_wrong_answer(tmp_path):
    """60 kills; every whole line is compared with an oracle of its own, and so is what the cache holds at the end."""
    context, draw = multiprocessing.get_context("fork"), random.Random(7)
    alone, queries = CostOracle("nax", cache=None), list_queries()
    truth = [ask(alone, query) for query in queries]
    logs = [tmp_path / f"{number}.log" for number in range(10)]
    (tmp_path / "cache").mkdir()

    def start(number, seed):
        process = context.Process(target=answer_for_ever, args=(tmp_path / "cache", logs[number], seed))
        process.start()
        return process

    running = [start(number, number) for number in range(10)]
    for kill in range(60):
        time.sleep(draw.uniform(0.0, 0.4))
        victim = draw.randrange(10)
        os.kill(running[victim].pid, signal.SIGKILL)
        running[victim].join()
        running[victim] = start(victim, 100 + kill)
    time.sleep(2.0)
    for process in running:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    answers = 0
    for log in logs:
        for line in log.read_text().split("\n")[:-1]:  # the last one may be cut
            try:
                number, found = json.loads(line)
            except ValueError:
                continue  # a line that a kill has cut, and the next process has continued
            assert found == truth[number]
            answers += 1
    assert answers > 100
    assert len(AnswerCache(tmp_path / "cache")) > 10
    after = CostOracle("nax", cache=tmp_path / "cache")
    assert [ask(after, query) for query in queries] == truth
