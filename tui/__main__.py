"""python -m tui is backlit."""

from tui.cli import main

if __name__ == "__main__":
    main()
