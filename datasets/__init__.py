"""Images to train on: arrays of uint8 pixels with labels, one module per data set."""

#: What `trainers` and `submit` look for, because another package has the same name.
EDFSTAT_DATASETS = True
