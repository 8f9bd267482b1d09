"""Import of PyTorch modules by an ONNX export in memory (extra ``torch``)."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from xbarsim.errors import ConfigError
from xbarsim.network.graph import Network
from xbarsim.network.onnx_import import import_model
from xbarsim.network.torch_recurrent import recurrent_settings

CAUSE = 200
"""Most characters of what PyTorch says about a module that it cannot export. Our choice."""


def from_torch(module: Any, input_shape: Iterable[int]) -> Network:
    """Convert a PyTorch module to a network.

    Parameters
    ----------
    module : torch.nn.Module
        Exported in evaluation mode; its own mode is left as it was.
    input_shape : iterable of int
        Shape of one image, for example (3, 32, 32).

    Returns
    -------
    Network
        Named after the module's class, layers after their parameters; epitomes stay epitomes.

    Raises
    ------
    ConfigError
        If PyTorch is missing, or the module cannot be exported or imported.
    """
    try:
        import onnx  # noqa: F401 (missing is an error here)
        import torch
    except ImportError as error:
        raise ConfigError(f"importing a PyTorch module needs {error.name}: pip install 'xbarsim[torch]'") from None
    if not isinstance(module, torch.nn.Module):
        raise ConfigError(f"from_torch: {type(module).__name__} is not a torch.nn.Module")
    from xbarsim.network.epitome_torch import find_epitomes, restore_epitomes, to_plain

    name = type(module).__name__
    epitomes = find_epitomes(module)
    if epitomes:
        module = to_plain(module)
    parameter = next(module.parameters(), None)
    given = {} if parameter is None else {"device": parameter.device, "dtype": parameter.dtype}
    example = torch.zeros(2, *input_shape, **given)
    training = module.training
    module.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                module, (example,), dynamo=True, verbose=False, **recurrent_settings(module)
            )
    except Exception as error:  # the exporter raises many kinds
        raise ConfigError(
            f"module {name}: cannot be exported: {_first_cause(error)}; torch.export.export must take the module, "
            "without sizes that depend on values"
        ) from None
    finally:
        module.train(training)
    network = import_model(program.model_proto, name, f"module {name}")
    return restore_epitomes(network, epitomes)


def _first_cause(error: BaseException) -> str:
    """Return the first line of what an error was raised from in the first place."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error) or repr(error)).splitlines()[0][:CAUSE]
