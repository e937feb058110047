#!/usr/bin/env python3
"""llama.cpp (package llama-cpp-python, built for this machine), two threads: a prompt of 512 tokens from a quantised file.

Usage: llama_cpp_prompt.py MODEL.gguf        prints one JSON object {"seconds": s, "peak_bytes": b}
"""
import json
import random
import resource
import sys
import time

from llama_cpp import Llama

model = Llama(sys.argv[1], n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=2, n_threads_batch=2, verbose=False)
tokens = [random.Random(0).randrange(10, 49000) for _ in range(512)]
best = float("inf")
for _ in range(6):
    model.reset()
    before = time.perf_counter()
    model.eval(tokens)
    best = min(best, time.perf_counter() - before)
print(json.dumps({"seconds": best, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
