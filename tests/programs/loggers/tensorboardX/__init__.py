from .writer import SummaryWriter as SummaryWriter
