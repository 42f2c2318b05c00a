"""What gunicorn starts: `gunicorn -b :3000 wsgi`."""

from rates import create_app

application = create_app()
