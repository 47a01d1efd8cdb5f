"""The launchers that the benchmarks compare, as words for the command line: each on two slots."""

OURS = ["hydra/launcher=exptools", "hydra/sweeper=exptools", "hydra.launcher.n_parallel=2"]
SPAWNED = [*OURS, "hydra.launcher.start=spawn"]
REUSED = [*OURS, "hydra.launcher.engine=joblib"]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
BASIC = ["hydra/launcher=basic"]
