"""The fast trunk gives timm's outputs and gradients; only its depthwise filters stand still."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from clipcap_ext.train.contrastive import trunk as fast  # noqa: E402


@pytest.fixture(scope="module", params=["tf_efficientnet_lite0", "tf_efficientnet_lite2"])
def lite(request):
    torch.manual_seed(0)
    made = timm.create_model(request.param, num_classes=0).eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.uniform_(module.bias, -0.2, 0.6)
    return made.double()  # so that no activation stands on the two sides of its kink


@pytest.mark.parametrize("size", [32, 45])
def test_same_features_and_gradients(lite, size):
    pixels = torch.randn(2, 3, size, size, dtype=torch.double)
    towards = torch.randn(2, lite.num_features, dtype=torch.double)
    lite.requires_grad_(True).zero_grad(set_to_none=True)
    expected = lite(pixels)
    (expected * towards).sum().backward()
    gradients = {name: p.grad.clone() for name, p in lite.named_parameters()}
    lite.zero_grad(set_to_none=True)

    fast.freeze_depthwise(lite)
    found = fast.pooled(lite, pixels)
    (found * towards).sum().backward()

    torch.testing.assert_close(found, expected)
    trained = {name: p.grad for name, p in lite.named_parameters() if p.grad is not None}
    for name, gradient in trained.items():
        assert (gradient - gradients[name]).norm() <= 1e-9 * gradients[name].norm(), name
    kept = sum(p.numel() for name, p in lite.named_parameters() if name not in trained)
    assert 0 < kept < 0.1 * sum(p.numel() for p in lite.parameters())
    assert not any("conv_dw" in name for name in trained)
