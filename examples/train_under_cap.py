"""Train a small transformer under a cap on memory that plain PyTorch exceeds.

The kernel refuses the process more than so many MiB of private memory (RLIMIT_DATA, Linux). What is swapped
goes to a mapped file, which the cap does not count. MODE is `memo`, or `plain` to see PyTorch fail.

Usage: python examples/train_under_cap.py [MODE [MIB]]
"""

import resource
import sys
import tempfile

import torch
import torch._dynamo  # what tracing needs, before the cap
import torch.nn.functional as F

import penstock
from penstock.frontend.zoo.gpt2 import Gpt2, Gpt2Config
from penstock.frontend.zoo.initialise import initialise
from penstock.ir.swap_plan import SwapPlan

LAYERS, TOKENS, VOCABULARY = 16, 2048, 256


def main(mode: str, mib: int) -> None:
    torch.set_num_threads(1)
    model = Gpt2(Gpt2Config(LAYERS, width=256, heads=4, vocabulary=VOCABULARY, positions=TOKENS))
    initialise(model, seed=0)
    plan = SwapPlan.uniform(LAYERS, TOKENS, alpha=0.5)
    trained = penstock.memo(model, plan, slab_folder=tempfile.gettempdir()) if mode == "memo" else model
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with open(__file__, "rb") as file:
        text = torch.tensor(list(file.read() * 2)[: TOKENS + 1])
    resource.setrlimit(resource.RLIMIT_DATA, (mib << 20, mib << 20))
    for step in range(3):
        loss = F.cross_entropy(trained(text[None, :-1]).flatten(0, 1), text[1:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        print(f"step {step}: loss {loss.item():.4f}", flush=True)


if __name__ == "__main__":
    given = [*sys.argv[1:], *("memo", "800")[len(sys.argv) - 1 :]]
    main(given[0], int(given[1]))
