"""exp, log, tanh, erf and their kin on vectors, to about 3 units in the last place, edges included.

Each follows the edges of `autograd/primitives.py`: overflow to infinity, log 0 = −infinity, NaN in,
NaN out. Denormal results are flushed to 0. Coefficients are those of the plain series, made here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.compiler.assembly.ir import Real, Vector
from engine.compiler.assembly.vectors import Vectors


@dataclass(frozen=True, slots=True)
class _Format:
    """What the bit tricks need to know of a floating type.

    `rounder` is 1.5·2ᵖ: adding it leaves the rounded sum in the lowest bits. The exponent of 2ᵏ is written as
    k + `bias`. ln 2 is split in two, its upper part short enough that k times it is exact. A guess is what a
    number's bits (halved) are taken from to guess 1/√x: the exponent changes sign, the fraction roughly does.
    """

    fraction_bits: int
    rounder: float
    bias: int
    root_half: int
    ln2: tuple[float, float]
    exp_range: tuple[float, float]
    exp_series: tuple[float, ...]
    log_terms: int
    tanh_terms: int
    root_guess: int
    root_series: tuple[float, ...]


# (eʳ − 1 − r) / r² for |r| ≤ ½ ln 2, interpolated at its 10 Chebyshev nodes with 60 digits (mpmath): two
# terms shorter than the series 1/2 + r/6 + …, and wrong by 4e-17 of eʳ − 1.
_EXP_SERIES = (
    0.5000000000000001,
    0.16666666666666669,
    0.041666666666624136,
    0.008333333333330063,
    0.001388888891720967,
    0.00019841269863050506,
    2.4801521302241082e-05,
    2.7557268464831627e-06,
    2.7620085455018414e-07,
    2.510038319586702e-08,
)

# 1/√(2(c − d)) for |d| ≤ 3.3e-4 and c = _ROOT_MIDDLE, interpolated at its 5 Chebyshev nodes with 60 digits
# (mpmath), wrong by 6e-17; three terms are enough for float32.
_ROOT_STEP, _ROOT_MIDDLE = 1.19462268, 0.252246918
_ROOT_SERIES = (
    1.4079008393396064,
    2.7907196062133464,
    8.297582865451712,
    27.412283232371696,
    95.08837582685686,
)

_FORMATS = {
    64: _Format(
        52,
        1.5 * 2.0**52,
        1023,
        0x3FE6_A09E_667F_3BCD,
        (float.fromhex("0x1.62e42feep-1"), 1.9082149292705877e-10),
        (-708.4, 710.0),
        _EXP_SERIES,
        10,
        5,
        0x5FE4_0000_0000_0000,
        _ROOT_SERIES,
    ),
    32: _Format(
        23,
        1.5 * 2.0**23,
        127,
        0x3F35_04F3,
        (float.fromhex("0x1.62e4p-1"), 1.4286068203094173e-06),
        (-87.34, 89.0),
        tuple(1.0 / math.factorial(n) for n in range(2, 8)),
        5,
        3,
        0x5F20_0000,
        _ROOT_SERIES[:3],
    ),
}


def _format(real: Real) -> _Format:
    return _FORMATS[real.bits]


def polynomial(code: Vectors, x: Vector, coefficients: Sequence[float]) -> Vector:
    """c₀ + c₁x + c₂x² …: even and odd powers apart, two chains that run side by side."""
    if len(coefficients) < 3:
        return code.fma(x, coefficients[1], coefficients[0])
    square = code.times(x, x)
    even, odd = _horner(code, square, coefficients[::2]), _horner(code, square, coefficients[1::2])
    return code.fma(odd, x, even)


def _horner(code: Vectors, x: Vector, coefficients: Sequence[float]) -> Vector:
    result = code.constant(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = code.fma(result, x, coefficient)
    return result


def at_least(code: Vectors, x: Vector, bound: float) -> Vector:
    """max(x, bound), NaN staying NaN."""
    return code.either(code.compare("olt", x, bound), bound, x)


def at_most(code: Vectors, x: Vector, bound: float) -> Vector:
    """min(x, bound), NaN staying NaN."""
    return code.either(code.compare("ogt", x, bound), bound, x)


def _reduced_exp(code: Vectors, x: Vector, further: int) -> tuple[Vector, Vector]:
    """(p, s) with 2ᶠeˣ = s·(1 + p), f being `further`: x = k·ln 2 + r, |r| ≤ ½ ln 2, p = eʳ − 1, s = 2ᵏ⁺ᶠ."""
    format_ = _format(code.real)
    x = at_least(code, x, format_.exp_range[0])
    k, scale = _nearest(code, x, math.log2(math.e), further)
    r = code.fma(k, -format_.ln2[1], code.fma(k, -format_.ln2[0], x))
    p = code.fma(polynomial(code, r, format_.exp_series), code.times(r, r), r)
    return p, scale


def _halved_exp(code: Vectors, x: Vector) -> tuple[Vector, Vector]:
    """(p, s) with eˣ = 2s·(1 + p): 2¹⁰²⁴ itself would overflow where 2¹⁰²⁴·(1 + p) need not."""
    return _reduced_exp(code, at_most(code, x, _format(code.real).exp_range[1]), -1)


def _nearest(code: Vectors, x: Vector, factor: float, further: int) -> tuple[Vector, Vector]:
    """k, the integer nearest to factor·x, and 2 to the k + further.

    The rounder holds the exponent's bias, so that the lowest bits of the sum are the power's exponent.
    """
    format_ = _format(code.real)
    rounder = format_.rounder + format_.bias + further
    shifted = code.fma(x, factor, rounder)
    power = code.bits("shl", code.as_bits(shifted), format_.fraction_bits)
    return code.minus(shifted, rounder), code.as_reals(power)


def root_factors(code: Vectors, x: Vector) -> tuple[Vector, Vector]:
    """Two factors of √x for 0 ≤ x < infinity, whose product is right to 3 units in the last place.

    Less than half the time of the CPU's own. Guess and first step of Goldschmidt's iteration, g → s√x and
    h → s / 2√x side by side, are those of Walczyk, Moroz & Cieśliński ("Improving the Accuracy of the Fast
    Inverse Square Root by Modifying Newton–Raphson Corrections", Entropy 23, 2021): an error of 6.5e-4, the
    least there is, and an s that is not 1. A series in c − gh, which is nearly 0, makes up for both. g starts
    from x, so that a 0 stays 0.
    """
    format_ = _format(code.real)
    shifted = code.bits("lshr", code.as_bits(x), 1)

    def guess(bits: int) -> Vector:
        return code.as_reals(code.bits("sub", code.bits_constant(bits), shifted))

    g = code.times(x, guess(format_.root_guess))
    h = guess(format_.root_guess - (1 << format_.fraction_bits))  # half as much: the exponent less 1
    step = code.fma(code.negative(g), h, _ROOT_STEP)
    g, h = code.times(g, step), code.times(h, step)
    rest = code.fma(code.negative(g), h, _ROOT_MIDDLE)
    return g, _horner(code, rest, format_.root_series)


def exp(code: Vectors, x: Vector) -> Vector:
    """eˣ."""
    p, scale = _halved_exp(code, x)
    return code.times(code.fma(scale, p, scale), 2.0)


def exp_of_negative(code: Vectors, x: Vector) -> Vector:
    """eˣ for x ≤ 0, which cannot overflow."""
    p, scale = _reduced_exp(code, x, 0)
    return code.fma(scale, p, scale)


def expm1(code: Vectors, x: Vector) -> Vector:
    """eˣ − 1, without cancellation near 0."""
    p, scale = _halved_exp(code, x)
    return code.times(code.fma(scale, p, code.minus(scale, 0.5)), 2.0)


# (t / tanh t − 1) / t² for |t| ≤ ¼ ln 2 as a polynomial in t², interpolated at its 5 Chebyshev nodes with
# 60 digits (mpmath), wrong by 3e-18 of t / tanh t; three terms are enough for float32.
_TANH_SERIES = (
    0.3333333333333332,
    -0.022222222222050975,
    0.0021164020708103106,
    -0.00021163596166269194,
    2.1215954608223906e-05,
)


def tanh(code: Vectors, x: Vector) -> Vector:
    """(e²ˣ − 1) / (e²ˣ + 1), without an exponential: odd to the last bit, and never beyond 1.

    With x = k·½ ln 2 + t, s = 2ᵏ and c = t / tanh t, e²ˣ is s·(c + t) / (c − t), and so tanh x is
    (t·(s + 1) − c·(1 − s)) / (c·(s + 1) − t·(1 − s)). No difference cancels: without k they are 2t and 2c.
    ½ ln 2 in one piece is exact enough, since tanh is flat where k is great.
    """
    format_ = _format(code.real)
    x = at_most(code, at_least(code, x, -20.0), 20.0)  # past which it is 1 to the last digit
    k, s = _nearest(code, x, 2.0 * math.log2(math.e), 0)
    t = code.fma(k, -0.5 * math.log(2.0), x)
    square = code.times(t, t)
    c = _horner(code, square, (1.0, *_TANH_SERIES[: format_.tanh_terms]))
    more, less = code.plus(s, 1.0), code.minus(1.0, s)
    top = code.fma(code.negative(c), less, code.times(t, more))
    return code.over(top, code.fma(code.negative(t), less, code.times(c, more)))


def log(code: Vectors, x: Vector) -> Vector:
    """x = 2ᵏ(1 + f) with 1 + f near 1; log(1 + f) = 2 atanh(s), s = f / (2 + f)."""
    format_ = _format(code.real)
    bits = code.as_bits(x)
    k = code.bits("ashr", code.bits("sub", bits, format_.root_half), format_.fraction_bits)
    mantissa = code.bits("sub", bits, code.bits("shl", k, format_.fraction_bits))
    exponent = code.value(f"sitofp {code.real.bits_vector} {k} to {code.real.vector}")
    f = code.minus(code.as_reals(mantissa), 1.0)
    s = code.over(f, code.plus(f, 2.0))
    square = code.times(s, s)
    series = [2.0 / (2 * n + 1) for n in range(1, format_.log_terms + 1)]
    tail = code.times(square, polynomial(code, square, series))
    correction = code.fma(s, code.minus(f, tail), code.times(exponent, -format_.ln2[1]))
    result = code.fma(exponent, format_.ln2[0], code.minus(f, correction))
    at_zero = code.either(code.compare("oeq", x, 0.0), -math.inf, math.nan)
    result = code.either(code.compare("ogt", x, 0.0), result, at_zero)
    return code.either(code.compare("oeq", x, math.inf), math.inf, result)


def log1p(code: Vectors, x: Vector) -> Vector:
    """log(1 + x): log of the rounded sum, plus what rounding lost over the sum."""
    total = code.plus(1.0, x)
    lost = code.over(code.minus(x, code.minus(total, 1.0)), total)
    inside = code.both("and", code.compare("ogt", total, 0.0), code.compare("olt", total, math.inf))
    return code.plus(log(code, total), code.either(inside, lost, 0.0))


# erfc(x)·exp(x²) on 1 ≤ x ≤ 6 as a polynomial in 11.9/(x + 2.5) − 2.4, which runs over −1 … 1:
# interpolated at its 15 Chebyshev nodes with 60 digits (mpmath), wrong by less than 3e-18 of erf.
_ERFC_TAIL = (
    0.21394805165754288,
    0.1579805843819203,
    0.04499721517041194,
    0.009374321292825503,
    0.001249399740407146,
    5.0537110031885635e-05,
    -1.4819868220100511e-05,
    -1.9887461143294538e-06,
    2.3120180348334922e-07,
    5.1397546415756185e-08,
    -6.149413585806772e-09,
    -1.2846022268262057e-09,
    2.3412631585356397e-10,
    2.6026771505342537e-11,
    -8.485412568262359e-12,
)


def erf(code: Vectors, x: Vector) -> Vector:
    """The error function: its series up to 1, from there 1 − exp(−x²)·(erfc(x)·exp(x²))."""
    size = code.magnitude(x)
    square = code.times(x, x)
    series = [2.0 / math.sqrt(math.pi) * (-1.0) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(18)]
    near = code.times(x, polynomial(code, at_most(code, square, 1.0), series))
    inside = at_most(code, at_least(code, size, 1.0), 6.0)
    t = code.minus(code.over(11.9, code.plus(inside, 2.5)), 2.4)
    tail = polynomial(code, t, _ERFC_TAIL)
    far = code.minus(1.0, code.times(exp(code, code.negative(code.times(inside, inside))), tail))
    return code.either(code.compare("ole", size, 1.0), near, code.with_sign(far, x))


def power(code: Vectors, a: Vector, b: Vector) -> Vector:
    """aᵇ as exp(b·log|a|), with pow's signs: NaN for a negative base and a broken exponent."""
    base = code.magnitude(a)
    size = exp(code, code.times(b, log(code, base)))
    size = code.either(code.compare("oeq", base, 1.0), 1.0, size)
    one = code.both("or", code.compare("oeq", b, 0.0), code.compare("oeq", a, 1.0))
    whole = code.compare("oeq", code.floor(b), b)
    even = code.compare("oeq", code.times(code.floor(code.times(b, 0.5)), 2.0), b)
    no_root = code.both("and", code.compare("ogt", base, 0.0), code.compare("olt", base, math.inf))
    broken = code.either(no_root, math.nan, size)
    broken = code.either(code.compare("uno", b, b), math.nan, broken)
    signed = code.either(whole, code.either(even, size, code.negative(size)), broken)
    below = code.compare("olt", code.with_sign(code.constant(1.0), a), 0.0)  # −0 too
    return code.either(one, 1.0, code.either(below, signed, size))
