"""Group elements on disk: safetensors with the spec as JSON in the header. Never unpickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from onebasin import files
from onebasin.errors import CorruptFileError, InputError
from onebasin.symmetry.spec import Spec

_HEADER = "onebasin"


def write(path: Path | str, kind: str, spec: Spec, tensors: Mapping[str, Tensor]) -> None:
    """Write one element atomically: a reader sees the old file or the new one, never a part.

    Args:
        path: Target file.
        kind: Name of the element type, checked when reading.
        spec: The element's spec.
        tensors: One tensor per group.
    """
    header = json.dumps({"kind": kind, "version": 1, "spec": json.loads(spec.to_json())})
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    files.write(Path(path), save(whole, metadata={_HEADER: header}))


def read(path: Path | str, kind: str) -> tuple[Spec, dict[str, Tensor]]:
    """Read what :func:`write` wrote, onto the CPU.

    Raises:
        CorruptFileError: if the file is cut short or not ours.
        InputError: if it holds another kind of element.
        FileNotFoundError: if there is no such file.
    """
    remedy = f"save the {kind} again"
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        spec = Spec.from_json(json.dumps(header["spec"]))
        found = header["kind"]
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(path, remedy) from error
    if found != kind:
        raise InputError("path", str(path), f"holds a {found}, not a {kind}; load it as that")
    return spec, tensors
