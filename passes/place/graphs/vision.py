"""Convolutional networks: AlexNet, ResNet-50, MobileNetV2, U-Net."""

from __future__ import annotations

from dataclasses import dataclass

from ..problem import Problem
from .builder import Builder


@dataclass(frozen=True)
class Image:
    """A batch of feature maps: the tensor, channels, height (and width)."""

    tensor: int
    channels: int
    side: int


class Net(Builder):
    """Operations on batches of images."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch

    def image(self, channels: int, side: int) -> Image:
        """The program's input."""
        return Image(self.param("input", self.batch * channels * side * side), channels, side)

    def conv(
        self,
        name: str,
        x: Image,
        channels: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        add: Image | None = None,
        kind: str = "temp",
    ) -> Image:
        """A convolution, its batch normalisation, activation and residual fused."""
        side = -(-x.side // stride)
        weight = self.param(f"{name}.w", channels * x.channels // groups * kernel * kernel + 2 * channels)
        out = self.batch * channels * side * side
        inputs = [x.tensor, weight] + ([add.tensor] if add and add.tensor != x.tensor else [])
        macs = out * x.channels // groups * kernel * kernel
        flops, vector = (2.0 * macs, 0.0) if groups == 1 else (0.0, 2.0 * macs)  # depthwise: no matrix unit
        tensor = self.op(name, inputs, out, flops=flops, vector_ops=vector, kind=kind)
        return Image(tensor, channels, side)

    def pool(self, name: str, x: Image, side: int, window: int) -> Image:
        """A pooling."""
        out = self.batch * x.channels * side * side
        tensor = self.op(name, [x.tensor], out, vector_ops=float(out * window * window))
        return Image(tensor, x.channels, side)

    def dense(self, name: str, x: int, wide: int, out: int, kind: str = "temp") -> int:
        """A fully connected layer."""
        weight = self.param(f"{name}.w", wide * out + out)
        flops = 2.0 * self.batch * wide * out
        return self.op(name, [x, weight], self.batch * out, flops=flops, kind=kind)


def alexnet(batch: int = 8) -> Problem:
    """AlexNet at 224 × 224."""
    net = Net(batch)
    x = net.pool("pool1", net.conv("conv1", net.image(3, 224), 64, 11, 4), 27, 3)
    x = net.pool("pool2", net.conv("conv2", x, 192, 5), 13, 3)
    x = net.conv("conv3", x, 384, 3)
    x = net.conv("conv4", x, 256, 3)
    x = net.pool("pool5", net.conv("conv5", x, 256, 3), 6, 3)
    y = net.dense("fc6", x.tensor, 256 * 36, 4096)
    y = net.dense("fc7", y, 4096, 4096)
    net.dense("fc8", y, 4096, 1000, "result")
    return net.problem("alexnet")


def resnet50(batch: int = 8) -> Problem:
    """ResNet-50 at 224 × 224."""
    net = Net(batch)
    x = net.pool("pool1", net.conv("conv1", net.image(3, 224), 64, 7, 2), 56, 3)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
        for block in range(blocks):
            stride = 2 if stage > 1 and block == 0 else 1
            name = f"layer{stage}.{block}"
            skip = x if block else net.conv(f"{name}.down", x, 4 * width, 1, stride)
            y = net.conv(f"{name}.conv1", x, width, 1)
            y = net.conv(f"{name}.conv2", y, width, 3, stride)
            x = net.conv(f"{name}.conv3", y, 4 * width, 1, add=skip)
    y = net.pool("pool", x, 1, x.side)
    net.dense("fc", y.tensor, 2048, 1000, "result")
    return net.problem("resnet50")


def mobilenetv2(batch: int = 8) -> Problem:
    """MobileNetV2 at 224 × 224."""
    net = Net(batch)
    x = net.conv("stem", net.image(3, 224), 32, 3, 2)
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2))
    for stage, (expand, channels, blocks, first) in enumerate((*table, (6, 320, 1, 1)), 1):
        for block in range(blocks):
            name, stride = f"block{stage}.{block}", first if block == 0 else 1
            wide = x.channels * expand
            y = net.conv(f"{name}.expand", x, wide, 1) if expand > 1 else x
            y = net.conv(f"{name}.depth", y, wide, 3, stride, groups=wide)
            x = net.conv(f"{name}.project", y, channels, 1, add=x if block else None)
    x = net.conv("head", x, 1280, 1)
    y = net.pool("pool", x, 1, x.side)
    net.dense("fc", y.tensor, 1280, 1000, "result")
    return net.problem("mobilenetv2")


def unet(batch: int = 2) -> Problem:
    """U-Net at 256 × 256, padded, 64 to 1024 channels; long skips."""
    net = Net(batch)
    x, skips = net.image(3, 256), []
    for level, channels in enumerate((64, 128, 256, 512)):
        x = net.conv(f"down{level}.conv1", x, channels, 3)
        x = net.conv(f"down{level}.conv2", x, channels, 3)
        skips.append(x)
        x = net.pool(f"down{level}.pool", x, x.side // 2, 2)
    x = net.conv("bottom.conv1", x, 1024, 3)
    x = net.conv("bottom.conv2", x, 1024, 3)
    for level, skip in reversed(list(enumerate(skips))):
        x = _up(net, f"up{level}", x, skip)
        x = net.conv(f"up{level}.conv2", x, skip.channels, 3)
    net.conv("out", x, 2, 1, kind="result")
    return net.problem("unet")


def _up(net: Net, name: str, x: Image, skip: Image) -> Image:
    """A transposed convolution, then a convolution over it and the skip together."""
    channels, side = skip.channels, skip.side
    weight = net.param(f"{name}.up.w", 4 * x.channels * channels)
    out = net.batch * channels * side * side
    raised = net.op(f"{name}.up", [x.tensor, weight], out, flops=2.0 * out * x.channels)
    weight = net.param(f"{name}.conv1.w", 9 * 2 * channels * channels)
    flops = 2.0 * out * 9 * 2 * channels
    tensor = net.op(f"{name}.conv1", [raised, skip.tensor, weight], out, flops=flops)
    return Image(tensor, channels, side)
