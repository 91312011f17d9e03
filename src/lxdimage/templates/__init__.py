"""The pongo2 template language on jinja2."""
