"""Set before the library is imported: one thread, and shapes and types checked at run time."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))  # for helpers.py

import torch
from jaxtyping import install_import_hook

install_import_hook("onebasin", "beartype.beartype")
torch.set_num_threads(1)
