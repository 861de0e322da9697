"""DAGs of the same shape from one pattern, at a fraction of the cost of building each.

Airflow spends some 300 microseconds on each operator's ``__init__``; a copy of one takes 15. Only a parse of all DAGs
uses this: a task that starts builds its own DAG in the ordinary way.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, MappedOperator, XComArg

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator


def add_twins(pattern: DAG, dag: DAG, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Give a DAG without tasks copies of another DAG's tasks.

    :param pattern: a DAG without task groups.
    :param dag: an empty DAG.
    :param changes: task id -> attributes in which the copy differs.
    """
    twins: dict[str, Any] = {}
    for task in pattern.tasks:
        twin: Any = copy.copy(task)
        if isinstance(twin, MappedOperator):
            _unlike_mapped(twin, changes[task.task_id], twins)
        else:
            _unlike(twin, changes[task.task_id], twins)
        twins[task.task_id] = twin
        dag.task_group.add(twin)
        dag.add_task(twin)


def _unlike(twin: BaseOperator, changes: Mapping[str, Any], twins: Mapping[str, Any]) -> None:
    own = vars(twin)
    own.update(
        _dag=None,
        task_group=None,
        start_date=None,
        upstream_task_ids=set(twin.upstream_task_ids),
        downstream_task_ids=set(twin.downstream_task_ids),
        **changes,
    )
    own.update({name: _of_twin(own[name], twins) for name in twin.template_fields if isinstance(own[name], XComArg)})
    # What the operator was made with; Airflow looks at it when a task is mapped.
    made = own["_BaseOperator__init_kwargs"]
    own["_BaseOperator__init_kwargs"] = {name: own.get(name, value) for name, value in made.items() if name != "dag"}


def _unlike_mapped(twin: Any, changes: Mapping[str, Any], twins: Mapping[str, Any]) -> None:
    twin.dag = None
    twin.task_group = None
    twin.upstream_task_ids = set(twin.upstream_task_ids)
    twin.downstream_task_ids = set(twin.downstream_task_ids)
    twin.partial_kwargs = {**twin.partial_kwargs, **changes}
    twin.partial_kwargs.pop("start_date", None)
    twin.expand_input = type(twin.expand_input)(
        {name: _of_twin(value, twins) for name, value in twin.expand_input.value.items()}
    )


def _of_twin(argument: Any, twins: Mapping[str, Any]) -> XComArg:
    return XComArg(twins[argument.operator.task_id], argument.key)
