"""The loss of a minibatch as recorded calls: CUDA graphs, a few for each bucket of lengths.

A minibatch is copied into the buffers of its bucket. All losses of a bucket, recorded or not, are
computed from these buffers, so that recording does not change a bit of a run.

A recording is the forward pass and the loss at the weights in their memory. In the realisation
"walk", noise moves the weights in place, before and between replays. If the probes of a call share
layers, each first layer that moves has two recordings: the full pass, which also gives the outputs
of the layers before it, and the pass from there on, which reads these outputs.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zobench.objectives.llm.batches import Batch, LabelWords, room
from zobench.objectives.llm.buckets import Bucket, tokens
from zobench.objectives.llm.loss import decide, label_loss
from zobench.objectives.llm.masks import obeys
from zobench.objectives.llm.reach import example, levels
from zobench.objectives.llm.words import packs

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from zobench.engine.prefix import SharedLayers
    from zobench.engine.recording import Recorder, Recording

SHAPES = 64  # buckets; a batch of a further shape is computed without a bucket
MOST_CALLS = 64  # with recordings; then the least recently used one is dropped
IDLE = 1000  # losses without a use of a call after which it may be dropped
UNFIT = "the model takes no attention mask of our own"
PATIENCE = 2  # losses of a call before it is recorded, as some shapes occur only once


class Call:
    """Recordings of a bucket's loss for one first layer that moves (0: nothing is shared)."""

    first: Recording | None = None
    later: Recording | None = None
    last_use = losses = 0
    outputs: Sequence[Any] = ()  # of the layers before the first one that moves, from `first`


class Graphs:
    """The label loss of a model, `loss(batch)`, which is recorded if there is a `recorder`.

    `why` is the reason why nothing is recorded, or nothing more.
    """

    def __init__(
        self,
        net: PreTrainedModel,
        micro: int = 0,
        recorder: Recorder | None = None,
        why: str = "off",
    ) -> None:
        self.net, self.micro, self.recorder = net, micro, recorder
        self.why = "" if recorder else why
        self.room, self.widest = room(net), 0
        self.calls: OrderedDict[Any, Call] = OrderedDict()
        self.buckets: dict[Any, Bucket] = {}
        self._weights_at = self._addresses()
        self.patience, self._losses = PATIENCE, 0
        self._warned: set[str] = set()

    def prepare(self, words: LabelWords, width: int) -> None:
        """Choose, outside of any probe, up to how many tokens (at most `width`) are recorded."""
        decide(self.net, words, width)
        for level in levels(tokens(width)):
            if not (obeys if words.single else packs)(self.net, example(self.net, level, words)):
                break
            self.widest = level
        if not self.widest:
            self._stop(UNFIT)

    def describe(self) -> str:
        """Name the recorder, or the reason why nothing is recorded."""
        if self.recorder is None or not self.why:
            return self.recorder.name if self.recorder else f"none: {self.why}"
        part = any(call.first for call in self.calls.values())
        return f"{self.recorder.name}, in part: {self.why}" if part else f"none: {self.why}"

    def loss(self, batch: Batch, shared: SharedLayers) -> torch.Tensor:
        """Return the mean loss of the batch, a scalar that later losses do not change.

        `shared`: the layers that the probes of the call share, or a new object outside of a call.
        """
        bucket = self._bucket(batch)
        if bucket is None:
            return label_loss(self.net, batch, self.micro)
        if bucket.load(batch) and self._weights_at != (addresses := self._addresses()):
            self.calls.clear()  # the weights have been moved to other memory
            self._weights_at = addresses
        call = self._call(bucket, shared)
        if call is None or shared.passes:  # a second loss of the same probe
            return label_loss(self.net, bucket.batch, self.micro)
        if not shared.skipped or shared.probe == 1:
            return self._first(call, bucket, shared)
        return self._later(call, bucket, shared)

    def _first(self, call: Call, bucket: Bucket, shared: SharedLayers) -> torch.Tensor:
        from torch.utils._pytree import tree_flatten, tree_unflatten

        call.losses += 1
        form: Any = None

        def run() -> list[torch.Tensor]:
            nonlocal form
            shared.restart()
            loss = label_loss(self.net, bucket.view(), self.micro)
            leaves, form = tree_flatten(shared.outputs)
            return [loss, *leaves]

        if call.first is None and call.losses > self.patience:
            call.first = self._record(run)
            if call.first is not None:
                call.outputs = tree_unflatten(list(call.first.outputs[1:]), form)
            shared.restart()
        if call.first is None:
            return label_loss(self.net, bucket.batch, self.micro)
        call.first.replay()
        shared.stand_in(call.outputs)
        return call.first.outputs[0].clone()

    def _later(self, call: Call, bucket: Bucket, shared: SharedLayers) -> torch.Tensor:
        def run() -> list[torch.Tensor]:
            shared.restart()
            return [label_loss(self.net, bucket.view(), self.micro)]

        same = call.first is not None and all(a is b for a, b in zip(shared.outputs, call.outputs))
        if same and call.later is None:
            call.later = self._record(run)
            shared.restart()
        if not same or call.later is None:
            return label_loss(self.net, bucket.batch, self.micro)
        call.later.replay()
        shared.stand_in(shared.outputs)
        return call.later.outputs[0].clone()

    def _bucket(self, batch: Batch) -> Bucket | None:
        """Return the bucket for a batch; None if nothing will be recorded."""
        if self.recorder is None:
            return None
        rows, width = batch.ids.shape
        if width > self.widest:
            self.say(f"{UNFIT} for a batch of {width} tokens; such batches are computed without "
                     "graphs", UNFIT)  # fmt: skip
            return None
        longest = min(self.widest, self.room - max(batch.words.lengths))
        length = min(tokens(width), max(width, longest))
        key = rows, length, id(batch.words)
        if key not in self.buckets:
            if len(self.buckets) == SHAPES:
                self.say(f"a batch of {rows} x {width} tokens is of more than {SHAPES} shapes; "
                         "others than the first are computed without graphs", "shapes")  # fmt: skip
                return None
            self.buckets[key] = Bucket(batch, length)
        return self.buckets[key]

    def _call(self, bucket: Bucket, shared: SharedLayers) -> Call | None:
        """Return the recordings so far; None if they would replace others that are in use."""
        self._losses += 1
        key = id(bucket), shared.skipped
        if key not in self.calls:
            if len(self.calls) == MOST_CALLS:
                oldest = next(iter(self.calls.values()))
                if self._losses - oldest.last_use < IDLE:
                    self.say(f"more than {MOST_CALLS} calls in use; others are computed without "
                             "graphs")  # fmt: skip
                    return None
                self.calls.popitem(last=False)
            self.calls[key] = Call()
        self.calls.move_to_end(key)
        self.calls[key].last_use = self._losses
        return self.calls[key]

    def _addresses(self) -> list[int]:
        """Return the addresses of the model's tensors, which recordings read."""
        if self.recorder is None:
            return []
        return [t.data_ptr() for t in (*self.net.parameters(), *self.net.buffers())]

    def _record(self, run: Any) -> Recording | None:
        if self.recorder is None or self.why:
            return None
        try:
            return self.recorder.record(run)
        except RuntimeError as error:
            # If the function itself is wrong, the loss without a recording raises the same error.
            self._stop(_reason(error), buckets=False)
            return None

    def _stop(self, why: str, buckets: bool = True) -> None:
        """Record no more. `buckets`: use no more buckets either; not within a call."""
        self.why = why
        if buckets:
            self.recorder = None
        self.say(f"{why}; losses are computed without graphs")

    def say(self, what: str, about: str = "") -> None:
        """Warn once per text, or once per `about` for texts that differ in detail."""
        if (about or what) not in self._warned:
            self._warned.add(about or what)
            warnings.warn(f"graphs: {what}", RuntimeWarning, stacklevel=2)


def _reason(error: BaseException) -> str:
    """Return the first error in one line; a failed capture raises further ones at its end."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{' '.join(str(error).split()) or type(error).__name__}"[:200]
