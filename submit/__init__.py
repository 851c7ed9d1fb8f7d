"""Sweeps of trials on SLURM, on this machine or in this process: `python -m submit.sweep`."""
