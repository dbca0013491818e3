"""The columns of a table of costs."""

from dataclasses import dataclass

from benchmarks.tables.printing import OVERALL


@dataclass(frozen=True)
class Column:
    """One cost: its ``key`` in a cell's record, its head (``name`` and ``group``), and what it is."""

    key: str
    name: str
    group: str
    note: str


TRAINING, INFERENCE = "training", "inference"
STEP, LATENCY, TRAINING_MEMORY, ENERGY = "step_ms", "latency_ms", "training_mib", "energy (J)"
ON_THROUGHPUT = "images/s: in batches, without loading data"
ON_LATENCY = "latency: of one image by itself with all passes of its networks, median and 95th percentile"
ON_MEMORY = "memory: the most that was held at once, in inference for one image, with all of the method's networks"
ON_OPERATIONS = "GFLOPs: of one image, convolutions and matrix products, a multiply-add as two"
ON_ENERGY = "energy: of a training step, validations included, and of an image in batches"

COLUMNS = (
    Column(STEP, "step (ms)", OVERALL, "step: of training, of a GAN all its sides', median"),
    Column("training_images_s", "images/s", TRAINING, ON_THROUGHPUT),
    Column("images_s", "images/s", INFERENCE, ON_THROUGHPUT),
    Column(LATENCY, "latency (ms)", OVERALL, ON_LATENCY),
    Column("latency_p95_ms", "latency (ms)", "95 %", ON_LATENCY),
    Column(TRAINING_MEMORY, "memory (MiB)", TRAINING, ON_MEMORY),
    Column("inference_mib", "memory (MiB)", INFERENCE, ON_MEMORY),
    Column("gflops", "GFLOPs", OVERALL, ON_OPERATIONS),
    Column("step_j", ENERGY, TRAINING, ON_ENERGY),
    Column("image_j", ENERGY, INFERENCE, ON_ENERGY),
)
