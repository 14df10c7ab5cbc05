"""Stands in for tensorboard under torch.utils.tensorboard: whatever record is asked for keeps what it is given."""

import importlib.abc
import importlib.machinery
import sys
import types

__version__ = "2.99"


class Kind(type):
    def __getattr__(cls, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return Record


class Record(metaclass=Kind):
    def __init__(self, *args, **fields):
        self.__dict__.update(fields)


class Records(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return Record


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        made_up = name.startswith(("tensorboard.compat", "tensorboard.plugins", "google"))
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if made_up else None

    def create_module(self, spec):
        return Records(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.append(Finder())
