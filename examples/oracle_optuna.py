"""Choose the array of every layer with Optuna, the oracle answering what each design costs.

python examples/oracle_optuna.py [TRIALS]
"""

from __future__ import annotations

import sys

import optuna

import xbarsim as xs

SIZES = (16, 32, 64, 128)


def search(trials: int) -> tuple[optuna.Study, float]:
    """Minimise EDAP over array sizes; return the study and the EDAP of the best single size."""
    oracle, network = xs.CostOracle("nax"), xs.load_network("resnet20")
    names = [layer.name for layer in network.layers]

    def edap(trial: optuna.Trial) -> float:
        sizes = {name: trial.suggest_categorical(name, SIZES) for name in names}
        return oracle.cost(network, {n: {"crossbar.rows": s, "crossbar.cols": s} for n, s in sizes.items()}).edap

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, multivariate=False))
    for size in SIZES:
        study.enqueue_trial(dict.fromkeys(names, size))
    study.optimize(edap, n_trials=trials)
    return study, min(trial.value for trial in study.trials[: len(SIZES)])


if __name__ == "__main__":
    study, uniform = search(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
    print(f"one size everywhere: {uniform:.3e} J s m2; mixed: {study.best_value:.3e} J s m2")
    for name, size in study.best_params.items():
        print(f"{name:16s} {size}")
