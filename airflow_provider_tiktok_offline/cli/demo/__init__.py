"""The command ``demo``: a server, a simulator and Airflow, started, run and counted."""
