"""The loss of a minibatch as recorded calls: CUDA graphs, a few for each bucket of lengths.

A minibatch is copied into the buffers of its bucket. All losses of a bucket, recorded or not, are
of these buffers, so that recording changes no bit of a run.

Recorded are forward pass and loss at the weights as they lie. In the realisation "walk" noise moves
the weights in place, before and between replays. Where the probes of a call share layers, a first
layer to move has two recordings: the whole pass, which also gives what leaves the layers before
it, and the pass from there on, which reads that where the first one puts it.
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

SHAPES = 64  # buckets; a batch of yet another shape is computed as it is
HELD = 64  # calls with recordings; the one that was used least recently makes room
IDLE = 1000  # losses for which a call was not used before it makes room
UNFIT = "the model takes no attention mask of our own"
SEEN = 2  # losses of a call before it is recorded: one of a shape that never returns is not


class Call:
    """Recordings of a bucket's loss for one first layer to move (0: nothing is shared)."""

    first: Recording | None = None
    later: Recording | None = None
    used = seen = 0
    kept: Sequence[Any] = ()  # outputs of `first`, as the layers gave them


class Graphs:
    """`loss(batch)`: the label loss of a model, recorded where `recorder` is given.

    `why` says why nothing is recorded, or no longer.
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
        self._lie = self._addresses()
        self.patience, self._losses = SEEN, 0
        self._said: set[str] = set()

    def prepare(self, words: LabelWords, width: int) -> None:
        """Decide, outside of any probe, up to how many tokens, at most `width`, are recorded."""
        decide(self.net, words, width)
        for level in levels(tokens(width)):
            if not (obeys if words.single else packs)(self.net, example(self.net, level, words)):
                break
            self.widest = level
        if not self.widest:
            self._stop(UNFIT)

    def describe(self) -> str:
        """What results say: who records, or why nobody does."""
        if self.recorder is None or not self.why:
            return self.recorder.name if self.recorder else f"none: {self.why}"
        part = any(call.first for call in self.calls.values())
        return f"{self.recorder.name}, in part: {self.why}" if part else f"none: {self.why}"

    def loss(self, batch: Batch, shared: SharedLayers) -> torch.Tensor:
        """Return the mean loss of the batch, a scalar that no later loss changes.

        `shared` is what the probes of the call have in common, or a new object outside of a call.
        """
        bucket = self._bucket(batch)
        if bucket is None:
            return label_loss(self.net, batch, self.micro)
        if bucket.load(batch) and self._lie != (found := self._addresses()):
            self.calls.clear()  # somebody gave the weights other memory
            self._lie = found
        call = self._call(bucket, shared)
        if call is None or shared.passes:  # a second loss of the same probe
            return label_loss(self.net, bucket.batch, self.micro)
        if not shared.skipped or shared.probe == 1:
            return self._first(call, bucket, shared)
        return self._later(call, bucket, shared)

    def _first(self, call: Call, bucket: Bucket, shared: SharedLayers) -> torch.Tensor:
        from torch.utils._pytree import tree_flatten, tree_unflatten

        call.seen += 1
        form: Any = None

        def run() -> list[torch.Tensor]:
            nonlocal form
            shared.restart()
            loss = label_loss(self.net, bucket.view(), self.micro)
            leaves, form = tree_flatten(shared.outputs)
            return [loss, *leaves]

        if call.first is None and call.seen > self.patience:
            call.first = self._record(run)
            if call.first is not None:
                call.kept = tree_unflatten(list(call.first.outputs[1:]), form)
            shared.restart()
        if call.first is None:
            return label_loss(self.net, bucket.batch, self.micro)
        call.first.replay()
        shared.stand_in(call.kept)
        return call.first.outputs[0].clone()

    def _later(self, call: Call, bucket: Bucket, shared: SharedLayers) -> torch.Tensor:
        def run() -> list[torch.Tensor]:
            shared.restart()
            return [label_loss(self.net, bucket.view(), self.micro)]

        there = call.first is not None and all(a is b for a, b in zip(shared.outputs, call.kept))
        if there and call.later is None:
            call.later = self._record(run)
            shared.restart()
        if not there or call.later is None:
            return label_loss(self.net, bucket.batch, self.micro)
        call.later.replay()
        shared.stand_in(shared.outputs)
        return call.later.outputs[0].clone()

    def _bucket(self, batch: Batch) -> Bucket | None:
        """Where the batch is copied to; None where nothing is to be recorded."""
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
        """Its recordings so far; None where they would have to take the place of others in use."""
        self._losses += 1
        key = id(bucket), shared.skipped
        if key not in self.calls:
            if len(self.calls) == HELD:
                oldest = next(iter(self.calls.values()))
                if self._losses - oldest.used < IDLE:
                    self.say(f"more than {HELD} calls in use; others are computed without graphs")
                    return None
                self.calls.popitem(last=False)
            self.calls[key] = Call()
        self.calls.move_to_end(key)
        self.calls[key].used = self._losses
        return self.calls[key]

    def _addresses(self) -> list[int]:
        """Where the tensors of the model lie, which recordings read there."""
        if self.recorder is None:
            return []
        return [t.data_ptr() for t in (*self.net.parameters(), *self.net.buffers())]

    def _record(self, run: Any) -> Recording | None:
        if self.recorder is None or self.why:
            return None
        try:
            return self.recorder.record(run)
        except RuntimeError as error:
            # If the function itself is wrong, the loss that is now computed without says so.
            self._stop(_reason(error), whole=False)
            return None

    def _stop(self, why: str, whole: bool = True) -> None:
        """Record no more. `whole`: nor use buckets, which no probe under way has begun with."""
        self.why = why
        if whole:
            self.recorder = None
        self.say(f"{why}; losses are computed without graphs")

    def say(self, what: str, about: str = "") -> None:
        """Warn of it, once; of things that differ in detail, once about each kind."""
        if (about or what) not in self._said:
            self._said.add(about or what)
            warnings.warn(f"graphs: {what}", RuntimeWarning, stacklevel=2)


def _reason(error: BaseException) -> str:
    """What went wrong first, in one line: a failed capture fails again where it ends."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{' '.join(str(error).split()) or type(error).__name__}"[:200]
