"""Planted changes: a part of a tile, a network on chip and a counted action are each one record in one place."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

import xbarsim as xs
from xbarsim import noc
from xbarsim.component import ACTIONS, Action
from xbarsim.mapping import plan_network
from xbarsim.noc import NOCS, Noc, find_noc, tabulate_nocs
from xbarsim.timing import find_bounds, part, simulate_plan
from xbarsim.timing.counts import describe_work, measure_moved
from xbarsim.timing.layout import lay_out
from xbarsim.timing.part import PARTS, Part, check_parts
from xbarsim.timing.route import Fabric

HARDWARE = xs.load_hardware("isaac").override({"chip.tiles": 12, "mapping.replication": "balanced"})


def busy_by_part(activity):
    """Return the busy cycles of every part, all tiles together, and of all other resources."""
    found = Counter()
    for number, cycles in enumerate(activity.busy.tolist()):
        name = activity.layout.resources.name(number)
        found[name.split(" ", 2)[2] if name.startswith("tile") else name] += cycles
    return +found


@pytest.mark.parametrize("banks", [1, 3])
@pytest.mark.parametrize("place", range(len(PARTS) + 1))
def test_a_part_of_a_tile_may_stand_anywhere_in_the_table(monkeypatch, place, banks):
    hardware = HARDWARE.override({"timing.buffer_banks": banks})
    before = xs.estimate("lenet5", hardware).activity
    planted = Part(name="dma", width="buffer_bits", instances="buffer_banks")
    monkeypatch.setattr(part, "PARTS", (*PARTS[:place], planted, *PARTS[place:]))
    after = xs.estimate("lenet5", hardware).activity
    assert busy_by_part(after) == busy_by_part(before)
    assert find_bounds(after) == find_bounds(before)
    assert after.bottleneck == before.bottleneck
    assert np.array_equal(after.start, before.start)
    named = {after.layout.resources.name(number) for number in range(len(after.busy))}
    assert {f"tile 0 dma {bank}" if bank else "tile 0 dma" for bank in range(banks)} <= named


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Part)])
def test_a_part_without_a_field_is_an_error_that_names_it(field):
    given = {"name": "dma", "width": "buffer_bits", "instances": None}
    del given[field]
    with pytest.raises(TypeError, match=field):
        Part(**given)


def test_a_part_names_keys_of_timing():
    with pytest.raises(ValueError, match="tile part 'dma': width: timing has no key 'dma_bits'"):
        check_parts((*PARTS, Part(name="dma", width="dma_bits", instances=None)))
    with pytest.raises(ValueError, match="tile part 'bus': name is used twice"):
        check_parts((*PARTS, PARTS[2]))


RING = {"name": "ring", "about": "a ring", "place": lambda tiles, tile: (tile, 0), "links": "listed"}


def route_ring(chip, tiles, source, target):
    """Go round the shorter way; up where both are equal."""
    up = (target - source) % tiles
    step, count = (1, up) if 2 * up <= tiles else (-1, tiles - up)
    return [(chip, (source + i * step) % tiles, (source + (i + 1) * step) % tiles) for i in range(count)]


def test_a_network_on_chip_is_one_record(monkeypatch):
    monkeypatch.setitem(NOCS, "ring", Noc(path=route_ring, **RING))
    order = HARDWARE.override({"timing.noc": "ring"})
    traffic = order.override({"mapping.placement": "traffic"})
    runs = [xs.estimate("lenet5", hardware).activity for hardware in (order, traffic)]
    hops = [activity.totals["link"] for activity in runs]
    assert 0 < hops[1] < hops[0]
    assert any(
        "link 0 11 0" in activity.layout.resources.name(n) for activity in runs for n in range(len(activity.busy))
    )


@pytest.mark.parametrize("kind", list(NOCS))
def test_listed_paths_place_as_closed_forms_do(monkeypatch, kind):
    hardware = HARDWARE.override({"timing.noc": kind, "mapping.placement": "traffic"})
    network = xs.load_network("lenet5")
    closed = simulate_plan(plan_network(network, hardware))
    monkeypatch.setitem(NOCS, kind, dataclasses.replace(find_noc(kind), links="listed"))
    listed = simulate_plan(plan_network(network, hardware))
    assert listed.totals == closed.totals
    assert np.array_equal(listed.finish, closed.finish)


def test_an_unknown_network_on_chip_is_an_error():
    with pytest.raises(
        xs.ConfigError, match=r"timing\.noc: 'torus' is not allowed: should be 'mesh', 'bus' or 'htree'"
    ):
        HARDWARE.override({"timing.noc": "torus"})
    with pytest.raises(xs.ConfigError, match="'torus' is not allowed"):
        Fabric(kind="torus", tiles_per_chip=16)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Noc)])
def test_a_network_on_chip_without_a_field_is_an_error_that_names_it(field):
    given = RING | {"path": route_ring}
    del given[field]
    with pytest.raises(TypeError, match=field):
        Noc(**given)


def test_paths_that_join_again_are_refused():
    def detour(chip, tiles, source, target):
        return [(chip, source, target), (chip, "last")] if source != target else []

    with pytest.raises(ValueError, match="'ring': path: paths from 0 join again"):
        tabulate_nocs([Noc(path=detour, **RING)])
    with pytest.raises(ValueError, match="'ring': two records"):
        tabulate_nocs([Noc(path=route_ring, **RING)] * 2)
    assert noc.list_nocs() == "'mesh', 'bus' or 'htree'"


DECODER = {"per": "array", "power_watt": 1e-6, "rate_hz": 1e7, "source": "planted"}


def test_a_counted_action_is_one_record(monkeypatch):
    with pytest.raises(xs.ConfigError, match=r"components\.row_decoder\.action: 'row_decoder' is not counted"):
        HARDWARE.override({"components.row_decoder": DECODER})
    before = xs.estimate("lenet5", HARDWARE)
    planted = Action(
        name="row_decoder",
        unit="operations",
        counted="crossbars whose rows are selected",
        count=lambda work: work.reads * work.arrays.crossbars,
    )
    monkeypatch.setitem(ACTIONS, planted.name, planted)
    after = xs.estimate("lenet5", HARDWARE.override({"components.row_decoder": DECODER}))
    count = after.activity.totals.pop("row_decoder")
    assert after.activity.totals == before.activity.totals
    assert count * HARDWARE.polarities == before.activity.totals["array"]
    (priced,) = (each for each in after.cost.components if each.component == "row_decoder")
    assert priced.actions == count
    assert priced.energy_joule == pytest.approx(count * 1e-13)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Action)])
def test_an_action_without_a_field_is_an_error_that_names_it(field):
    given = {"name": "row_decoder", "unit": "operations", "counted": "rows", "count": lambda work: 0}
    del given[field]
    with pytest.raises(TypeError, match=field):
        Action(**given)


@pytest.mark.parametrize("network", ["lenet5", "resnet20"])
def test_every_action_is_a_whole_number_of_one_step(network):
    plan = plan_network(xs.load_network(network), xs.load_hardware("isaac"))
    layout = lay_out(plan)
    for step, moved in zip(layout.steps, measure_moved(layout), strict=True):
        work = describe_work(plan, step, moved)
        for name, action in ACTIONS.items():
            assert action.name == name
            assert type(action.count(work)) is int, name
            assert action.count(work) >= 0, name
