"""What is pulled from elsewhere: topics (one YAML file each), and a puller per kind of place. What becomes of a pull is not known here."""
