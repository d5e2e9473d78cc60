"""Votes against enumeration of every way to vote."""

import itertools

import numpy as np
import pytest

from labelvalue.forecast.interventions.label_quality import consensus_error


def enumerated(rates, classes, correlation):
    """Every annotator's every answer, the majority's errors weighed by how likely the answers are."""
    wrong = 0.0
    for answers in itertools.product(range(classes), repeat=len(rates)):
        chance = 1.0
        for answer, rate in zip(answers, rates, strict=True):
            chance *= 1 - rate if answer == 0 else rate / (classes - 1)
        counts = [answers.count(k) for k in range(classes)]
        winners = [k for k in range(classes) if counts[k] == max(counts)]
        wrong += chance * (1 - (0 in winners) / len(winners))
    together = sum(rates) / len(rates)  # all answer alike: as wrong as any one of them
    return correlation * together + (1 - correlation) * wrong


@pytest.mark.parametrize("correlation", [0.0, 0.3])
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("votes", [1, 2, 3, 4, 5])
def test_consensus_is_what_enumeration_says(votes, classes, correlation):
    alike = [0.23] * votes
    assert consensus_error(0.23, votes, classes, correlation) == pytest.approx(enumerated(alike, classes, correlation))
    unlike = [0.05 + 0.1 * i for i in range(votes)]
    assert consensus_error(unlike, votes, classes, correlation) == pytest.approx(
        enumerated(unlike, classes, correlation)
    )


def test_the_correlation_is_that_of_errors():
    """All alike with probability c, else apart: the errors of any two then correlate by c."""
    rate, correlation = 0.2, 0.35
    both = correlation * rate + (1 - correlation) * rate**2
    assert (both - rate**2) / (rate * (1 - rate)) == pytest.approx(correlation)
    # With two votes of two classes, the majority errs where both do, and in half of the draws: exactly as one vote.
    assert consensus_error(rate, 2, 2, correlation) == pytest.approx(rate)


def test_votes_work_on_draws_and_with_many_classes():
    rates = np.array([0.1, 0.3])
    np.testing.assert_allclose(consensus_error(rates, 3), [consensus_error(0.1, 3), consensus_error(0.3, 3)])
    errors = [consensus_error(0.3, votes, 50) for votes in (1, 3, 5, 7)]
    assert errors == sorted(errors, reverse=True)
