"""Runs inside the environment of PyPI's ``rebasin``: times it on a pair of networks in a file."""

import json
import time

import torch
from peer_networks import arguments, read
from rebasin import PermutationCoordinateDescent


def main(path: str, into: str, name: str, rounds: int) -> None:
    """Print seconds of tracing and of the descent, per round."""
    trace, descent = [], []
    for number in range(rounds):
        torch.manual_seed(number)
        pair = read(path, into, name)
        start = time.perf_counter()
        with torch.no_grad():
            matcher = PermutationCoordinateDescent(pair.ref, pair.other, pair.inputs)
            middle = time.perf_counter()
            matcher.calculate_permutations()
        descent.append(time.perf_counter() - middle)
        trace.append(middle - start)
    matcher.apply_permutations()
    pair.save(pair.other)
    print(json.dumps({"trace": trace, "descent": descent}))


if __name__ == "__main__":
    main(*arguments())
