"""Avro container files: their container, their schemas, their rows as tables."""
