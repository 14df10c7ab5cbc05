class SummaryWriter:
    def __init__(self, logdir=None, **kwargs):
        self.written = []

    def add_scalar(self, tag, scalar_value, global_step=None, walltime=None, display_name="", summary_description=""):
        """Add scalar data to summary."""
        self.written.append((tag, float(scalar_value), global_step))

    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None, walltime=None):
        for tag, value in tag_scalar_dict.items():
            self.add_scalar(f"{main_tag}/{tag}", value, global_step)
