"""SQL text dumps of MySQL and MariaDB."""
