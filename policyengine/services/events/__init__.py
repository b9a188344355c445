"""What changed, told to others' servers: webhooks, what is waiting for them, and what they refused."""
