"""Align your own networks: the code of the page "Align your own models"."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

# -- two models
inputs = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
targets = (inputs.prod(1) > 0).long()


def build():
    """Return an untrained network."""
    layers = nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 2)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def train(model, x=inputs, y=targets, steps=200):
    """Train a network of any kind and return it in evaluation mode."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        cross_entropy(model(x), y).backward()
        optimiser.step()
    return model.eval()


torch.manual_seed(1)
ref, other = train(build()), train(build())
# -- end of two models

# -- five lines
import onebasin as ob

found = ob.align(ref, other, inputs)
aligned = found.module
merged = found.between(0.5)
print(found)
# -- end

# -- barriers
ends = [dict(model.state_dict()) for model in (ref, other, aligned)]
data = inputs, targets
before = ob.barrier(ob.loss_along_line(ref, ends[0], ends[1], cross_entropy, data).loss)
after = ob.barrier(ob.loss_along_line(ref, ends[0], ends[2], cross_entropy, data).loss)
print(f"barrier {before:.3f} before, {after:.3f} after")
# -- end of barriers

# -- same function
with torch.no_grad():
    assert torch.allclose(aligned(inputs), other(inputs), atol=1e-4)
# -- end of same function

# -- methods
by_activations = ob.align(ref, other, inputs, "activation")
learned = ob.align(
    ref,
    other,
    (inputs, targets),
    "straight-through",
    options=ob.AlignOptions(loss=cross_entropy),
)
best_of_ten = ob.align(ref, other, inputs, options=ob.AlignOptions(restarts=10))
# -- end of methods


# -- residual
class Block(nn.Module):
    """Two convolutions with batch norm, added to what comes in."""

    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x):
        """Return the stream behind the block."""
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class SmallResNet(nn.Module):
    """A stem, two blocks and a classifier on flattened positions."""

    def __init__(self, width=12):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(1, width, 3, bias=False), nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.head = nn.Linear(width * 9, 4)

    def forward(self, x):
        """Return logits."""
        x = self.blocks(torch.relu(self.bn(self.stem(x))))
        return self.head(nn.functional.avg_pool2d(x, 2).flatten(1))


images = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
labels = images.reshape(64, 4, -1).mean(2).argmax(1)
torch.manual_seed(2)
ref_net, other_net = (train(SmallResNet(), images, labels, steps=30) for _ in "ab")
residual = ob.align(ref_net, other_net, images)
print(residual.spec.groups)  # one group for the stream, one inside each block
# -- end of residual

# -- batch norm
from onebasin.merging import batchnorm

halfway = residual.between(0.5)
halfway.load_state_dict(batchnorm.reset(halfway, halfway.state_dict(), images))
# -- end of batch norm


# -- by hand
class Recurrent(nn.Module):
    """A gated recurrent unit, which no tracer of this library follows."""

    def __init__(self, units=16):
        super().__init__()
        self.rnn, self.head = nn.GRU(2, units, batch_first=True), nn.Linear(units, 2)

    def forward(self, x):
        """Return logits of the mean state."""
        return self.head(self.rnn(x)[0].mean(1))


from onebasin.symmetry import Concat

gates = Concat("state", "state", "state")  # three gates, stacked, each with the same units
spec = ob.Spec(
    {
        "rnn.weight_ih_l0": (gates, None),  # rows: gates; columns: inputs, which stay
        "rnn.weight_hh_l0": (gates, "state"),
        "rnn.bias_ih_l0": (gates,),
        "rnn.bias_hh_l0": (gates,),
        "head.weight": (None, "state"),  # rows: classes, which stay where they are
        "head.bias": (None,),
    }
)
series = torch.randn(64, 5, 2, generator=torch.Generator().manual_seed(0))
sign = (series.sum((1, 2)) > 0).long()
torch.manual_seed(3)
pair = [train(Recurrent(), series, sign, steps=30) for _ in "ab"]
recurrent = ob.align(*pair, series, spec=spec)
# -- end of by hand

# -- derive
from onebasin.symmetry.deriving import derive
from onebasin.symmetry.verify import check_function

own = derive(ref, inputs[:8])
for name, groups in own.axes.items():
    print(name, groups)
print(own.fixed)  # every axis that stays, and why
assert check_function(own, ref, inputs[:8]).passed
# -- end of derive

# -- many
refs = {name: torch.stack([ends[0][name], ends[0][name]]) for name in ends[0]}
others = {name: torch.stack([ends[1][name], ends[2][name]]) for name in ends[1]}
matches = ob.weight_match(own, refs, others)
print(matches.objective, matches.converged)  # one number and one verdict for each pair
# -- end of many

# ruff: noqa: E402 (imports stand where the page shows them)
