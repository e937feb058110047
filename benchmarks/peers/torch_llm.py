#!/usr/bin/env python3
"""PyTorch and transformers on the CPU, two threads, float32: the language-model workloads of tenzo_bench.

Usage: torch_llm.py MODEL.gguf [name-prefix ...]    prints one JSON object {workload: {"seconds": s, "peak_bytes": b}}

16 texts of 32 random tokens; the loss reads the last position and two rows of the head. `zo_step` is MeZO: three
perturbations in place, two forward passes, one update, the noise drawn again from its seed each time. The peak is that
of the process so far: name one workload a run to have its own.
"""
import json
import os
import resource
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

CALLS = 5


def workloads(path):
    folder, file = os.path.split(os.path.abspath(path))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()
    tokens = torch.randint(0, 49000, (16, 32), generator=torch.Generator().manual_seed(0))
    labels, rows = torch.randint(0, 2, (16,)), torch.tensor([13321, 1109])
    parameters = list(model.parameters())
    head = model.get_input_embeddings().weight

    def loss():
        return F.cross_entropy(model.model(tokens).last_hidden_state[:, -1] @ head[rows].T, labels)

    def perturb(seed, scale):
        torch.manual_seed(seed)
        for p in parameters:
            p.add_(torch.normal(mean=0, std=1, size=p.size(), dtype=p.dtype), alpha=scale)

    @torch.no_grad()
    def forward():
        model.model(tokens)

    @torch.no_grad()
    def zo_step():
        perturb(1, 1e-3)
        plus = loss()
        perturb(1, -2e-3)
        minus = loss()
        perturb(1, 1e-3)
        perturb(1, -1e-9 * float((plus - minus) / 2e-3))

    def adam():
        optimizer = torch.optim.AdamW(parameters, lr=1e-6)

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss().backward()
            optimizer.step()

        return step

    return {
        "llama_forward/smollm2/16x32": lambda: forward,
        "zo_step/smollm2/16x32": lambda: zo_step,
        "adam_step/smollm2/16x32": adam,
    }


def cost(call):
    call()
    best = float("inf")
    for _ in range(CALLS):
        before = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - before)
    return {"seconds": best, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


if __name__ == "__main__":
    torch.set_num_threads(2)
    chosen = tuple(sys.argv[2:]) or ("",)
    print(json.dumps({name: cost(make()) for name, make in workloads(sys.argv[1]).items() if name.startswith(chosen)},
                     indent=1))
