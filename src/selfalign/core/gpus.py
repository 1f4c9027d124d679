"""GPU models: memory and peak performance, as in their data sheets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuModel:
    """A GPU model.

    Attributes:
        memory_gib: memory, in GiB.
        tflops: peak performance for dense bfloat16, in TFLOP/s.
        reported: beginning of the name that the driver reports, without the vendor.
    """

    memory_gib: float
    tflops: float
    reported: str


GPUS = {
    "a100-40gb": GpuModel(40, 312, "A100"),
    "a100-80gb": GpuModel(80, 312, "A100"),
    "h100-80gb": GpuModel(80, 989, "H100 80GB HBM3"),
    "h200": GpuModel(140, 989, "H200"),
    "l40s": GpuModel(48, 362, "L40S"),
    "rtx-4090": GpuModel(24, 165, "GeForce RTX 4090"),
}


def reported_tflops(name: str) -> float | None:
    """Return the peak performance for dense bfloat16 of a GPU, in TFLOP/s; None if the model is not in :data:`GPUS`.

    Args:
        name: name of the device as its driver reports it, such as ``NVIDIA A100-SXM4-80GB``.
    """
    model = name.removeprefix("NVIDIA ")
    return next((gpu.tflops for gpu in GPUS.values() if model.startswith(gpu.reported)), None)
