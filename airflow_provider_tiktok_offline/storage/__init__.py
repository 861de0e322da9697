"""Stores of files (SFTP, S3, GCS, local disk) and of the state's objects, each behind one protocol."""
