"""Found by every Python that runs inside a run, through PYTHONPATH: puts the probe beside torch when torch is imported.

It hides a sitecustomize of the user's own, so it runs that one too. It imports nothing of torch itself, costs a Python
that never imports torch almost nothing, and leaves `sys.path` as it would be without us.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _run_the_users_own() -> None:
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec("sitecustomize", [part for part in sys.path if part])
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


class _WaitForTorch:
    """A finder that finds nothing itself: it lets the import of torch happen and brings the probe right after it.

    It stays until torch is really imported: many libraries look for torch's spec and import it later, or never.
    """

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name != "torch":
            return None
        spec = None
        for finder in list(sys.meta_path):
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    break
        if spec is not None and spec.loader is not None:
            loader = spec.loader
            run = loader.exec_module

            def exec_module(module):  # type: ignore[no-untyped-def]
                try:
                    del loader.exec_module
                except AttributeError:
                    pass
                run(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    _bring_the_probe()

            try:
                loader.exec_module = exec_module  # type: ignore[method-assign]
            except AttributeError:
                _say("the loader of torch cannot be followed")
        return spec


def _bring_the_probe() -> None:
    """Loads our package by its place on disk under the name `_backlit`: a module called `tui` keeps its name."""
    try:
        from importlib.util import module_from_spec, spec_from_file_location

        package = os.path.dirname(os.path.dirname(_HERE))
        spec = spec_from_file_location(
            "_backlit", os.path.join(package, "__init__.py"), submodule_search_locations=[package]
        )
        if spec is None or spec.loader is None:
            raise ImportError(package)
        module = module_from_spec(spec)
        sys.modules["_backlit"] = module
        spec.loader.exec_module(module)
        from _backlit.probe.probe import begin  # type: ignore[import-not-found]

        begin(os.environ["BACKLIT_RUN"])
    except Exception as error:  # watching must never cost the program anything
        _say(f"{type(error).__name__}: {error}")


def _say(why: str) -> None:
    try:
        sys.stderr.write(f"backlit: this run is not being watched ({why})\n")
    except Exception:
        pass


sys.path[:] = [part for part in sys.path if os.path.abspath(part or ".") != _HERE or part == ""]
if os.environ.get("BACKLIT_RUN") and sys.version_info >= (3, 9):
    sys.meta_path.insert(0, _WaitForTorch())
    for _stream in (sys.stdout, sys.stderr):
        try:  # into a file Python would hold the output back
            _stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        except (AttributeError, ValueError, OSError):
            pass
_run_the_users_own()
