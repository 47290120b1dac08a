"""The measured peak of matrix products: what speed is a share of."""

import torch

from capgap.lm.speed.timing import interleave

__all__ = ["matmul_peak"]

SIZES = {"cpu": (256, 512, 1024), "cuda": (2048, 4096, 8192)}


def matmul_peak(device: torch.device, dtype: torch.dtype, repetitions: int = 20) -> float:
    """FLOP/s of the fastest of a few square products, 2 n^3 FLOPs each.

    With the number of threads that torch has now. The best of sizes and repetitions: a peak
    that is too low would flatter every share of it.
    """
    rates = []
    settle = torch.cuda.synchronize if device.type == "cuda" else None
    for n in SIZES.get(device.type, SIZES["cpu"]):
        a, b = (torch.ones(n, n, device=device, dtype=dtype) for _ in range(2))
        times = interleave({"": lambda a=a, b=b: a @ b}, repetitions, settle=settle)  # type: ignore[misc]
        rates.append(2 * n**3 / times[""].best)
    return max(rates)
