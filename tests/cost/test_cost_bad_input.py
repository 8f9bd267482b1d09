"""Wrong networks, chips and prices: one line that names what and where."""

import pytest
from reference.residual_networks import resnet_cifar

from xbarsim.config import load_hardware
from xbarsim.errors import ConfigError, MappingError
from xbarsim.mapping import LayerMatrix, describe_matrix, partition_matrix, plan_network
from xbarsim.network import Network, Node, make_conv2d

HARDWARE = load_hardware("reference")


def refuse(error, work, *texts):
    """Check that work fails in one line that holds all texts."""
    with pytest.raises(error) as caught:
        work()
    line = str(caught.value)
    assert "\n" not in line
    missing = [text for text in texts if text not in line]
    assert not missing, line


@pytest.mark.parametrize(("tiles", "chips"), [(1, 1), (1, 2), (2, 1)])
def test_a_network_that_does_not_fit_says_what_is_missing_and_what_would_fit(tiles, chips):
    network, whole = resnet_cifar(3), plan_network(resnet_cifar(3), HARDWARE)
    small = {"chip.arrays_per_core": 4, "chip.cores_per_tile": 2, "chip.tiles": tiles, "chip.count": chips}
    missing = whole.arrays - 8 * tiles * chips
    count, each = -(-whole.arrays // (8 * tiles)), -(-whole.arrays // (8 * chips))
    texts = (f"{missing} are missing", f"chip.count: {count}", f"chip.tiles: {each}")
    refuse(MappingError, lambda: plan_network(network, HARDWARE.override(small)), *texts)
    assert plan_network(network, HARDWARE.override({**small, "chip.count": count})).chips == count
    assert plan_network(network, HARDWARE.override({**small, "chip.tiles": each})).chips == chips


def test_a_budget_that_does_not_hold_the_weights_once_is_named():
    hardware = HARDWARE.override({"mapping.replication": "balanced", "mapping.array_budget": 3})
    refuse(
        MappingError, lambda: plan_network(resnet_cifar(1), hardware), "mapping.array_budget", "3 arrays are fewer than"
    )


def test_a_choice_for_a_layer_that_is_not_there_is_named_with_a_close_one():
    work = lambda: plan_network(resnet_cifar(1), HARDWARE, layers={"conv11": {"adc.bits": 6}})  # noqa: E731
    refuse(ConfigError, work, "layers.conv11", "did you mean conv1?")


def test_a_choice_that_belongs_to_the_whole_chip_is_named():
    work = lambda: plan_network(resnet_cifar(1), HARDWARE, layers={"conv1": {"timing.clock_hz": 1e9}})  # noqa: E731
    refuse(ConfigError, work, "layers.conv1", "timing.clock_hz")


def test_a_network_without_weights_has_nothing_to_map():
    network = Network(name="empty", nodes=(Node(name="act", kind="relu", inputs=("input",)),), input_shape=(3, 8, 8))
    refuse(ConfigError, lambda: plan_network(network, HARDWARE), "network empty", "no convolution or linear layer")


def test_a_node_without_weights_has_no_mapping():
    node = Node(name="act", kind="relu", inputs=("input",))
    refuse(MappingError, lambda: describe_matrix(node), "act", "relu", "no weights to map")


def test_an_empty_layer_is_named():
    matrix = LayerMatrix(groups=1, rows=0, cols=4, kernel_rows=1, windows=1)
    refuse(ConfigError, lambda: partition_matrix(matrix, HARDWARE, "conv7"), "layer conv7", "nothing to map")


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "key",
    [
        "components.adc.table.8.rate_hz", "components.adc.rate_hz", "components.bus.energy_joule",
        "components.adc.table.8.energy_joule", "timing.clock_hz", "adc.per_array",
    ],
)  # fmt: skip
def test_rates_and_energies_are_positive_and_finite(key, value):
    refuse(ConfigError, lambda: HARDWARE.override({key: value}), key, str(value), "hwconfigs/reference.yaml")


POWERS_AND_AREAS = ["components.array.power_watt", "components.adc.leakage_watt", "components.bus.area_m2"]


@pytest.mark.parametrize("key", POWERS_AND_AREAS)
def test_powers_and_areas_are_not_negative(key):
    refuse(ConfigError, lambda: HARDWARE.override({key: -1e-9}), key, "-1e-09", "hwconfigs/reference.yaml")


def test_a_cycle_in_the_graph_names_its_nodes():
    nodes = (
        make_conv2d("first", 3, 3, 1, inputs=("second",)),
        make_conv2d("second", 3, 3, 1, inputs=("first",)),
    )
    work = lambda: Network(name="ring", nodes=nodes, input_shape=(3, 8, 8))  # noqa: E731
    refuse(ConfigError, work, "network ring", "cycle", "first", "second")
