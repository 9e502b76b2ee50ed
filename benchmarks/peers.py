"""Other people's packages, each in an environment of its own, sharing only torch and scipy.

``rebasin`` and ``sinkhorn-rebasin`` both install a module called ``rebasin``, so neither can live
beside the other, nor in the project's environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.common import Timing

ROOT = Path(__file__).resolve().parent.parent / "_build" / "peers"
#: The package, and what it needs beside torch, numpy and scipy.
NEEDS = {
    "rebasin": ("rebasin==0.0.47", "torchview", "graphviz", "tqdm"),
    "sinkhorn-rebasin": ("sinkhorn-rebasin==0.0.2", "torchviz", "graphviz"),
}


def python(peer: str) -> Path:
    """The interpreter of a peer's environment, made on first use.

    Raises:
        RuntimeError: if the package cannot be installed, e.g. without a network.
    """
    home = ROOT / peer
    program = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (home / "ready").exists():
        run = {"check": True, "capture_output": True, "text": True}
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], **run)
            where = "import sysconfig; print(sysconfig.get_path('purelib'))"
            site = subprocess.run([str(program), "-c", where], **run).stdout.strip()
            Path(site, "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
            install = ["-m", "pip", "install", "--no-deps", "--quiet", *NEEDS[peer]]
            subprocess.run([str(program), *install], **run)
            (home / "ready").touch()
        except (subprocess.CalledProcessError, OSError) as error:
            why = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            raise RuntimeError(
                f"{peer} could not be installed: {why[-1] if why else '?'}"
            ) from error
    return program


def align(
    peer: str, network: str, pair: tuple, inputs: Tensor, rounds: int
) -> tuple[Timing, dict[str, Tensor]]:
    """Let a package align a pair of networks: its times, and what it made of the second.

    Args:
        peer: ``"rebasin"`` or ``"sinkhorn-rebasin"``.
        network: ``"mlp"``, or one of :data:`benchmarks.architectures.NETWORKS`.
        pair: Two states.
        inputs: An example for its tracing.
        rounds: Times to repeat.

    Raises:
        RuntimeError: with the last line of its message, if it cannot.
    """
    script = Path(__file__).with_name(f"peer_{peer.split('-')[0]}.py")
    source = Path(__file__).resolve().parent.parent / "src"
    with tempfile.TemporaryDirectory() as folder:
        into, out = Path(folder, "pair.safetensors"), Path(folder, "found.safetensors")
        held = {
            f"{side}.{name}": tensor.clone().contiguous()  # counters may be shared
            for side, state in zip(("ref", "other"), pair, strict=True)
            for name, tensor in state.items()
        }
        save_file({**held, "inputs": inputs}, into)
        paths = (str(source), str(into), str(out))
        told = call(peer, script, *paths, network, str(rounds), str(torch.get_num_threads()))
        return Timing(tuple(told["descent"])), load_file(out)


def call(peer: str, script: Path, *arguments: str) -> dict:
    """Run a script with a peer's interpreter; it prints one JSON object as its last line.

    Raises:
        RuntimeError: if it fails.
    """
    done = subprocess.run(
        [str(python(peer)), str(script), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{peer} failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
