#!/usr/bin/env python3
"""Writes include/tenzo/io/tokenizer/unicode_data.hpp: the properties of characters that tokenizers ask for.

Needs the module unicodedata2, version 16.0.0 (or a Python whose unicodedata has that version), and regex for the
classes of grapheme clusters. Usage: scripts/unicode_tables.py > include/tenzo/io/tokenizer/unicode_data.hpp
"""

import unicodedata as host

import regex

try:
    import unicodedata2 as ucd
except ImportError:
    ucd = host
assert ucd.unidata_version == "16.0.0", ucd.unidata_version

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
LETTER, NUMBER, SPACE, PUNCTUATION, NONSPACING, MARK, WORD, CONTROL, EXTEND, PREPEND = (1 << i for i in range(10))
SPACES = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
word = regex.compile(r"\w")
extend = regex.compile(r"[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]")
prepend = regex.compile(r"\p{GCB=Prepend}")


def flags(c):
    s = chr(c)
    category = ucd.category(s)
    f = {"L": LETTER, "N": NUMBER, "P": PUNCTUATION, "M": MARK}.get(category[0], 0)
    if c in SPACES:
        f |= SPACE
    if category == "Mn":
        f |= NONSPACING
    if category in ("Cc", "Cf", "Co"):
        f |= CONTROL
    if category != "Cn" and word.match(s):
        f |= WORD
    if category != "Cn" and extend.match(s):
        f |= EXTEND
    if category != "Cn" and prepend.match(s):
        f |= PREPEND
    return f


def runs(value):
    """(first code point, value) wherever the value changes; surrogates continue what is before them."""
    out = []
    for c in CODES:
        v = value(c)
        if not out or out[-1][1] != v:
            out.append((c, v))
    return out


def lower(c):
    """Simple lower case by character; of characters that the running Python does not know, by name."""
    s = chr(c)
    if host.category(s) == "Cn" and ucd.category(s) == "Lu":
        try:
            return ord(ucd.lookup(ucd.name(s).replace("CAPITAL", "SMALL")))
        except KeyError:
            return c
    return ord(s.lower()[0])


def lower_runs():
    """[first, last, stride, delta]: every stride-th code point of first ... last maps to itself + delta."""
    out = []
    for c in CODES:
        delta = lower(c) - c
        if delta == 0:
            continue
        if out and out[-1][3] == delta:
            first, last, stride, _ = out[-1]
            if first == last and c - last <= 2 or c - last == stride:
                out[-1] = [first, c, c - last, delta]
                continue
        out.append([c, c, 1, delta])
    return out


def decompositions():
    """(code point, first, second or 0) of each canonical decomposition, one step; Hangul is arithmetic."""
    out = []
    for c in CODES:
        d = ucd.decomposition(chr(c))
        if d and not d.startswith("<"):
            parts = [int(x, 16) for x in d.split()]
            out.append((c, *parts, 0)[:3])
    return out


def compositions(table):
    composed = lambda c, a, b: b and ucd.normalize("NFC", chr(a) + chr(b)) == chr(c)
    return sorted((i for i, e in enumerate(table) if composed(*e)), key=lambda i: table[i][1:])


def array(kind, name, about, values, width):
    print(f"\n/// {about}\ninline constexpr {kind} {name}[] = {{")
    per_line = 118 // (width + 2)
    for i in range(0, len(values), per_line):
        print("  " + ", ".join(values[i : i + per_line]) + ",")
    print("};")


print("// Properties of characters, Unicode 16.0.0; written by scripts/unicode_tables.py.")
print("// From the Unicode Character Database, © Unicode, Inc., under the Unicode License v3 (unicode.org/license.txt).")
print("// clang-format off\n#pragma once\n\n#include <cstdint>\n\nnamespace tenzo::text::data {")
array("std::uint32_t", "character_runs", "first code point << 11 | flags (unicode.hpp); each run ends where the next begins.",
      [f"0x{c << 11 | f:08x}" for c, f in runs(flags)], 10)
array("std::uint32_t", "combining_runs", "first code point << 11 | canonical combining class.",
      [f"0x{c << 11 | f:08x}" for c, f in runs(lambda c: ucd.combining(chr(c)))], 10)
print("\n/// Every stride-th code point of first ... last has itself + delta as its lower case.")
print("struct LowerRun {\n  std::uint32_t first, last;\n  std::int32_t stride, delta;\n};")
array("LowerRun", "lower_runs", "Lower case, character by character.",
      [f"{{0x{a:x}, 0x{b:x}, {s}, {d}}}" for a, b, s, d in lower_runs()], 30)
table = decompositions()
array("std::uint64_t", "decompositions",
      "Canonical decompositions of one step: code point << 42 | first << 21 | second (0: none).",
      [f"0x{c << 42 | a << 21 | b:016x}" for c, a, b in table], 18)
array("std::uint16_t", "compositions", "Those that compose again, as indices, sorted by (first, second).",
      [str(i) for i in compositions(table)], 4)
print("\n}  // namespace tenzo::text::data")
