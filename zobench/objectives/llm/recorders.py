"""Which recorder serves the losses of a model: by setting, realisation, device and size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.objectives.llm.graphs import Graphs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from zobench.engine.recording import Recorder
    from zobench.objectives.llm.batches import LabelWords

HELPED = 1_000_000_000  # weights; above, kernels take longer than the host needs to launch them


def graphs(
    setting: str,
    realisation: str,
    net: PreTrainedModel,
    micro: int,
    words: LabelWords,
    width: int,
) -> Graphs:
    """For "auto", "on" or "off"; see `recorder`. `width`: tokens of the longest row."""
    found, why = recorder(setting, net, realisation)
    made = Graphs(net, micro, found, why)
    if found is not None:
        made.prepare(words, width)
    elif setting == "on":
        made.say(f"{why}; losses are computed without graphs")
    return made


def recorder(setting: str, net: PreTrainedModel, realisation: str) -> tuple[Recorder | None, str]:
    """Who records the losses of a model, or None and why not.

    `setting` "auto": CUDA graphs where they help; "on": also for large models, and on a CPU the
    tape, which saves no time and checks what a graph relies on; "off".
    """
    if setting == "off":
        return None, "off"
    if realisation != "walk":
        return None, f"the copies of realisation {realisation} are made anew for every probe"
    devices = {p.device for p in net.parameters()}
    if len(devices) > 1:
        return None, "the model is on several devices"
    (device,) = devices
    if device.type == "cuda":
        size = sum(p.numel() for p in net.parameters())
        if setting == "auto" and size >= HELPED:
            return None, f"a model of {size / 1e9:.2g} billion weights gains nothing"
        from zobench.engine.recording import CudaGraphs

        return CudaGraphs(device), ""
    if setting == "on" and device.type == "cpu":
        from zobench.engine.tape import Tape

        return Tape(), ""
    return None, f"there are none on device {device.type}"
