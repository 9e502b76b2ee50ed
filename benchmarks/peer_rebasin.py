"""Runs inside the environment of PyPI's ``rebasin``: times it on a pair of networks in a file."""

import json
import sys
import time

import torch
from rebasin import PermutationCoordinateDescent
from safetensors.torch import load_file


def network(state: dict[str, torch.Tensor]) -> torch.nn.Sequential:
    """The multilayer perceptron with these weights, as a user of the package would write it."""
    parts: list[torch.nn.Module] = []
    for layer in range(len(state) // 2):
        weight, bias = state[f"layers.{layer}.weight"], state[f"layers.{layer}.bias"]
        linear = torch.nn.Linear(*reversed(weight.shape))
        linear.load_state_dict({"weight": weight, "bias": bias})
        parts += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def main(path: str, rounds: int, threads: int) -> None:
    """Print seconds of tracing and of the descent, per round, and the sweeps of the last one."""
    torch.set_num_threads(threads)
    stored = load_file(path)
    pair = [
        {key[len(side) :]: t for key, t in stored.items() if key.startswith(side)}
        for side in ("ref.", "other.")
    ]
    trace, descent = [], []
    for number in range(rounds + 1):
        torch.manual_seed(number)
        ref, other = (network(state) for state in pair)
        inputs = torch.randn(2, pair[0]["layers.0.weight"].shape[1])
        start = time.perf_counter()
        with torch.no_grad():
            matcher = PermutationCoordinateDescent(ref, other, inputs)
            middle = time.perf_counter()
            matcher.calculate_permutations()
        end = time.perf_counter()
        if number:
            trace.append(middle - start)
            descent.append(end - middle)
    matcher.apply_permutations()
    left, right = (
        torch.cat([p.double().flatten() for p in list(net.parameters())[:-1]])
        for net in (ref, other)  # the last bias carries no permutation
    )
    print(json.dumps({"trace": trace, "descent": descent, "inner": float(left @ right)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
