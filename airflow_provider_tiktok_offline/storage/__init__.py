"""Remote files behind one small protocol (SFTP, S3, GCS, local disk), and the object store that holds the state."""
