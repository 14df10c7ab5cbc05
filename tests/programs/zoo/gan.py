"""Two networks and two optimizers that take turns; the generator's loss goes back through the other network."""

import torch
from told import blobs, tell
from torch import nn

torch.manual_seed(0)
real = blobs()[0]
generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8))
critic = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
for_critic = torch.optim.Adam(critic.parameters(), lr=2e-3, betas=(0.5, 0.999))
for_generator = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
judge = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(32, 1), torch.zeros(32, 1)

for _ in range(30):
    fake = generator(torch.randn(32, 4))
    for_critic.zero_grad()
    loss_critic = judge(critic(real[torch.randint(0, len(real), (32,))]), ones) + judge(critic(fake.detach()), zeros)
    loss_critic.backward()
    for_critic.step()
    for_generator.zero_grad()
    loss_generator = judge(critic(fake), ones)
    loss_generator.backward()
    for_generator.step()
print("steps 30")
print(f"loss of the generator {loss_generator.item():.6g}")
tell(loss_critic, [*generator.parameters(), *critic.parameters()])
