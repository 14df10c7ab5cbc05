class _LoggerConnector:
    """Hands what `self.log` collected to every logger, with the number of the epoch."""

    def __init__(self, loggers):
        self.loggers = loggers

    def log_metrics(self, metrics, step=None):
        for logger in self.loggers:
            for name, value in {**metrics, "epoch": 3}.items():
                logger.add_scalar(name, value, step)
