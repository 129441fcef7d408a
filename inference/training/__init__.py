"""How the demonstration models came to be: generators of training images, networks, and scripts that train them.

Nothing here runs in the portal. Scripts need minutes of CPU and write into `inference/weights`.
"""
