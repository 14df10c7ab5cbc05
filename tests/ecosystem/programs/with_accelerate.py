import sys

from accelerate import Accelerator
from common import read_tensorboard, train

accelerator = Accelerator(cpu=True, log_with="tensorboard", project_dir=sys.argv[1])
accelerator.init_trackers("run")
train(lambda name, value, step: accelerator.log({name: float(value)}, step=step))
accelerator.end_training()
read_tensorboard(f"{sys.argv[1]}/run")
