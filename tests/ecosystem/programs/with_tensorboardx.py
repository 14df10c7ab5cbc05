import sys

from common import read_tensorboard, train
from tensorboardX import SummaryWriter

with SummaryWriter(sys.argv[1]) as writer:
    train(writer.add_scalar)
read_tensorboard(sys.argv[1])
