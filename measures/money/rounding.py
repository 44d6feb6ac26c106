"""Share integer money in proportion, without losing a unit."""

from collections.abc import Sequence


def proportion(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` in proportion to `weights` by largest remainder; ties go to the earlier weight.

    The shares sum to `total` exactly, and no share exceeds its weight while `total` does not exceed
    their sum. All shares are 0 when all weights are.

    >>> proportion(100, [1, 1, 1])
    [34, 33, 33]
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    short = total - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for index in by_remainder[:short]:
        shares[index] += 1
    return shares
