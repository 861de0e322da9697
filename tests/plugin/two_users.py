"""An auth manager of whose viewers one may read some DAGs, and the other the rest."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class TwoUsers(SimpleAuthManager):
    """Nora reads DAGs whose id ends in an even digit, Sven the others; who is no viewer reads all."""

    def is_authorized_dag(self, *, details: Any = None, user: Any, **more: Any) -> bool:
        return super().is_authorized_dag(details=details, user=user, **more) and (
            details is None or details.id is None or _may_read(user.get_name(), details.id)
        )

    def filter_authorized_dag_ids(self, *, dag_ids: set[str], user: Any, **more: Any) -> set[str]:
        allowed = super().filter_authorized_dag_ids(dag_ids=dag_ids, user=user, **more)
        return {dag_id for dag_id in allowed if _may_read(user.get_name(), dag_id)}


def _may_read(name: str, dag_id: str) -> bool:
    even = dag_id[-1:] in "02468"
    return {"nora": even, "sven": not even}.get(name, True)
