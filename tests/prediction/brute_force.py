"""The oracle of the planner: dense grids over (N_T, D_T), written without the planner's code.

Every point it evaluates can be bought, so what it finds is at or above the true minimum.
"""

import numpy as np

SHARES = {"best": (0, 0), "inference": (1, 0), "pretraining": (0, 1), "both": (1, 1)}


def student_loss(laws, family, N_S, budget, shares, limits, log_N_T, log_D_T, part, fewest):
    """Loss of the student where the teacher leaves it `fewest` tokens, else inf.

    Arrays of one shape. The student uses `part` of the tokens that are left."""
    d_Lgt, d_Pre = shares
    N_T, D_T = np.exp(log_N_T), np.exp(log_D_T)
    teacher = family.forward_flops(N_T)
    left = budget - 3 * d_Pre * teacher * D_T
    D_S = np.minimum(left / (3 * family.forward_flops(N_S) + d_Lgt * teacher), limits.D_S) * part
    fine = fewest <= D_S
    losses = np.full(np.shape(D_S), np.inf)
    L_T = laws.supervised.loss(N_T[fine], D_T[fine])
    losses[fine] = laws.taught.loss(N_S, D_S[fine], L_T)
    return losses


def brute_force(laws, family, N_S, budget, shares, limits, points=400, parts=(1.0,), fewest=1.0):
    """The least loss on a points x points grid in log N_T and log D_T, and around its best.

    Local grids of 41 x 41 around the five lowest points that are not each other's neighbors,
    fourteen times, each half as wide as the one before."""
    ends = np.log([limits.N_T, limits.D_T])
    axes = [np.linspace(*pair, points) for pair in ends]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    best = np.inf
    for part in parts:
        values = student_loss(laws, family, N_S, budget, shares, limits, *grid, part, fewest)
        for _ in range(5):
            i, j = np.unravel_index(np.argmin(values), values.shape)
            center, half = grid[:, i, j], 4 * np.array([axis[1] - axis[0] for axis in axes])
            best = min(best, values[i, j])
            values[max(i - 4, 0) : i + 5, max(j - 4, 0) : j + 5] = np.inf
            for _ in range(14):
                near = [
                    np.clip(np.linspace(c - h, c + h, 41), *pair)
                    for c, h, pair in zip(center, half, ends, strict=True)
                ]
                local = np.stack(np.meshgrid(*near, indexing="ij"))
                around = student_loss(
                    laws, family, N_S, budget, shares, limits, *local, part, fewest
                )
                k = np.unravel_index(np.argmin(around), around.shape)
                best, center, half = min(best, around[k]), local[:, *k], half / 2
    return float(best)
