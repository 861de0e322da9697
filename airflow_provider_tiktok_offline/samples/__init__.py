"""Sample files, the file template and the generated page about the file format."""
