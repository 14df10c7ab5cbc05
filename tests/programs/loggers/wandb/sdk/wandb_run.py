class Run:
    def __init__(self):
        self.rows = []

    def log(self, data, step=None, commit=None):
        """Upload run data."""
        if not isinstance(data, dict):
            raise TypeError("wandb.log must be passed a dictionary")
        self.rows.append(data)
