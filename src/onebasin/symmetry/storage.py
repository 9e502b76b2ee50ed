"""Group elements on disk: safetensors with the spec as JSON in the header. Never unpickles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from onebasin import files
from onebasin.errors import CorruptFileError, InputError
from onebasin.symmetry.spec import Spec

_HEADER = "onebasin"


def write(
    path: Path | str,
    kind: str,
    spec: Spec,
    parts: Mapping[str, Mapping[str, Tensor]],
    values: Mapping[str, Any],
) -> None:
    """Write one element atomically: a reader sees the old file or the new one, never a part.

    Args:
        path: Target file.
        kind: Name of the element type, checked when reading.
        spec: The element's spec.
        parts: For each part of the element one tensor per group.
        values: Its plain values, as JSON.
    """
    named = {"kind": kind, "version": 1, "spec": json.loads(spec.to_json()), "values": dict(values)}
    whole = {
        f"{part}/{group}": tensor.detach().cpu().contiguous()
        for part, tensors in parts.items()
        for group, tensor in tensors.items()
    }
    files.write(Path(path), save(whole, metadata={_HEADER: json.dumps(named)}))


def read(
    path: Path | str, kind: str, parts: Sequence[str]
) -> tuple[Spec, dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what :func:`write` wrote, onto the CPU: spec, parts and plain values.

    Raises:
        CorruptFileError: if the file is cut short or not ours.
        InputError: if it holds another kind of element.
        FileNotFoundError: if there is no such file.
    """
    remedy = f"save the {kind} again"
    found: dict[str, dict[str, Tensor]] = {part: {} for part in parts}
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            if header["kind"] == kind:
                for name in file.keys():  # noqa: SIM118
                    part, group = name.split("/", 1)
                    found[part][group] = file.get_tensor(name)
        spec, values = Spec.from_json(json.dumps(header["spec"])), dict(header["values"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CorruptFileError(path, remedy) from error
    if header["kind"] != kind:
        other = header["kind"]
        raise InputError("path", str(path), f"holds a {other}, not a {kind}; load it as that")
    return spec, found, values
