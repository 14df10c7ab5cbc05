"""Tells everything about how it is run, trains a little, and ends with status 3. Has a module called `tui` of its own."""

import importlib.util
import os
import sys

# as many libraries do: look whether torch is there, long before it is imported
print("torch is there:", importlib.util.find_spec("torch") is not None)

import tui  # noqa: E402

from . import helper  # noqa: E402

if __name__ == "__main__":
    print(sys.argv, __file__, __package__, os.getcwd(), sys.path)
    print("our own tui:", tui.WHOSE, tui.__file__)
    print(helper.train(3))
    print("to stderr", file=sys.stderr)
    sys.exit(3)
