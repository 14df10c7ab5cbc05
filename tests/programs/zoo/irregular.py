"""Reinforcement learning: episodes of any length, two losses an update, sometimes none, sometimes several backwards."""

import torch
from told import tell
from torch import nn

torch.manual_seed(0)
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
value = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam([*policy.parameters(), *value.parameters()], lr=0.01)


def episode(length):
    state = torch.randn(4)
    for _ in range(length):
        chances = torch.distributions.Categorical(logits=policy(state))
        action = chances.sample()
        reward = float(state[0] > 0) if action else float(state[1] > 0)
        yield state, chances.log_prob(action), reward
        state = torch.roll(state, 1) + 0.1 * torch.randn(4)


updates = 0
for number in range(27):
    steps = list(episode(1 + number % 5))
    reward = sum(reward for _, _, reward in steps)
    if reward == 0:
        print(f"episode {number}: nothing to learn from")
        continue
    optimizer.zero_grad()
    total = 0.0
    for state, log_prob, got in steps:
        advantage = got - value(state).item()
        actor = -log_prob * advantage
        actor.backward()
        total += actor.item()
    critic = sum((value(state).squeeze() - got) ** 2 for state, _, got in steps) / len(steps)
    critic.backward()
    total += critic.item()
    if number % 7 == 6:
        entropy = torch.distributions.Categorical(logits=policy(torch.zeros(4))).entropy()
        bonus = -0.01 * entropy
        bonus.backward()
        total += bonus.item()
    optimizer.step()
    updates += 1
print(f"steps {updates}")
tell(total, [*policy.parameters(), *value.parameters()])
