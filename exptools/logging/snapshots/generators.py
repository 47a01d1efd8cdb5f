"""The global random generators: python's, numpy's legacy one, torch's on the CPU and on every GPU."""

from __future__ import annotations

import random
import sys
from typing import Any

from exptools.lifecycle import one_line
from exptools.say import say


def captured() -> dict[str, Any]:
    """Their states as plain JSON; of numpy and torch if they have been imported, of GPUs if one is in use."""
    states: dict[str, Any] = {"python": random.getstate()}
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        states["numpy"] = _plain(numpy.random.get_state(legacy=False))
    if torch is not None:
        states["torch"] = _hex(torch.get_rng_state())
        if torch.cuda.is_initialized():
            states["cuda"] = [_hex(state) for state in torch.cuda.get_rng_state_all()]
    return states


def restore(states: dict[str, Any]) -> None:
    """Let the generators go on where `captured` found them; one that cannot be is said, and left as it is."""
    for name, state in states.items():
        _restore_one(name, state)


def _restore_one(name: str, state: Any) -> None:
    try:
        _RESTORERS[name](state)
    except Exception as error:
        say(f"the random state of {name} was not restored ({one_line(error)})")


def _restore_python(state: Any) -> None:
    version, internal, gauss_next = state
    random.setstate((version, tuple(internal), gauss_next))


def _restore_numpy(state: Any) -> None:
    _imported("numpy").random.set_state(state)


def _restore_torch(state: Any) -> None:
    torch = _imported("torch")
    torch.set_rng_state(_tensor(torch, state))


def _restore_cuda(states: Any) -> None:
    torch = _imported("torch")
    here = torch.cuda.device_count()
    for device, state in enumerate(states[:here]):
        torch.cuda.set_rng_state(_tensor(torch, state), device)
    if here < len(states):
        raise RuntimeError(f"it is that of {len(states)} GPUs, and there are {here}")


_RESTORERS = {
    "python": _restore_python,
    "numpy": _restore_numpy,
    "torch": _restore_torch,
    "cuda": _restore_cuda,
}


def _imported(name: str) -> Any:
    """A module that the program uses; importing it here would take seconds for what nobody asks for."""
    if name not in sys.modules:
        raise RuntimeError(f"import {name} before the snapshot is loaded")
    return sys.modules[name]


def _hex(tensor: Any) -> str:
    return bytes(tensor.tolist()).hex()


def _tensor(torch: Any, text: str) -> Any:
    return torch.tensor(list(bytes.fromhex(text)), dtype=torch.uint8)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value
