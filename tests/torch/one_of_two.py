"""One of two processes that train a network together, each on its half of the batch: `one_of_two.py RANK FOLDER`."""

import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def main(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    x, net = torch.load(f"{folder}/given.pt", weights_only=False)
    model = DistributedDataParallel(net)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    y, _ = model(x[:, rank::2])
    y.sum().backward()
    optimiser.step()
    torch.save([p.detach() for p in net.parameters()], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
