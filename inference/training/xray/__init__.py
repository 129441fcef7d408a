"""Radiographs: drawn pelvises, chests rendered from a CT, and the networks that learn from them."""
