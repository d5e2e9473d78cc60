"""Where each promise of the room is tested (R1 to R15, and X4 on the page), and that the tests exist."""

from __future__ import annotations

import pytest

from tests import promises

ROWS = {
    "R1": ["test_decision_page::test_the_first_sentence_is_the_decision", "test_decision_page::test_verdicts_in_words"],
    "R2": [
        "test_page::test_r2_own_and_total_gain_stand_in_one_row_and_on_the_page",
        "test_tables::test_values_against_numpy",
        "test_plots::test_gains_are_the_tables_numbers",
    ],
    "R3": ["test_decision_page::test_cases_are_whole_draws"],
    "R4": [
        "test_decision_page::test_r4_where_uncertainty_is_highest_stands_beside_the_recommendation",
        "test_decision_page::test_r4_budgets_move_to_the_plan_that_is_best_where_the_input_lies",
        "test_decision_page::test_r4_what_moves_within_a_budget_is_said_slice_by_slice_and_in_money",
        "test_decision_page::test_r4_the_plans_that_an_input_moves_to_are_those_of_the_decision",
    ],
    "R5": [
        "test_plots::test_curves_and_bands_are_summaries_of_the_forecast",
        "test_plots::test_every_run_is_a_point",
        "test_plots::test_far_forecasts_are_hatched_and_named",
        "test_plots::test_now_and_what_lies_beyond_the_data_stand_where_they_are",
        "test_plan_figures::test_net_benefit_against_labels_is_the_ladder",
        "test_plan_figures::test_gain_against_money_is_the_ladder",
    ],
    "R6": [
        "test_page::test_page_asks_for_nothing",
        "test_page::test_the_policy_lets_the_one_script_run_and_no_other",
        "../test_readme::test_the_page_of_the_shipped_runs_in_a_browser",
        "test_decision_page::test_page_is_small",
        "../benchmarks/test_page::test_sizes_are_those_of_the_files",
        "test_decision_page::test_json_beside_the_page_is_its_numbers",
        "test_browser::test_without_scripts_the_page_says_the_same",
        "test_browser::test_paper_holds_the_first_page_and_what_is_open",
    ],
    "R7": [
        "test_decision_page::test_r7_nothing_that_is_asked_for_leaves_a_limitation_out",
        "test_page::test_notes_flags_and_distances_become_limitations",
        "test_page::test_reservations_cannot_be_switched_off",
    ],
    "R8": [
        "test_assumptions::test_r8_each_number_of_a_case_is_varied_or_says_why_not",
        "test_decision_page::test_limitations_have_the_id_of_their_check_and_assumptions_their_consequence",
        "test_decision_page::test_an_assumption_without_a_source_is_a_warning",
        "test_assumptions::test_every_number_of_a_case_file_has_its_source",
        "test_assumptions::test_a_case_made_in_python_says_so",
        "test_assumptions::test_what_was_not_tested_says_so_and_nothing_else_does",
        "test_assumptions::test_another_price_says_what_would_be_bought",
        "test_assumptions::test_a_projects_own_words_stand_and_get_what_was_computed",
        "../operate/test_advice::test_assumptions_say_what_changes",
    ],
    "R9": [
        "test_page::test_r9_numbers_lead_to_fit_inputs_code_seed_and_sampler",
        "test_page::test_provenance_and_priors",
        "../operate/test_rows::test_p4_p5_the_page_says_how_the_last_forecasts_did_and_shows_both_widths",
        "../faults/test_faults::test_one_flipped_byte_anywhere_in_a_fit",
    ],
    "R10": [
        "test_backtests::test_a_flagged_fit_shows_its_backtest_under_the_banner",
        "test_decision_page::test_the_past_is_on_the_page_when_it_is_bad",
    ],
    "R11": [
        "test_page::test_r11_every_section_is_somebodys_and_everybody_finds_theirs",
        "test_decision_page::test_r11_no_abbreviation_is_left_unexplained",
        "test_decision_page::test_every_technical_word_is_explained_where_it_stands_first",
        "test_decision_page::test_words_are_those_of_the_design",
    ],
    "R12": [
        "test_page::test_143_slices_are_all_there",
        "test_decision_page::test_nothing_is_cut",
        "test_decision_page::test_r12_slices_that_were_not_looked_at_are_counted",
    ],
    "R13": [
        "test_analysis::test_every_plot_is_a_collection_of_arviz_with_a_reading",
        "test_analysis::test_predictive_plots_say_what_their_figures_say",
        "test_analysis::test_functions_of_arviz_take_the_trees",
        "../model/test_arviz_groups::test_predicted_cells_have_the_mean_and_spread_that_the_others_leave_them",
        "../model/test_arviz_groups::test_a_real_fit_is_calibrated_given_the_others",
    ],
    "R14": [
        "test_decision_page::test_r14_scenarios_pillars_and_guardrails_are_on_one_page",
        "../operate/test_decided_page::test_r14_what_differs_from_the_decision_before_is_marked",
        "test_browser::test_sliders_show_the_numbers_of_the_json",
    ],
    "R15": [
        "test_page::test_hostile_texts_add_no_element_no_handler_and_no_address",
        "test_page::test_names_are_shown_literally",
        "test_plots::test_hostile_names_are_shown_literally_and_nothing_is_cut",
        "test_exports::test_no_cell_of_a_workbook_is_a_formula_or_a_link",
        "test_notebook::test_hostile_text_is_shown_literally",
        "test_browser::test_hostile_names_stay_text_in_a_decision",
    ],
    "X4": [
        "../operate/test_notes::test_a_note_is_a_record_that_cannot_be_changed",
        "../operate/test_notes::test_the_page_shows_notes_beside_what_they_are_about",
    ],
}


@pytest.mark.parametrize("row", ROWS)
def test_functions_in_a_promise_are_there(row):
    assert promises.not_there(__file__, ROWS[row]) == []


def test_no_promise_of_the_room_is_left_out():
    assert [row for row in ROWS if row.startswith("R")] == promises.promised("R", 15)
