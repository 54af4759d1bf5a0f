"""What tables must look like: types, columns, rules and the contracts that state them. Knows no file, no database, no Dagster."""
