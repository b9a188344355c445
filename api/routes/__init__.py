"""Routes for people and programs, one module a subject; each route declares its permission (api/auth.py)."""
