#!/usr/bin/env python3
"""Prints the table of include/tenzo/core/normal.hpp and the error of what it defines.

A word of 31 bits, made odd, is m; v = float(m) lies in [1, 2^31]. Octave e holds v in [2^e, 2^(e+1)): there
t = v / 2^e - 1.5 is in [-0.5, 0.5) and z = -Phi^-1(v / 2^32) is approximated by a polynomial of degree 6 in t.
Each is the minimax polynomial found by Remez' exchange; then its coefficients are rounded to float one after another,
the highest first, and the lower ones are fitted anew each time, so that only the last roundings remain. Octave 31
holds v = 2^31 alone, where z = 0.

Python's standard library is enough. Usage: scripts/normal_table.py > table.inc
"""

import math
import struct
import sys
from statistics import NormalDist

DEGREE = 6
OCTAVES = 32


def to_float(x):
    """The double x rounded to the nearest float."""
    return struct.unpack("f", struct.pack("f", x))[0]


def quantile(u):
    """-Phi^-1(u) for 0 < u <= 1/2, by two Newton steps on erfc from the library's value."""
    z = -NormalDist().inv_cdf(u)
    for _ in range(2):
        density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        z += (0.5 * math.erfc(z / math.sqrt(2)) - u) / density
    return z


def solve(a, b):
    """The solution of a x = b by elimination with pivots."""
    n = len(b)
    rows = [row[:] + [y] for row, y in zip(a, b)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[p] = rows[p], rows[i]
        for r in range(i + 1, n):
            f = rows[r][i] / rows[i][i]
            for c in range(i, n + 1):
                rows[r][c] -= f * rows[i][c]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - sum(rows[i][c] * x[c] for c in range(i + 1, n))) / rows[i][i]
    return x


def horner(c, t):
    y = 0.0
    for k in reversed(c):
        y = y * t + k
    return y


def minimax(f, degree, grid):
    """Coefficients (lowest first) of the polynomial closest to f on the grid in the maximum norm."""
    n = degree + 2
    nodes = [0.5 * -math.cos(math.pi * i / (n - 1)) for i in range(n)]
    for _ in range(30):
        a = [[t**k for k in range(degree + 1)] + [(-1.0) ** i] for i, t in enumerate(nodes)]
        *c, level = solve(a, [f(t) for t in nodes])
        error = [f(t) - horner(c, t) for t in grid]
        peaks, start = [], 0  # the largest error of each stretch of one sign
        for i in range(1, len(grid) + 1):
            if i == len(grid) or (error[i] > 0) != (error[start] > 0):
                peaks.append(max(range(start, i), key=lambda j: abs(error[j])))
                start = i
        while len(peaks) > n:
            peaks.pop(0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1)
        if len(peaks) < n:
            break
        nodes = [grid[j] for j in peaks]
        if max(map(abs, error)) <= abs(level) * (1 + 1e-6):
            break
    return c


def rounded(f, degree, grid):
    """The minimax polynomial with float coefficients."""
    high = []  # coefficients already rounded: of degree + 1, degree + 2, ...
    for d in range(degree, -1, -1):
        above = list(high)
        rest = lambda t: f(t) - horner(above, t) * t ** (d + 1)
        high.insert(0, to_float(minimax(rest, d, grid)[d]))
    return high


def main():
    grid = [-0.5 + i / 1000 for i in range(1001)]
    table, worst = [], 0.0
    for e in range(OCTAVES - 1):
        values = {t: quantile(math.ldexp(t + 1.5, e - 32)) for t in grid}

        def f(t, e=e, values=values):
            return values[t] if t in values else quantile(math.ldexp(t + 1.5, e - 32))

        c = rounded(f, DEGREE, grid)
        table.append(c)
        error = max(abs(f(t) - horner(c, t)) for t in grid)
        worst = max(worst, error)
        print(f"octave {e:2d}: |error| <= {error:.2e}", file=sys.stderr)
    table.append([0.0] * (DEGREE + 1))
    print(f"largest error before the rounding of the sums: {worst:.2e}", file=sys.stderr)
    for k in range(DEGREE + 1):
        print(f"    // t^{k}")
        for e in range(0, OCTAVES, 4):
            # Row i belongs to octave i + 1 (mod 32): i is what the exponent's low five bits hold.
            print("    " + " ".join(f"{hex_float(table[(i + 1) % OCTAVES][k])}," for i in range(e, e + 4)))


def hex_float(x):
    if x == 0:
        return "0x0p+0f"
    mantissa, exponent = x.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}f"


if __name__ == "__main__":
    main()
