"""What the index page says about each figure, and about the conventions behind the numbers."""

from __future__ import annotations

__all__ = ["CAPTIONS", "CONVENTIONS"]

CAPTIONS = {
    1: "EDFs of ResNet-B and ResNeXt-B at equal params. The left and middle panels of the paper show points and "
    "curves published elsewhere, which the result files do not hold; they are left out.",
    2: "Why point estimates mislead: the best of 1000 models against the best of 100 of the same design space.",
    3: "ResNeXt-A and -B: EDFs as they are, and normalized by params and by flops.",
    4: "ResNeXt-A and -B: error against complexity.",
    5: "ResNeXt-A and -B: how many models there are of each complexity.",
    6: "Vanilla and ResNet: EDFs, and the best error of a random search.",
    7: "How large a sample must be: EDFs of samples of one space, and the KS statistic as the sample grows.",
    8: "NAS spaces at one fixed width and depth: complexity varies widely all the same.",
    9: "NAS spaces: EDFs normalized by params and by flops.",
    10: "NAS spaces: the best error of a random search.",
    11: "NAS spaces and ResNeXt: EDFs normalized by params and by flops.",
    12: "Error by learning rate and weight decay: relative rank of each model within its space.",
    13: "Repeated trainings of a top-ranked and a middle-ranked model.",
    14: "EDFs of errors averaged over one, two and three seeds.",
    15: "ResNeXt-A and -B: mean error in bins of complexity.",
    16: "The same comparisons on ImageNet.",
}

CONVENTIONS = (
    "Complexity is scaled by multiplication (params times 1e-6, flops times 1e-9) and must lie strictly between the "
    "ends of a range; figure 15 alone includes both ends, on raw counts.",
    "Normalized curves give each of n equal-width bins of the range the weight 1/n, shared equally by its models. A "
    "bin without a model leaves the curve undefined: such a panel is skipped and says which bin.",
    "In the JSON, x and y of an EDF are the distinct errors and the weight of models with error up to and including "
    "x, whatever the paper drew. Where the paper drew another ordinate, paper_x and paper_y hold it and the picture "
    "shows it: i/n counted from 0 (figure 2), or n values spaced evenly from 0 to 1 (figures 7 left and 14).",
    "Random search (figures 6, 10, 16b): lines and bands are the exact mean and two standard deviations of the best "
    "of m draws; dots are the paper's simulation, repeated n/m times, whose spread it shows for few repeats is noise.",
    "Simulations take the random numbers that the paper's notebooks take (Python's generator, seed 1 before each "
    "experiment), so that they give the same samples; another seed gives others.",
    "Figure 2: the shares are exact (draws without replacement); the histogram is of 5000 simulated trials. The "
    "p-value shown is exact under ties; paper_pvalue in the JSON is the paper's, which takes every error as distinct.",
    "Figure 7 right: y is the expectation for two samples of one finite file without ties; the simulation is the "
    "paper's, 50 trials a size.",
    "Figure 12: tied errors have ranks in the order of the file, as a sort leaves them; average_rank in the JSON "
    "gives ties the same rank.",
    "Figure 15: bands are two population standard deviations of the errors in a bin, as in the paper: they show "
    "spread, not uncertainty.",
    "Axes end where the paper's end, if that shows the bulk of every curve. Files are read by name; a model's "
    "params and flops are taken as the file says.",
    "Models lost to an accident are left out. Diverged ones without any error count as worse than all others in EDFs "
    "and random search, and are left out elsewhere; the published files hold neither.",
)
