"""Where each promise of the model is tested (M1 to M22), that the tests exist, and what no other file shows."""

from __future__ import annotations

import pytest

from tests import promises

ROWS = {
    "M1": [
        "test_promises::test_m1_a_fit_is_frozen_complete_and_promises_four_quantities_a_slice",
        "test_posterior::test_at_now_is_the_curve_and_its_derivative",
        "../statistics/test_calibration::test_ranks_of_the_truth_are_uniform",
        "../statistics/test_calibration::test_recovery",
    ],
    "M2": [
        "test_borrowing::test_m2_pooling_is_the_weight_of_the_group_in_a_normal_hierarchy",
        "../report/test_page::test_m2_the_page_says_slice_by_slice_how_far_it_is_the_groups",
        "../statistics/test_choices::test_m2_runs_that_tell_are_little_pooled_and_a_rising_curve_not_at_all",
        "../benchmarks/test_stored::test_m2_pooling_forecasts_sparse_slices_better_than_each_alone",
    ],
    "M3": [
        "test_related::test_m3_a_related_project_counts_for_its_share_of_the_evidence",
        "test_related::test_m3_a_new_project_is_forecast_by_an_interval_that_the_related_one_narrows",
        "test_priors::test_shipped_priors_say_what_they_mean_and_where_they_come_from",
    ],
    "M4": [
        "test_unseen_slice::test_slices_held_out_of_the_population_are_covered",
        "test_unseen_slice::test_another_slice_is_less_certain_than_those_observed",
        "test_unseen_slice::test_an_unknown_one_of_these_is_one_of_these_in_every_draw",
        "test_checks::test_a_slice_with_two_sizes_is_borrowed",
    ],
    "M5": [
        "test_curves::test_positive_transfer_adds_labels",
        "test_curves::test_negative_transfer_shrinks_them_exponentially",
        "../statistics/test_calibration::test_ranks_of_the_truth_are_uniform",
        "test_checks::test_labels_that_grow_in_proportion_are_noted",
        "test_checks::test_labels_whose_composition_varies_are_not_noted",
    ],
    "M6": [
        "../statistics/test_choices::test_wrong_training_labels_cost_what_theory_says",
        "../forecast/test_interventions::test_noise_may_come_from_annotations",
        "../forecast/test_interventions::test_votes_cleaning_and_guidelines_by_hand",
        "test_annotators::test_annotators_are_recovered",
    ],
    "M7": [
        "test_promises::test_m7_the_true_error_is_recovered_without_bias",
        "test_label_noise::test_measured_error_is_what_enumeration_says",
        "../statistics/test_choices::test_the_error_is_that_against_true_labels",
    ],
    "M8": [
        "../statistics/test_choices::test_strategies_get_their_efficiency",
        "../forecast/test_spread::test_a_dear_strategy_is_worth_less_for_the_money",
        "../report/test_other_opinions::test_m8_a_strategy_is_judged_per_label_and_for_its_money",
        "../report/test_other_opinions::test_m8_the_page_says_whether_choosing_labels_pays",
    ],
    "M9": [
        "../statistics/test_choices::test_diverse_labels_get_their_worth",
        "../forecast/test_diversity::test_diversity_matters_as_far_as_the_posterior_leaves_none_behind",
        "../forecast/test_diversity::test_where_it_does_not_matter_the_efficiency_is_one",
    ],
    "M10": [
        "test_likelihood::test_variance_of_a_cell_is_sampling_plus_training_plus_rounding",
        "test_walk_filter::test_value_and_derivatives_are_those_of_the_dense_gaussian",
        "test_observations::test_scatter_of_runs_on_shared_sets_is_about_the_sets_mean",
        "test_observations::test_a_set_that_is_used_once_is_not_shared",
        "../statistics/test_calibration::test_ranks_of_the_truth_are_uniform",
    ],
    "M11": [
        "test_walk::test_variances_at_knots",
        "test_walk_below::test_their_mean_is_that_of_the_likelihood_that_was_fitted",
        "test_walk_below::test_the_mean_drawn_curve_is_nearer_to_a_known_truth_than_the_law_and_intervals_hold",
        "../statistics/test_calibration::test_intervals_of_the_future_error_cover",
        "../statistics/test_calibration::test_a_model_without_discrepancy_does_not_cover",
        "../benchmarks/test_stored::test_m11_intervals_cover_real_curves_at_2_4_and_8_times_the_labels",
    ],
    "M12": [
        "test_priors::test_shipped_priors_say_what_they_mean_and_where_they_come_from",
        "test_priors::test_replace_returns_new_priors_and_leaves_the_old",
        "test_population::test_error_at_the_reference_has_the_moments_of_the_priors",
        "../benchmarks/test_lcdb_data::test_the_split_rule_is_the_one_agreed",
        "../benchmarks/test_stored::test_m12_slices_of_two_sizes_have_sane_intervals",
    ],
    "M13": [
        "test_families::test_at_the_reference_the_value_is_one_and_the_slope_the_elasticity",
        "../forecast/test_comparison::test_the_better_model_comes_first_and_takes_the_weight",
        "../forecast/test_comparison::test_held_out_scores_stand_beside_leave_one_out",
        "../forecast/test_comparison::test_a_blend_holds_each_models_share_of_draws",
    ],
    "M14": [
        "../statistics/test_choices::test_a_rising_slice_is_flagged_and_no_gain_is_made_up",
        "test_checks::test_a_curve_that_rises_does_not_fit",
        "../report/test_decision::test_a_flag_of_the_best_slice_is_the_strongest_reservation",
    ],
    "M15": [
        "test_promises::test_m15_the_spread_of_the_impact_between_learners_has_draws",
        "test_posterior::test_curves_of_two_learners_are_slices_by_learners",
    ],
    "M16": [
        "../operate/test_advice::test_values_are_those_of_the_learner_that_came_last",
        "../operate/test_learners::test_m16_both_widths_are_of_the_gain_from_todays_labels_on",
        "test_borrowing::test_m16_an_old_learners_curve_counts_for_the_correlation_of_learners_on_a_slice",
        "../statistics/test_old_learners::test_old_curves_count_for_more_where_learners_agree",
        "../report/test_other_opinions::test_m16_the_page_says_how_much_old_runs_still_inform_a_new_learner",
    ],
    "M17": [
        "test_promises::test_m15_the_spread_of_the_impact_between_learners_has_draws",
        "../forecast/test_persistence::test_a_step_whose_worth_grows_is_told_from_one_whose_worth_shrinks",
    ],
    "M18": [
        "test_checks::test_replicates_hold_label_errors_at_their_rates",
        "test_promises::test_m18_replicates_hold_wrong_training_labels",
        "test_promises::test_m18_a_tail_under_a_hundredth_on_either_side_is_flagged",
        "test_checks::test_a_curve_that_rises_does_not_fit",
        "test_checks::test_a_curve_that_falls_far_faster_does_not_fit_either",
    ],
    "M19": [
        "test_elicitation::test_brute_force_meets_the_answers",
        "test_elicitation::test_quantiles_of_known_priors_give_them_back",
        "test_priors::test_replace_returns_new_priors_and_leaves_the_old",
        "../report/test_prior_curves::test_given_priors_stand_beside_the_models_own_on_the_same_axes",
    ],
    "M20": [
        "test_diagnostics::test_every_threshold_has_two_sides",
        "test_diagnostics::test_reasons_are_complete_and_name_both_numbers",
        "test_sampling::test_a_fit_whose_sampler_stops_is_refused_and_complete",
        "../report/test_page::test_refused_shows_diagnostics_only",
        "../test_cli::test_fit_that_did_not_converge_ends_with_2",
    ],
    "M21": [
        "test_model_check::test_m21_every_installed_model_passes_the_public_check",
        "test_model_check::test_m21_a_model_of_ones_own_comes_in_by_the_same_door_and_check",
        "test_model_check::test_m21_what_is_wrong_with_a_model_is_named",
    ],
    "M22": [
        "../forecast/test_drift::test_m22_a_rate_is_recovered_from_models_that_were_evaluated_again",
        "../forecast/test_drift::test_m22_a_rate_is_recovered_from_a_later_suite",
        "../forecast/test_drift::test_m22_without_such_runs_it_is_the_priors_and_says_so",
        "../forecast/test_drift::test_m22_doing_nothing_gets_worse_by_the_drift",
        "../forecast/test_drift::test_m22_the_page_says_it",
    ],
}


@pytest.mark.parametrize("row", ROWS)
def test_functions_in_a_promise_are_there(row):
    assert promises.not_there(__file__, ROWS[row]) == []


def test_no_promise_of_the_room_is_left_out():
    assert list(ROWS) == promises.promised("M", 22)
