from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.problems import make_sparse


@pytest.fixture
def many_curves(power_law_problem):
    """Six slices with the runs of one."""
    slices = [f"slice {i}" for i in range(6)]
    runs = pd.concat([power_law_problem.runs.assign(slice=s) for s in slices], ignore_index=True)
    arrays = {
        name: np.repeat(getattr(power_law_problem, name), 6, axis=0)
        for name in ("now", "targets", "error_now", "truth", "truth_se")
    }
    return replace(power_law_problem, runs=runs, curves=tuple((s, "b") for s in slices), **arrays)


def test_a_third_of_the_curves_keeps_its_two_largest_sizes(many_curves):
    sparse = make_sparse(many_curves)
    assert sparse.sparse.sum() == 2
    for curve, thinned, whole in zip(sparse.curve_runs(), sparse.sparse, many_curves.curve_runs(), strict=True):
        if thinned:
            assert curve["labels"].value_counts().to_dict() == {362: 25, 512: 25}
        else:
            pd.testing.assert_frame_equal(curve.reset_index(drop=True), whole.reset_index(drop=True))
    assert sparse.truth is many_curves.truth
    assert sparse.targets is many_curves.targets


def test_the_choice_depends_on_names_alone(many_curves):
    turned = replace(many_curves, curves=many_curves.curves[::-1], runs=many_curves.runs.iloc[::-1])
    assert make_sparse(turned).sparse[::-1].tolist() == make_sparse(many_curves).sparse.tolist()
    others = [make_sparse(replace(many_curves, name=str(i))).sparse.tolist() for i in range(5)]
    assert len({tuple(other) for other in others}) > 1


def test_sizes_are_counted_by_what_runs_stand_for(many_curves):
    """Replicates of one size hold labels of their own; together they are one size."""
    scattered = many_curves.runs["labels"] + many_curves.runs["replicate"] % 3
    problem = replace(
        many_curves, runs=many_curves.runs.assign(labels=scattered), nominal=many_curves.runs["labels"].to_numpy()
    )
    sparse = make_sparse(problem)
    thin = sparse.curve_runs()[int(np.argmax(sparse.sparse))]
    assert thin["labels"].value_counts().to_dict() == {362: 25, 512: 25}
    assert len(sparse.nominal) == len(sparse.runs)


def test_one_curve_alone_is_a_problem(many_curves):
    sparse = replace(make_sparse(many_curves), nominal=None, target_other=many_curves.targets * 3)
    one = sparse.only(4)
    assert one.curves == (("slice 4", "b"),)
    assert set(one.runs["slice"]) == {"slice 4"}
    assert (one.truth.shape, one.target_other.tolist()) == ((1, 3), [[3072, 6144, 12288]])
    assert one.sparse.tolist() == [sparse.sparse[4]]
    pd.testing.assert_frame_equal(one.curve_runs()[0], sparse.curve_runs()[4].reset_index(drop=True))
