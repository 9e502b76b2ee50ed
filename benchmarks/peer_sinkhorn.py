"""Runs inside the environment of PyPI's ``sinkhorn-rebasin``.

The package descends by gradient on soft permutations. It is run as its example aligns the weights
of a multilayer perceptron: squared distance, AdamW at 0.1, 50 steps from the identity.
"""

import json
import time

import torch
from peer_networks import arguments, read
from rebasin import RebasinNet
from rebasin.loss.loss import DistL2Loss

STEPS = 50


def main(path: str, into: str, name: str, rounds: int) -> None:
    """Print seconds of every run of ``STEPS`` steps."""
    descent = []
    for number in range(rounds):
        torch.manual_seed(number)
        pair = read(path, into, name)
        soft = RebasinNet(pair.other, input_shape=tuple(pair.inputs.shape))
        soft.identity_init()
        adam, loss = torch.optim.AdamW(soft.p.parameters(), lr=0.1), DistL2Loss(pair.ref)
        start = time.perf_counter()
        soft.train()
        for _ in range(STEPS):
            adam.zero_grad()
            loss(soft()).backward()
            adam.step()
        soft.eval()
        found = soft()
        descent.append(time.perf_counter() - start)
    pair.save(found)
    print(json.dumps({"descent": descent, "steps": STEPS}))


if __name__ == "__main__":
    main(*arguments())
