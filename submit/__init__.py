"""Sweeps of trials on SLURM, on this machine or in this process: `python -m submit.sweep`."""

from trainers.guard import check_datasets

check_datasets()
