{{ properties.greeting }} to {{ container.name }}, a {{ container.architecture }} container.
{% if config_get("user.owner", "") != "" %}It belongs to {{ config_get("user.owner", "") }}.
{% endif %}
