"""The status page in Airflow: a plugin of the API server, its JSON API and what a browser runs."""
