"""XML of `mysqldump --xml` and `mysql --xml`."""
