"""The demonstration's CT networks: one real CT, drawn torsos, and the training that makes weights of them."""
