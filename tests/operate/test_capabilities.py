"""Where each promise of the room and of practice is tested (P1 to P13, X1 to X10), and that the tests exist."""

from __future__ import annotations

import pytest

from tests import promises

ROWS = {
    "P1": [
        "test_rows::test_p1_the_commands_keep_a_ledger_that_only_grows",
        "test_ledger::test_records_are_never_changed",
        "test_project::test_history_says_what_happened",
        "test_project::test_history_names_the_batches_that_a_fit_was_made_from",
        "test_project::test_a_decision_is_on_the_published_fit",
    ],
    "P2": [
        "test_rows::test_p2_a_refit_after_each_batch_is_a_fresh_fit_of_all_of_them",
        "test_project::test_a_refit_is_a_joint_fit_of_everything",
        "test_project::test_the_order_of_arrival_changes_no_number",
        "test_project::test_a_fit_made_again_has_the_same_draws",
    ],
    "P3": [
        "../report/test_page::test_p3_a_batch_that_counts_for_less_is_a_limitation",
        "test_rows::test_p3_a_discount_stands_in_the_ledger_among_the_assumptions_and_on_the_page",
        "test_project::test_p3_a_discount_is_explicit_recorded_and_a_step_of_the_waterfall",
        "test_project::test_p3_a_batch_of_another_slice_leaves_what_a_model_sees_of_the_others",
        "../model/test_discount::test_a_discounted_batch_pulls_less",
        "../model/test_discount::test_the_potential_is_that_power_of_the_likelihood_with_the_walk_integrated_out",
    ],
    "P4": [
        "test_rows::test_p4_a_forecast_is_of_a_fit_that_stood_before_and_knows_nothing_of_the_outcome",
        "test_rows::test_p4_p5_the_page_says_how_the_last_forecasts_did_and_shows_both_widths",
        "test_rows::test_p4_bias_is_said_in_error_and_in_money",
        "test_scorecard::test_a_forecast_is_frozen_and_scored_in_the_same_stroke",
        "test_advice::test_scores_and_assets_are_in_money",
    ],
    "P5": [
        "test_rows::test_p4_p5_the_page_says_how_the_last_forecasts_did_and_shows_both_widths",
        "test_scorecard::test_widths_are_left_alone_until_the_record_is_long_enough",
        "test_scorecard::test_widths_go_where_calibration_is",
        "test_scorecard::test_the_factor_is_frozen_with_every_promise_and_both_widths_are_there",
        "test_advice::test_p5_money_is_as_wide_as_the_record_of_forecasts_asks_for",
        "../forecast/test_recalibration::test_log_errors_and_gains_spread_so_much_further_about_the_same_medians",
    ],
    "P6": [
        "test_changes::test_every_difference_has_its_step_and_they_add_up",
        "test_changes::test_a_learner_is_a_step_of_its_own",
        "test_changes::test_p6_a_surprise_is_split_into_what_was_forecast_and_drift",
        "../report/test_changes::test_p6_steps_add_up_over_slices_and_to_the_whole",
        "../report/test_changes::test_p6_the_page_shows_table_and_picture",
    ],
    "P7": [
        "test_rows::test_p7_every_evaluation_is_logged_with_what_it_takes_to_make_it_again",
        "test_scorecard::test_new_labels_call_for_a_fit",
        "test_settings::test_p7_other_triggers_lift_the_one_that_waits_for_labels",
        "test_advice::test_training_on_new_labels_is_called_for_where_it_pays",
        "test_advice::test_values_are_those_of_the_learner_that_came_last",
        "../faults/test_rows::test_data_that_contradict_are_scored_trigger_a_refit_and_are_explained",
    ],
    "P8": [
        "test_advice::test_guardrails_of_the_case_decide_the_exit_code",
        "test_rows::test_p8_approvals_live_in_the_case_and_the_exit_code_says_which_are_missing",
        "test_rows::test_p8_the_command_names_who_must_agree_before_a_plan_is_carried_out",
        "../report/test_decision_page::test_p8_who_must_agree_stands_beside_the_decision",
        "test_project::test_what_does_not_pass_the_gate_is_recorded_and_not_published",
        "test_advice::test_no_advice_on_what_did_not_pass_the_gate",
        "test_scorecard::test_where_a_least_gain_is_undecided_the_labels_that_would_decide_it_are_said",
        "test_scorecard::test_where_a_limit_on_errors_is_undecided_the_labels_that_would_hold_it_are_said",
    ],
    "P9": [
        "test_project::test_nothing_new_means_no_sampling_and_no_record",
        "test_schedulers::test_the_line_of_the_crontab_is_run",
        "test_schedulers::test_one_line_of_json_whatever_the_exit_code",
        "test_advice::test_the_same_inputs_make_no_second_record_and_other_ones_do",
        "../faults/test_kills::test_old_or_new_and_both_whole",
        "../faults/test_faults::test_an_interrupted_add_can_be_repeated",
    ],
    "P10": ["test_advice::test_values_are_those_of_the_learner_that_came_last"],
    "P11": [
        "test_rows::test_p11_net_benefit_per_unit_of_money_over_time_and_a_warning_where_it_only_falls",
        "test_scorecard::test_three_batches_in_a_row_that_gain_too_little_are_called_stagnation",
        "test_advice::test_another_aim_is_called_goal_drift",
    ],
    "P12": [
        "test_ledger::test_the_first_broken_link_is_named",
        "test_ledger::test_a_record_forged_with_its_digest_breaks_the_next",
        "test_advice::test_a_decision_is_made_again_from_its_inputs",
        "test_advice::test_a_plan_that_its_inputs_do_not_give_is_found",
        "test_rows::test_p12_a_decision_that_was_rewritten_is_the_link_that_verify_names",
        "../faults/test_faults::test_one_flipped_byte_anywhere_in_a_fit",
    ],
    "P13": [
        "../faults/test_apart::test_a_real_fit_goes_on_after_sigterm_with_the_draws_of_one_that_was_not_stopped",
        "../faults/test_faults::test_a_signal_ends_a_refit_and_publishes_nothing",
        "../faults/test_rows::test_a_signal_while_a_fit_is_written",
        "../observe/test_long_work::test_killed_it_goes_on_where_it_was",
        "../model/test_chains::test_what_is_missing_is_sampled_again_with_the_same_draws",
    ],
    "X1": [
        "../observe/test_protocol::test_the_template_is_a_protocol_and_its_comments_are_too",
        "../observe/test_protocol::test_what_was_done_is_written_with_the_runs",
        "test_project::test_runs_of_another_protocol_are_refused",
        "../test_practice::test_x1_the_template_that_ships_is_in_the_documentation_and_rules_a_project",
    ],
    "X2": [
        "../test_readme::test_x2_every_figure_that_was_measured_is_quoted_from_the_benchmarks",
        "../test_practice::test_x2_every_file_of_data_has_its_source_its_licence_and_what_made_it",
        "../observe/test_data::test_the_first_sizes_computed_anew_are_the_shipped_rows",
        "../observe/test_data::test_a_part_computed_anew_is_the_shipped_part",
        "../observe/test_data::test_comparisons_are_small_and_made_by_the_script",
        "../test_docs::test_code_of_a_page_runs",
        "../test_docs::test_figures_that_pages_quote_stand_in_the_benchmarks",
        "../test_readme::test_code_of_the_tutorial_runs",
    ],
    "X3": [
        "../test_policies::test_x3_regret_of_policies_against_the_oracle_is_a_number_and_the_same_again",
        "../test_policies::test_x3_whoever_knows_the_curves_nearly_and_follows_the_advice_regrets_little",
        "../test_policies::test_x3_the_oracle_is_as_good_as_the_best_of_all",
        "../test_policies::test_x3_price_noise_delay_and_drift_each_move_what_labels_bring",
        "../test_policies::test_x3_net_benefit_by_hand",
    ],
    "X4": [
        "test_notes::test_a_note_is_a_record_that_cannot_be_changed",
        "test_notes::test_the_page_shows_notes_beside_what_they_are_about",
        "test_notes::test_the_trail_page_has_them",
        "../model/test_elicitation::test_brute_force_meets_the_answers",
    ],
    "X5": [
        "../test_practice::test_x5_notebook_python_and_command_line_tell_one_story",
        "../test_cli::test_gain_as_json_agrees_with_python",
    ],
    "X6": [
        "../statistics/test_calibration::test_same_seed_same_draws",
        "../statistics/test_reference::test_a_fit_of_simulated_runs_agrees_with_the_long_run",
        "../report/test_page::test_the_same_fit_gives_the_same_bytes",
        "test_advice::test_a_decision_is_made_again_from_its_inputs",
        "../observe/test_capabilities::test_o2_the_same_seed_gives_the_same_table_byte_for_byte",
    ],
    "X7": [
        "test_rows::test_x7_totals_of_money_labels_and_gains_per_slice_and_over_time",
        "test_advice::test_scores_and_assets_are_in_money",
    ],
    "X8": [
        "../test_cli::test_demo_ends_with_the_path_of_the_report",
        "../test_readme::test_it_opens_with_the_two_commands",
        "../test_readme::test_python_block_runs",
        "../test_wheel::test_commands_answer",
    ],
    "X9": [
        "../house/test_words::test_x9_a_word_is_what_the_code_calls_it",
        "../house/test_words::test_x9_nothing_has_a_second_word",
        "../house/test_words::test_x9_words_of_the_page_and_columns_of_tables_are_in_the_list",
        "../report/test_decision_page::test_words_are_those_of_the_design",
    ],
    "X10": [
        "../test_practice::test_x10_the_high_stakes_notebook_shows_the_whole_chain",
        "../test_notebooks::test_notebook_runs",
    ],
}


@pytest.mark.parametrize("row", ROWS)
def test_functions_in_a_promise_are_there(row):
    assert ROWS[row], "a row without a test is not done"
    assert promises.not_there(__file__, ROWS[row]) == []


def test_no_promise_is_left_out():
    assert list(ROWS) == promises.promised("P", 13) + promises.promised("X", 10)
