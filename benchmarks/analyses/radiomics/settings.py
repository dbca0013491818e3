"""What a table's key ``radiomics`` may hold."""

from dataclasses import dataclass

from benchmarks.analyses.radiomics.extraction import Settings
from benchmarks.vocabulary import Vocabulary
from datamodules.errors import InputError


@dataclass(frozen=True)
class Asked(Vocabulary):
    """``radiomics: {pairs: A>B, sets: A>A}``.

    Args:
        pairs: the column whose images are compared one by one with the target scanner's, region by region.
        sets: the column whose images are compared as a set, and whose patients' outcome is predicted.
        one_source: a column of pairs by one source scanner, and of rows trained on that scanner alone: the paper's
            Fig. 4b, whose numbers stand beside it.
        bin_width: of grey levels; see :class:`benchmarks.analyses.radiomics.extraction.Settings`.
        wavelet: likewise; empty for none.
    """

    pairs: str = ""
    sets: str = ""
    one_source: str = ""
    bin_width: float = Settings.bin_width
    wavelet: str = Settings.wavelet

    def check(self, where: str) -> None:
        """Raises InputError for what is missing or cannot be."""
        InputError.raise_for(
            f"{where} has no '{name}'; name a column" for name in ("pairs", "sets") if not getattr(self, name)
        )
        if not 0 < self.bin_width <= 255:
            raise InputError(f"{where}: bin_width {self.bin_width:g}: give grey levels, above 0 and at most 255")

    @property
    def columns(self) -> list[str]:
        """Of the table, that it names."""
        return [name for name in (self.pairs, self.sets, self.one_source) if name]
