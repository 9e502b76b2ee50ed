"""Align your own networks: the code of the page "Using the library on your own model"."""

import torch
from torch.nn.functional import cross_entropy as loss

import onebasin as ob
from onebasin.symmetry import chain

# Two networks of your own: here a plain torch.nn.Sequential, trained on a toy problem.
inputs = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
data = (inputs, (inputs.prod(1) > 0).long())


def train(seed):
    """Return one trained network."""
    torch.manual_seed(seed)
    layers = torch.nn.Linear(2, 32), torch.nn.Linear(32, 32), torch.nn.Linear(32, 2)
    model = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        optimiser.zero_grad()
        loss(model(inputs), data[1]).backward()
        optimiser.step()
    return model.eval()


network = train(1)
ref, other = network.state_dict(), train(2).state_dict()

# -- spec by hand
axes = {
    "0.weight": ("hidden.0", None),  # rows: first hidden layer; columns: inputs
    "0.bias": ("hidden.0",),
    "2.weight": ("hidden.1", "hidden.0"),
    "2.bias": ("hidden.1",),
    "4.weight": (None, "hidden.1"),  # rows: classes, which stay where they are
    "4.bias": (None,),
}
spec = ob.Spec(axes)
# -- end of spec

# -- five lines
match = ob.weight_match(spec, ref, other)
aligned = ob.apply(match.element, other)
before = ob.loss_along_line(network, ref, other, loss, data)
after = ob.loss_along_line(network, ref, aligned, loss, data)
barriers = ob.barrier(before.loss), ob.barrier(after.loss)
# -- end

# -- check
generator = torch.Generator().manual_seed(3)
moved = ob.apply(ob.Permutation.random(spec, spec.sizes(ref), generator), ref)
same = torch.func.functional_call(network, moved, inputs)
assert torch.allclose(same, network(inputs), atol=1e-5)
# -- end of check

# -- many
refs = {name: torch.stack([ref[name], ref[name]]) for name in ref}
others = {name: torch.stack([other[name], aligned[name]]) for name in other}
matches = ob.weight_match(spec, refs, others)
print(matches.objective, matches.converged)  # one number and one verdict for each pair
# -- end of many

# ob.Mlp and ob.Siren name their layers so, and carry their spec.
assert chain(3).groups == spec.groups
