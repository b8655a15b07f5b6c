"""PostgreSQL: the pool, the named queries, the migrations and the embedded server. It must not know the engine, the edges or the time."""
