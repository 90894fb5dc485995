"""EfficientNet-Lite0 and its wider, deeper Lite2 as timm names and computes them (`tf_efficientnet_lite0`),
without timm; for reading trained weights, which they start without sense."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

LITE0, LITE2 = "tf_efficientnet_lite0", "tf_efficientnet_lite2"  # timm's names
# (blocks, kernel, stride of the first, times wider inside, channels) of each stage behind the first
STAGES = {
    LITE0: (
        (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    ),
    LITE2: (
        (3, 3, 2, 6, 24), (3, 5, 2, 6, 48), (4, 3, 2, 6, 88), (4, 5, 1, 6, 120), (5, 5, 2, 6, 208),
        (1, 3, 1, 6, 352),
    ),
}  # fmt: skip
STEM, FIRST, FEATURES, CLASSES = 32, 16, 1280, 1000


class SameConv(nn.Conv2d):
    """A convolution without bias whose output is its input's size by the stride, as TensorFlow pads for it:
    the odd pixel goes right and below."""

    def __init__(self, given: int, made: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        even = kernel // 2 if stride == 1 else 0
        super().__init__(given, made, kernel, stride, padding=even, groups=groups, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', ceil(H / stride), ceil(W / stride))."""
        if self.stride[0] > 1:
            rows, columns = (self._lacking(size) for size in pixels.shape[-2:])
            pixels = functional.pad(
                pixels, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
            )
        return super().forward(pixels)

    def _lacking(self, size: int) -> int:
        (kernel, *_), (stride, *_) = self.kernel_size, self.stride
        return max((-(-size // stride) - 1) * stride + kernel - size, 0)


class Norm(nn.BatchNorm2d):
    """Batch norm and, where `active`, ReLU6 behind it."""

    def __init__(self, channels: int, active: bool = True) -> None:
        super().__init__(channels, eps=1e-3)
        self.active = active

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, C, H, W) of the same shape."""
        normed = super().forward(pixels)
        return functional.relu6(normed, inplace=True) if self.active else normed


class FirstBlock(nn.Module):
    """The one block that is no wider inside; never added to its input here, for the channels differ."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.conv_dw, self.bn1 = SameConv(given, given, 3, groups=given), Norm(given)
        self.conv_pw, self.bn2 = SameConv(given, made, 1), Norm(made, active=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, made, H, W)."""
        return self.bn2(self.conv_pw(self.bn1(self.conv_dw(pixels))))


class Block(nn.Module):
    """An inverted residual: wide, over the neighbourhood, narrow, and the input on top where shapes agree."""

    def __init__(self, given: int, made: int, kernel: int, stride: int, wider: int) -> None:
        super().__init__()
        wide = given * wider
        self.conv_pw, self.bn1 = SameConv(given, wide, 1), Norm(wide)
        self.conv_dw, self.bn2 = SameConv(wide, wide, kernel, stride, groups=wide), Norm(wide)
        self.conv_pwl, self.bn3 = SameConv(wide, made, 1), Norm(made, active=False)
        self.adds = given == made and stride == 1

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, given, H, W) -> (B, made, H / stride, W / stride)."""
        wide = self.bn2(self.conv_dw(self.bn1(self.conv_pw(pixels))))
        narrow = self.bn3(self.conv_pwl(wide))
        return narrow + pixels if self.adds else narrow


def _stage(given: int, blocks: int, kernel: int, stride: int, wider: int, made: int) -> nn.Sequential:
    first = Block(given, made, kernel, stride, wider)
    return nn.Sequential(first, *(Block(made, made, kernel, 1, wider) for _ in range(blocks - 1)))


class EfficientNetLite(nn.Module):
    """timm's modules under timm's names: `conv_stem`, `bn1`, seven stages in `blocks`, `conv_head`, `bn2`,
    and the `classifier` where `classes` is not 0."""

    def __init__(self, name: str, classes: int = 0) -> None:
        """name: a key of STAGES."""
        super().__init__()
        self.conv_stem, self.bn1 = SameConv(3, STEM, 3, 2), Norm(STEM)
        given = (FIRST, *(stage[-1] for stage in STAGES[name]))
        stages = [_stage(width, *stage) for width, stage in zip(given, STAGES[name], strict=False)]
        self.blocks = nn.Sequential(nn.Sequential(FirstBlock(STEM, FIRST)), *stages)
        self.conv_head, self.bn2 = SameConv(given[-1], FEATURES, 1), Norm(FEATURES)
        self.classifier: nn.Module = nn.Linear(FEATURES, classes) if classes else nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, FEATURES), or the classes' logits."""
        stages = self.blocks(self.bn1(self.conv_stem(pixels)))
        return self.forward_head(self.bn2(self.conv_head(stages)))

    def forward_head(self, pixels: Tensor) -> Tensor:
        """What `bn2` gave (B, FEATURES, H, W), averaged over the picture, and through the classifier."""
        return self.classifier(functional.adaptive_avg_pool2d(pixels, 1).flatten(1))
