"""``simulate_runs`` with all its settings by name: which of them belong to the protocol, which to the execution."""

import dataclasses
import inspect

from labelvalue import Execution, Protocol, simulate_runs

AT_HAND = {*inspect.signature(simulate_runs).parameters} - {"protocol", "execution"}
HOW = {field.name for field in dataclasses.fields(Execution)}


def simulated(estimator, x, y, slices, protocol=None, **settings):
    how = Execution(**({"progress": False} | {name: settings.pop(name) for name in HOW & {*settings}}))
    rest = {name: settings.pop(name) for name in {*settings} - AT_HAND}
    rest = {name: value for name, value in rest.items() if value is not None}
    made = dataclasses.replace(protocol or Protocol(), **rest) if rest else protocol
    return simulate_runs(estimator, x, y, slices, protocol=made, execution=how, **settings)
