"""Networks: layer graph, import, executor, quantisation and the exact integer reference. Knows no hardware."""

from xbarsim.network.epitome import Epitome, EpitomeSampler, LayerEpitome
from xbarsim.network.execute import run_network
from xbarsim.network.executor import EXECUTORS, FloatRun, find_executor
from xbarsim.network.fingerprint import hash_network
from xbarsim.network.graph import INPUT, Network, Node
from xbarsim.network.integer import dequantize_output, integer_layer, quantize_input, run_integer
from xbarsim.network.kinds import LAYER_KINDS
from xbarsim.network.layer import make_conv2d, make_linear
from xbarsim.network.onnx_import import load_onnx
from xbarsim.network.quantize import QuantizedLayer, QuantizedNetwork, quantize_network
from xbarsim.network.sign import input_is_signed
from xbarsim.network.split import name_parts, split_layers
from xbarsim.network.torch_import import from_torch
from xbarsim.network.zoo import list_networks, load_network

__all__ = [
    "EXECUTORS", "INPUT", "LAYER_KINDS", "Epitome", "EpitomeSampler", "FloatRun", "LayerEpitome", "Network", "Node",
    "QuantizedLayer", "QuantizedNetwork", "dequantize_output", "find_executor", "from_torch", "hash_network",
    "input_is_signed", "integer_layer", "list_networks", "load_network", "load_onnx", "make_conv2d", "make_linear",
    "name_parts", "quantize_input", "quantize_network", "run_integer", "run_network", "split_layers",
]  # fmt: skip
