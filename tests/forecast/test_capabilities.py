"""Where each promise of the forecasts is tested (F1 to F28), and that the tests exist."""

from __future__ import annotations

import pytest

from tests import promises

ROWS = {
    "F1": ["test_gains::test_layout", "test_gains::test_a_budget_of_nothing_gains_exactly_nothing"],
    "F2": [
        "test_gains::test_observed_gain_is_wider_and_has_the_same_middle",
        "test_gains::test_observed_gain_has_the_noise_that_was_modelled",
    ],
    "F3": [
        "test_gains::test_gain_is_the_difference_of_two_errors",
        "test_gains::test_what_else_is_asked_changes_no_draw",
        "test_drift::test_m22_doing_nothing_gets_worse_by_the_drift",
        "../decisions/test_benefit::test_doing_nothing_is_always_there_and_costs_nothing",
    ],
    "F4": [
        "../house/test_public::test_f4_no_public_function_returns_a_bare_number",
        "test_promises::test_f4_every_forecast_keeps_draws_and_its_summary_says_interval_and_error",
        "../report/test_tables::test_attributes_say_what_the_interval_is",
        "../report/test_page::test_every_table_of_results_says_interval_and_probability",
    ],
    "F5": [
        "../report/test_tables::test_values_against_numpy",
        "../benchmarks/test_stored::test_f5_the_probability_of_a_gain_is_calibrated_on_real_curves",
        "test_trust::test_reliability_of_the_probability_of_a_gain",
    ],
    "F6": [
        "test_gains::test_impact_is_the_gain_of_one_label",
        "test_gains::test_impact_per_thousand_is_a_thousand_times_that_of_one",
        "test_rates::test_f6_per_thousand_labels_it_begins_with_the_impact",
        "../report/test_plots::test_impacts_are_the_tables_numbers_largest_first",
    ],
    "F7": [
        "test_gains::test_at_the_reference_the_error_is_the_posteriors",
        "test_gains::test_other_labels",
        "test_gains::test_errors_stay_between_nothing_and_their_bound",
    ],
    "F8": [
        "test_needed::test_needed_labels_reach_the_target",
        "test_needed::test_targets_below_reach_are_never_met",
        "../report/test_tables::test_labels_needed_has_no_mean_and_says_how_often_never",
    ],
    "F9": [
        "test_rates::test_f9_rates_are_the_slope_of_the_curve_everywhere",
        "test_rates::test_f9_the_probability_of_too_little_is_counted_at_each_budget",
    ],
    "F10": [
        "test_rates::test_f10_the_point_is_where_the_rate_is_the_stated_one",
        "test_rates::test_f10_breaks_beyond_the_data_are_named_as_invisible",
        "../decisions/test_benefit::test_where_one_more_label_stops_to_pay",
    ],
    "F11": [
        "test_gains::test_doublings_count_from_the_reference",
        "../report/test_tables::test_rows_beyond_the_validated_distance_say_so",
        "../report/test_plots::test_far_forecasts_are_hatched_and_named",
        "../report/test_page::test_notes_flags_and_distances_become_limitations",
        "../benchmarks/test_stored::test_m11_intervals_cover_real_curves_at_2_4_and_8_times_the_labels",
    ],
    "F12": [
        "../decisions/test_compare::test_other_mixes_reweight_the_same_draws",
        "../decisions/test_futures::test_f12_another_mix_in_money_is_the_same_gains_at_other_volumes",
    ],
    "F13": [
        "test_interventions::test_equivalent_labels_bring_the_same_gain",
        "test_interventions::test_equivalent_labels_of_harm_and_of_the_impossible",
    ],
    "F14": [
        "test_interventions::test_the_worth_of_a_synthetic_example_is_found",
        "test_interventions::test_synthetic_examples_count_for_their_worth",
        "test_promises::test_f14_synthetic_examples_have_an_interval_and_a_break_even_price",
    ],
    "F15": [
        "test_interventions::test_pretraining_shifts_level_and_floor",
        "test_promises::test_f15_a_pretrained_learner_of_the_runs_is_measured_and_a_stated_one_elicited",
    ],
    "F16": [
        "test_interventions::test_votes_cleaning_and_guidelines_by_hand",
        "test_interventions::test_guidelines_are_worth_their_cost_from_some_reduction_on",
    ],
    "F17": [
        "test_votes::test_consensus_is_what_enumeration_says",
        "test_votes::test_the_correlation_is_that_of_errors",
        "test_frontier::test_the_choice_is_that_of_brute_force",
    ],
    "F18": [
        "test_interventions::test_votes_cleaning_and_guidelines_by_hand",
        "test_promises::test_f18_a_corrected_label_has_a_price_up_to_which_it_pays",
    ],
    "F19": [
        "test_spread::test_efficiency_follows_its_trend",
        "test_interventions::test_active_learning_multiplies_what_is_bought",
        "test_interventions::test_a_strategy_of_the_runs_has_the_fit_s_efficiency",
    ],
    "F20": [
        "../decisions/test_compare::test_fairness_by_hand",
        "../decisions/test_compare::test_probability_of_a_gap_is_read_off_the_draws",
    ],
    "F21": [
        "test_spread::test_over_suites_the_worst_and_what_persists",
        "../report/test_other_opinions::test_f21_persistence_is_that_of_the_forecast",
    ],
    "F22": [
        "test_backtesting::test_scores_are_those_of_the_samples_with_the_truths_noise",
        "test_backtesting::test_the_model_sees_only_the_past_and_is_asked_as_told",
        "test_baselines::test_least_squares_extends_a_power_law",
        "../report/test_backtests::test_the_page_shows_the_sentence_twice_and_every_score",
        "../test_cli::test_fit_is_backtested_and_carries_it_good_or_bad",
    ],
    "F23": [
        "test_holdout::test_batches_come_in_order_of_time_and_only_what_is_new_is_scored",
        "test_baselines::test_the_last_gain_repeats",
        "../operate/test_scorecard::test_a_forecast_is_frozen_and_scored_in_the_same_stroke",
    ],
    "F24": [
        "test_persistence::test_what_came_is_set_against_what_was_forecast",
        "../report/test_other_opinions::test_f24_what_came_on_other_suites_stands_on_the_page",
    ],
    "F25": [
        "test_elsewhere::test_f25_an_odd_slice_is_missed_from_outside_and_met_in_sample",
        "test_elsewhere::test_f25_every_suite_is_expected_from_the_others",
        "test_elsewhere::test_f25_a_related_project_needs_no_fit",
    ],
    "F26": [
        "test_bootstrap::test_it_has_the_shape_of_a_gain",
        "test_bootstrap::test_where_they_agree_and_where_not",
        "../report/test_other_opinions::test_f26_the_page_says_where_the_bootstrap_disagrees",
        "../report/test_other_opinions::test_f26_a_disagreement_is_a_limitation",
    ],
    "F27": [
        "test_spread::test_over_learners_the_mean_does_not_hide_the_best",
        "test_promises::test_f27_a_loss_that_is_smaller_than_the_average_loss_hides_nothing",
        "../decisions/test_futures::test_f27_a_learner_far_above_the_average_is_flagged",
    ],
    "F28": [
        "test_spread::test_a_portfolio_uses_the_best_learner_of_each_draw",
        "test_promises::test_f28_a_stated_mixture_is_the_weighted_error",
        "../decisions/test_futures::test_f28_labels_are_paid_once_and_every_training_for_itself",
    ],
}


@pytest.mark.parametrize("row", ROWS)
def test_functions_in_a_promise_are_there(row):
    assert promises.not_there(__file__, ROWS[row]) == []


def test_no_promise_of_the_room_is_left_out():
    assert list(ROWS) == promises.promised("F", 28)
