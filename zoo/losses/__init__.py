"""Losses: nn.Module or functions only, importing nothing but torch and timm."""
