"""Choose the recorder for the losses of a model by setting, realisation, device and size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zobench.objectives.llm.graphs import Graphs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from zobench.engine.recording import Recorder
    from zobench.objectives.llm.batches import LabelWords

LARGEST = 1_000_000_000  # weights; above, kernels take longer than the CPU takes to launch them


def graphs(
    setting: str,
    realisation: str,
    net: PreTrainedModel,
    micro: int,
    words: LabelWords,
    width: int,
) -> Graphs:
    """Make the graphs for the setting "auto", "on" or "off" (see `recorder`).

    `width`: tokens of the longest row.
    """
    choice, reason = recorder(setting, net, realisation)
    result = Graphs(net, micro, choice, reason)
    if choice is not None:
        result.prepare(words, width)
    elif setting == "on":
        result.say(f"{reason}; losses are computed without graphs")
    return result


def recorder(setting: str, net: PreTrainedModel, realisation: str) -> tuple[Recorder | None, str]:
    """Return (the recorder of a model's losses, ""), or (None, the reason).

    `setting`: "auto" takes CUDA graphs if they help. "on" also takes them for large models, and on
    a CPU the tape, which saves no time but checks what a graph relies on. "off" takes none.
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
        if setting == "auto" and size >= LARGEST:
            return None, f"a model of {size / 1e9:.2g} billion weights gains nothing"
        from zobench.engine.recording import CudaGraphs

        return CudaGraphs(device), ""
    if setting == "on" and device.type == "cpu":
        from zobench.engine.tape import Tape

        return Tape(), ""
    return None, f"there are none on device {device.type}"
