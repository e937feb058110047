#!/usr/bin/env python3
"""Makes a small residual network of bottlenecks and what PyTorch computes with it: values, gradients, statistics.

Usage: scripts/resnet_goldens.py FOLDER
Writes FOLDER/{config.json,model.safetensors,expect.safetensors}. Needs the Python packages torch and safetensors.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
WIDTH, CLASSES, BLOCKS = 3, 5, [2, 1, 1]


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride != 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x):
        h = torch.relu(self.bn1(self.conv1(x)))
        h = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(h)))))
        return torch.relu(h + (x if self.downsample is None else self.downsample(x)))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        inputs = WIDTH
        for s, n in enumerate(BLOCKS):
            width = WIDTH << s
            stage = []
            for i in range(n):
                stage.append(Bottleneck(inputs, width, 2 if s > 0 and i == 0 else 1))
                inputs = 4 * width
            setattr(self, f"layer{s + 1}", nn.Sequential(*stage))
        self.fc = nn.Linear(inputs, CLASSES)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for s in range(len(BLOCKS)):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3)))


torch.manual_seed(0)
net = Network()
with torch.no_grad():
    for name, p in [*net.named_parameters(), *net.named_buffers()]:
        if "bn" in name or "downsample.1" in name:
            if name.endswith(("weight", "running_var")):
                p.uniform_(0.5, 1.5)
            elif name.endswith(("bias", "running_mean")):
                p.uniform_(-0.2, 0.2)
kept = lambda tensors: {k: v.contiguous() for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
save_file(kept(net.state_dict()), folder / "model.safetensors")

net = net.double().train()
x = torch.randn(3, 3, 37, 29).double()  # odd, and not square
labels = torch.tensor([4, 0, 2])
logits = net(x)
loss = nn.functional.cross_entropy(logits, labels)
loss.backward()
expect = {"input/x": x, "input/labels": labels, "output/logits": logits.detach(), "output/loss": loss.detach()}
expect |= {f"grad/{name}": p.grad for name, p in net.named_parameters()}
expect |= {f"state/{name}": b for name, b in kept(dict(net.named_buffers())).items()}
save_file({k: v.contiguous() for k, v in expect.items()}, folder / "expect.safetensors")
config = {"architecture": "resnet50", "stem": "imagenet", "width": WIDTH, "classes": CLASSES, "blocks": BLOCKS,
          "mode": "train", "batch_norm": {"eps": 1e-5, "momentum": 0.1}}
(folder / "config.json").write_text(json.dumps(config))
