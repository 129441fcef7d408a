"""Exchange with remote systems: what they have, what is brought in from them, and what is sent to them."""
