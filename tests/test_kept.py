"""Results kept by the identity of records: found again, dropped when there are too many, and never another's."""

import random

import pytest

import xbarsim as xs
from xbarsim.kept import KeptResults, forget


class Thing:
    """A record without a value of its own."""


def test_a_result_is_found_by_the_identity_of_its_record():
    table, thing = KeptResults(4), Thing()
    assert table.get(id(thing)) is None
    assert table.put(id(thing), (thing,), 7) == 7
    assert table.get(id(thing)) == 7


def test_a_full_table_drops_the_oldest_results():
    table, things = KeptResults(8), [Thing() for _ in range(20)]
    for number, thing in enumerate(things):
        table.put(id(thing), (thing,), number)
    assert len(table) <= 8
    assert table.get(id(things[-1])) == 19
    assert table.get(id(things[0])) is None


def test_no_other_record_takes_the_identity_of_a_kept_one():
    table = KeptResults(4)
    thing = Thing()
    key = id(thing)
    table.put(key, (thing,), 1)
    del thing  # the table still holds it
    assert all(id(other) != key for other in [Thing() for _ in range(1000)])


def test_a_class_of_a_plug_in_empties_all_tables(monkeypatch):
    from xbarsim.component.law import LAWS, ConstantLaw

    table, thing = KeptResults(4), Thing()
    table.put(id(thing), (thing,), 1)
    monkeypatch.setattr(LAWS, "_classes", dict(LAWS._classes))
    monkeypatch.setattr(LAWS, "_added", dict(LAWS._added))
    xs.register("component_law", "kept_law", type("KeptLaw", (ConstantLaw,), {"__module__": __name__}))
    assert table.get(id(thing)) is None


@pytest.mark.parametrize("name", ["nax", "mnsim"])
def test_what_is_kept_of_other_designs_does_not_move_costs(name):
    draw = random.Random(3)
    oracle, layers = xs.CostOracle(name, cache=None), [node.name for node in xs.load_network("resnet20").layers]
    designs = [{layer: {"array": draw.choice([32, 64, 128])} for layer in layers} for _ in range(4)]
    designs.append({**designs[0], layers[3]: {"kernel": 5}, "layer2*": {"adc.bits": 6}})
    warm = [oracle.cost("resnet20", design) for design in designs]
    for design, cost in zip(designs, warm):
        forget()
        assert xs.CostOracle(name, cache=None).cost("resnet20", design) == cost
