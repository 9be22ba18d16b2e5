"""Put back torch's random generators, so that all probes of a step see the same draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch


class SameDraws:
    """The generators of torch, of the CPU and of some devices, put back before evaluations."""

    def __init__(self, devices: Sequence[torch.device]) -> None:
        self.devices = [d for d in devices if d.type not in ("cpu", "meta")]
        self._states: list[torch.Tensor] | None = None

    def rewind(self) -> None:
        """Store the state at the first call, and go back to it at later calls."""
        if self._states is None:
            self._states = self.states()
        else:
            self.put(self._states)

    def has_drawn(self) -> bool:
        """Return True if a generator is not in the stored state."""
        stored = self._states
        return stored is not None and not all(map(torch.equal, stored, self.states()))

    def states(self) -> list[torch.Tensor]:
        """Return the present states of all generators."""
        return [torch.get_rng_state(), *(_module(d)[0]() for d in self.devices)]

    def put(self, states: Sequence[torch.Tensor]) -> None:
        """Set the states of all generators."""
        torch.set_rng_state(states[0])
        for device, state in zip(self.devices, states[1:]):
            _module(device)[1](state)


def _module(device: torch.device) -> tuple[Callable[[], torch.Tensor], Callable[..., None]]:
    """Return functions that read and write the state of a device's generator."""
    module = torch.get_device_module(device)
    if device.index is None or device.type == "mps":
        return module.get_rng_state, module.set_rng_state
    return (
        lambda: module.get_rng_state(device),
        lambda state: module.set_rng_state(state, device),
    )
