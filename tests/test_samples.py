"""Which test images a cell keeps pictures of."""

import pandas as pd

from benchmarks.run.samples import MOST, chosen


def splits(labels: list[int]) -> pd.DataFrame:
    ids = [f"image-{number:04d}" for number in range(len(labels))]
    return pd.DataFrame({"id": ids, "label": labels, "organ": "breast", "device": "cart"})


def test_every_class_has_its_part_and_the_order_does_not_matter():
    """Every fourth image is of the rarer class, and a hundred of 397 are every fourth."""
    images = splits([int(number % 4 == 0) for number in range(397)])
    kept = chosen(images)
    assert len(kept) == MOST
    labels = images[images["id"].isin(kept)]["label"].value_counts()
    assert abs(labels[0] - 75) <= 1
    assert abs(labels[1] - 25) <= 1
    assert chosen(images.sample(frac=1, random_state=3)) == kept


def test_of_few_images_all_are_kept():
    images = splits([0, 0, 0, 1, 1])
    assert chosen(images) == set(images["id"])
    assert chosen(images.iloc[:0]) == set()
    assert len(chosen(images, 2)) == 2
