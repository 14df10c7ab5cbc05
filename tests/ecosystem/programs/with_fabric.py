import sys

from common import read_tensorboard, train
from lightning.fabric import Fabric
from lightning.fabric.loggers import CSVLogger, TensorBoardLogger

folder = sys.argv[1]
fabric = Fabric(accelerator="cpu", loggers=[TensorBoardLogger(folder, name="", version="board"), CSVLogger(folder)])
train(lambda name, value, step: fabric.log(name, value, step))
for logger in fabric.loggers:
    logger.finalize("success")
read_tensorboard(f"{folder}/board")
