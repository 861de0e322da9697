"""Airflow operators, one a step of a delivery; each calls the function of the same name in `delivery`."""
