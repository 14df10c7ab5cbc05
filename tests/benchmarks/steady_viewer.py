"""`backlit`, except that being continued after SIGSTOP is nothing to it.

The viewer proper repaints everything when it is continued, because somebody may have written on its terminal. Stopped
and continued several times a second by a measurement, it would do little else.
"""

from __future__ import annotations

from typing import Any

from tui.cli import main
from tui.view.driver import Driver


def _nothing(self: Driver, *_: Any) -> None:
    pass


Driver._sigcont_application = _nothing  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
