"""The worker's own checks."""

from burn_pg.hosting import worker


def test_a_python_that_is_too_old_is_refused(monkeypatch):
    serve = worker().serve
    assert serve.too_old() is None
    monkeypatch.setattr(serve, "OLDEST_PYTHON", (99, 1))
    assert "burn-pg needs 99.1 or later" in serve.too_old()


def test_an_exception_without_a_message_is_explained_by_its_name():
    explained = worker().serve.explain(KeyError())
    assert explained["kind"] == explained["message"] == "KeyError" and explained["missing"] is None
