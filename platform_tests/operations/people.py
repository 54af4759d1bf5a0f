"""The data dictionary of a source `crm` with one table, `people`, whose rows carry the time of their change. No test stands here."""

from __future__ import annotations

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: crm
version: 1.0.0
status: active
schema:
  - name: people
    properties:
      - {name: id, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}
      - {name: name, logicalType: string}
      - {name: updated_at, logicalType: timestamp}
"""
