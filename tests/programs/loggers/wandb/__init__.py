from .sdk.wandb_run import Run


def log(data, step=None, commit=None):
    raise RuntimeError("You must call wandb.init() before wandb.log()")


def init(**kwargs):
    global log
    run = Run()
    log = run.log
    return run
