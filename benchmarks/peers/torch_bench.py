#!/usr/bin/env python3
"""PyTorch on the CPU, two threads, float32: seconds a call of the workloads of tenzo_bench, under the same names.

Usage: torch_bench.py [name-prefix ...]        prints one JSON object {workload: seconds}, the minimum of many calls
"""
import copy
import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

WARM_UP, SECONDS, LEAST = 2, 1.5, 5


def minimum_seconds(call):
    for _ in range(WARM_UP):
        call()
    best, calls, start = float("inf"), 0, time.perf_counter()
    while calls < LEAST or time.perf_counter() - start < SECONDS:
        before = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - before)
        calls += 1
    return best


def training_step(model, x, classes):
    labels = torch.randint(0, classes, (x.shape[0],))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    return step


def product(rows, columns, inner):
    x, weight = torch.randn(rows, inner), torch.randn(columns, inner)
    return lambda: F.linear(x, weight)


def normals(count):
    x = torch.empty(count)
    return lambda: x.normal_()


def mlp(*widths, activation=nn.ReLU):
    layers = []
    for i, o in zip(widths, widths[1:]):
        layers += [nn.Linear(i, o), activation()]
    return nn.Sequential(*layers[:-1])


def mnist_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    inputs = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for block in range(3):
            layers.append(Residual(inputs, outputs, stride if block == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def resnet20_forward():
    model, x = resnet20().eval(), torch.randn(64, 3, 32, 32)
    return torch.inference_mode()(lambda: model(x))


def dqn_update():
    online = mlp(4, 64, 64, 2)
    target = copy.deepcopy(online)
    optimizer = torch.optim.Adam(online.parameters(), 1e-3)
    state, after = torch.randn(32, 4), torch.randn(32, 4)
    action, reward, done = torch.randint(0, 2, (32, 1)), torch.randn(32), torch.zeros(32)

    def step():
        with torch.no_grad():
            wanted = reward + 0.99 * (1 - done) * target(after).max(1).values
        loss = F.mse_loss(online(state).gather(1, action).squeeze(1), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def hessian_vector_product():
    model = mlp(784, 128, 10, activation=nn.Tanh)
    x, labels = torch.randn(64, 784), torch.randint(0, 10, (64,))
    parameters = list(model.parameters())
    direction = [torch.randn_like(p) for p in parameters]

    def product_of_hessian():
        gradient = torch.autograd.grad(F.cross_entropy(model(x), labels), parameters, create_graph=True)
        torch.autograd.grad(sum((g * d).sum() for g, d in zip(gradient, direction)), parameters)

    return product_of_hessian


def zo_step():
    model = mlp(784, 256, 256, 10)
    x, labels = torch.randn(64, 784), torch.randint(0, 10, (64,))
    parameters = list(model.parameters())

    def perturb(scale):
        torch.manual_seed(7)
        for p in parameters:
            p.add_(torch.randn_like(p), alpha=scale)

    @torch.no_grad()
    def step():
        perturb(1e-3)
        plus = F.cross_entropy(model(x), labels)
        perturb(-2e-3)
        minus = F.cross_entropy(model(x), labels)
        perturb(1e-3)
        perturb(-1e-4 * float((plus - minus) / 2e-3))

    return step


def fourier():
    x = torch.randn(64, 320, 320, dtype=torch.complex64)
    return lambda: torch.fft.fft2(x)


def real_fourier():
    x = torch.randn(64, 320, 320)
    return lambda: torch.fft.rfft2(x)


def inverse_real_fourier():
    z = torch.fft.rfft2(torch.randn(64, 320, 320))
    return lambda: torch.fft.irfft2(z)


def attention():
    q = torch.randn(16, 9, 128, 64)
    return lambda: F.scaled_dot_product_attention(q, q, q, is_causal=True)


def cross_entropy():
    logits, labels = torch.randn(512, 49152), torch.randint(0, 49152, (512,))
    return lambda: F.cross_entropy(logits, labels)


WORKLOADS = {
    "gemm/2048x2048x2048": lambda: product(2048, 2048, 2048),
    "gemm/512x1536x576": lambda: product(512, 1536, 576),
    "normal/1e8": lambda: normals(100_000_000),
    "mlp_train/784-256-256-10/b64": lambda: training_step(mlp(784, 256, 256, 10), torch.randn(64, 784), 10),
    "cnn_train/mnist/b64": lambda: training_step(mnist_cnn(), torch.randn(64, 1, 28, 28), 10),
    "resnet20_train/cifar/b64": lambda: training_step(resnet20(), torch.randn(64, 3, 32, 32), 10),
    "resnet20_forward/cifar/b64": resnet20_forward,
    "dqn_update/4-64-64-2/b32": dqn_update,
    "hvp/784-128-10/b64": hessian_vector_product,
    "zo_step/784-256-256-10/b64": zo_step,
    "fft2/64x320x320": fourier,
    "rfft2/64x320x320": real_fourier,
    "irfft2/64x320x320": inverse_real_fourier,
    "attention/b16_h9_t128_d64": attention,
    "cross_entropy/512x49152": cross_entropy,
}

if __name__ == "__main__":
    torch.set_num_threads(2)
    chosen = tuple(sys.argv[1:]) or ("",)
    print(json.dumps({name: minimum_seconds(make()) for name, make in WORKLOADS.items() if name.startswith(chosen)},
                     indent=1))
