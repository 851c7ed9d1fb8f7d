"""Two spaces that differ in error and in complexity, which tests compare."""

import numpy as np

from edfstat.population import build_population


def two_spaces(n=300, shift=1.0, seed=0, **more):
    """Two spaces whose error falls with complexity; the second is larger and, at equal size, worse by `shift`."""
    rng = np.random.default_rng(seed)
    params = np.concatenate([rng.integers(1000, 9000, n), rng.integers(3000, 12000, n)])
    noise = rng.gamma(2.0, 0.5, 2 * n)
    error = 12 - params / 2000 + noise + np.repeat([0.0, shift], n)
    columns = {"error": error, "params": params, "space": np.repeat(["small", "large"], n)} | more
    return build_population(columns)
