"""One module a kind of store: local disk, SFTP, S3, Google Cloud Storage."""
