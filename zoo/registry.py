"""METHODS: every method by its name. A new one is one line here."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from datamodules.errors import InputError
from zoo.method import Method
from zoo.translator import Translator


class Registry(Mapping[str, type[Method]]):
    """Classes of methods by name, imported when they are asked for: so a method may itself look here.

    Args:
        paths: where each class is, as ``module.Class``.
    """

    def __init__(self, paths: dict[str, str]) -> None:
        self.paths = paths
        self.registered: dict[str, type[Method]] = {}

    def register(self, name: str, method: type[Method]) -> None:
        """Add a method that is no part of this package: a user's own, or a test's."""
        self.registered[name] = method

    def __getitem__(self, name: str) -> type[Method]:
        if name in self.registered:
            return self.registered[name]
        module, _, class_name = self.paths[name].rpartition(".")
        return getattr(import_module(module), class_name)

    def __iter__(self) -> Iterator[str]:
        return iter({**self.paths, **self.registered})

    def __len__(self) -> int:
        return len({**self.paths, **self.registered})

    def by_class_name(self, class_name: str) -> type[Method]:
        """The class of that name, which is what a checkpoint says.

        Raises:
            InputError: no method is called so.
        """
        names = {path.rpartition(".")[2]: name for name, path in self.paths.items()}
        names |= {method.__name__: name for name, method in self.registered.items()}
        if class_name not in names:
            raise InputError(f"method '{class_name}': there is none; name one of {', '.join(names)}")
        return self[names[class_name]]

    def trained_translators(self) -> list[str]:
        """Names of the methods that make an image of an image and have to be trained for it."""
        return [name for name, method in self.items() if issubclass(method, Translator) and method.trainable]


METHODS = Registry(
    {
        "attgan": "zoo.methods.attgan.AttGAN",
        "cut": "zoo.methods.cut.CUT",
        "cyclegan": "zoo.methods.cyclegan.CycleGAN",
        "ddpm": "zoo.methods.ddpm.DDPM",
        "diagnosis": "zoo.methods.diagnosis.Diagnosis",
        "fda": "zoo.methods.fda.FDA",
        "harmonizer": "zoo.methods.harmonizer.Harmonizer",
        "hsct": "zoo.methods.hsct.HSCT",
        "medgan": "zoo.methods.medgan.MedGAN",
        "pix2pix": "zoo.methods.pix2pix.Pix2Pix",
        "reggan": "zoo.methods.reggan.RegGAN",
        "sagan": "zoo.methods.sagan.SAGAN",
        "sswe": "zoo.methods.sswe.SSWE",
        "syndiff": "zoo.methods.syndiff.SynDiff",
        "veus": "zoo.methods.veus.VEUS",
    }
)
