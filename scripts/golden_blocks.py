#!/usr/bin/env python3
"""Makes tests/golden/blocks: quantised blocks and what the `gguf` package decodes them to.

Needs the Python packages gguf and numpy:

    scripts/golden_blocks.py tests/golden/blocks

decode_<format>.bin   n blocks of the format, then their values as float32
encode.bin            n float32 values, then the same as f16, bf16, q8_0, q4_0, q4_1
"""

import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGML_QUANT_SIZES
from gguf.quants import dequantize, quantize

HALVES = {  # where a block's scales lie
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}  # fmt: skip
SPECIAL = [0.0, -0.0, 6e-8, -6.1e-5, 1.0, -1.0, 65504.0, 0.1]


def random_blocks(kind, n, rng):
    size = GGML_QUANT_SIZES[kind][1]
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for k, at in enumerate(HALVES[kind]):
        scale = rng.normal(0, 0.05, n).astype(np.float16)
        special = np.roll(SPECIAL, k)[: n // 2]
        scale[: len(special)] = special
        blocks[:, at : at + 2] = scale.view(np.uint8).reshape(n, 2)
    return blocks


def values_to_encode(rng):
    rows = [rng.normal(0, 10.0**k, 32) for k in range(-6, 4)]
    rows += [np.zeros(32), np.full(32, -0.7), np.linspace(-1, 1, 32), np.linspace(0, 31, 32) / 8]
    rows += [rng.integers(-8, 9, 32) / 2, np.where(np.arange(32) == 5, -3.0, 0.0), rng.normal(0, 1e-30, 32)]
    return np.concatenate(rows).astype(np.float32)


def main(folder):
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    for kind in HALVES:
        blocks = random_blocks(kind, 16 if GGML_QUANT_SIZES[kind][0] == 32 else 8, rng)
        with np.errstate(over="ignore"):
            values = dequantize(blocks, kind).astype(np.float32)
        (folder / f"decode_{kind.name.lower()}.bin").write_bytes(blocks.tobytes() + values.tobytes())
    x = values_to_encode(rng)
    parts = [x, x.astype(np.float16)] + [quantize(x, k) for k in (T.BF16, T.Q8_0, T.Q4_0, T.Q4_1)]
    (folder / "encode.bin").write_bytes(b"".join(p.tobytes() for p in parts))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
