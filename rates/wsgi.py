"""What gunicorn starts: `gunicorn -b :3000 wsgi`."""
# The name `application` is what WSGI servers look for.

from rates import create_app

application = create_app()
