"""Train your own PyTorch model with a zeroth-order estimator, at the memory of inference."""

from zobench.optim.optimizer import ZerothOrder
from zobench.optim.trajectory import replay

__all__ = ["ZerothOrder", "replay"]
