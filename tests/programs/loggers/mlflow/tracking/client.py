class MlflowClient:
    sent = []

    def log_metric(self, run_id, key, value, timestamp=None, step=None, synchronous=None):
        self.sent.append((key, float(value)))

    def log_batch(self, run_id, metrics=(), params=(), tags=(), synchronous=None):
        for metric in metrics:
            self.log_metric(run_id, metric.key, metric.value)
