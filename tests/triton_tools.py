"""Compile the noise kernels as a launch would, for a GPU that is not there.

For processes of their own: the driver of Triton is replaced.
"""

from triton.backends.compiler import GPUTarget
from triton.runtime import driver


class Device:
    """A GPU that only has a compute capability."""

    def __init__(self, capability):
        self.capability = capability

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        return GPUTarget("cuda", self.capability, 32)


class Compiled:
    """Stands for a kernel: a launch compiles it, and adds the result to a list."""

    def __init__(self, kernel, made):
        self.kernel, self.made = kernel, made

    def __getitem__(self, grid):
        return lambda *a, **k: self.made.append(self.kernel.warmup(*a, grid=grid, **k))


def compiling(capability):
    """Let launches compile for a compute capability: return the list that the results go to."""
    driver.set_active(Device(capability))
    from zobench.core.noise import cuda_copies, cuda_kernels

    made = []
    for module, name in (
        (cuda_kernels, "accumulate"),
        (cuda_kernels, "store"),
        (cuda_copies, "copies"),
    ):
        setattr(module, name, Compiled(getattr(module, name), made))
    return made
