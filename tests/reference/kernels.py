"""The table of all kernels. A new kernel needs a record here: see :class:`~reference.kernel_case.KernelCase`.

    python -m reference.kernels FILE

writes what every kernel of the table returns and leaves in its arguments, as it runs in this process.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from reference.check_kernels import CHECK
from reference.conversion_kernels import CONVERSION
from reference.crossbar_kernels import CROSSBAR
from reference.curve_kernels import CURVES
from reference.kernel_case import KernelCase
from reference.mvm_kernels import MVM
from reference.network_kernels import NETWORK
from reference.packing_kernels import PACKING
from reference.read_kernels import READS
from reference.relaxation_kernels import RELAXATION
from reference.summed_kernels import SUMMED
from reference.timing_kernels import TIMING
from reference.train_kernels import TRAIN

KERNELS: tuple[KernelCase, ...] = (
    *CHECK,
    *CROSSBAR,
    *RELAXATION,
    *READS,
    *CONVERSION,
    *CURVES,
    *MVM,
    *PACKING,
    *NETWORK,
    *SUMMED,
    *TIMING,
    *TRAIN,
)
"""Every kernel at least once."""


def main(path: str) -> None:
    """Write the table's results to a file."""
    found = [(case.name, case.run(case.call)) for case in KERNELS]
    Path(path).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
