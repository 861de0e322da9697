"""How long 1,000 advertisers take to parse, beside as many bare DAGs with the same number of empty tasks.

``python -m benchmarks.factory [--small]``: processor seconds, both in fresh processes in turn, median of the ratios.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_BARE = """
import os, sys, time
from datetime import datetime, timedelta, timezone
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

started = time.process_time()
for number in range(int(sys.argv[1])):
    with DAG(
        f"bare_{number}", schedule="0 6 * * *", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False,
        max_active_runs=1, default_args={"owner": "airflow", "retries": 3, "retry_delay": timedelta(seconds=60)},
        tags=["tiktok"],
    ) as dag:
        tasks = [EmptyOperator(task_id=name) for name in ("wait", "prepare", "upload", "close")]
        for before, after in zip(tasks, tasks[1:]):
            before >> after
    globals()[dag.dag_id] = dag
print(time.process_time() - started)
"""

_FACTORY = """
import sys, time
from airflow_provider_tiktok_offline.dag_factory import build_dags

started = time.process_time()
built = build_dags({"__file__": sys.argv[2]}, "advertisers.yaml")
print(time.process_time() - started)
assert len(built) == int(sys.argv[3])
"""

_ENTRY = """
  - name: shop_{number}
    advertiser_id: "{number:019d}"
    event_set_id: "{number:019d}"
    source: {{conn_id: sftp_shop_{number}, path: "/outgoing/sales_{{{{ ds_nodash }}}}.csv"}}
    schedule: "{minute} 6 * * *"
    time_zone: Europe/Berlin
    currency: EUR
    phone_region: DE
    tags: [team_{team}]
"""

_HEAD = """
defaults:
  mode: live
  tiktok_conn_id: tiktok_default
  state_uri: s3://aws_state@conversions/state
  max_rejected_ratio: 0.05
  retries: 3
advertisers:
"""


def _seconds(code: str, *arguments: str, environment: dict[str, str]) -> float:
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return float(ended.stdout.strip().splitlines()[-1])


def main() -> None:
    """Measure and print."""
    import os

    small = "--small" in sys.argv
    count, rounds = (100, 1) if small else (1000, 5)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "AIRFLOW_HOME": folder}
        home = Path(folder)
        (home / "advertisers.yaml").write_text(
            _HEAD + "".join(_ENTRY.format(number=n, minute=n % 60, team=n % 10) for n in range(count))
        )
        dag_file = str(home / "shops.py")
        ratios, bare, built = [], [], []
        for _ in range(rounds):
            bare.append(_seconds(_BARE, str(count), environment=environment))
            built.append(_seconds(_FACTORY, str(count), dag_file, str(count), environment=environment))
            ratios.append(built[-1] / bare[-1])
        one = _seconds(
            _FACTORY,
            str(count),
            dag_file,
            "1",
            environment={**environment, "_AIRFLOW_PARSING_CONTEXT_DAG_ID": f"tiktok_offline__shop_{count // 2}"},
        )
    print(f"{count} bare DAGs of 4 tasks: {statistics.median(bare):.2f} s")
    print(f"{count} advertisers through build_dags: {statistics.median(built):.2f} s")
    print(f"ratio (median of {rounds}): {statistics.median(ratios):.2f} (at most 1.20)")
    print(f"a task's start builds one DAG of {count}: {one:.3f} s")


if __name__ == "__main__":
    main()
