"""The scalar autograd engine: it trains, and knows nothing of HTTP, databases or queues."""
