"""The micrograd package, as its demo uses it, for a few steps."""

from __future__ import annotations

import random
from typing import Any

from micrograd.engine import Value
from micrograd.nn import MLP

from benchmarks.peers import Train
from benchmarks.workloads import Workload


def _network(workload: Workload) -> Any:
    random.seed(0)
    network = MLP(workload.sizes[0], workload.sizes[1:])
    for layer, (weights, biases) in zip(network.layers, workload.weights, strict=True):
        for neuron, row, bias in zip(layer.neurons, weights, biases, strict=True):
            neuron.b.data = float(bias)
            for value, number in zip(neuron.w, row, strict=True):
                value.data = float(number)
    return network


def trainer(workload: Workload, steps: int) -> Train:
    """micrograd's training by the hinge."""
    rows, decay = workload.plan.train, workload.plan.optimizer.knobs["weight_decay"]
    epochs = zip(workload.rates, workload.batches, strict=True)
    batches = [(rate, batch) for rate, epoch in epochs for batch in epoch][:steps]

    def train() -> list[float]:
        network, losses = _network(workload), []
        for rate, batch in batches:
            scores = [network([Value(float(v)) for v in rows.x[i]]) for i in batch]
            terms = [(1 + -float(rows.targets[i, 0]) * s).relu() for i, s in zip(batch, scores, strict=True)]
            loss = sum(terms) * (1.0 / len(terms))
            network.zero_grad()
            loss.backward()
            for p in network.parameters():
                p.data -= rate * (p.grad + decay * p.data)
            losses.append(loss.data)
        return losses

    return train
