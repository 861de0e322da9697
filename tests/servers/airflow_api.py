"""A running Airflow as a person at a terminal drives it: its REST API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from tests.servers.waiting import wait_until


class AirflowApi:
    """The REST API of an Airflow with the simple auth manager.

    :param url: where its API server answers.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=120)

    def healthy(self) -> bool:
        """Whether scheduler, triggerer and DAG processor have all shown a sign of life."""
        try:
            parts = self._http.get("/api/v2/monitor/health").json()
        except (httpx.HTTPError, ValueError):
            return False
        return all(parts[name]["status"] == "healthy" for name in ("scheduler", "triggerer", "dag_processor"))

    def login(self, user: str | None = None, password: str | None = None) -> None:
        """Take a token for all that follows; without a user, from an Airflow that takes everybody for an admin."""
        login = {"username": user, "password": password}
        answer = self._http.get("/auth/token") if user is None else self._http.post("/auth/token", json=login)
        self._http.headers["Authorization"] = f"Bearer {_body(answer)['access_token']}"

    def get(self, path: str, **parameters: Any) -> Any:
        """Read; the path is that below ``/api/v2``."""
        return _body(self._http.get(f"/api/v2{path}", params=parameters))

    def page(self, url: str) -> str:
        """What a browser shows there."""
        return self._http.get(url).raise_for_status().text

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make something."""
        return _body(self._http.post(f"/api/v2{path}", json=body))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change something."""
        return _body(self._http.patch(f"/api/v2{path}", json=body))

    def knows(self, dag_id: str) -> bool:
        """Whether the DAG processor has handed it a DAG of that id."""
        return self._http.get(f"/api/v2/dags/{dag_id}").is_success

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs begin."""
        self.patch(f"/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run by hand, without a logical date, as the button does; gives its id."""
        run: dict[str, Any] = self.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
        return str(run["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG."""
        return list(self.get(f"/dags/{dag_id}/dagRuns", limit=100)["dag_runs"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """How a run stands."""
        return str(self.get(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Task (with its map index, as ``upload[0]``) -> its instance."""
        found = self.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=200)["task_instances"]
        return {
            one["task_id"] if one["map_index"] < 0 else f"{one['task_id']}[{one['map_index']}]": one for one in found
        }

    def task_state(self, dag_id: str, run_id: str, task_id: str) -> str | None:
        """How a task of a run stands."""
        state: str | None = self.tasks(dag_id, run_id)[task_id]["state"]
        return state

    def finished(self, dag_id: str, run_id: str) -> str:
        """Wait for the end of a run; gives its state."""
        wait_until(lambda: self.run_state(dag_id, run_id) in ("success", "failed"), f"end of {dag_id}, {run_id}")
        return self.run_state(dag_id, run_id)

    def log(self, dag_id: str, run_id: str, task: str, try_number: int | None = None) -> list[tuple[str, str]]:
        """Level and sentence of each line that a task (or ``upload[0]``) has logged.

        :param try_number: of the try; the last one if None.
        """
        lines = self.lines(dag_id, run_id, task, try_number)
        return [(line.get("level", ""), line.get("event", "")) for line in lines]

    def lines(self, dag_id: str, run_id: str, task: str, try_number: int | None = None) -> list[dict[str, Any]]:
        """Each line that a task has logged, with all its fields; as for :meth:`log`."""
        instance = self.tasks(dag_id, run_id)[task]
        wanted = try_number or instance["try_number"]
        said = self.get(
            f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{instance['task_id']}/logs/{wanted}",
            map_index=instance["map_index"],
            full_content=True,
        )
        return [line for line in said["content"] if isinstance(line, dict)]

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Clear every task of a run, as *Clear Run* does."""
        self.post(f"/dags/{dag_id}/dagRuns/{run_id}/clear", {"dry_run": False})

    def clear_task(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear a task and what follows it, as *Clear Task* does."""
        self.post(
            f"/dags/{dag_id}/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": [task_id],
                "include_downstream": True,
                "only_failed": False,
            },
        )


def _body(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json()
