"""Architectures that nobody wrote for this library, where their packages are installed.

``pip install transformers`` and ``pip install --no-deps pytorchcv`` (its list of dependencies asks
for more than these models need).
"""

import importlib

import pytest
import torch
from torch import nn

from onebasin.symmetry import check_function, derive

#: By hand: the stream, and in each block its heads, twice what is inside each, and its MLP.
_SMALL = {"num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 20}
_BLOCKS = 2 * (1 + 2 * 3 + 1)
TRANSFORMERS = [
    ("Bert", "ForSequenceClassification", {"hidden_size": 12, **_SMALL}, 1 + _BLOCKS + 1),
    ("ViT", "ForImageClassification", {"hidden_size": 12, "image_size": 32, **_SMALL}, 1 + _BLOCKS),
    ("GPT2", "LMHeadModel", {"n_embd": 12, "n_layer": 2, "n_head": 3}, 1 + _BLOCKS),
    (
        "ConvNext",
        "ForImageClassification",
        {"hidden_sizes": [4, 6, 8, 10], "depths": [1, 1, 2, 1], "image_size": 32},
        4 + 5,
    ),
]
#: Module and maker in pytorchcv, side of the image, free groups where they were counted by hand.
PYTORCHCV = [
    ("squeezenet", "squeezenet_v1_0", 224, 1 + 8 * 3),
    ("mobilenetv2", "mobilenetv2_wd4", 224, None),
    ("resnext_cifar", "resnext20_16x4d_cifar10", 32, None),
    ("densenet_cifar", "densenet40_k12_cifar10", 32, 1 + 36 + 2),
    ("shufflenetv2", "shufflenetv2_wd2", 224, None),
]


class Logits(nn.Module):
    """The scores alone, as one tensor."""

    def __init__(self, inside, **options):
        super().__init__()
        self.inside, self.options = inside, options

    def forward(self, x):
        return self.inside(x, return_dict=True, **self.options).logits


@pytest.mark.filterwarnings("ignore")
@pytest.mark.bad_input
@pytest.mark.parametrize(("name", "head", "options", "free"), TRANSFORMERS)
def test_transformers(name, head, options, free):
    library = pytest.importorskip("transformers")
    config = getattr(library, f"{name}Config")(**options)
    images = "image_size" in options
    more = {"use_cache": False} if name == "GPT2" else {}
    module = Logits(getattr(library, name + head)(config), **more).eval()
    x = torch.randn(2, 3, 32, 32) if images else torch.randint(5, 40, (2, 6))
    assert check_function(derive(module, x), module, x, free=free).passed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.bad_input
@pytest.mark.parametrize(("name", "make", "side", "free"), PYTORCHCV)
def test_pytorchcv(name, make, side, free):
    pytest.importorskip("pytorchcv")
    module = getattr(importlib.import_module(f"pytorchcv.models.{name}"), make)().eval()
    x = torch.randn(2, 3, side, side)
    assert check_function(derive(module, x), module, x, free=free).passed
