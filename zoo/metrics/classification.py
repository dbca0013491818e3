"""How well a probability tells malignant (1) from benign (0). Arrays of one length, from scikit-learn."""

from collections.abc import Callable

import numpy as np


def accuracy(label: np.ndarray, probability: np.ndarray) -> float:
    """Part of the images on the right side of 0.5."""
    return float(np.mean((probability >= 0.5) == label))


def f1(label: np.ndarray, probability: np.ndarray) -> float:
    """F1 of the malignant class, at 0.5."""
    from sklearn.metrics import f1_score

    return float(f1_score(label, probability >= 0.5, zero_division=0.0))


def auc(label: np.ndarray, probability: np.ndarray) -> float:
    """Area under the ROC curve; NaN where there is only one class."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(label, probability)) if len(np.unique(label)) == 2 else float("nan")


CLASSIFICATION: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {"accuracy": accuracy, "F1": f1, "AUC": auc}
