"""Counter-based randomness: published numbers, a pure-Python twin, and chi-square."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.randomness import GOLDEN, MASK, mix, permutation, stream_key, uniforms, words

keys = st.integers(0, MASK)


def test_the_words_are_splitmix64s_published_ones() -> None:
    # Rosetta Code, "Pseudo-random numbers/Splitmix64": the first numbers of seed 1234567
    assert words(1234567, 5).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(keys, st.integers(0, 20))
def test_words_equal_the_mix_of_their_counters(key: int, count: int) -> None:
    assert words(key, count).tolist() == [mix((key + k * GOLDEN) & MASK) for k in range(1, count + 1)]


def test_the_mix_changes_half_the_bits_when_one_changes() -> None:
    flips = [(mix(x) ^ mix(x ^ (1 << bit))).bit_count() for x in range(1, 40) for bit in range(64)]
    assert np.mean(flips) == pytest.approx(32.0, abs=0.5)
    assert min(flips) > 10


def test_streams_of_different_paths_differ() -> None:
    made = [stream_key(seed, *path) for seed in range(4) for path in [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]]
    assert len(set(made)) == len(made)
    assert stream_key(7, 1, 2) == stream_key(7, 1, 2)


def test_the_largest_seed_has_a_stream() -> None:
    assert 0 <= stream_key(2**53 - 1, 2**40) <= MASK


def test_uniforms_are_uniform_and_never_one() -> None:
    numbers = uniforms(stream_key(1337), 100_000)
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    assert stats.kstest(numbers, "uniform").pvalue > 0.01
    assert np.all(numbers * 2.0**53 == np.floor(numbers * 2.0**53))


@given(st.integers(0, 300), keys)
def test_a_permutation_holds_every_position_once(count: int, key: int) -> None:
    assert sorted(permutation(count, key)) == list(range(count))


def test_every_order_of_four_is_about_equally_likely() -> None:
    rounds = 12_000
    counts = dict.fromkeys(permutations(range(4)), 0)
    for epoch in range(rounds):
        counts[tuple(permutation(4, stream_key(1337, 2, epoch)))] += 1
    assert stats.chisquare(list(counts.values())).pvalue > 0.01


def test_every_element_lands_everywhere_about_equally_often() -> None:
    landed = np.zeros((20, 20))
    for epoch in range(4_000):
        landed[permutation(20, stream_key(3, epoch)), np.arange(20)] += 1
    assert stats.chi2.sf(((landed - 200.0) ** 2 / 200.0).sum(), 19 * 19) > 0.01


def test_a_permutation_is_fisher_and_yates_with_the_words_from_the_top() -> None:
    order = list(range(10))
    for i, word in zip(range(9, 0, -1), words(99, 9).tolist(), strict=True):
        j = int(word * (i + 1) // 2**64)
        order[i], order[j] = order[j], order[i]
    assert permutation(10, 99) == order
