"""Options that say where runs go, and what is refused before anything starts."""

import pytest

from bench.run.executors import slurm
from bench.run.executors.choose import site_of
from bench.run.executors.local import Here
from bench.run.executors.slurm import Slurm
from bench.run.options import LookOptions, WhereOptions
from gptcore import extras
from gptcore.errors import UserError
from gptcore.recipe import Recipe

NO_LOOKS = LookOptions()


def test_this_machine_unless_another_is_asked_for() -> None:
    assert isinstance(site_of(WhereOptions(), NO_LOOKS), Here)
    divided = site_of(WhereOptions(nproc=2), NO_LOOKS)
    assert isinstance(divided, Here)
    assert divided.nproc == 2


def test_a_process_has_a_thread_where_gpus_outnumber_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.run.executors.local.n_threads", lambda: 1)
    assert Here(2).threads(1) == 1


@pytest.mark.parametrize(
    ("where", "looks", "says"),
    [
        (WhereOptions(address="head:6379"), NO_LOOKS, "--address head:6379: it is for --executor ray"),
        (WhereOptions(slurm=["time=3"]), NO_LOOKS, "--slurm time=3: it is for --executor slurm"),
        (WhereOptions(executor="ray", nproc=2), NO_LOOKS, "--nproc 2: it is for --executor local"),
        (WhereOptions(executor="slurm", nproc=2), NO_LOOKS, "--nproc 2: it is for --executor local"),
        (
            WhereOptions(executor="ray"),
            LookOptions(until_decided=True, budget="9m"),
            "--budget 9m: it counts",
        ),
        (
            WhereOptions(nproc=2),
            LookOptions(until_decided=True, budget="9m"),
            "--budget 9m: with --nproc nothing is forecast",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    where: WhereOptions, looks: LookOptions, says: str
) -> None:
    with pytest.raises(UserError, match=f"^{says}"):
        site_of(where, looks)


@pytest.mark.parametrize("executor", ["ray", "slurm"])
def test_a_missing_package_is_named_with_its_extra(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match=rf"--executor {executor} needs .* not installed: .*\[{executor}\]"):
        site_of(WhereOptions(executor=executor), NO_LOOKS)  # type: ignore[arg-type]


def test_slurm_needs_sbatch_and_takes_its_jobs_from_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "require", lambda *_: None)
    monkeypatch.setattr(slurm.shutil, "which", lambda _name: None)
    with pytest.raises(UserError, match="there is no sbatch on this machine"):
        Slurm(["time=9"])
    site = Slurm(["time=9", "array_parallelism=7", "gpus_per_node=1", "mem_gb=2"], cluster="local")
    assert (site.n_jobs("1", [Recipe()], "cuda"), site.has_cuda(), site.free_bytes("cuda")) == (
        7,
        True,
        2**31,
    )
    with pytest.raises(UserError, match="--slurm array_parallelism=3"):
        site.n_jobs("3", [Recipe()], "cuda")
