"""Rule 15: batches are not drawn at random from the training data."""

from __future__ import annotations

import statistics
from typing import Optional

from ..state import RunState
from .evidence import SILENT_STEPS, no_looks, percent, say, steps_per_epoch
from .finding import ALARM, LIKELY, NOTICE, POSSIBLE, Finding, Rule

LOOKS, FEW_PAIRS = 6, 300
"""So many batches are looked at, with so many pairs of labels in them."""
ALIKE = 0.5
REPEATS, PAIRS, MOST_PAIRS, EPOCHS = 0.5, 60, 150, 4
SPREAD = 0.01
"""Of the loss: batches that differ less than this tell nothing."""
NEIGHBOURS = 4
THRESHOLD = (
    f"a batch holds less than {percent(ALIKE)} of the kinds of labels that the data hold; or the losses of one epoch "
    f"repeat in the next (correlation above {REPEATS:g} over {EPOCHS} epochs)"
)
SOURCE = "measured on small networks: correlation 0.94 on sorted data, 0.07 on shuffled"
ADVICE = "Draw the batches at random: shuffle=True in the training loader, or a random permutation in each epoch."
CHECK = "Print the labels of three batches in a row."


def find(state: RunState) -> Optional[Finding]:
    if state.step < SILENT_STEPS:
        return None
    kinds = _kinds(state)
    if kinds is not None and kinds[0] < ALIKE * kinds[1]:
        words = f"A batch holds {say(kinds[0])} kinds of labels, counted by how evenly they come; all batches together "
        words += f"hold {say(kinds[1])}."
        title = "The training data are not shuffled"
        return Finding(15, ALARM, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, LIKELY)
    repeats = repeats_itself(state)
    if repeats is not None and repeats > REPEATS:
        words = f"The losses of the batches come again in the same order an epoch later (correlation {say(repeats)})."
        title = "Every epoch has the same order"
        return Finding(15, NOTICE, title, words, ADVICE, CHECK, THRESHOLD, SOURCE, POSSIBLE)
    return None


def _kinds(state: RunState) -> Optional[tuple[float, float]]:
    """How many kinds of labels there are in a batch, and in all batches together: one over the probability that two
    labels drawn at random are the same. Without bias for the size of the batch; None while too few were seen."""
    same, pairs, looks = 0, 0, 0
    for look in state.checkups.looks:
        count = sum(look.labels)
        if count >= 2:
            same += sum(one * (one - 1) for one in look.labels)
            pairs += count * (count - 1)
            looks += 1
    pool = state.checkups.labels()
    total = sum(pool)
    if looks < LOOKS or pairs < FEW_PAIRS or total < 2:
        return None
    together = sum(one * (one - 1) for one in pool) / (total * (total - 1))
    if together >= 0.9 or same == 0:
        return None
    return pairs / same, 1 / together


def repeats_itself(state: RunState) -> Optional[float]:
    """Correlation of the batch losses with those one epoch before, each against the mean of its neighbours: the fall
    within an epoch is alike in every one and tells nothing. None while too few pairs are known."""
    batches, tick = steps_per_epoch(state), state.tick
    if batches is None or batches < 3 * NEIGHBOURS or tick is None or tick.batch is None:
        return None
    since = state.step - EPOCHS * batches
    losses = {step: loss for step, loss in state.checkups.losses if step > since}
    if len(losses) < PAIRS:
        return None
    begin = state.step - tick.batch  # the last step of the epoch before

    def apart(step: int) -> Optional[float]:
        """How far a loss lies above the mean of its neighbours, away from the ends of an epoch."""
        if not NEIGHBOURS <= (step - begin - 1) % batches < batches - NEIGHBOURS:
            return None
        near = _on_both_sides(losses, step)
        return losses[step] - sum(near) / len(near) if len(near) >= NEIGHBOURS else None

    pairs: list[tuple[float, float]] = []
    for step in reversed(losses):
        if step - batches in losses and len(pairs) < MOST_PAIRS:
            now, before = apart(step), apart(step - batches)
            if now is not None and before is not None:
                pairs.append((now, before))
    if len(pairs) < PAIRS:
        return None
    level = statistics.fmean(map(abs, losses.values()))
    if not statistics.fmean(abs(one) for one, _ in pairs) > SPREAD * level:
        return None
    try:
        return statistics.correlation([one for one, _ in pairs], [other for _, other in pairs])
    except (statistics.StatisticsError, OverflowError):  # one of them does not vary, or is beyond every square
        return None


def _on_both_sides(losses: dict[int, float], step: int) -> list[float]:
    near = []
    for apart in range(1, NEIGHBOURS + 1):
        if step - apart in losses and step + apart in losses:
            near += [losses[step - apart], losses[step + apart]]
    return near


def waits(state: RunState) -> str:
    if no_looks(state):
        return no_looks(state)
    if _kinds(state) is not None or repeats_itself(state) is not None:
        return ""
    looks = sum(1 for look in state.checkups.looks if sum(look.labels) >= 2)
    if 0 < looks < LOOKS:
        return f"the labels of {looks} of {LOOKS} batches were looked at"
    if looks:
        return "too few labels were looked at, or nearly all are the same"
    return "it needs labels of classes, or losses of three epochs step by step"


RULE = Rule(15, "shuffling", find, waits, any_size=True)
