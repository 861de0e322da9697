"""What a conversion file is and what a row becomes: pure, no network, no Airflow.

Importing this package is cheap: nothing here loads Polars. Import the modules that do the work where the work is done.
"""
