"""PostgreSQL as a warehouse: what only a server can show."""
