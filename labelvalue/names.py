"""Every name that crosses a room's wall: dims, coordinates, variables and attributes.

Imports nothing, so that any module may use it. A column of the runs table, a dim of a posterior and
a key in an attrs mapping are written down here once, with unit and meaning, and nowhere else.
"""

# --- dims -----------------------------------------------------------------------------------------
RUN = "run"  # one row of the runs table
CHAIN = "chain"
DRAW = "draw"
SAMPLE = (CHAIN, DRAW)  # dims of a posterior's draws
SLICE = "slice"  # a subgroup of the data. Also a column of the runs table (text)
LEARNER = "learner"  # the training recipe. Also a column of the runs table (text, default ``default``)
BUDGET = "budget"  # extra labels considered, counted from now (whole labels, ≥ 0)
LABELS = "labels"  # labels of a slice in a training set: a column of the runs table, and a dim of error forecasts

# --- further columns of the runs table ------------------------------------------------------------
ERRORS = "errors"  # wrong answers on the evaluation set (count)
TRIALS = "trials"  # size of the evaluation set (count)
VALUE = "value"  # the metric itself, in the metric's own unit
STDERR = "stderr"  # standard error of ``value`` from the sampling of the evaluation set
OTHER_LABELS = "other_labels"  # labels of all other slices in the same training set (count, default 0)
REPLICATE = "replicate"  # re-draw of the training set or seed (whole number, default 0)
EVALUATION_SET = "evaluation_set"
"""Id of the evaluation set (text, default empty); runs that share one share its sampling noise."""
STRATEGY = "strategy"  # how the labels were chosen (text, default ``random``)
SUITE = "suite"  # kind of evaluation set (text, default ``holdout``)
BATCH = "batch"  # batch of labels the run belongs to (text, default empty)
LABEL_NOISE = "label_noise"  # share of wrong labels in the training set, 0 ≤ x < 1 (default: not known, NaN)
SYNTHETIC_LABELS = "synthetic_labels"
"""Synthetic examples of this slice in the training set, none of them counted in ``labels`` (count, default 0)."""
OTHER_SYNTHETIC_LABELS = "other_synthetic_labels"
"""Synthetic examples of all other slices in the same training set (count, default 0)."""
DIVERSITY = "diversity"
"""Diversity of the slice's labels: effective clusters they cover, over those of as many drawn at random (1: as random,
default: not known, NaN)."""
SECONDS = "seconds"  # training time in seconds (default NaN)
MEASURED_AT = "measured_at"  # time of the measurement, UTC (default NaT)
PROTOCOL = "protocol"
"""Id of the evaluation protocol (text, default empty); as an attribute of the runs, the protocol itself as TOML."""

TRAINED = "trained"  # attribute of simulated runs: each learner by name, with its settings, as TOML

ERROR = "error"  # observed error of a run, lower is better; derived by the reader from counts or from the metric
ERROR_STDERR = "error_stderr"
"""Standard error of ``error`` from the sampling of the evaluation set (NaN where counts are given)."""

# --- columns of the annotations table -------------------------------------------------------------
ITEM = "item"  # id of the labelled thing (text), unique within its source
ANNOTATOR = "annotator"  # who judged: a salted hash (text), empty where the export does not tell. Also a dim
LABEL = "label"  # one text a judgement; several labels of one judgement are sorted and joined as a JSON list
TIME = "time"  # when the judgement was made, UTC (NaT where unknown)
REFERENCE = "reference"  # True for gold answers: they inform label noise, and are no labels that were bought
SOURCE_ID = "source_id"  # the judgement's own id within its source (text)
KIND = "kind"  # what was judged: choice, spans, regions, text, work or other; agreement is that of choices alone
QUESTION = "question"  # question that was answered, where an item has several (text)
UNITS = "units"  # labels that the seconds of a row cover: 1, but for work that is recorded by job
SECONDS_FROM = "seconds_from"  # where seconds come from: recorded, gaps (between times of one annotator), or empty

# --- posterior variables --------------------------------------------------------------------------
ERROR_NOW = "error_now"  # expected error at a slice's current labels (unit of the metric's error)
ELASTICITY = "elasticity"  # − d log(error) / d log(labels) at the slice's current labels (unitless)
IMPACT = "impact"  # expected drop in error from one more label at the slice's current labels (error per label)
FLOOR = "floor"  # error that labels of this kind never remove (unit of the metric's error)
TRANSFER = "transfer"  # worth of one label of another slice in labels of this slice (unitless, may be negative)

LUCK = "luck"  # log of the error of the population over that on a slice's evaluation items, at the reference size
ERROR_REFERENCE = "error_reference"
"""Expected error at the reference size, the largest labels observed, where the curve is anchored."""
CURVE_ELASTICITY = "curve_elasticity"  # elasticity with respect to effective labels at the reference size (unitless)
FLOOR_SHARE = "floor_share"  # share of the error at the reference size that labels never remove (0 to 1)
DISCREPANCY = "discrepancy"
"""Shape discrepancy: standard deviation by which a curve's elasticity departs from its family's over a doubling."""
HEADROOM = "headroom"
"""How far the plateau of a curve lies above the error at the reference size (unitless; family with a plateau)."""
BREAK_DISTANCE = "break_distance"
"""Where the slope of a curve turns, in doublings of labels below the reference size (broken power law)."""
EARLY_SHARE = "early_share"  # elasticity before that break over elasticity after it (unitless; broken power law)
EFFICIENCY = "efficiency"
"""Worth of one label chosen by a strategy in labels chosen at random, at the reference size (unitless)."""
EFFICIENCY_TREND = "efficiency_trend"
"""Power of labels by which that worth changes beyond or below the reference size (unitless)."""
NOISE_COST = "noise_cost"
"""Power of the share of information left in noisy labels by which effective labels shrink (2 in theory)."""
DIVERSITY_POWER = "diversity_power"
"""Power of diversity by which effective labels grow (unitless; 0: diversity does not matter)."""
LOG_DIVERSITY = "log_diversity"  # log of the diversity of a slice's labels, 0 where it is not known (unitless)
WEIGHT = "weight"  # share of its likelihood that a run counts for (0 to 1; there only where old batches are discounted)
EVALUATION_NOISE = "evaluation_noise"  # share of wrong labels in the evaluation sets of a slice (0 to 1)
ANNOTATOR_NOISE = "annotator_noise"  # share of an annotator's judgements that are wrong (0 to 1; a dim annotator)
CONFUSION = "confusion"
"""Probability of each label given by an annotator for each true class (dims annotator, true_class, given_class)."""
TRUE_CLASS, GIVEN_CLASS = "true_class", "given_class"  # True class of an item, and class that was given to it (dims)
PREVALENCE = "prevalence"  # share of each true class among the items of a slice (0 to 1)
SECONDS_PER_LABEL = "seconds_per_label"  # mean seconds of work that a label of a slice takes, breaks left out
LABELS_PER_DAY = "labels_a_day"  # labels that all annotators together deliver on a calendar day
LABELS_PER_DAY_OF_SLICE = "labels_a_day_of_slice"
"""Labels of one slice that all annotators together deliver on a calendar day."""
LABELS_PER_ANNOTATOR_DAY = "labels_an_annotator_day"  # judgements that one annotator makes on a day of work
TRAINING_SD = "training_sd"  # standard deviation of log error between training runs at the reference size

# --- forecast variables ---------------------------------------------------------------------------
GAIN = "gain"  # drop in expected error from now to now + budget; positive is good
TOTAL_GAIN = "total_gain"  # drop in expected error over all slices, weighted, from labels bought for one of them
OBSERVED_GAIN = "observed_gain"
"""Drop that one new training and evaluation would show: gain plus training and evaluation noise."""
LABELS_NEEDED = "labels_needed"  # labels at which the expected error reaches a target; infinite where it never does
TARGET = "target"  # target error (a dim of ``labels_needed``)

GAIN_RATE = "gain_rate"  # gain per so many labels where a further budget has been bought: the slope of the curve there
P_BELOW = "p_below"  # probability that the gain rate lies under a stated one
RATE = "rate"  # a stated gain rate (a dim)
LABELS_AT_RATE = "labels_at_rate"  # labels at which the gain rate falls under a stated one; infinite where it does not
POOLING = "pooling"
"""How far what is said of a slice's steepness is the group's: 0 its own runs alone, 1 the group alone."""
PASS, STOP, INCONCLUSIVE = "PASS", "STOP", "INCONCLUSIVE"  # states of a guardrail
CARRY_OVER = "carry_over"
"""For how much a curve of one learner counts in another learner's of the same slice: 0 nothing, 1 as its own."""
DRIFT_RATE = "drift_rate"  # rise of log error a year where training data stay as they are
IDLE_ERROR = "idle_error"  # expected error, some days from now, where nothing is bought and nothing trained again

INTERVENTIONS = "interventions"
"""JSON list of what is done beside buying labels, each with the origin of its effect (an attr)."""
EQUIVALENT_LABELS = "equivalent_labels"
"""Plain labels, beside those bought anyway, that bring the same gain as an intervention; infinite where none do."""
BREAK_EVEN = "break_even"
"""Money at which an intervention costs what its equivalent labels would (currency of the price)."""
NOISE_REDUCTION = "noise_reduction"
"""Share of today's wrong labels that guidelines must do away with to be worth their cost; infinite where none does."""
SYNTHETIC_WORTH = "synthetic_worth"  # worth of one synthetic example in labels of the slice (unitless)

VOTES = "votes"  # votes an item (a dim)
SHOWN_GAIN = "shown_gain"
"""Gain as an evaluation set that was labelled with as many votes would show it, its wrong labels among it."""
POWER = "power"  # probability that an evaluation shows a gain that is there (0 to 1)
FROM_RUNS, FROM_ANNOTATIONS, ELICITED = "from runs", "from annotations", "elicited"
"""Where the size of an effect comes from: runs, judgements of annotators, or what somebody states."""
LABEL_NOISE_ORIGIN = "label_noise_origin"  # where a case's share of wrong labels comes from
EVALUATION_LABELS = "evaluation_labels"  # labels of a slice's evaluation set (count)
NOISE_FACTOR = "noise_factor"  # factor on the share of wrong labels among those bought (a dim)

# --- decisions ------------------------------------------------------------------------------------
PLAN = "plan"  # extra labels per slice (a dim); every comparison has ``do nothing`` among its plans
NOTHING = "do nothing"  # the plan that buys no labels
COST = "cost"  # money that labels cost, time included (currency of the case)
DAYS = "days"  # days until the last label of a plan is there
NET_BENEFIT = "net_benefit"
"""Value of the gain minus labelling, delay and retraining cost, per draw (currency of the case)."""
LOSS = "loss"  # net benefit of doing nothing minus that of a plan; positive = loss
VALUE_AT_RISK = "value_at_risk"  # loss against doing nothing that is exceeded with probability 1 − level
CONDITIONAL_VALUE_AT_RISK = "conditional_value_at_risk"
"""Mean of the worst 1 − level share of losses against doing nothing."""
LEVEL = "level"  # level α of a risk (an attr)
MCSE = "mcse"  # Monte Carlo standard error
LABELS_ONLY = "labels only"  # the best plan that does nothing beside buying labels
RECOMMENDED = "recommended"  # the plan that an allocation recommends
EQUAL_SPLIT = "equal split"  # the plan that gives every slice the same number of labels
WAITING = "waiting"  # the plan that begins some days later, with what is known by then
PROPORTIONAL_SPLIT = "proportional split"  # the plan that gives every slice labels in proportion to those it has
SCENARIO = "scenario"  # a set of joint draws: stress, base or best (a dim)
PROBABILITY = "probability"  # probability of a scenario (0 to 1)
P_BEST = "p_best"  # probability that no plan is better, ties shared (0 to 1)
STRESS = "stress"  # where the wrong ones among new labels are: none, everywhere, or in the weakest slice (a dim)
WRONG_SHARE = "wrong_share"  # share of wrong labels among those bought (0 to 1)
RETRAINING_WORKS = "retraining_works"  # whether retraining brings anything at all (0 or 1)
TARGET_REACHED = "target_reached"  # whether the case's target is reached (0 or 1)
EVPI = "evpi"  # expected value of perfect information (currency of the case)
EVPPI = "evppi"  # expected value of partial perfect information: of one input known (currency of the case)
EVSI = "evsi"  # expected value of sample information: of a measurement before deciding (currency of the case)
ENBS = "enbs"  # expected net benefit of sampling: EVSI less what the measurement costs (currency of the case)
MARGINAL = "marginal"  # net benefit of one more label, fixed costs aside (currency of the case a label)
CUMULATIVE_COST = "cumulative_cost"
"""Cost of all labels of a slice up to a budget, fixed costs aside (currency of the case)."""
LABELS_WORTH_BUYING = "labels_worth_buying"
"""Labels at which the expected net benefit of one more crosses zero; infinite where it does not."""
LABELS_WORTH_BUYING_DRAWS = "labels_worth_buying_draws"  # the same, draw by draw
WORST_ERROR = "worst_error"  # error of the worst slice under a plan
GAP = "gap"  # distance between the errors of the worst slice and the best
DISPARITY = "disparity"  # mean distance of the slices' errors from their mean

# --- scores of forecasts --------------------------------------------------------------------------
FORECASTER = "forecaster"  # who forecasts: the model, or a simple rule (a dim of a backtest)
ORIGIN = "origin"
"""Where a forecast of a backtest was made: steps (doublings of labels, or batches) held out from its fit (a dim)."""
DISTANCE = "distance"
"""Steps (doublings of labels, or batches) from where a forecast was made to what it forecasts (a dim)."""
CRPS = "crps"  # continuous ranked probability score, lower is better (unit of the error)
INTERVAL_SCORE = "interval_score"
"""Width of the 90 % interval plus 20 times the distance by which it missed, lower is better (unit of the error)."""
WIDTH = "width"  # width of the 90 % interval (unit of the error)
COVERS_50 = "covers_50"  # 1 where the 50 % interval held what was measured, else 0
COVERS_90 = "covers_90"  # 1 where the 90 % interval held what was measured, else 0
ABSOLUTE_ERROR = "absolute_error"  # distance of the forecast's median from what was measured (unit of the error)
BIAS = "bias"  # mean of the forecast minus what was measured: positive where the error was forecast too high
FORECAST_GAIN = "forecast_gain"  # mean gain that was forecast, counted from the error measured at the origin
P_GAIN = "p_gain"  # forecast probability that the error falls
GAINED = "gained"  # 1 where the error fell, else 0
BRIER = "brier"  # brier score of ``p_gain``: mean squared distance from ``gained`` (0 to 1, lower is better)
CRPS_RATIO = "crps_ratio"
"""CRPS over that of the best simple rule, which was picked with hindsight (below 1: better than it)."""
FORECASTS = "forecasts"  # number of forecasts that were scored
POINT = "point"  # mean of the forecast (unit of the error)
TRUTH = "truth"  # mean error that was then measured
TRUTH_STDERR = "truth_stderr"  # standard error of ``truth``
RUN_COUNT = "run_count"  # runs that a truth is the mean of
BY = "by"  # what a backtest holds out: the largest sizes (``size``) or the last batches (``batch``); an attr

# --- coordinates ----------------------------------------------------------------------------------
LABELS_NOW = "labels_now"
"""A slice's current labels, from which gains count. In runs: all that there are of the slice, held-out ones included
(default: not known, 0). In forecasts: those, or the largest observed, unless the user says otherwise."""
OTHER_LABELS_NOW = "other_labels_now"  # labels of all other slices that go with ``labels_now``
DOUBLINGS = "doublings"
"""Extrapolation distance beyond the largest observed size, in doublings of labels (0 inside the data)."""
FLAGS = "flags"  # data flags of a slice, joined by ``; `` (empty when there is none)

REFERENCE_LABELS = "reference_labels"  # largest labels observed for a slice, where its curve is anchored
REFERENCE_OTHER_LABELS = "reference_other_labels"  # labels of all other slices in the training sets of that size (mean)
SIZES = "sizes"  # distinct sizes of a slice that inform the fit, in half doublings
ONE_RUN_VARIANCE = "one_run_variance"
"""Variance of log error from the evaluation sampling of one run, at the reference size."""

SHARED = "shared"  # 1 where runs of a slice share evaluation sets, 0 where each has its own
ITEMS_VARIANCE = "items_variance"
"""Variance of the level of a curve's error that all of its runs share through their evaluation items."""

# --- attrs ----------------------------------------------------------------------------------------
METRIC = "metric"
DIRECTION = "direction"
BOUNDS = "bounds"  # legal range of the metric in its own unit: [lowest, highest], infinite where there is none
STRATEGIES = "strategies"  # strategies of the runs, random first
CLASSES = "classes"  # number of classes that labels tell apart
PLAIN_ELASTICITY = "plain_elasticity"
"""Elasticity that a curve's runs plainly show over their sizes: negative where the error rises, 0 where not plain."""
SPAN = "span"  # doublings between a curve's largest and smallest sizes
UPPER = "upper"  # upper bound of the error, ``inf`` where there is none
SOURCE = "source"
SHA256 = "sha256"
NOTES = "notes"  # notes that must reach the report, one a line
CI_KIND = "ci_kind"
CI_PROB = "ci_prob"
UNIT = "unit"

# --- data flags -----------------------------------------------------------------------------------
BORROWED = "borrowed"  # fewer than three sizes: the forecast leans on the group
MOSTLY_ASSUMPTION = "mostly assumption"  # the posterior of the impact is about as wide as its prior
SHAPE_MISFIT = "curve shape does not fit"  # the observed curve is one that the model would hardly produce
BEYOND_VALIDATED = "beyond validated distance"
"""The size lies further from the data than forecasts were checked on real curves."""

# --- re-weighted draws ----------------------------------------------------------------------------
PARETO_K = "pareto_k"
"""Tail shape of importance weights: above 0.7 they cannot be relied on (unitless; an attr, and a column)."""

# --- slices without runs --------------------------------------------------------------------------
ONE_OF_THESE = "one of these"
"""A new slice that is an unknown one of those that were observed, not another one of their population."""

# --- blends ---------------------------------------------------------------------------------------
FAMILY = "family"
"""Of which of a blend's models a draw is, counted from 0 (posterior variable, dims chain and draw)."""

# --- groups of a fit's tree -----------------------------------------------------------------------
POSTERIOR = "posterior"
BACKTEST = "backtest"
"""Group of ``Fit.tree`` that holds the scores of forecasts made from part of the runs, where there are any."""
RUNS = "runs"  # group of ``Fit.tree`` that holds the runs the fit was made from
INNER = ("_deviation", "_logit", "_level")
"""Endings of names of the model's inner variables, which stand in the posterior in another form too."""
