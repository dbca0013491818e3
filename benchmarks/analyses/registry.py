"""Every kind of analysis, by its key, in the order in which they are printed."""

from benchmarks.analyses.base import Analysis
from benchmarks.analyses.cost import Cost
from benchmarks.analyses.data import DataSummary
from benchmarks.analyses.faithfulness import Faithfulness
from benchmarks.analyses.latent import LatentSpace
from benchmarks.analyses.radiomics import Radiomics
from benchmarks.analyses.reliability import Reliability

ANALYSES: dict[str, Analysis] = {
    analysis.key: analysis
    for analysis in (
        DataSummary(),
        Radiomics(),
        LatentSpace(),
        Faithfulness(),
        Reliability(),
        Cost(),
    )
}
