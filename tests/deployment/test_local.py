"""docker-compose.local.yaml as processes: one machine, the LocalExecutor, state on a disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deployment.compose import LOCAL_FILE, ROOT
from tests.deployment.native import deployment, left_running
from tests.servers.simulator import ADVERTISER_ID, EVENT_SET_ID

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.deployment,
    pytest.mark.xdist_group("deployment"),
    pytest.mark.timeout(900),
]


def test_one_machine_delivers_a_file(tmp_path: Path) -> None:
    """The smoke script's file is taken to its end by a scheduler that runs the tasks itself."""
    machines, dags = tmp_path / "machines", tmp_path / "dags"
    machines.mkdir()
    dags.mkdir()
    with deployment(machines, file=LOCAL_FILE) as running:
        inbox = running.server.data / "outgoing"
        inbox.mkdir()
        (dags / "factory.py").write_text((ROOT / "dags" / "tiktok_offline_factory.py").read_text())
        (dags / "advertisers.yaml").write_text(
            yaml.safe_dump(
                {
                    "advertisers": [
                        {
                            "name": "smoke_shop",
                            "advertiser_id": ADVERTISER_ID,
                            "event_set_id": EVENT_SET_ID,
                            "mode": "live",
                            "currency": "USD",
                            "phone_region": "US",
                            "schedule": None,
                            "state_uri": "${TIKTOK_OFFLINE_STATE}",
                            "source": {
                                "conn_id": "sftp_corner_shop",
                                "path": f"{inbox}/smoke_shop_{{{{ ds_nodash }}}}.csv",
                                "settle_seconds": 0,
                                "poke_seconds": 2,
                            },
                        }
                    ]
                }
            )
        )
        running.start(dags)
        assert "worker-1" not in running.machines
        env = tmp_path / ".env"
        env.write_text("".join(f"{name}='{value}'\n" for name, value in running.secrets.items()))
        # fmt: off
        command = [
            sys.executable, str(ROOT / "scripts" / "smoke.py"), "--env", str(env), "--airflow", running.airflow.url,
            "--sftp-port", str(running.server.port), "--sftp-user", running.server.user,
            "--dag", "tiktok_offline__smoke_shop", "--remote", f"{inbox}/smoke_shop_%Y%m%d.csv", "--rows", "500",
            "--timeout", "300",
        ]
        # fmt: on
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ended.stdout.splitlines()[-1].startswith("success: 500 of 500 events accepted")
        assert len(running.api.event_ids()) == 500
        assert (machines / "state" / "event_sets" / EVENT_SET_ID / "meta.json").exists()
        assert running.store.client().list_buckets()["Buckets"] == []
    assert left_running(machines) == {}
