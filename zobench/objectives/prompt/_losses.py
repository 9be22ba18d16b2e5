"""Losses of label-word scores, including one without a useful derivative."""

from __future__ import annotations

import numpy as np

LOSSES = ("cross-entropy", "hinge", "accuracy")
MARGIN = 2.0  # of the hinge, in nats (black-box tuning, arXiv:2201.03514)


def mean_losses(kind: str, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean loss of each prompt, shape (n,), float64.

    scores: (n, rows, words), logits or log-probabilities; labels: (rows,). "cross-entropy": of
    softmax(scores), in nats; "hinge": the mean over all words of max(0, MARGIN + s_word - s_label),
    with 0 for the label itself; "accuracy": the share of wrong answers.
    """
    scores = np.asarray(scores, np.float64)
    own = np.take_along_axis(scores, labels[None, :, None], 2)
    if kind == "cross-entropy":
        top = scores.max(2, keepdims=True)
        total = np.log(np.exp(scores - top).sum(2, keepdims=True)) + top
        return (total - own).mean((1, 2))
    if kind == "hinge":
        gaps = np.maximum(0.0, MARGIN + scores - own)
        np.put_along_axis(gaps, labels[None, :, None], 0.0, 2)
        return gaps.mean((1, 2))
    return 1.0 - accuracies(scores, labels)


def accuracies(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the share of right answers of each prompt, shape (n,); of equal scores the first."""
    return (scores.argmax(2) == labels).mean(1)
