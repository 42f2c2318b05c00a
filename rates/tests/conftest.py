"""What tests share: one server for all, a database of its own for each."""

import pathlib
import sys

import pytest

RATES = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(RATES), str(RATES / "tests")]

from server import Server  # noqa: E402
from service import Service  # noqa: E402


@pytest.fixture(scope="session")
def server():
    server = Server()
    try:
        server.load("dump")
        server.execute("CREATE DATABASE migrated TEMPLATE dump")
        code, output = Service(server, "migrated", "/").run("ingest.migrate")
        assert code == 0, output
        yield server
    finally:
        server.remove()


_numbers = iter(range(10**6))


@pytest.fixture
def make(server, tmp_path):
    """Makes services that end with the test."""
    made = []

    def service(template="migrated", **settings):
        database = f"test_{next(_numbers)}"
        server.execute(f"CREATE DATABASE {database} TEMPLATE {template}")
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Service(server, database, folder, **settings))
        return made[-1]

    yield service
    for service in made:
        service.end()
        print(service.log())
        # Whoever is still connected was left by a process that was killed.
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (service.database,))
        server.execute(f"DROP DATABASE {service.database}")


@pytest.fixture
def service(make):
    """An API, and no worker yet."""
    service = make()
    service.api()
    return service
