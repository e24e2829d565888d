"""Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/): momentum with orthogonalized updates.

Every direction of a weight matrix moves equally far, even if examples that need it are rare. For this model, that decides
whether it learns to keep facts about different objects apart.
"""

import math

import torch
from torch import Tensor

STEPS = ((3.4445, -4.7750, 2.0315),) * 5  # coefficients of the Newton-Schulz iteration


def orthogonal(matrices: Tensor) -> Tensor:
    """Approximates the nearest (semi-)orthogonal matrix of each. matrices: [count, rows, columns]."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for a, b, c in STEPS:
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """For the matrices inside the layers. Its learning rate `lr` (a scalar tensor) has the scale of AdamW's.

    The scale is that of Liu et al., 2025, arXiv 2502.16982.
    """

    def __init__(self, matrices: list[Tensor], lr: Tensor, weight_decay: float, momentum: float = 0.95) -> None:
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for matrix in matrices:
            by_shape.setdefault(matrix.shape, []).append(matrix)
        groups = [{"params": same} for same in by_shape.values()]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            matrices, lr, momentum = group["params"], group["lr"], group["momentum"]
            gradients = torch.stack([matrix.grad for matrix in matrices])
            state = self.state[matrices[0]]
            average = state.setdefault("average", torch.zeros_like(gradients))
            average.lerp_(gradients, 1 - momentum)
            update = orthogonal(gradients.lerp(average, momentum)).to(gradients.dtype)
            scale = 0.2 * math.sqrt(max(gradients.shape[1:]))
            torch._foreach_mul_(matrices, 1 - lr * group["weight_decay"])
            torch._foreach_sub_(matrices, list((lr * scale * update).unbind()))
