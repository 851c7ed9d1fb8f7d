"""Training as it is usually written: torchvision transforms v2, a DataLoader, fp32, eager.

The fast path is held against it. Only the network, its recipe and its first weights come from `trainers`; its layers
are torch's own.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class Transformed(Dataset):
    """Images of an `ImageSet` through transforms, one by one."""

    def __init__(self, images, *, augment):
        self.images, self.labels = images.images, images.labels
        steps = [v2.ToImage()]
        if augment:
            how = images.augmentation
            steps += [v2.RandomCrop(images.image_size, padding=how.crop_padding, fill=list(how.fill))]
            steps += [v2.RandomHorizontalFlip()] if how.flip else []
        steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(images.mean, images.std)]
        self.transform = v2.Compose(steps)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), int(self.labels[index])


class TorchNorm(nn.BatchNorm2d):
    """torch's batch norm by a name that our kernels do not take."""


def stock(net):
    """The network with torch's own layers where ours are computed another way; the weights stay."""
    from trainers.nets.convolutions import Conv
    from trainers.nets.depthwise import DepthwiseConv
    from trainers.nets.pooling import AveragePool

    for name, child in list(net.named_children()):
        if isinstance(child, DepthwiseConv):
            how = {part: getattr(child, part) for part in ("stride", "padding", "dilation", "groups")}
            usual = nn.Conv2d(child.in_channels, child.out_channels, child.kernel_size, bias=False, **how)
            usual.weight = child.weight
            setattr(net, name, usual)
        elif isinstance(child, AveragePool):
            how = {part: getattr(child, part) for part in ("stride", "padding", "count_include_pad")}
            setattr(net, name, nn.AvgPool2d(child.kernel_size, **how))
        elif isinstance(child, Conv):
            child.__class__ = nn.Conv2d
        elif isinstance(child, nn.BatchNorm2d):
            child.__class__ = TorchNorm
        else:
            stock(child)
    return net


def sgd(net, lr=0.1, weight_decay=5e-4):
    """The paper's optimizer."""
    return torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=weight_decay)


def train_epoch(net, loader, optimizer, device="cpu"):
    """One epoch; mean loss and share of wrong answers, as loops log them."""
    net.train()
    loss_sum = wrong = seen = 0
    for images, labels in loader:
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        optimizer.zero_grad()
        output = net(images)
        loss = F.cross_entropy(output, labels)
        loss.backward()
        optimizer.step()
        loss_sum += loss.item() * len(labels)
        wrong += (output.argmax(1) != labels).sum().item()
        seen += len(labels)
    return loss_sum / seen, wrong / seen


@torch.no_grad()
def average_norms(net, loader, images):
    """Batch-norm statistics as plain means over batches, all under the same weights."""
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    sums = [[torch.zeros_like(norm.running_mean), torch.zeros_like(norm.running_var)] for norm in norms]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # running statistics become those of the batch
    net.train()
    batches = 0
    for batch, _ in loader:
        net(batch)
        for norm, (mean, var) in zip(norms, sums):
            mean += norm.running_mean
            var += norm.running_var
        batches += 1
        if batches * len(batch) >= images:
            break
    for norm, momentum, (mean, var) in zip(norms, momenta, sums):
        norm.momentum = momentum
        norm.running_mean.copy_(mean / batches)
        norm.running_var.copy_(var / batches)


@torch.no_grad()
def test_error(net, loader):
    """Percent of wrong answers."""
    net.eval()
    wrong = seen = 0
    for images, labels in loader:
        wrong += (net(images).argmax(1) != labels).sum().item()
        seen += len(labels)
    return 100 * wrong / seen


def train_plainly(trial, seed):
    """Best test error over the epochs of a trial, in percent; infinite if its loss became infinite or NaN."""
    import datasets
    from trainers import build, resolve
    from trainers.feeds import MODEL, seed_of

    recipe = resolve(trial.recipe, dataset=trial.dataset, optim=trial.optim)
    train, test = datasets.get(trial.dataset), datasets.get(trial.dataset, split="test")
    train = train.subset(trial.options.get("train_images", len(train)))
    torch.set_num_threads(1)
    # The first weights are those that `trainers.train` gives this seed; from there on the generators differ.
    torch.manual_seed(seed_of(seed, MODEL))
    net = build(trial.net, num_classes=train.num_classes, in_channels=train.in_channels, image_size=train.image_size)
    net = stock(net)
    torch.manual_seed(seed)
    shuffled = DataLoader(Transformed(train, augment=True), recipe.batch_size, shuffle=True, drop_last=True)
    plain = DataLoader(Transformed(test, augment=False), 256)
    optimizer = sgd(net, recipe.base_lr, recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    best = math.inf
    for _ in range(recipe.epochs):
        loss, _ = train_epoch(net, shuffled, optimizer)
        if not math.isfinite(loss):
            return math.inf
        schedule.step()
        average_norms(net, shuffled, recipe.precise_bn)
        best = min(best, round(test_error(net, plain), 4))
    return best
