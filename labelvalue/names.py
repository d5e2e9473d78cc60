"""Every name that crosses a room's wall: dims, coordinates, variables and attributes.

Imports nothing, so that any module may use it. A column of the runs table, a dim of a posterior and
a key in an attrs mapping are written down here once, with unit and meaning, and nowhere else.
"""

# --- dims -----------------------------------------------------------------------------------------
RUN = "run"
"""One row of the runs table."""
CHAIN = "chain"
DRAW = "draw"
SLICE = "slice"
"""A subgroup of the data. Also a column of the runs table (text)."""
LEARNER = "learner"
"""The training recipe. Also a column of the runs table (text, default ``default``)."""
BUDGET = "budget"
"""Extra labels considered, counted from now (whole labels, ≥ 0)."""
LABELS = "labels"
"""Labels of a slice in a training set: a column of the runs table, and a dim of error forecasts."""

# --- further columns of the runs table ------------------------------------------------------------
ERRORS = "errors"
"""Wrong answers on the evaluation set (count)."""
TRIALS = "trials"
"""Size of the evaluation set (count)."""
VALUE = "value"
"""The metric itself, in the metric's own unit."""
STDERR = "stderr"
"""Standard error of ``value`` from the sampling of the evaluation set."""
OTHER_LABELS = "other_labels"
"""Labels of all other slices in the same training set (count, default 0)."""
REPLICATE = "replicate"
"""Re-draw of the training set or seed (whole number, default 0)."""
EVALUATION_SET = "evaluation_set"
"""Id of the evaluation set (text, default empty); runs that share one share its sampling noise."""
STRATEGY = "strategy"
"""How the labels were chosen (text, default ``random``)."""
SUITE = "suite"
"""Kind of evaluation set (text, default ``holdout``)."""
BATCH = "batch"
"""Batch of labels the run belongs to (text, default empty)."""
LABEL_NOISE = "label_noise"
"""Share of wrong labels in the training set, 0 ≤ x < 1 (default: not known, NaN)."""
SECONDS = "seconds"
"""Training time in seconds (default NaN)."""
MEASURED_AT = "measured_at"
"""Time of the measurement, UTC (default NaT)."""

ERROR = "error"
"""Observed error of a run, lower is better; derived by the reader from counts or from the metric."""

# --- posterior variables --------------------------------------------------------------------------
ERROR_NOW = "error_now"
"""Expected error at a slice's current labels (unit of the metric's error)."""
ELASTICITY = "elasticity"
"""− d log(error) / d log(labels) at the slice's current labels (unitless)."""
IMPACT = "impact"
"""Expected drop in error from one more label at the slice's current labels (error per label)."""
FLOOR = "floor"
"""Error that labels of this kind never remove (unit of the metric's error)."""
TRANSFER = "transfer"
"""Worth of one label of another slice in labels of this slice (unitless, may be negative)."""

# --- forecast variables ---------------------------------------------------------------------------
GAIN = "gain"
"""Drop in expected error from now to now + budget; positive is good."""
OBSERVED_GAIN = "observed_gain"
"""Drop that one new training and evaluation would show: gain plus training and evaluation noise."""
LABELS_NEEDED = "labels_needed"
"""Labels at which the expected error reaches a target; infinite where it never does."""
TARGET = "target"
"""Target error (a dim of ``labels_needed``)."""

# --- coordinates ----------------------------------------------------------------------------------
LABELS_NOW = "labels_now"
"""A slice's current labels: the largest observed, unless the user says otherwise."""
OTHER_LABELS_NOW = "other_labels_now"
"""Labels of all other slices that go with ``labels_now``."""
DOUBLINGS = "doublings"
"""Extrapolation distance beyond the largest observed size, in doublings of labels (0 inside the data)."""
FLAGS = "flags"
"""Data flags of a slice, joined by ``; `` (empty when there is none)."""

# --- attrs ----------------------------------------------------------------------------------------
METRIC = "metric"
DIRECTION = "direction"
UPPER = "upper"
"""Upper bound of the error, ``inf`` where there is none."""
SOURCE = "source"
SHA256 = "sha256"
NOTES = "notes"
"""JSON list of notes that must reach the report."""
CI_KIND = "ci_kind"
CI_PROB = "ci_prob"
UNIT = "unit"

# --- data flags -----------------------------------------------------------------------------------
BORROWED = "borrowed"
"""Fewer than three sizes: the forecast leans on the group."""
MOSTLY_ASSUMPTION = "mostly assumption"
"""The posterior of the impact is about as wide as its prior."""
SHAPE_MISFIT = "curve shape does not fit"
"""The observed curve is one that the model would hardly produce."""

# --- groups of a fit's tree -----------------------------------------------------------------------
POSTERIOR = "posterior"
RUNS = "runs"
"""Group of ``Fit.tree`` that holds the runs the fit was made from."""
