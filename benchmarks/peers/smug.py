#!/usr/bin/env python3
"""A training step of SMUG in PyTorch: `smug_train` and `smug_train_by_cg` of tenzo_bench.

Usage: smug.py [--recompute] [--loop] [--threads N] [workload]

One 96 x 96 slice, 8 coils, 6 unrolled steps, a residual network of 5 layers and 24 channels, 5 noisy copies a step: the
stability loss with the denoised truth for its target and the loss of the reconstruction, gradient clipping, Adam. The
copies are one batch, as in the published code, or one after another (--loop). Data consistency is exact, by factors of
each row (smug_train), or by 8 iterations of conjugate gradients with an implicit gradient (smug_train_by_cg).
--recompute keeps no activations of denoisers. Prints JSON: the least of 20 steps in seconds, and the peak of resident
memory.
"""
import argparse
import json
import resource
import time

import torch
from torch.utils.checkpoint import checkpoint

ROWS, CG = "smug_train/96-8c-n6-w24-m5/b1", "smug_train_by_cg/96-8c-n6-w24-m5/b1"
N, COILS, STEPS, WIDTH, SAMPLES, SIGMA, LAMBDA = 96, 8, 6, 24, 5, 0.05, 1.0


class Denoiser(torch.nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [2, WIDTH, WIDTH, WIDTH, WIDTH, 2]
        self.layers = torch.nn.ModuleList(torch.nn.Conv2d(a, b, 3, padding=1) for a, b in zip(sizes, sizes[1:]))

    def forward(self, x):
        h = self.layers[0](x)
        for layer in self.layers[1:]:
            h = layer(torch.relu(h))
        return x + h


def encoding():
    i, j = torch.meshgrid(torch.arange(N), torch.arange(N), indexing="ij")
    maps = []
    for c in range(COILS):
        a = torch.tensor(2 * torch.pi * c / COILS)
        r = (i - (N - 1) / 2 - 0.6 * N * torch.sin(a)) ** 2 + (j - (N - 1) / 2 - 0.6 * N * torch.cos(a)) ** 2
        maps.append(torch.exp(-r / (2 * (0.6 * N) ** 2)) * torch.exp(1j * (0.3 * c + 0.5 * (i - j) / N)))
    maps = torch.stack(maps).to(torch.complex64)
    maps = maps / maps.abs().square().sum(0, keepdim=True).sqrt()
    mask = torch.zeros(N)
    low = round(0.32 * N / 4)
    mask[(N - low + 1) // 2:(N - low + 1) // 2 + low] = 1
    rest = torch.randperm(N)
    rest = rest[mask[rest] == 0][:N // 4 - low]
    mask[rest] = 1
    return maps, torch.fft.ifftshift(mask)


def gram(maps, mask, x):  # (n, H, W) complex
    k = torch.fft.fft(x[:, None] * maps, dim=-1, norm="ortho") * mask
    return (maps.conj() * torch.fft.ifft(k, dim=-1, norm="ortho")).sum(1)


def cg_solver(maps, mask):
    def solve(b):
        x, r = torch.zeros_like(b), b.clone()
        p, rr = r.clone(), r.abs().square().sum((1, 2), keepdim=True)
        for _ in range(8):
            q = gram(maps, mask, p) + LAMBDA * p
            a = rr / (p.conj() * q).real.sum((1, 2), keepdim=True)
            x = x + a * p
            r = r - a * q
            now = r.abs().square().sum((1, 2), keepdim=True)
            p = r + now / rr * p
            rr = now
        return x
    return solve


def row_solver(maps, mask):
    k = torch.fft.ifft(mask.to(torch.complex64))
    d = (torch.arange(N)[:, None] - torch.arange(N)[None]) % N
    g = k[d] * torch.einsum("chi,chj->hij", maps.conj(), maps) + LAMBDA * torch.eye(N)
    factor = torch.linalg.cholesky(g)

    def solve(b):  # (n, H, W)
        return torch.cholesky_solve(b.permute(1, 2, 0), factor).permute(2, 0, 1)
    return solve


def consistency(solve):
    class Solve(torch.autograd.Function):
        @staticmethod
        def forward(ctx, b):
            return solve(b)

        @staticmethod
        def backward(ctx, g):
            return solve(g)
    return Solve.apply


def to_complex(x):  # (n, 2, H, W)
    return torch.complex(x[:, 0], x[:, 1])


def to_channels(z):
    return torch.stack([z.real, z.imag], 1)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("workload", nargs="?", choices=[ROWS, CG], default=CG)
    arguments.add_argument("--recompute", action="store_true")
    arguments.add_argument("--loop", action="store_true")
    arguments.add_argument("--threads", type=int, default=2)
    o = arguments.parse_args()
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    maps, mask = encoding()
    solve = consistency((row_solver if o.workload == ROWS else cg_solver)(maps, mask))
    model = Denoiser()
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    truth = 0.7 * (2 * torch.rand(1, 2, N, N) - 1)
    z = to_channels(gram(maps, mask, to_complex(truth)))

    def denoise(v):
        return checkpoint(model, v, use_reentrant=False) if o.recompute else model(v)

    def step():
        adam.zero_grad()
        target, x, apart = model(truth), z, 0
        for _ in range(STEPS):
            v = torch.clamp(x + SIGMA * torch.randn(SAMPLES, 2, N, N), -1, 1)
            d = torch.cat([denoise(w) for w in v.split(1)]) if o.loop else denoise(v)
            apart = apart + torch.nn.functional.mse_loss(d, target.expand_as(d))
            x = to_channels(solve(to_complex(z + LAMBDA * d.mean(0, keepdim=True))))
        loss = apart + torch.nn.functional.mse_loss(x, truth)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        adam.step()
        return float(loss.detach())

    for _ in range(3):
        step()
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({o.workload: {"seconds": min(seconds), "peak_bytes": peak}}))


main()
