"""PyTorch, each operation at once, on tensors that a random order indexes."""

import torch

from ..problem import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Problem, Train


def _make_model(problem: Problem) -> torch.nn.Sequential:
    modules = []
    for W, b in problem.layers:
        linear = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T))
            linear.bias.copy_(torch.from_numpy(b))
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def prepare(problem: Problem) -> Train:
    model = _make_model(problem)
    optimizer = torch.optim.Adam(
        model.parameters(), LEARNING_RATE, (BETA_1, BETA_2), EPSILON, fused=True
    )
    rows = torch.from_numpy(problem.rows)
    labels = torch.from_numpy(problem.targets.argmax(axis=1))

    def train(seed: int) -> float:
        total = torch.zeros(())
        for batch in torch.from_numpy(problem.order(seed)).split(problem.mini_batch_size):
            optimizer.zero_grad()
            cost = torch.nn.functional.cross_entropy(model(rows[batch]), labels[batch])
            cost.backward()
            optimizer.step()
            total += cost.detach() * len(batch)
        return float(total) / problem.m

    return train
