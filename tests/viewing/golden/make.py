"""Makes the golden trees beside it: runs as the loggers of other libraries leave them.

    python make.py [NAME ...]        all, or those of these names

Each maker logs numbers that it knows, by the library's own calls, into golden/NAME/, and returns what it
logged: per run (its path below NAME) and tag the steps and values, in expected/NAME.json. The test compares
what the readers find with that, so it never asks a reader what is right.

The libraries are not dependencies of exptools. Those of PyPI: sacred, lightning, stable-baselines3,
ray[tune], dowel, torch, tensorboardX, tensorflow-cpu, clu. rlpyt and spinup are not on PyPI: put a checkout
of github.com/astooke/rlpyt and github.com/openai/spinningup on PYTHONPATH. VERSIONS says what the trees here
were made with. Names of hosts and paths of the machine are replaced afterwards; pickles are removed.
"""

from __future__ import annotations

import argparse
import contextlib
import enum
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import socket
import sys
import tempfile
import types
import warnings
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

HERE = Path(__file__).resolve().parent
NAN, INF = float("nan"), float("inf")
HARD = [1e-310, 16777217.0, 0.1 + 0.2, NAN, INF, -INF, -0.0]  # in float64, where the format has it

Frames: TypeAlias = "list[tuple[int, float]]"
Expected: TypeAlias = "dict[str, dict[str, Frames]]"  # run, tag
Maker: TypeAlias = Callable[[Path], Expected]

CHECKOUTS = {  # what is on no package index
    "rlpyt": "github.com/astooke/rlpyt f04f23db1eb7",
    "spinup": "github.com/openai/spinningup 038665d62d56",
}
MAKERS: dict[str, tuple[Maker, tuple[str, ...]]] = {}  # and the modules that each needs


def maker(*needs: str) -> Callable[[Maker], Maker]:
    """Registers a maker by its name; `needs`: modules."""

    def register(function: Maker) -> Maker:
        MAKERS[function.__name__] = (function, needs)
        return function

    return register


def curve(values: list[float], steps: Any = None) -> Frames:
    """Frames at `steps`, by default 0, 1, ..."""
    return list(zip(range(len(values)) if steps is None else steps, values, strict=True))


# --- sacred ---------------------------------------------------------------------------------------------


@maker("sacred")
def sacred(root: Path) -> Expected:
    """Runs that completed, failed, were interrupted and ran out of time, and one that only waited."""
    from sacred import Experiment, Ingredient
    from sacred.observers import FileStorageObserver
    from sacred.utils import SacredInterrupt, TimeoutInterrupt

    class Enough(SacredInterrupt):
        STATUS = "ENOUGH"

    data = Ingredient("data", save_git_info=False)
    data.add_config(paths=["a", "b"], size=3)
    ex = Experiment("golden", ingredients=[data], save_git_info=False, base_dir=str(root.parent))
    ex.observers.append(FileStorageObserver(str(root), copy_sources=False))
    ex.add_config(
        lr=1e-3,
        model={"name": "mlp", "layers": [8, 8], "act": None},
        shape=(2, 3),
        kind=Color.RED,
        end="well",
    )

    @ex.main
    def main(_run: Any, end: str) -> float:
        for i, value in enumerate(HARD):
            _run.log_scalar("loss", value, 10 * i)
            _run.log_scalar("test/acc, top 1", i / 8)  # counts by itself
        _run.log_scalar("found", True, 3)
        if end == "badly":
            raise ValueError("too big:\n3 > 2")
        if end == "signal":
            raise KeyboardInterrupt
        if end == "late":
            raise TimeoutInterrupt
        if end == "enough":
            raise Enough
        return 0.25

    @ex.command
    def silent() -> None:
        raise RuntimeError("nothing was measured")

    ex.run(config_updates={"seed": 1})
    for number, (end, error) in enumerate(
        [("badly", ValueError), ("signal", KeyboardInterrupt), ("late", TimeoutInterrupt), ("enough", Enough)]
    ):
        try:
            ex.run(config_updates={"end": end, "lr": 0.1, "seed": number})
            raise AssertionError(end)
        except error:  # noqa: PERF203
            continue
    with contextlib.suppress(RuntimeError):
        ex.run("silent", config_updates={"seed": 4})
    ex.run(config_updates={"seed": 5}, options={"--queue": True})
    found = {
        "loss": curve(HARD, range(0, 70, 10)),
        "test/acc, top 1": curve([i / 8 for i in range(7)]),
        "found": [(3, 1.0)],
    }
    return {**{str(i): found for i in range(1, 6)}, "6": {}, "7": {}}


# --- Lightning ------------------------------------------------------------------------------------------


class Color(enum.Enum):
    """An option that is no number."""

    RED = 1


Point = namedtuple("Point", "x y")


class Thing:
    """Somebody's class."""

    def __init__(self) -> None:
        self.size, self.inner = 3, {"deep": [1, 2]}


@maker("lightning", "torch")
def lightning(root: Path) -> Expected:
    """lightning_logs of a Trainer: plain hparams, Python objects as hparams, and hparams alone."""
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.loggers import CSVLogger

    expected: Expected = {}

    class Module(LightningModule):
        def __init__(self, **hparams: Any) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(1, 1)
            self.seen: dict[str, Frames] = {"train_loss": [], "val/loss": [], "test_acc": [], "epoch": []}

        def training_step(self, batch: Any, i: int) -> Any:
            loss = self.layer(batch[0]).square().mean()
            self.log("train_loss", loss)
            if i % 2:
                self.seen["train_loss"].append((self.global_step, float(loss.detach())))
                self.seen["epoch"].append((self.global_step, self.current_epoch))
            return loss

        def validation_step(self, batch: Any, i: int) -> None:
            self.log("val/loss", float(HARD[self.current_epoch]))

        def on_validation_epoch_end(self) -> None:
            if not self.trainer.sanity_checking:
                step = self.global_step - 1
                self.seen["val/loss"].append(
                    (step, _as_float32(HARD[self.current_epoch]))
                )  # Lightning rounds
                self.seen["epoch"].append((step, self.current_epoch))

        def test_step(self, batch: Any, i: int) -> None:
            self.log("test_acc", 0.5)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    torch.manual_seed(0)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(4, 1)))
    hparams: list[dict[str, Any]] = [
        {"lr": 1e-5, "model": {"layers": [8, 8], "act": "relu"}, "seed": 0, "on": True, "nothing": None},
        {
            "color": Color.RED,
            "colors": [Color.RED],
            "point": Point(1, 2),
            "pair": (1, 2.5),
            "seed": 1,
            "thing": Thing(),
            "act": torch.nn.ReLU,
            "where": Path("a/b"),
            "names": {"b"},
            "dtype": torch.float32,
        },
    ]
    for version, arguments in enumerate(hparams):
        module = Module(**arguments)
        trainer = Trainer(
            max_epochs=3,
            log_every_n_steps=2,
            accelerator="cpu",
            logger=CSVLogger(str(root), flush_logs_every_n_steps=2),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, data, data)
        trainer.test(module, data, verbose=False)
        module.seen["test_acc"] = [(trainer.global_step, 0.5)]
        module.seen["epoch"].append((trainer.global_step, 3))
        expected[f"version_{version}"] = module.seen
    logger = CSVLogger(str(root), version=2)
    logger.log_hyperparams({"lr": 3})
    logger.save()
    expected["version_2"] = {}
    return {f"lightning_logs/{name}": tags for name, tags in expected.items()}


# --- Stable-Baselines3 ------------------------------------------------------------------------------------


@maker("stable_baselines3", "torch")
def stable_baselines3(root: Path) -> Expected:
    """A real training in three formats; a table with a late key and text; a comma in a key."""
    import numpy as np
    from stable_baselines3 import PPO
    from stable_baselines3.common import logger

    expected: Expected = {}

    def logged(name: str, formats: list[str], rows: list[dict[str, Any]]) -> None:
        log = logger.configure(str(root / name), formats)
        seen: dict[str, Frames] = {}
        for row in rows:
            for key, value in row.items():
                log.record(key, value)
                if not isinstance(value, str) and np.size(value) == 1:
                    number = float(np.asarray(value).item())
                    seen.setdefault(key, []).append((row["time/total_timesteps"], number))
            log.dump(row["time/total_timesteps"])
        log.close()
        expected[name] = seen

    class Spy(logger.KVWriter):
        """What PPO gave to its logger."""

        def __init__(self) -> None:
            self.seen: dict[str, Frames] = {}

        def write(self, key_values: dict[str, Any], key_excluded: Any, step: int = 0) -> None:
            for key, value in key_values.items():
                self.seen.setdefault(key, []).append((step, float(value)))

        def close(self) -> None:
            pass

    spy = Spy()
    log = logger.configure(str(root / "ppo"), ["csv", "json", "tensorboard"])
    log.output_formats.append(spy)
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=32, n_epochs=1, seed=0, device="cpu")
    model.set_logger(log)
    model.learn(96)
    log.close()
    expected["ppo"] = spy.seen

    rows = [
        {"time/total_timesteps": 10, "train/loss": 0.1 + 0.2, "note": 'said "a, b"', "eval/ok": True},
        {"time/total_timesteps": 20, "train/loss": NAN, "late": 16777217.0, "note": "c"},
        {"time/total_timesteps": 30, "train/loss": -INF, "late": np.float32(0.1), "list": np.arange(3)},
        {"time/total_timesteps": 30, "single": np.array([0.5])},
    ]
    logged("late_keys", ["csv", "json"], rows)
    comma = [{"time/total_timesteps": i, "top 1, 5": i / 8, "train/loss": float(i)} for i in range(3)]
    logged("comma", ["csv", "json"], comma)
    logged("comma_alone", ["csv"], comma)
    expected["comma_alone"] = {}
    logged("json_alone", ["json"], rows)
    return expected


# --- tables of the rllab family -----------------------------------------------------------------------------


def _keys(prefix: str, names: str) -> list[str]:
    return [prefix + name for name in names.split()]


@maker("rlpyt.utils.logging", "torch")
def rlpyt(root: Path) -> Expected:
    """As rlpyt's runners log, a key that comes late too; the second run with a TensorBoard writer as well."""
    from rlpyt.utils.logging import context, logger

    context.LOG_DIR = str(root)
    expected: Expected = {}
    for run_ID, use_summary_writer in ((0, False), (1, True)):
        seen: dict[str, Frames] = {}
        config = {"agent": {"lr": 1e-3, "cls": Thing}, "env": ["a"], "seed": run_ID}
        with context.logger_context(
            str(root / "exp"), run_ID, "golden", config, use_summary_writer=use_summary_writer
        ):
            for itr in range(4):
                step = itr if use_summary_writer else 200 * (itr + 1)
                logger.set_iteration(itr)
                row: dict[str, float] = {
                    "Diagnostics/Iteration": itr,
                    "Diagnostics/CumSteps": 200 * (itr + 1),
                }
                row |= {f"Return{kind}": itr / (i + 3) for i, kind in enumerate(_KINDS)}
                row |= {"Late": 1e-310} if itr == 2 else {}
                row |= {"loss": HARD[itr]}
                with logger.tabular_prefix(""):
                    for key, value in row.items():
                        logger.record_tabular(key, value)
                for key in {**row, **({"Late": NAN} if itr > 2 or itr < 2 else {})}:
                    seen.setdefault(key, []).append((step, row.get(key, NAN)))
                logger.dump_tabular()
        logger._tabular_headers.clear()
        expected[f"exp/run_{run_ID}"] = seen
        if use_summary_writer:
            logger.get_tf_summary_writer().close()
            logger.set_tf_summary_writer(None)
    return expected


_KINDS = ("Average", "Std", "Median", "Min", "Max")


@maker("dowel")
def dowel(root: Path) -> Expected:
    """As garage logs: dowel's CSV and TensorBoard, and the variant.json that garage writes beside them."""
    import dowel as library

    log, tabular = library.logger, library.tabular
    run = root / "experiment" / "ppo_1"
    run.mkdir(parents=True)
    (run / "variant.json").write_text(json.dumps({"name": "ppo", "seed": 1, "meta": {"lr": 0.1}}, indent=2))
    log.add_output(library.CsvOutput(str(run / "progress.csv")))
    log.add_output(library.TensorBoardOutput(str(run)))
    seen: dict[str, Frames] = {}
    for itr in range(3):
        row = {
            "Iteration": float(itr),
            "TotalEnvSteps": 100.0 * (itr + 1),
            "Evaluation/AverageReturn": itr / 8,
        }
        row |= {"late, very": 2.5} if itr else {}
        for key, value in row.items():
            tabular.record(key, value)
            seen.setdefault(key, []).append((itr, value))
        log.log(tabular)
        log.dump_all(itr)
        tabular.clear()
    log.remove_all()
    return {"experiment/ppo_1": seen}


@maker("spinup.utils", "torch", "tensorflow")
def spinup(root: Path) -> Expected:
    """spinup's EpochLogger as its VPG uses it: progress.txt, config.json. mpi4py is stood in for."""
    if "mpi4py" not in sys.modules:
        alone = types.SimpleNamespace(Get_rank=lambda: 0, Get_size=lambda: 1, Allreduce=_copied)
        mpi = types.SimpleNamespace(COMM_WORLD=alone, SUM=None, MIN=None, MAX=None)
        module = types.ModuleType("mpi4py")
        module.MPI = mpi  # type: ignore[attr-defined]
        sys.modules["mpi4py"] = module
    from spinup.utils.logx import EpochLogger

    log = EpochLogger(output_dir=str(root / "vpg" / "vpg_s0"), exp_name="vpg")
    log.save_config(
        {"seed": 0, "gamma": 0.99, "ac_kwargs": {"hidden_sizes": [64, 64]}, "env_fn": "CartPole-v1"}
    )
    seen: dict[str, Frames] = {}
    for epoch in range(3):
        row = {
            "Epoch": epoch,
            "TotalEnvInteracts": 4000 * (epoch + 1),
            "LossPi": HARD[epoch],
            "Time": epoch / 3,
        }
        for key, value in row.items():
            log.log_tabular(key, value)
            seen.setdefault(key, []).append((4000 * (epoch + 1), float(value)))
        log.dump_tabular()
    log.output_file.close()
    return {"vpg/vpg_s0": seen}


def _copied(source: Any, target: Any, op: Any = None) -> None:
    target[...] = source


@maker("ray.tune")
def ray_tune(root: Path) -> Expected:
    """A real sweep of Ray Tune: progress.csv, result.json, params.json and event files, a late key among it.

    Ray puts numbers of its own beside; only those that were reported are expected.
    """
    import ray
    from ray import tune

    def train(config: dict[str, Any]) -> None:
        for t in range(1, 4):
            late = {"late": 0.5} if t > 1 else {}
            tune.report({"info": {"learner": {"loss": t / 7}}, "timesteps_total": 50 * t, "bad": NAN, **late})

    home = {"HOME": str(root.parent)}  # it keeps a token and settings there
    os.environ |= {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1", **home}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    space = {"lr": tune.grid_search([0.1, 0.01]), "task": {"name": "CartPole"}}
    run_config = tune.RunConfig(name="exp", storage_path=str(root), verbose=0)
    tune.Tuner(train, param_space=space, run_config=run_config).fit()
    ray.shutdown()
    seen = {
        "info/learner/loss": [(50 * t, t / 7) for t in (1, 2, 3)],
        "training_iteration": [(50 * t, float(t)) for t in (1, 2, 3)],
        "timesteps_total": [(50 * t, 50.0 * t) for t in (1, 2, 3)],
        "bad": [(50 * t, NAN) for t in (1, 2, 3)],
        "late": [(100, 0.5), (150, 0.5)],
        "done": [(50, 0.0), (100, 0.0), (150, 0.0)],
    }
    return {str(path.parent.relative_to(root)): seen for path in sorted(root.rglob("result.json"))}


# --- event files ------------------------------------------------------------------------------------------


@maker("torch")
def torch_events(root: Path) -> Expected:
    """torch's SummaryWriter: old and new style, add_scalars, add_hparams, and what is no scalar."""
    import torch
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(root / "run")) as writer:
        for i, value in enumerate(HARD):
            writer.add_scalar("old", value, 5 * i)
            writer.add_scalar("new", value, 5 * i, new_style=True)
            writer.add_scalar("double", value, 5 * i, new_style=True, double_precision=True)
            writer.add_scalars("both", {"train": i, "val": -i}, i)
        writer.add_histogram("weights", torch.arange(3.0), 0)
        writer.add_text("note", "hello", 0)
        writer.add_hparams({"lr": 0.1, "name": "x"}, {"best": 0.75}, run_name="hparams")
    new = curve([_as_float32(v) for v in HARD], range(0, 35, 5))
    counted = curve([float(i) for i in range(7)])
    return {
        "run": {"old": new, "new": new, "double": curve(HARD, range(0, 35, 5))},
        "run/both_train": {"both": counted},
        "run/both_val": {"both": [(step, float(-step)) for step, _ in counted]},
        "run/hparams": {"best": [(0, 0.75)]},
    }


def _as_float32(value: float) -> float:
    import struct

    return float(struct.unpack("<f", struct.pack("<f", value))[0])


@maker("tensorboardX")
def tensorboardx(root: Path) -> Expected:
    """tensorboardX: simple values."""
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(root / "run")) as writer:
        for i, value in enumerate(HARD):
            writer.add_scalar("a/b", value, i)
    return {"run": {"a/b": curve([_as_float32(v) for v in HARD])}}


@maker("tensorflow")
def tensorflow(root: Path) -> Expected:
    """TensorFlow 2: tensors of the plugin scalars, of several dtypes; TensorFlow 1: simple values."""
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(root / "two"))
    with writer.as_default():
        for i, value in enumerate(HARD):
            tf.summary.scalar("loss", value, step=3 * i)
            tf.summary.scalar("int", tf.constant(i, tf.int32), step=3 * i)
            tf.summary.scalar("half", tf.constant(i / 4, tf.bfloat16), step=3 * i)
        tf.summary.text("note", "hello", step=0)
        tf.summary.histogram("weights", [1.0, 2.0], step=0)
    writer.close()
    with tf.compat.v1.Graph().as_default():
        old = tf.compat.v1.summary.FileWriter(str(root / "one"))
        for i, value in enumerate(HARD):
            old.add_summary(
                tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag="loss", simple_value=value)]), i
            )
        old.close()
    values = [_as_float32(v) for v in HARD]
    return {
        "one": {"loss": curve(values)},
        "two": {
            "loss": curve(values, range(0, 21, 3)),
            "int": curve([float(i) for i in range(7)], range(0, 21, 3)),
            "half": curve([i / 4 for i in range(7)], range(0, 21, 3)),
        },
    }


@maker("clu", "flax", "jax")
def jax(root: Path) -> Expected:
    """clu's metric writers, and flax's own summary writer."""
    import jax.numpy as jnp
    from clu import metric_writers
    from flax.metrics.tensorboard import SummaryWriter

    writer = metric_writers.SummaryWriter(str(root / "clu"))
    for i, value in enumerate(HARD):
        writer.write_scalars(i, {"loss": value, "train/acc": jnp.float32(i / 8)})
    writer.write_texts(0, {"note": "hello"})
    writer.write_hparams({"lr": 0.1})
    writer.close()
    other = SummaryWriter(str(root / "flax"))
    for i, value in enumerate(HARD):
        other.scalar("loss", value, i)
    other.close()
    values = [_as_float32(v) for v in HARD]
    return {
        "clu": {"loss": curve(values), "train/acc": curve([i / 8 for i in range(7)])},
        "flax": {"loss": curve(values)},
    }


# --- the trees ----------------------------------------------------------------------------------------------

_NOT_KEPT = ("*.pkl", "experiment_state-*", "basic-variant-state-*", ".validate_storage_marker")


def _tidy(root: Path) -> None:
    """Take out what is of the machine: names of hosts and paths; and pickles."""
    host = socket.gethostname()
    for path in [p for glob in _NOT_KEPT for p in root.rglob(glob)]:
        path.unlink()
    for path in sorted(root.rglob("*.tfevents.*")):
        path.rename(path.with_name(re.sub(rf"\.{re.escape(host)}(?=\.|$)", ".host", path.name)))
    for path in root.rglob("*"):
        if path.is_file() and "tfevents" not in path.name:
            text = path.read_bytes()
            for here in (str(root.parent), str(HERE), sys.prefix):
                text = text.replace(here.encode(), b"/home/user")
            path.write_bytes(re.sub(rb"\b" + re.escape(host.encode()) + rb"\b", b"host", text))


def _facts(root: Path) -> None:
    """What sacred found out about the machine is nothing to publish."""
    for path in root.glob("*/run.json"):
        run = json.loads(path.read_text())
        host = run["host"]
        host |= {"ENV": {}, "cpu": "a CPU", "hostname": "host", "os": ["Linux", "Linux"]}
        host.pop("gpus", None)
        run["experiment"] |= {"dependencies": [], "mainfile": "make.py", "sources": []}
        path.write_text(json.dumps(run, sort_keys=True, indent=2))


def make(name: str, target: Path) -> Expected:
    """Make the tree `name` in the directory `target` and return what it holds."""
    function, _ = MAKERS[name]
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root, before = Path(scratch).resolve() / name, os.getcwd()
        root.mkdir()
        os.chdir(scratch)
        try:
            expected = function(root)
        finally:
            os.chdir(before)
        if name == "sacred":
            _facts(root)
        _tidy(root)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(root, target)
    return expected


def missing(name: str) -> list[str]:
    """The packages that the maker `name` needs and that are not installed."""
    packages = [need.split(".")[0] for need in MAKERS[name][1]]
    return [package for package in packages if importlib.util.find_spec(package) is None]


def _versions(needs: tuple[str, ...], name: str) -> str:
    of = importlib.metadata.packages_distributions()
    found = [CHECKOUTS[name]] if name in CHECKOUTS else []
    for need in dict.fromkeys((name, *needs)):
        names = of.get(need.split(".")[0], [])[:1]
        found += [f"{name} {importlib.metadata.version(name)}" for name in names]
    return ", ".join(dict.fromkeys(found))


def main() -> None:
    """Make the trees that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MAKERS))
    versions = HERE / "VERSIONS"
    lines = (
        dict(line.split(": ", 1) for line in versions.read_text().splitlines()) if versions.exists() else {}
    )
    (HERE / "expected").mkdir(exist_ok=True)
    for name in parser.parse_args().names or MAKERS:
        if lacking := missing(name):
            print(f"{name}: no {', '.join(lacking)}; left as it was", file=sys.stderr)
            continue
        expected = make(name, HERE / name)
        (HERE / "expected" / f"{name}.json").write_text(json.dumps(expected, indent=1) + "\n")
        found = _versions(MAKERS[name][1], name)
        lines[name] = f"{found}, Python {platform.python_version()}"
        versions.write_text("".join(f"{key}: {value}\n" for key, value in sorted(lines.items())))


if __name__ == "__main__":
    main()
