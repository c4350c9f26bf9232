"""PyTorch eager with the fused optimizer, one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.peers import Train
from benchmarks.workloads import Workload


def _network(workload: Workload) -> Any:
    layers: list[Any] = []
    for i, (weight, bias) in enumerate(workload.weights):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(weight))
            linear.bias.copy_(torch.tensor(bias))
        layers.append(linear)
        if i < len(workload.sizes) - 2:
            layers.append(torch.nn.ReLU() if workload.activation == "relu" else torch.nn.Tanh())
    return torch.nn.Sequential(*layers)


def _optimizer(workload: Workload, parameters: Any) -> Any:
    if workload.plan.optimizer.name == "sgd":
        decay = workload.plan.optimizer.knobs["weight_decay"]
        return torch.optim.SGD(parameters, lr=1.0, weight_decay=decay, fused=True)
    return torch.optim.Adam(parameters, lr=1.0, fused=True)


def _loss(workload: Workload) -> Callable[[Any, Any], Any]:
    if workload.sizes[-1] > 1:
        cross_entropy: Callable[[Any, Any], Any] = functional.cross_entropy
        return cross_entropy
    if workload.plan.loss.name == "hinge":
        return lambda s, y: torch.relu(1 - y * s[:, 0]).mean()
    return lambda s, y: functional.binary_cross_entropy_with_logits(s[:, 0], y)


def trainer(workload: Workload) -> Train:
    """PyTorch's training."""
    torch.set_num_threads(1)
    rows, is_whole = workload.plan.train, workload.plan.batch_size is None
    targets = rows.labels.astype(np.int64) if workload.sizes[-1] > 1 else rows.targets[:, 0]
    x, y, rates, loss_of = torch.tensor(rows.x), torch.tensor(targets), workload.rates, _loss(workload)
    batches = [[torch.tensor(batch) for batch in epoch] for epoch in workload.batches]

    def train() -> list[float]:
        network, losses = _network(workload), []
        optimizer = _optimizer(workload, network.parameters())
        for rate, epoch in zip(rates, batches, strict=True):
            optimizer.param_groups[0]["lr"] = rate
            for batch in epoch:
                optimizer.zero_grad()
                loss = loss_of(network(x if is_whole else x[batch]), y if is_whole else y[batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
                if len(losses) == workload.steps:
                    return [float(loss) for loss in losses]
        return [float(loss) for loss in losses]

    return train
