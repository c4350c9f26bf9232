"""Counter-based random numbers: the k-th number of a stream is a function of (key, k) alone.

A resumed run needs no generator state, only its step number. The mixing function is SplitMix64
(Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 15).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MASK = 0xFFFF_FFFF_FFFF_FFFF
GOLDEN = 0x9E37_79B9_7F4A_7C15
FIRST_MULTIPLIER = 0xBF58_476D_1CE4_E5B9
SECOND_MULTIPLIER = 0x94D0_49BB_1331_11EB


def mix(z: int) -> int:
    """SplitMix64's finalizer: 64 bits in, 64 well-mixed bits out."""
    z = ((z ^ (z >> 30)) * FIRST_MULTIPLIER) & MASK
    z = ((z ^ (z >> 27)) * SECOND_MULTIPLIER) & MASK
    return z ^ (z >> 31)


def stream_key(seed: int, *path: int) -> int:
    """The key of the stream that belongs to `seed` and a path of counters, such as (epoch,)."""
    key = mix((seed + GOLDEN) & MASK)
    for counter in path:
        key = mix((key + (counter + 1) * GOLDEN) & MASK)
    return key


def words(key: int, count: int) -> NDArray[np.uint64]:
    """The first `count` 64-bit words of a stream; word k is mix(key + (k + 1)·GOLDEN)."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(key)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(FIRST_MULTIPLIER)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(SECOND_MULTIPLIER)
        return z ^ (z >> np.uint64(31))


def uniforms(key: int, count: int) -> NDArray[np.float64]:
    """The first `count` numbers of a stream, uniform on [0, 1) in steps of 2⁻⁵³."""
    return (words(key, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(count: int, key: int) -> list[int]:
    """A random order of range(count): Fisher–Yates from the top, word k deciding the k-th swap.

    A word w chooses ⌊w·(i + 1) / 2⁶⁴⌋ of the i + 1 places that are left.
    """
    order = list(range(count))
    for i, word in zip(range(count - 1, 0, -1), words(key, count - 1).tolist(), strict=True):
        j = (word * (i + 1)) >> 64
        order[i], order[j] = order[j], order[i]
    return order
