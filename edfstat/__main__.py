"""``python -m edfstat`` is the command ``edfstat``."""

from edfstat.commands import main

if __name__ == "__main__":
    main()
