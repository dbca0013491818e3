"""How well a probability tells malignant (1) from benign (0). Arrays of one length, from scikit-learn."""

from abc import abstractmethod

import numpy as np

from zoo.metrics.base import Described


class ClassScore(Described):
    """A score of a whole set's probabilities."""

    compares = "label"
    digits = 3

    @staticmethod
    @abstractmethod
    def score(label: np.ndarray, probability: np.ndarray) -> float: ...


class Accuracy(ClassScore):
    """Part of the images on the right side of 0.5."""

    name = "accuracy"
    pooling = "accuracy"

    @staticmethod
    def score(label: np.ndarray, probability: np.ndarray) -> float:
        return float(np.mean((probability >= 0.5) == label))


class F1(ClassScore):
    """F1 of the malignant class, at 0.5."""

    name = "F1"
    pooling = "F1"

    @staticmethod
    def score(label: np.ndarray, probability: np.ndarray) -> float:
        from sklearn.metrics import f1_score

        return float(f1_score(label, probability >= 0.5, zero_division=0.0))


class AUC(ClassScore):
    """Area under the ROC curve; NaN where there is only one class."""

    name = "AUC"
    pooling = "AUC"

    @staticmethod
    def score(label: np.ndarray, probability: np.ndarray) -> float:
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(label, probability)) if len(np.unique(label)) == 2 else float("nan")
