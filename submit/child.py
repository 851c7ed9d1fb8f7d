"""Entry of a worker's child process: ``python -m submit.child BACKEND``."""

import sys

from submit.running import child_main

if __name__ == "__main__":
    child_main(sys.argv[1])
