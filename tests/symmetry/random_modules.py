"""Random small modules of every kind of layer, each with the number of free groups by hand."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = (F.relu, F.gelu, torch.tanh, F.silu, torch.sigmoid, F.leaky_relu)


class Fn(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *xs):
        return self.function(*xs)


class Residual(nn.Module):
    def __init__(self, *inside):
        super().__init__()
        self.inside = nn.Sequential(*inside)

    def forward(self, x):
        return x + self.inside(x)


class Branches(nn.Module):
    """Several modules side by side, put together along an axis."""

    def __init__(self, dim, *branches):
        super().__init__()
        self.dim, self.branches = dim, nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], self.dim)


class ChannelNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Attention(nn.Module):
    """Heads written out, the three projections in one layer or apart."""

    def __init__(self, width, heads, fused):
        super().__init__()
        self.heads, self.fused = heads, fused
        names = ("qkv",) if fused else ("q", "k", "v")
        for name in names:
            setattr(self, name, nn.Linear(width, 3 * width if fused else width))
        self.out = nn.Linear(width, width)

    def forward(self, x):
        n, t, c = x.shape
        if self.fused:
            parts = self.qkv(x).reshape(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        else:
            parts = [part(x).view(n, t, self.heads, -1).transpose(1, 2) for part in self._parts()]
        y = F.scaled_dot_product_attention(*parts)
        return self.out(y.transpose(1, 2).reshape(n, t, c))

    def _parts(self):
        return self.q, self.k, self.v


class Ready(nn.Module):
    """nn.MultiheadAttention of a sequence with itself."""

    def __init__(self, width, heads):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Tokens(nn.Module):
    """Class token and positions."""

    def __init__(self, count, width):
        super().__init__()
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, count + 1, width))

    def forward(self, x):
        return torch.cat([self.first.expand(len(x), -1, -1), x], 1) + self.places


class Halves(nn.Module):
    """One layer, cut in two that go different ways."""

    def __init__(self, fan, left, right):
        super().__init__()
        self.layer, self.left = nn.Linear(fan, left + right), left

    def forward(self, x):
        y = self.layer(x)
        return torch.cat([y[..., : self.left].tanh(), y[..., self.left :].relu()], -1)


class Builder:
    """Draws a module layer by layer and counts its free groups."""

    def __init__(self, seed):
        self.draw, self.layers, self.free = random.Random(seed), [], 0
        self.kind, self.width, self.side, self.count, self.mixed = "", 0, 0, 0, False

    def act(self):
        return Fn(self.draw.choice(ACTIVATIONS))

    def new(self, *options):
        return self.draw.choice(options)

    def build(self):
        start = self.draw.choice(("image", "image", "tokens", "words", "signal", "vector"))
        example = getattr(self, f"start_{start}")()
        for _ in range(self.draw.randint(1, 3)):
            self.step()
        if self.kind == "image":
            self.leave_image()
        for _ in range(self.draw.randint(0, 2)):
            self.step()
        if self.kind == "image":
            self.leave_image()
        if self.kind == "tokens":
            self.leave_tokens()
        if self.draw.random() < 0.5:
            self.step()
        self.layers.append(nn.Linear(self.width, 3))
        return nn.Sequential(*self.layers), example, self.free

    def step(self):
        names = [name for name in dir(self) if name.startswith(f"{self.kind}_")]
        getattr(self, self.draw.choice(names))()

    # where it starts

    def start_image(self):
        self.kind, self.width, self.side = "image", self.new(4, 6), 7
        self.layers.append(nn.Conv2d(3, self.width, 3, padding=1))
        self.free += 1
        return torch.randn(2, 3, 7, 7)

    def start_tokens(self):
        self.kind, self.width, self.count = "tokens", self.new(4, 8), 5
        self.layers.append(nn.Linear(3, self.width))
        self.free += 1
        return torch.randn(2, 5, 3)

    def start_words(self):
        self.kind, self.width, self.count = "tokens", self.new(4, 8), 5
        self.layers.append(nn.Embedding(7, self.width))
        self.free += 1
        return torch.randint(0, 7, (2, 5))

    def start_signal(self):
        self.kind, self.width, self.count = "tokens", self.new(4, 8), 9
        self.layers += [nn.Conv1d(3, self.width, 3, padding=1), Fn(lambda x: x.transpose(1, 2))]
        self.free += 1
        return torch.randn(2, 3, 9)

    def start_vector(self):
        self.kind, self.width = "vector", self.new(4, 5, 6)
        self.layers.append(nn.Linear(3, self.width))
        self.free += 1
        return torch.randn(4, 3)

    # images

    def image_conv(self):
        old, self.width = self.width, self.new(4, 5, 6)
        norm = self.new(nn.BatchNorm2d, ChannelNorm, lambda w: nn.GroupNorm(1, w))(self.width)
        self.layers += [nn.Conv2d(old, self.width, 3, padding=1, bias=False), norm, self.act()]
        self.free += 1

    def image_blocks(self):
        old, self.width = self.width, self.new(4, 6)
        norm = nn.GroupNorm(2, self.width)
        self.layers += [self.act(), nn.Conv2d(old, self.width, 1), norm, self.act()]
        self.free += 3  # two blocks, and which is which

    def image_residual(self):
        w, mid = self.width, self.new(3, 5)
        first, second = nn.Conv2d(w, mid, 3, padding=1), nn.Conv2d(mid, w, 1)
        self.layers.append(Residual(first, nn.BatchNorm2d(mid), self.act(), second))
        self.free += 1

    def image_depthwise(self):
        conv = nn.Conv2d(self.width, self.width, 3, padding=1, groups=self.width)
        self.layers += [conv, nn.BatchNorm2d(self.width), self.act()]

    def image_grouped(self):
        old, mid, self.width = self.width, self.new(4, 6), self.new(4, 5)
        grouped = nn.Conv2d(mid, mid, 3, padding=1, groups=2)
        first, last = nn.Conv2d(old, mid, 1), nn.Conv2d(mid, self.width, 1)
        self.layers += [first, self.act(), grouped, self.act(), last]
        self.free += 1 + 2 + 2 + 1  # blocks; inputs and outputs inside each; the last layer

    def image_branches(self):
        old, left, right = self.width, self.new(2, 3), self.new(2, 4)
        pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(old, right, 1))
        self.layers.append(Branches(1, nn.Conv2d(old, left, 3, padding=1), pool))
        self.layers.append(nn.BatchNorm2d(left + right))
        self.width = left + right
        self.free += 2

    def image_dense(self):
        old, grow = self.width, self.new(2, 3)
        self.layers += [Branches(1, nn.Identity(), nn.Conv2d(old, grow, 3, padding=1)), self.act()]
        self.width += grow
        self.free += 1

    def image_pool(self):
        if self.side >= 4:
            self.layers.append(self.new(nn.MaxPool2d, nn.AvgPool2d)(2))
            self.side //= 2

    def leave_image(self):
        way = self.draw.choice(("tokens", "mean", "flatten", "pool"))
        if way == "tokens":
            self.layers.append(Fn(lambda x: x.flatten(2).transpose(1, 2)))
            self.kind, self.count = "tokens", self.side**2
            if self.width % 4:  # heads need an even width
                old, self.width = self.width, 8
                self.layers += [nn.LayerNorm(old), nn.Linear(old, 8)]
                self.free += 1
            return
        if way == "flatten":
            old, self.width = self.width * self.side**2, self.new(3, 4)
            self.layers += [self.act(), nn.Flatten(), nn.Linear(old, self.width), self.act()]
            self.free += 1
        elif way == "mean":
            self.layers.append(Fn(lambda x: x.mean((2, 3))))
        else:
            self.layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.kind = "vector"

    # sequences

    def tokens_linear(self):
        old, self.width = self.width, self.new(4, 8)
        self.layers += [nn.LayerNorm(old), nn.Linear(old, self.width), self.act()]
        self.free += 1

    def tokens_attention(self):
        heads, kind = self.new(1, 2), self.draw.randrange(3)
        inside = Attention(self.width, heads, kind == 1) if kind else Ready(self.width, heads)
        self.layers.append(Residual(nn.LayerNorm(self.width), inside))
        self.free += 2 * heads + (heads > 1)
        self.mixed = True

    def tokens_mlp(self):
        w, mid = self.width, self.new(3, 6)
        self.layers.append(Residual(nn.Linear(w, mid), self.act(), nn.Linear(mid, w)))
        self.free += 1

    def tokens_mix(self):
        count, mid = self.count, self.new(3, 4)
        turn = Fn(lambda x: x.transpose(1, 2))
        mixing = (nn.Linear(count, mid), self.act(), nn.Linear(mid, count))
        self.layers.append(Residual(turn, *mixing, turn))
        self.free += 1

    def tokens_places(self):
        self.layers.append(Tokens(self.count, self.width))
        self.count += 1
        self.mixed = False  # the first token would not depend on the input

    def tokens_twice(self):
        layer = nn.Linear(self.width, self.width)
        self.layers += [Residual(layer, self.act()), Residual(layer, self.act())]

    def leave_tokens(self):
        way = self.draw.choice(("mean", "flatten", "amax", *["first"] * self.mixed))
        if way == "flatten":
            old, self.width = self.width * self.count, self.new(3, 4)
            self.layers += [nn.Flatten(), nn.Linear(old, self.width), self.act()]
            self.free += 1
        else:
            take = {"mean": lambda x: x.mean(1), "first": lambda x: x[:, 0]}
            self.layers.append(Fn(take.get(way, lambda x: x.amax(1))))
        self.kind = "vector"

    # vectors

    def vector_linear(self):
        old, self.width = self.width, self.new(3, 4, 5)
        self.layers += [nn.Linear(old, self.width), nn.BatchNorm1d(self.width), self.act()]
        self.free += 1

    def vector_gate(self):
        old, self.width = self.width, self.new(3, 4)
        self.layers += [nn.Linear(old, 2 * self.width), nn.GLU()]
        self.free += 1

    def vector_halves(self):
        old, left, right = self.width, self.new(2, 3), self.new(2, 4)
        self.layers.append(Halves(old, left, right))
        self.width = left + right
        self.free += 2

    def vector_residual(self):
        w, mid = self.width, self.new(3, 4)
        self.layers.append(Residual(nn.Linear(w, mid), self.act(), nn.Linear(mid, w)))
        self.free += 1

    def vector_branches(self):
        old = self.width
        self.layers.append(Branches(-1, nn.Linear(old, 2), nn.Identity(), nn.Linear(old, 3)))
        self.layers.append(self.act())
        self.width = old + 5
        self.free += 2
