"""Where the read model can stand: a file of SQLite, or a database of PostgreSQL. One SQL text serves both."""
