"""What limits the throughput is named where users look: as a table, in JSON and in the terminal."""

import xbarsim as xs
from xbarsim.network.build import NetworkBuilder
from xbarsim.report.document import describe_report


def estimate(**changes):
    builder = NetworkBuilder("pair", (16, 16, 16))
    for name in ("a", "b"):
        builder.add("conv2d", name, settings={"channels": 16, "kernel": 3, "padding": 1})
    wide = dict.fromkeys(("timing.link_bits", "timing.bus_bits", "timing.buffer_bits"), 4096)
    replicas = {"mapping.replication": "balanced", "mapping.array_budget": 480}
    return xs.estimate(builder.build(), xs.load_hardware("nax", {**wide, **replicas, **changes}))


def test_the_share_of_the_off_chip_link_is_named_where_it_limits():
    report = estimate()
    bounds = describe_report(report)["bounds"]
    worst = max(bounds, key=lambda bound: bound["share"])
    assert (worst["resource"], worst["name"], worst["share"]) == ("off-chip input", "input", 1.0)
    assert report.activity.bottleneck == "off-chip input"
    assert [bound["name"] for bound in bounds] == ["input", "a", "b", "output"]


def test_with_a_wide_link_the_arrays_limit_again():
    narrow, wide = estimate(), estimate(**{"timing.io_bits": 1 << 16})
    worst = max(describe_report(wide)["bounds"], key=lambda bound: bound["share"])
    assert worst["resource"] == "arrays"
    assert wide.throughput_hz > 2 * narrow.throughput_hz
