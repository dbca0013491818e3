"""Networks: nn.Module only, importing nothing but torch and timm."""
