"""How fast training is: against a plain PyTorch loop, and against the machine's own peak.

``capgap bench`` measures and prints it. On a GPU, ``capgap bench --device cuda --compile``
times bfloat16, torch's fused attention and CUDA graphs, and shares of the matmul peak of that
GPU; this was written without one at hand and has not been run on one.
"""
