"""Serves one small model on a real Triton server. Run with the Python of the server's own environment, not the tests'.

Arguments: gRPC port, HTTP port, name of the output. Says READY once the server takes requests, and serves until its
standard input is closed.
"""

import sys

import numpy as np
from numpy.typing import NDArray
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

OUTPUT = sys.argv[3]
VOLUME = (-1, -1, -1, -1)


@batch  # type: ignore[untyped-decorator]
def two_classes(image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Logits of two classes for each voxel of (N, 1, I, J, K)."""
    return {OUTPUT: np.concatenate([-2 * image, 2 * image + 1], axis=1).astype(np.float32)}


with Triton(config=TritonConfig(grpc_port=int(sys.argv[1]), http_port=int(sys.argv[2]), allow_metrics=False)) as server:
    server.bind(
        "two-classes",
        two_classes,
        inputs=[Tensor(name="image", dtype=np.float32, shape=VOLUME)],
        outputs=[Tensor(name=OUTPUT, dtype=np.float32, shape=VOLUME)],
        config=ModelConfig(max_batch_size=2),
    )
    server.run()
    print("READY", flush=True)
    sys.stdin.read()
