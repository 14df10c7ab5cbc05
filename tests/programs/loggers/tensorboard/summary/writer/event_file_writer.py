import os


class EventFileWriter:
    def __init__(self, logdir, max_queue_size=10, flush_secs=120, filename_suffix=""):
        os.makedirs(logdir, exist_ok=True)
        self._logdir = logdir

    def get_logdir(self):
        return self._logdir

    def add_event(self, event):
        if hasattr(event, "summary"):
            with open(os.path.join(self._logdir, "events.txt"), "a") as file:
                for value in event.summary.value:
                    file.write(f"{value.tag} {value.simple_value} {getattr(event, 'step', None)}\n")

    def flush(self):
        pass

    def close(self):
        pass
