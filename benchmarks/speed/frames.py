"""Frames a second of sSWE, one at a time, as a live scanner would ask: plain, compiled, exported to ONNX."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
import torch

from zoo.methods.sswe import SSWE

SIZE = (64, 96)
WARM_UP, FRAMES, REPEATS = 20, 100, 5


def frame_speed(device: str) -> pd.DataFrame:
    """A row a variant: milliseconds a frame and frames a second (medians of several runs of many frames), and the
    largest difference from the plain network's output, in parts of full scale.

    The ONNX row needs the extra ``onnx`` and runs on the CPU; it is left out without it.
    """
    model = SSWE().eval().to(device)
    frame = torch.rand(1, 1, *SIZE, device=device) * 2 - 1
    runs: dict[str, Callable[[], np.ndarray]] = {"plain": _torch_run(model, frame)}
    runs["compiled"] = _torch_run(torch.compile(model), frame)
    exported = _onnx_run(model, frame)
    if exported is not None:
        runs["ONNX Runtime, CPU"] = exported
    wanted, lines = runs["plain"](), []
    for name, run in runs.items():
        ms = _median_ms(run)
        apart = float(np.abs(run() - wanted).max()) / 2
        lines.append({"sSWE, 64 x 96, batch 1": name, "ms a frame": round(ms, 2), "frames a second": round(1000 / ms),
                      "difference": f"{apart:.1e}"})  # fmt: skip
    return pd.DataFrame(lines)


def _torch_run(network: Callable, frame: torch.Tensor) -> Callable[[], np.ndarray]:
    def run() -> np.ndarray:
        with torch.inference_mode():
            return network(frame).cpu().numpy()

    return run


def _onnx_run(model: SSWE, frame: torch.Tensor) -> Callable[[], np.ndarray] | None:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 (torch's exporter needs it)
    except ImportError:
        return None
    exported = torch.onnx.export(model.cpu(), (frame.cpu(),), dynamo=True, external_data=False, verbose=False)
    assert exported is not None, "the dynamo exporter returns its program"
    program = exported.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(program, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: frame.cpu().numpy()}
    return lambda: session.run(None, inputs)[0]


def _median_ms(run: Callable[[], np.ndarray]) -> float:
    for _ in range(WARM_UP):
        run()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(FRAMES):
            run()
        times.append(1000 * (time.perf_counter() - started) / FRAMES)
    return median(times)
