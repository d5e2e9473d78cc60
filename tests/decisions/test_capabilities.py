"""Where each promise of the room is tested (D1 to D35; F12, F20, F27, F28 in money), and that the tests exist."""

from __future__ import annotations

import pytest

from tests import promises

ROWS = {
    "D1": ["test_benefit::test_costs_by_hand", "test_benefit::test_probability_of_a_budget_of_lognormal_prices"],
    "D2": ["test_benefit::test_gains_that_come_later_are_worth_less", "test_advice::test_deadline_bounds_the_plan"],
    "D3": ["test_benefit::test_costs_by_hand", "test_optimise::test_money_has_a_price"],
    "D4": [
        "test_benefit::test_branches_have_their_probabilities",
        "test_benefit::test_retraining_that_fails_brings_nothing_and_costs_all_the_same",
    ],
    "D5": [
        "test_benefit::test_value_is_gain_times_worth_and_agrees_with_the_forecast",
        "test_benefit::test_marginal_benefit_adds_up_to_the_whole",
    ],
    "D6": ["test_benefit::test_where_one_more_label_stops_to_pay", "test_benefit::test_nothing_pays_or_everything"],
    "D7": [
        "test_allocation::test_plan_is_the_best_of_all_plans_as_a_whole",
        "test_allocation::test_plan_keeps_whole_labels_within_the_budget",
        "test_optimise::test_purchase_is_as_good_as_the_best_of_all",
        "test_mixed::test_d7_labels_are_chosen_anew_beside_an_intervention",
    ],
    "D8": [
        "test_benefit::test_doing_nothing_is_always_there_and_costs_nothing",
        "test_compare::test_probability_of_the_best_and_regret_of_two_gaussians",
        "test_futures::test_d8_waiting_is_priced_by_every_decision_and_told",
        "test_futures::test_d8_where_days_cost_nothing_no_price_of_waiting_is_made_up",
    ],
    "D9": [
        "test_advice::test_cheap_labels_are_bought_and_dear_ones_waited_for",
        "test_advice::test_where_much_hangs_on_an_unknown_curve_a_pilot_comes_first",
        "test_quality::test_cheap_cleaning_wins_over_dear_labels",
        "test_voi::test_conjugate_normal_sample_information",
    ],
    "D10": [
        "test_risk::test_appetites_of_a_gaussian",
        "test_compare::test_dominated_plans_are_not_efficient",
        "../test_plan_command::test_d10_the_text_says_how_probably_the_target_of_the_case_is_reached",
        "test_compare::test_d10_the_probability_that_a_target_is_reached_is_that_of_the_draws",
    ],
    "D11": ["test_risk::test_gaussian_var_and_cvar", "test_risk::test_positive_is_a_loss_against_doing_nothing"],
    "D12": [
        "test_benefit::test_worst_case_is_no_better_than_the_plan_and_the_number_of_wrong_labels_stays",
        "test_noise_sensitivity::test_d12_a_rule_that_worse_labels_break_is_named_and_kept_by_what_is_advised",
        "../report/test_decision_page::test_d12_errors_under_plausibly_many_wrong_labels_are_shown",
    ],
    "D13": [
        "test_allocation::test_floor_is_kept_with_its_probability",
        "test_allocation::test_floor_out_of_reach_says_what_would_do",
        "test_promises::test_d13_floors_are_about_the_population",
        "test_optimise::test_shadow_price_is_what_looser_limits_bring",
    ],
    "D14": [
        "test_benefit::test_reserve_keeps_the_probability_of_an_overrun",
        "test_evaluating::test_d14_audit_of_a_beta_share_is_that_of_the_closed_form",
        "test_evaluating::test_d14_where_an_audit_decides_it_comes_first",
    ],
    "D15": [
        "test_benefit::test_value_is_gain_times_worth_and_agrees_with_the_forecast",
        "test_allocation::test_limits_of_slices_hold_and_have_prices",
        "test_allocation::test_d15_the_stakes_of_a_class_move_the_plan_and_its_worth",
        "test_allocation::test_d15_the_minimum_of_a_class_is_bought_wherever_it_is_best_or_there_is_no_plan",
    ],
    "D16": [
        "test_compare::test_differences_are_of_paired_draws",
        "test_compare::test_probability_of_the_best_and_regret_of_two_gaussians",
        "test_compare::test_d16_a_stated_plan_is_taken_where_it_is_worth_more_and_told_where_not",
    ],
    "D17": [
        "test_compare::test_score_never_stands_without_its_parts",
        "../report/test_decision_page::test_d17_the_best_plan_at_every_weight_of_the_risk_is_shown",
    ],
    "D18": [
        "test_advice::test_settings_of_the_tornado_are_computed_again",
        "test_advice::test_first_order_shares_of_a_sum_are_its_variances",
        "test_futures::test_d18_priors_and_old_runs_stand_in_the_tornado",
        "test_noise_sensitivity::test_d18_as_is_it_is_the_plan_to_the_last_digit",
        "test_noise_sensitivity::test_d18_gain_and_worth_fall_as_noise_rises",
        "test_noise_sensitivity::test_d18_the_other_plan_is_as_good_as_any_on_a_grid",
    ],
    "D19": ["test_voi::test_normal_perfect_information", "test_voi::test_normal_partial_information"],
    "D20": [
        "test_advice::test_d20_ties_are_called_ties_and_the_cheap_ones_bought",
        "test_advice::test_d20_a_tie_and_a_plan_for_one_slice_agree_in_words",
        "test_advice::test_a_clear_winner_is_named",
    ],
    "D21": [
        "test_advice::test_a_plan_far_from_break_even_is_stable",
        "test_advice::test_reweighting_is_importance_weighting",
        "../forecast/test_fitted_again::test_stability_has_no_row_that_cannot_be_told",
        "../test_plan_command::test_d21_a_page_beside_the_details_has_their_fits_and_makes_none_of_its_own",
    ],
    "D22": [
        "test_advice::test_detection_needs_larger_sets_for_smaller_gains",
        "../forecast/test_detection::test_power_is_what_simulation_says",
        "../forecast/test_detection::test_d22_the_split_is_the_best_of_all_that_were_tried",
        "../forecast/test_detection::test_d22_both_budgets_together_show_more_where_evaluation_labels_are_cheap",
    ],
    "D23": [
        "test_mixed::test_d23_votes_and_items_are_chosen_together_for_a_sum",
        "../report/test_votes::test_d23_numbers_are_those_of_the_frontier_for_the_plans_money",
    ],
    "D24": [
        "test_allocation::test_minimum_gain_turns_the_verdict",
        "test_promises::test_d24_false_stop_rate_of_a_normal_gain",
        "test_promises::test_d24_false_stops_of_a_project_fall_as_batches_come",
    ],
    "D25": ["test_allocation::test_budget_rule_holds_under_uncertain_prices"],
    "D26": [
        "test_allocation::test_gap_rule_holds_or_says_what_would_do",
        "test_optimise::test_fairness_moves_labels_to_the_worst_slice",
    ],
    "D27": [
        "test_case::test_more_than_is_available_cannot_be_asked_for",
        "test_allocation::test_limits_of_slices_hold_and_have_prices",
    ],
    "D28": [
        "test_benefit::test_change_of_the_mix_counts_from_its_day_with_its_probability",
        "test_futures::test_d28_value_of_waiting_for_one_change_by_hand",
        "test_futures::test_d28_a_decision_waits_where_a_dated_change_makes_that_worth_more",
    ],
    "D29": [
        "test_evaluating::test_d29_missing_evaluation_labels_are_bought_first_and_paid_for",
        "test_evaluating::test_d29_rules_out_of_reach_name_their_reason",
    ],
    "D30": [
        "test_advice::test_milestones_add_up_and_narrow_towards_the_plan",
        "test_advice::test_rule_is_worth_something_where_much_is_open",
        "../operate/test_advice::test_d30_milestones_are_frozen_with_the_advice_and_judged_when_the_batch_arrives",
    ],
    "D31": ["test_advice::test_deadline_bounds_the_plan"],
    "D32": [
        "test_allocation::test_never_worse_than_a_split_or_nothing",
        "test_envelope::test_d32_many_bumpy_slices_are_certified_in_no_time",
    ],
    "D33": [
        "../test_plan_command::test_d33_the_cheapest_plan_for_a_target_is_printed_as_python_finds_it",
        "test_allocation::test_d33_no_plan_reaches_a_target_for_less_or_more_probably",
        "test_allocation::test_d33_what_is_reached_already_costs_nothing_and_rules_are_kept",
    ],
    "D35": ["test_compare::test_d35_mean_and_worst_slice_are_told_side_by_side"],
    "F12": [
        "test_compare::test_other_mixes_reweight_the_same_draws",
        "test_futures::test_f12_another_mix_in_money_is_the_same_gains_at_other_volumes",
    ],
    "F20": ["test_compare::test_fairness_by_hand", "test_compare::test_probability_of_a_gap_is_read_off_the_draws"],
    "F27": [
        "test_futures::test_f27_mean_spread_and_best_are_those_of_the_learners_cases",
        "test_futures::test_f27_a_learner_far_above_the_average_is_flagged",
    ],
    "F28": [
        "test_futures::test_f28_labels_are_paid_once_and_every_training_for_itself",
        "test_futures::test_f28_a_mixture_of_one_is_that_learner",
    ],
}


@pytest.mark.parametrize("row", ROWS)
def test_functions_in_a_promise_are_there(row):
    assert promises.not_there(__file__, ROWS[row]) == []


def test_no_promise_of_the_room_is_left_out():
    closed_loops = "D34"  # which benchmarks measure
    assert [row for row in ROWS if row.startswith("D")] == [
        row for row in promises.promised("D", 35) if row != closed_loops
    ]
