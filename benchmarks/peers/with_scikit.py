"""scikit-learn's MLPClassifier: its own first parameters and shuffles."""

from __future__ import annotations

import warnings

from sklearn.neural_network import MLPClassifier

from benchmarks.peers import Train
from benchmarks.workloads import Workload


def trainer(workload: Workload) -> Train:
    """scikit-learn's training; it has no losses to compare."""
    plan, knobs = workload.plan, workload.plan.optimizer.knobs

    def train() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            MLPClassifier(
                hidden_layer_sizes=workload.sizes[1:-1],
                activation=workload.activation,
                solver=plan.optimizer.name,
                alpha=knobs["weight_decay"] / 2,
                batch_size=plan.rows_per_step,
                learning_rate_init=min(knobs["learning_rate"], 0.1),
                max_iter=plan.epochs,
                tol=0.0,
                n_iter_no_change=10**9,
                momentum=0.0,
                nesterovs_momentum=False,
                random_state=0,
            ).fit(plan.train.x, plan.train.labels)

    return train
