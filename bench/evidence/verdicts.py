"""What a study allows to be said of each row against the row it is compared with. See docs/evidence.md."""

from __future__ import annotations

from dataclasses import dataclass

from bench.evidence.decide import Call, Decision
from bench.evidence.family import judge_family
from bench.evidence.looks import TakenLook
from bench.evidence.metric import ACCURACY, Metric
from bench.evidence.outlook import Outlook, outlook
from bench.evidence.paired import Ratio
from bench.evidence.remember import remembered
from bench.evidence.results import Results
from bench.evidence.student import Difference
from bench.evidence.unsteady import Unsteady, unsteady
from bench.records.groups import are_enough


@dataclass(frozen=True)
class Verdict:
    """What the study says of `row` against the row `against`.

    is_of_recipes: whether it speaks of the two recipes; else, with one or two seeds, of the trained models; difference:
    of the scores, ours less theirs, 95% interval of this comparison alone; p_holm: p of no difference, adjusted for all
    comparisons of the study, by which better and worse are called; margin: the difference that "no difference" rules
    out; outlook: None where nothing is tested; unsteady: our lowest seed where our seeds are wide or skewed; time: ours
    / theirs, a run alone; looks: those that the row has reached, and decided_at the seeds of the one that decided,
    where looks are planned; metric: of the scores; n_groups: of the test texts of all seeds, None without groups.
    """

    row: str
    against: str
    n_seeds: int
    is_of_recipes: bool
    difference: Difference
    p_holm: float
    call: Call
    margin: float
    outlook: Outlook | None
    unsteady: Unsteady | None
    time: Ratio | None
    looks: tuple[TakenLook, ...] = ()
    decided_at: int | None = None
    metric: Metric = ACCURACY
    n_groups: int | None = None

    @property
    def has_enough_groups(self) -> bool:
        """Whether its test texts are of groups enough to judge by, or of none."""
        return are_enough(self.n_groups)


@remembered
def judge(results: Results) -> dict[str, Verdict]:
    """Row name -> verdict, for every row that has a seed in common with the row it is compared with."""
    family = judge_family(results)
    return {
        result.name: _verdict(results, result.name, other.name, decision)
        for result in results.rows
        if (other := results.against(result)) and (decision := family.of(result.name, other.name))
    }


def _verdict(results: Results, row: str, against: str, decision: Decision) -> Verdict:
    comparison = decision.comparison
    return Verdict(
        row=row,
        against=against,
        n_seeds=comparison.n_seeds,
        is_of_recipes=comparison.is_of_recipes,
        difference=decision.estimate.interval(),
        p_holm=decision.p_holm,
        call=decision.call,
        margin=results.margin,
        outlook=outlook(decision, results.margin),
        unsteady=unsteady(results.row(row), results.margin, results.metric),
        time=comparison.time,
        looks=decision.looks,
        decided_at=decision.decided_at,
        metric=results.metric,
        n_groups=comparison.paired.n_groups,
    )
