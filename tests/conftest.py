"""Shared by all tests: no network, one thread a worker, a cache of tiny phantoms for the whole session."""

import os
import socket
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "offline"
os.environ["HF_HUB_OFFLINE"] = "1"  # timm's weights: fail at once

import pytest
import torch

ROOT = Path(__file__).parent.parent
BUSI_ROOT = ROOT.parent / "shared" / "data" / "busi"
WEIGHTS_ROOT = ROOT.parent / "shared" / "weights"
torch.set_num_threads(1)
torch.set_flush_denormal(True)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> Path:
    """One cache for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    os.environ["SONOZOO_CACHE"] = str(base / "cache")
    os.environ["TORCH_HOME"] = str(base / "torch")  # whatever weights are on this machine
    os.environ.pop("SONOZOO_WEIGHTS", None)
    return base / "cache"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Any attempt to leave the machine fails."""
    connect = socket.socket.connect

    def local_only(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise OSError(f"no network in tests: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(scope="module")
def example_method():
    """The method that CONTRIBUTING.md adds: its name, in METHODS while a module's tests run, and its config."""
    from tests import contributing

    yield contributing.example_method()
    contributing.forget_example_method()


@pytest.fixture
def untimed(monkeypatch):
    """No network is built and timed for an estimate."""
    from benchmarks.estimate import forecast

    monkeypatch.setattr(forecast, "outlooks", lambda *_: iter(()))


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
